"""How far a verb is: only past a second, only on a terminal, gone when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE = 1.0
"""Seconds of silence before the first word."""


class Report(Protocol):
    """What a study calls after each of its parts."""

    def __call__(self, done: int, total: int) -> None:
        """Say that so many of so many parts are done."""


@contextmanager
def progress(what: str) -> Iterator[Report | None]:
    """Give a study something to report to, or None where nobody looks.

    >>> with progress("sizes") as report:
    ...     report is None or report(1, 9)
    True
    """
    stream = sys.stderr
    if not stream.isatty():
        yield None
        return
    start = time.monotonic()
    shown = False

    def report(done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - start > PATIENCE:
            shown = True
            stream.write(f"\r\x1b[2K{done:,} of {total:,} {what}")
            stream.flush()

    try:
        yield report
    finally:
        if shown:
            stream.write("\r\x1b[2K")
            stream.flush()
