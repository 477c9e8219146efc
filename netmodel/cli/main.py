"""The group of verbs; each is imported only when it is called."""

from __future__ import annotations


def run() -> None:
    """Run the command line and exit with its code."""
    raise SystemExit("netmodel: no verb is built yet")
