"""Kinds of text that options take: each parses one, or fails with a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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


class Tokens(ParamType):
    """A number of tokens: ``14.8T``, ``300B``, ``1.5e12``; prefixes are decimal."""

    name = "tokens"
    scales: Mapping[str, float] = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse the text; a number passes through."""
        if not isinstance(value, str):
            return float(value)
        match = re.fullmatch(r"\s*([0-9.]+(?:e[+]?[0-9]+)?)\s*([KMBT]?)\s*", value, re.IGNORECASE)
        number = match[1] if match and match[1].count(".") < 2 and match[1].strip(".") else ""
        if match is None or not number or not float(number) > 0:
            raise InputError(
                f"{value!r} is not a number of tokens",
                where=_where(param),
                remedy="Write e.g. 14.8T, 300B or 1.5e12.",
            )
        return float(number) * self.scales[match[2].upper()]


class Named(ParamType):
    """``NAME=QUANTITY``, as a pair: ``Named("price", units.parse_money, "DGX-H100=$310k")``."""

    def __init__(self, name: str, parse: Callable[..., Any], example: str) -> None:
        self.name = name
        self.parse = parse
        self.example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Part the text and parse its quantity."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            raise InputError(
                f"{value!r} is not NAME=VALUE",
                where=_where(param),
                remedy=f"Write e.g. {self.example}.",
            )
        return name.strip(), self.parse(text, where=f"{_where(param)} {name.strip()}")


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
TOKENS = Tokens()
