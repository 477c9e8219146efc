"""Turn quantities that people write into SI numbers."""

from __future__ import annotations

import math
import re

from netmodel.errors import InputError
from netmodel.units.hints import quoted, unit_error
from netmodel.units.table import DIMENSIONS, lookup

_CLEAN = str.maketrans({"µ": "u", "μ": "u", "\u00a0": " ", "\u202f": " ", "−": "-", "×": "x"})
_NUMBER = r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_QUANTITY = re.compile(rf"({_NUMBER}|[+-]?(?:inf|infinity|nan)(?![a-z]))\s*(.*)", re.I | re.S)
_PART = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)\s*")


def _split(text: str, kind: str, where: str) -> tuple[float, str]:
    """Return number and unit of a text; refuse what is no finite number from zero up."""
    noun, example = DIMENSIONS[kind].noun, DIMENSIONS[kind].example
    remedy = f"Write e.g. {example}."
    clean = text.translate(_CLEAN).replace("US$", "$").strip()
    dollar = clean.startswith("$")
    match = _QUANTITY.fullmatch(clean.removeprefix("$").lstrip())
    shown = quoted(text)
    if match is None:
        raise InputError(f"{shown} is not {noun}", where=where, remedy=remedy)
    number, unit = match[1].rstrip("_"), "".join(match[2].split())
    if unit.startswith(","):
        raise InputError(
            f"{shown} has a comma in its number", where=where, remedy="Write 1000.5, not 1,000.5."
        )
    value = float(number.replace("_", "")) + 0.0  # no negative zero
    if not math.isfinite(value):
        raise InputError(f"{shown} is not a finite number", where=where, remedy=remedy)
    if value < 0:
        raise InputError(f"{shown} is below zero", where=where, remedy=remedy)
    if dollar:
        amount, slash, per = unit.partition("/")
        unit = f"{amount}USD{slash}{per}"
    return value, unit.replace("$", "USD")


def _parse(text: str | float, kind: str, where: str, *, bare: float | None = None) -> float:
    """Parse one quantity of one dimension; ``bare`` is the SI size of a number without unit."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise InputError(
            f"{text!r} is not {DIMENSIONS[kind].noun}",
            where=where,
            remedy=f"Write e.g. {DIMENSIONS[kind].example}.",
        )
    text = text if isinstance(text, str) else repr(text)
    value, unit = _split(text, kind, where)
    if not unit and bare is not None:
        scale = bare
    else:
        known = lookup(unit) if unit else None
        if known is None or known[0] != kind:
            raise unit_error(text, value, unit, kind, where)
        scale = known[1]
    result = value * scale
    if not math.isfinite(result):
        raise InputError(f"{quoted(text)} is too large", where=where)
    return result


def parse_bandwidth(text: str | float, where: str = "") -> float:
    """Return a bandwidth [B/s]: ``50 GB/s``, ``400Gbps``, ``400 Gbit/s``, ``25GiB/s``.

    >>> parse_bandwidth("8G")
    Traceback (most recent call last):
    netmodel.errors.InputError: '8G' may mean bits or bytes. Write '8 Gb/s' (1 GB/s) or '8 GB/s'.

    Raises
    ------
    InputError
        When the text is no bandwidth above zero, or may mean bits or bytes.
    """
    value = _parse(text, "bandwidth", where)
    if value == 0:
        raise InputError(
            "a bandwidth must be above zero", where=where, remedy="Write e.g. 50 GB/s."
        )
    return value


def parse_size(text: str | float, where: str = "") -> float:
    """Return a size [B]: ``8`` (bytes), ``256MB``, ``1GiB``; a bare ``16G`` is refused.

    Raises
    ------
    InputError
        When the text is no size, counts bits, or may mean powers of 1000 or 1024.
    """
    return _parse(text, "size", where, bare=1.0)


def parse_time(text: str | float, where: str = "") -> float:
    """Return a time [s]: ``500 ns``, ``3.7 µs``, ``2 h``, ``54.25 days``, ``1h30min``.

    Raises
    ------
    InputError
        When the text is no time.
    """
    if isinstance(text, str):
        parts = _PART.findall(text.translate(_CLEAN).strip())
        whole = "".join(number + unit for number, unit in parts)
        if len(parts) > 1 and whole == "".join(text.translate(_CLEAN).split()):
            return sum(_parse(number + unit, "time", where) for number, unit in parts)
    return _parse(text, "time", where)


def parse_flops(text: str | float, where: str = "") -> float:
    """Return a compute rate [FLOP/s]: ``989 TFLOP/s``, ``1.98 PFLOPS``.

    Raises
    ------
    InputError
        When the text is no compute rate above zero.
    """
    value = _parse(text, "flops", where)
    if value == 0:
        raise InputError(
            "a compute rate must be above zero", where=where, remedy="Write e.g. 989 TFLOP/s."
        )
    return value


def parse_power(text: str | float, where: str = "") -> float:
    """Return a power [W]: ``700 W``, ``10.2 kW``, ``3 MW``.

    Raises
    ------
    InputError
        When the text is no power.
    """
    return _parse(text, "power", where)


def parse_money(text: str | float, where: str = "") -> float:
    """Return an amount [USD]: ``36000 USD``, ``$36k``, ``5.6 M$``.

    Raises
    ------
    InputError
        When the text is no amount of US dollars.
    """
    return _parse(text, "money", where)


def parse_money_rate(text: str | float, where: str = "") -> float:
    """Return a price per time [USD/s]: ``2 USD/h``, ``$2/GPU-h``.

    Raises
    ------
    InputError
        When the text is no price per time.
    """
    return _parse(text, "money_rate", where)


def parse_energy_price(text: str | float, where: str = "") -> float:
    """Return a price of energy [USD/J]: ``0.10 USD/kWh``.

    Raises
    ------
    InputError
        When the text is no price of energy.
    """
    return _parse(text, "energy_price", where)


def parse_length(text: str | float, where: str = "") -> float:
    """Return a length [m]: ``30 m``, ``2 km``.

    Raises
    ------
    InputError
        When the text is no length.
    """
    return _parse(text, "length", where)


def parse_fraction(text: str | float, where: str = "") -> float:
    """Return a fraction from 0 to 1: ``75%``, ``0.75``.

    Raises
    ------
    InputError
        When the text is no number, or lies above one.
    """
    value = _parse(text, "fraction", where, bare=1.0)
    if value > 1:
        plain = 1 < value <= 100 and "%" not in str(text) and "per" not in str(text)
        raise InputError(
            f"{quoted(str(text))} is above one",
            where=where,
            remedy=f"Write {value:g}% or {value / 100:g}." if plain else "Write at most 100%.",
        )
    return value


def parse_count(text: str | float, where: str = "") -> int:
    """Return one count, a whole number from 1 up.

    >>> parse_count("65k")
    Traceback (most recent call last):
    netmodel.errors.InputError: '65k' may mean 65000 or 66560. Write the whole number.

    Raises
    ------
    InputError
        When the text is no whole number from 1 up.
    """
    shown = quoted(str(text))
    match = re.fullmatch(r"([0-9.]+)\s*([kKmM])", str(text).strip())
    if match and match[1].count(".") < 2 and match[1] != ".":
        power = 1 if match[2] in "kK" else 2
        low, high = (f"{float(match[1]) * base**power:.12g}" for base in (1000, 1024))
        raise InputError(
            f"{shown} may mean {low} or {high}", where=where, remedy="Write the whole number."
        )
    if isinstance(text, str) and re.fullmatch(r"\s*[0-9]{1,3}(,[0-9]{3})+\s*", text):
        raise InputError(
            f"{shown} has a comma",
            where=where,
            remedy=f"Write {text.strip().replace(',', '')}; commas separate several counts.",
        )
    value = _parse(text, "count", where, bare=1.0)
    if value != int(value) or value < 1:
        raise InputError(f"{shown} is not a whole number from 1 up", where=where)
    return int(value)


def parse_counts(text: str | int, where: str = "") -> list[int]:
    """Return several counts: ``2048``, ``64,128,256``, or ``256..65536`` (doubling).

    >>> parse_counts("256..2048,3000")
    [256, 512, 1024, 2048, 3000]

    Raises
    ------
    InputError
        When a part is no whole number from 1 up, or a range ends before it starts.
    """
    counts: list[int] = []
    for part in str(text).split(","):
        first, dots, last = part.partition("..")
        ends = [parse_count(end, where) for end in ((first, last) if dots else (part,))]
        counts += [int(value) for value in _doubling(ends[0], ends[-1], part, where)]
    return counts


def parse_sizes(text: str | float, where: str = "") -> list[float]:
    """Return several sizes [B]: ``1GiB``, ``1MB,8MB``, or ``8..16GiB`` (doubling).

    Raises
    ------
    InputError
        When a part is no size, a size is zero, or a range ends before it starts.
    """
    sizes: list[float] = []
    for part in str(text).split(","):
        first, dots, last = part.partition("..")
        ends = [parse_size(end, where) for end in ((first, last) if dots else (part,))]
        sizes += _doubling(ends[0], ends[-1], part, where)
    return sizes


def _doubling(first: float, last: float, text: str, where: str) -> list[float]:
    """Return first, 2 first, 4 first, ... up to last."""
    if first <= 0:
        raise InputError(f"{quoted(text)} starts at zero", where=where, remedy="Start from 1 up.")
    if last < first:
        raise InputError(
            f"{quoted(text)} ends before it starts", where=where, remedy="Write it as low..high."
        )
    return [first * 2.0**i for i in range(int(math.log2(last / first) + 1e-9) + 1)]
