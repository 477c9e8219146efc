"""Columns of a published row: what is there, as a number."""

from __future__ import annotations

from collections.abc import Mapping

from netmodel.errors import InputError

Row = Mapping[str, str]


def need(row: Row, column: str) -> str:
    """Return what a column says; an :class:`InputError` where the source leaves it out."""
    if not row.get(column):
        raise InputError(f"the source does not state {column}")
    return row[column]


def number(row: Row, column: str, unit: float = 1.0) -> float | None:
    """Return a column as a number in SI, None where the source leaves it out."""
    return float(row[column]) * unit if row.get(column) else None


def whole(row: Row, column: str) -> int | None:
    """Return a column as a whole number, None where the source leaves it out."""
    return int(float(row[column])) if row.get(column) else None
