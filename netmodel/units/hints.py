"""Why a unit was refused, and what may have been meant."""

from __future__ import annotations

import difflib
import re

from netmodel.errors import InputError
from netmodel.units.table import DECIMAL, DIMENSIONS, UNITS, WORDS, lookup


def quoted(text: str) -> str:
    """Quote a text as an error message shows it: one line, not longer than a field."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def unit_error(text: str, value: float, unit: str, kind: str, where: str) -> InputError:
    """Say why this unit will not do here, and what may have been meant."""
    hints = {"bandwidth": _bandwidth_hint, "size": _size_hint}
    hint = hints[kind](f"{value:.12g}", value, unit) if kind in hints and unit else None
    found, remedy = hint or _plain_hint(unit, kind)
    return InputError(f"{quoted(text)} {found}", where=where, remedy=remedy)


def _plain_hint(unit: str, kind: str) -> tuple[str, str]:
    """Say what is wrong with a missing, foreign or unknown unit, and the remedy."""
    noun, example = DIMENSIONS[kind].noun, DIMENSIONS[kind].example
    if not unit:
        return "has no unit", f"{noun.capitalize()} needs one, e.g. {example}."
    known = lookup(unit)
    if known:
        return f"is {DIMENSIONS[known[0]].noun}, not {noun}", f"Write e.g. {example}."
    near = _near_units(unit, kind)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"Write e.g. {example}."
    return f"has the unknown unit {quoted(unit)}", remedy


def _bandwidth_hint(n: str, value: float, unit: str) -> tuple[str, str] | None:
    """Say what a rate without its ``/s``, or without the case of its ``b``, may mean."""
    known = lookup(unit)
    if known and known[0] in ("size", "bits"):
        return f"is {DIMENSIONS[known[0]].noun}, not a bandwidth", f"Write '{n} {unit}/s'."
    if known:
        return None
    bare = re.fullmatch(r"([kmgtpe])(/s)?", unit, re.I)
    folded = re.fullmatch(r"([kmgtpe])(i?)b(/s|ps)?", unit, re.I)
    if not bare and not folded:
        return None
    prefix = _prefix(unit) + ("i" if folded and folded[2] else "")
    bits = f"'{n} {prefix}b/s' ({value / 8:.12g} {prefix}B/s)"
    return "may mean bits or bytes", f"Write {bits} or '{n} {prefix}B/s'."


def _size_hint(n: str, value: float, unit: str) -> tuple[str, str] | None:
    """Say what a size in bits, or without its ``B``, may mean."""
    prefix = _prefix(unit)
    known = lookup(unit)
    if known and known[0] == "bits":
        prefix += "i" if unit[1:2] == "i" and unit[2:3] == "b" else ""
        eighth = f"{value / 8:.12g}{prefix}B"
        return "counts bits, not bytes", f"Write {eighth}, or {n}{prefix}B if bytes were meant."
    if known:
        return None
    if re.fullmatch(r"[kmgtpe]", unit, re.I):
        binary = f"{n}{prefix.upper()}iB (as nccl-tests reads it)"
        return "may mean powers of 1000 or of 1024", f"Write {binary} or {n}{prefix}B."
    folded = re.fullmatch(r"[kmgtpe](i?)b?", unit, re.I)
    if folded:
        prefix = prefix.upper() + "i" if folded[1] else prefix
        return f"has the unknown unit {quoted(unit)}", f"Write {n}{prefix}B."
    return None


def _prefix(unit: str) -> str:
    """Return the decimal prefix that a unit starts with, in its proper case."""
    first = unit[:1].upper()
    return {"K": "k"}.get(first, first if first in DECIMAL else "")


def _near_units(unit: str, kind: str) -> list[str]:
    """List known units of the dimension that differ by case, else the closest spellings."""
    mine = [name for table in (UNITS, WORDS) for name, (of, _) in table.items() if of == kind]
    same = [name for name in mine if name.lower() == unit.lower()]
    if same or kind.startswith("money"):  # a foreign currency resembles no unit that was meant
        return same[:2]
    return difflib.get_close_matches(unit, mine, n=2, cutoff=0.5)
