"""Read the CSV tables of ``data/``: one published fact a row, with unit, basis and source."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netmodel import units
from netmodel.errors import InputError, unknown_name

DATA = Path(__file__).parent / "data"
KINDS = ("accelerators", "links", "switches", "nics", "nodes", "prices")
"""Kinds that a CSV holds; models are JSON files."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One published value.

    Attributes
    ----------
    value : float or str
        In SI (bytes, seconds, B/s, FLOP/s, W, USD), or the text of a fact that is a word.
    stated, unit : str
        The number and the unit as the source states them.
    basis : str
        ``rated`` (a data sheet, or arithmetic on one), ``measured``, or ``assumed`` (nothing was
        published; the source says what it was taken from).
    source : str
        Who published it.
    """

    value: float | str
    stated: str
    unit: str
    basis: str
    source: str


@cache
def rows(kind: str) -> Mapping[str, Mapping[str, Fact]]:
    """Facts of one kind, by canonical name and field, in the order of the file."""
    table: dict[str, dict[str, Fact]] = {}
    with (DATA / f"{kind}.csv").open(encoding="utf-8", newline="") as lines:
        for name, field, stated, unit, basis, source in list(csv.reader(lines))[1:]:
            value = stated if unit == "text" else units.convert(float(stated), unit)
            table.setdefault(name, {})[field] = Fact(value, stated, unit, basis, source)
    return table


@cache
def aliases(kind: str) -> Mapping[str, str]:
    """Return every lower-case name of one kind, canonical ones included, to its canonical name."""
    return read_aliases(kind) | {key(name): name for name in rows(kind)}


def read_aliases(kind: str) -> dict[str, str]:
    """Return the rows of ``aliases.csv`` for one kind: alias to name."""
    with (DATA / "aliases.csv").open(encoding="utf-8", newline="") as lines:
        return {alias: name for of, alias, name in csv.reader(lines) if of == kind}


def canonical(kind: str, name: str, noun: str, where: str = "") -> str:
    """Return the canonical name for any spelling of it.

    Raises
    ------
    InputError
        When no row has that name or alias; it offers the near ones.
    """
    found = aliases(kind).get(key(name))
    if found is None:
        raise unknown_name(noun, str(name), aliases(kind), where=where)
    return found


def key(name: str) -> str:
    """Return a name as the alias table spells it: lower case, dashes for blanks."""
    return "-".join(str(name).strip().lower().replace("_", " ").split())


def number(facts: Mapping[str, Fact], field: str) -> float | None:
    """Return the SI value of a field, or None where nothing was published.

    Raises
    ------
    InputError
        When the field holds a word.
    """
    fact = facts.get(field)
    if fact is None:
        return None
    if isinstance(fact.value, str):
        raise InputError(f"{field} is the text {fact.value!r}, not a number")
    return fact.value


def need(facts: Mapping[str, Fact], field: str) -> float:
    """Return the SI value of a field that the row cannot do without.

    Raises
    ------
    InputError
        When the row lacks it.
    """
    value = number(facts, field)
    if value is None:
        raise InputError(f"the row has no field {field!r}")
    return value


def whole(facts: Mapping[str, Fact], field: str, default: int = 0) -> int:
    """Return the count in a field, or ``default``."""
    value = number(facts, field)
    return default if value is None else int(value)


def word(facts: Mapping[str, Fact], field: str, default: str = "") -> str:
    """Return the text in a field, or ``default``."""
    fact = facts.get(field)
    return default if fact is None else str(fact.value)


def above_zero(kind: str, name: str, **values: Any) -> None:
    """Refuse a row whose named values are not all above zero (NaN included).

    Raises
    ------
    InputError
        Naming the row and the field.
    """
    for field, value in values.items():
        if not value > 0:
            raise InputError(
                f"{field} is {value!r}, it must be above zero", where=f"{kind} {name!r}"
            )


def release(version: str) -> tuple[int, ...]:
    """Order releases: ``"25.02.01"`` gives ``(25, 2, 1)``."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
