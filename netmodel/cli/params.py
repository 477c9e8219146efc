"""Kinds of text that options take: each parses one, or fails with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.errors import InputError

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # generic only since Click 8.4
    ParamType = click.ParamType

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (*PICTURES, ".html", ".csv", ".json", ".yaml")
RANGE = ".."


def _where(param: click.Parameter | None) -> str:
    """Name the option as the user typed it."""
    return param.opts[0] if param is not None and param.opts else ""


class Counts(ParamType):
    """Numbers of GPUs: ``2048``, ``64,128,256``, or ``256..65536``, which doubles.

    A range always holds its two ends. Gives a tuple of growing, different integers.
    """

    name = "gpus"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the text; a tuple passes through."""
        if isinstance(value, tuple):
            return value
        where = _where(param)
        counts: set[int] = set()
        for part in str(value).split(","):
            low, dots, high = part.strip().partition(RANGE)
            if dots:
                counts.update(_doubling(_count(low, where), _count(high, where), where, part))
            else:
                counts.add(_count(low, where))
        return tuple(sorted(counts))


class Count(Counts):
    """One number of GPUs."""

    name = "gpus"

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse the text as one count."""
        return value if isinstance(value, int) else _count(str(value), _where(param))


def _count(text: str, where: str) -> int:
    """Parse one whole number above zero."""
    try:
        count = int(text.strip().replace("_", ""))
    except ValueError:
        raise InputError(
            f"{text.strip()!r} is no number of GPUs",
            where=where,
            remedy="Write 2048, 64,128,256 or 256..65536 (doubling).",
        ) from None
    if count < 1:
        raise InputError(f"{count} GPUs, at least 1 is needed", where=where)
    return count


def _doubling(low: int, high: int, where: str, text: str) -> list[int]:
    """Return low, 2 low, 4 low, ..., high."""
    if high < low:
        raise InputError(
            f"the range {text.strip()!r} ends below its start",
            where=where,
            remedy=f"Write {high}..{low}.",
        )
    counts = []
    while low < high:
        counts.append(low)
        low *= 2
    return [*counts, high]


class Sizes(ParamType):
    """Message sizes [B]: ``64MiB``, ``1KiB,1MiB``, or ``8..16GiB``, which doubles.

    A bare number is bytes, as nccl-tests reads ``-b 8``.
    """

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the text; a tuple passes through."""
        if isinstance(value, tuple):
            return value
        where = _where(param)
        sizes: set[int] = set()
        for part in str(value).split(","):
            low, dots, high = part.strip().partition(RANGE)
            if dots:
                sizes.update(_doubling(_size(low, where), _size(high, where), where, part))
            else:
                sizes.add(_size(low, where))
        return tuple(sorted(sizes))


def _size(text: str, where: str) -> int:
    """Parse one size above zero, in whole bytes."""
    from netmodel.units import parse_size

    plain = text.strip()
    size = int(plain) if plain.isdigit() else round(parse_size(plain, where=where))
    if size < 1:
        raise InputError(f"{text.strip()!r} is less than one byte", where=where)
    return size


class Quantity(ParamType):
    """A number with its unit, in SI: ``Quantity("rate", units.parse_bandwidth)``."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Parse the text; a number is taken as SI already."""
        return self.parse(value, where=_where(param)) if isinstance(value, str) else value


class Output(ParamType):
    """A file to write, whose suffix says the format.

    Parameters
    ----------
    pictures : bool
        Whether the verb draws anything.
    """

    name = "file"

    def __init__(self, *, pictures: bool = True) -> None:
        self.suffixes = tuple(each for each in SUFFIXES if pictures or each not in PICTURES)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Refuse a suffix that the verb has no writer for, before any work starts."""
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
            raise InputError(
                f"{path} has {found}", where="-o", remedy=f"Use one of {', '.join(self.suffixes)}."
            )
        if path.is_dir():
            raise InputError(f"{path} is a folder", where="-o", remedy="Name a file.")
        return path


GPUS = Counts()
GPU_COUNT = Count()
SIZES = Sizes()
