"""``python -m netmodel`` and the ``netmodel`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from netmodel.cli.main import run

    run()


if __name__ == "__main__":
    main()
