"""Kinds of text that options take: each parses one, or fails with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.errors import InputError
from netmodel.units import parse_count, parse_counts, parse_sizes

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # generic only since Click 8.4
    ParamType = click.ParamType

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (*PICTURES, ".html", ".csv", ".json", ".yaml")


def _where(param: click.Parameter | None) -> str:
    """Name the option as the user typed it."""
    return param.opts[0] if param is not None and param.opts else ""


class Counts(ParamType):
    """Numbers of GPUs, as a tuple: ``2048``, ``64,128,256``, or ``256..65536``, which doubles."""

    name = "gpus"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the text; counts come out growing and different."""
        if isinstance(value, tuple):
            return value
        return tuple(sorted(set(parse_counts(value, where=_where(param)))))


class Count(ParamType):
    """One whole number from 1 up."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the text; a number passes through."""
        return parse_count(value, where=_where(param))


class Sizes(ParamType):
    """Message sizes [B], as a tuple: ``64MiB``, ``1KiB,1MiB``, or ``8..16GiB``, which doubles."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse the text; sizes come out growing and different."""
        if isinstance(value, tuple):
            return value
        return tuple(sorted(set(parse_sizes(value, where=_where(param)))))


class Quantity(ParamType):
    """A number with its unit, in SI: ``Quantity("rate", units.parse_bandwidth)``."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text; a number is taken as SI already."""
        return self.parse(value, where=_where(param)) if isinstance(value, str) else value


class Output(ParamType):
    """A file to write, whose suffix says the format.

    Parameters
    ----------
    pictures : bool
        Whether the verb draws anything.
    suffixes : tuple of str
        The formats that there are.
    """

    name = "file"

    def __init__(self, *, pictures: bool = True, suffixes: tuple[str, ...] = SUFFIXES) -> None:
        self.suffixes = tuple(each for each in suffixes if pictures or each not in PICTURES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuse a suffix that the verb has no writer for, before any work starts."""
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
            raise InputError(
                f"{path} has {found}",
                where=_where(param),
                remedy=f"Use one of {', '.join(self.suffixes)}.",
            )
        if path.is_dir():
            raise InputError(f"{path} is a folder", where=_where(param), remedy="Name a file.")
        return path


GPUS = Counts()
COUNT = Count()
SIZES = Sizes()
