"""Turn quantities that people write into SI numbers, and SI numbers into text for tables.

Inside netmodel everything is bytes, seconds, B/s, FLOP/s, W and USD; files and options write a
number with its unit. GB is 1e9 bytes and GiB is 2**30; ``b`` is a bit and ``B`` a byte, so a
text whose case does not tell which (``400gbps``, ``400G``) is refused with both readings.

>>> parse_bandwidth("400 Gb/s"), parse_size("1GiB"), parse_time("3.7 us")
(50000000000.0, 1073741824.0, 3.7e-06)
>>> format_bandwidth(50e9), format_time(0.0123), format_flops(989e12)
('50 GB/s', '12.3 ms', '989 TFLOP/s')
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass

from netmodel.errors import InputError

_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_HOUR, _KWH = 3600.0, 3.6e6


@dataclass(frozen=True, slots=True)
class _Dimension:
    """What a quantity measures: a noun, the SI unit that code uses, and a text to copy."""

    noun: str
    unit: str
    example: str


_DIMENSIONS = {
    "size": _Dimension("a size", "B", "256MB or 1GiB"),
    "bits": _Dimension("a number of bits", "bit", "8 bit"),
    "bandwidth": _Dimension("a bandwidth", "B/s", "50 GB/s or 400 Gb/s"),
    "time": _Dimension("a time", "s", "3.7 us or 2 h"),
    "flops": _Dimension("a compute rate", "FLOP/s", "989 TFLOP/s"),
    "power": _Dimension("a power", "W", "700 W or 10.2 kW"),
    "energy": _Dimension("an energy", "J", "3.4 GWh"),
    "money": _Dimension("an amount of money", "USD", "36000 USD or $36k"),
    "money_rate": _Dimension("a price per time", "USD/s", "2 USD/h"),
    "energy_price": _Dimension("a price of energy", "USD/J", "0.10 USD/kWh"),
    "length": _Dimension("a length", "m", "30 m"),
    "fraction": _Dimension("a fraction", "", "75% or 0.75"),
    "count": _Dimension("a count", "", "2048"),
    "frequency": _Dimension("a frequency", "Hz", "1.98 GHz"),
    "slowness": _Dimension("a time per length", "s/m", "5 ns/m"),
    "text": _Dimension("a text", "", ""),
}


def _unit_table() -> dict[str, tuple[str, float]]:
    """Every unit that is read exactly as written: its dimension and its size in SI."""
    table: dict[str, tuple[str, float]] = {"count": ("count", 1.0), "text": ("text", 1.0)}
    for prefix, scale in {**_DECIMAL, **_BINARY}.items():
        table[f"{prefix}B"] = ("size", scale)
        table[f"{prefix}b"] = ("bits", scale)
        table[f"{prefix}B/s"] = table[f"{prefix}Bps"] = ("bandwidth", scale)
        table[f"{prefix}b/s"] = table[f"{prefix}bps"] = ("bandwidth", scale / 8)
    for prefix, scale in _DECIMAL.items():
        table[f"{prefix}W"] = ("power", scale)
        table[f"{prefix}J"] = ("energy", scale)
        table[f"{prefix}Wh"] = ("energy", scale * _HOUR)
        table[f"{prefix}Hz"] = ("frequency", scale)
        table[f"{prefix}USD"] = ("money", scale)
        for hour in ("h", "hr", "hour", "GPU-h", "GPU-hour"):
            table[f"{prefix}USD/{hour}"] = ("money_rate", scale / _HOUR)
    table["BUSD"] = ("money", 1e9)
    table["USD/kWh"], table["USD/MWh"] = ("energy_price", 1 / _KWH), ("energy_price", 1e-3 / _KWH)
    for name, seconds in {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}.items():
        table[name] = ("time", seconds)
    table |= {"h": ("time", _HOUR), "d": ("time", 24 * _HOUR)}
    for name, metres in {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "ft": 0.3048}.items():
        table[name] = ("length", metres)
    table["ns/m"], table["us/km"] = ("slowness", 1e-9), ("slowness", 1e-9)
    table["%"] = ("fraction", 0.01)
    return table


def _word_table() -> dict[str, tuple[str, float]]:
    """Units spelled out, which no case can make ambiguous; keys in lower case."""
    table: dict[str, tuple[str, float]] = {"percent": ("fraction", 0.01)}
    prefixes = {p.lower(): s for p, s in (_DECIMAL | _BINARY).items()}
    for prefix, scale in prefixes.items():
        for word, size in (("byte", 1.0), ("bytes", 1.0), ("bit", 1 / 8), ("bits", 1 / 8)):
            kind = "size" if size == 1 else "bits"
            table[f"{prefix}{word}"] = (kind, scale)
            table[f"{prefix}{word}/s"] = table[f"{prefix}{word}ps"] = ("bandwidth", scale * size)
        for word in ("flop", "flops", "op", "ops"):
            table[f"{prefix}{word}/s"] = ("flops", scale)
        table[f"{prefix}flops"] = table[f"{prefix}ops"] = ("flops", scale)
    for names, seconds in (
        ("sec secs second seconds", 1.0),
        ("usec microsecond microseconds", 1e-6),
        ("msec millisecond milliseconds", 1e-3),
        ("mins minute minutes", 60.0),
        ("hr hrs hour hours", _HOUR),
        ("day days", 24 * _HOUR),
        ("week weeks", 168 * _HOUR),
    ):
        table |= dict.fromkeys(names.split(), ("time", seconds))
    table |= dict.fromkeys(("watt", "watts"), ("power", 1.0))
    table |= dict.fromkeys(("meter", "metre", "meters", "metres"), ("length", 1.0))
    return table


_UNITS = _unit_table()
_WORDS = _word_table()
_CLEAN = str.maketrans({"µ": "u", "μ": "u", "\u00a0": " ", "\u202f": " ", "−": "-", "×": "x"})
_NUMBER = r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_QUANTITY = re.compile(rf"({_NUMBER}|[+-]?(?:inf|infinity|nan)(?![a-z]))\s*(.*)", re.I | re.S)
_PART = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)\s*")


def _lookup(unit: str) -> tuple[str, float] | None:
    """Dimension and size of a unit, or None when it is not known exactly as written."""
    unit = re.sub(r"/(sec|second)$", "/s", unit)
    return _UNITS.get(unit) or _WORDS.get(unit.lower())


def convert(value: float, unit: str) -> float:
    """Return ``value`` of a known unit in SI, for tables that keep numbers and units apart.

    >>> convert(400, "Gbit/s")
    50000000000.0

    Raises
    ------
    InputError
        When the unit is not known.
    """
    known = _lookup(unit)
    if known is None:
        raise InputError(f"{unit!r} is not a known unit")
    return value * known[1]


def dimension(unit: str) -> str:
    """Return what a unit measures: ``size``, ``bandwidth``, ``time``, ... or ``""`` if unknown."""
    known = _lookup(unit)
    return known[0] if known else ""


def _split(text: str, kind: str, where: str) -> tuple[float, str]:
    """Return number and unit of a text; refuse what is no finite number from zero up."""
    noun, example = _DIMENSIONS[kind].noun, _DIMENSIONS[kind].example
    remedy = f"Write e.g. {example}."
    clean = text.translate(_CLEAN).strip()
    dollar = clean.startswith("$")
    match = _QUANTITY.fullmatch(clean.removeprefix("$").lstrip())
    shown = _shown(text)
    if match is None:
        raise InputError(f"{shown} is not {noun}", where=where, remedy=remedy)
    number, unit = match[1].rstrip("_"), "".join(match[2].split())
    if unit.startswith(","):
        raise InputError(
            f"{shown} has a comma in its number", where=where, remedy="Write 1000.5, not 1,000.5."
        )
    value = float(number.replace("_", ""))
    if not math.isfinite(value):
        raise InputError(f"{shown} is not a finite number", where=where, remedy=remedy)
    if value < 0:
        raise InputError(f"{shown} is below zero", where=where, remedy=remedy)
    if dollar:
        amount, slash, per = unit.partition("/")
        unit = f"{amount}USD{slash}{per}"
    return value, unit.replace("$", "USD").replace("UUSDSD", "USD")


def _shown(text: str) -> str:
    """The text as an error message quotes it: one line, not longer than a field."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _parse(text: str | float, kind: str, where: str, *, bare: float | None = None) -> float:
    """Parse one quantity of one dimension; ``bare`` is the SI size of a number without unit."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise InputError(
            f"{text!r} is not {_DIMENSIONS[kind].noun}",
            where=where,
            remedy=f"Write e.g. {_DIMENSIONS[kind].example}.",
        )
    text = text if isinstance(text, str) else repr(text)
    value, unit = _split(text, kind, where)
    if not unit and bare is not None:
        scale = bare
    else:
        known = _lookup(unit) if unit else None
        if known is None or known[0] != kind:
            raise _unit_error(text, value, unit, kind, where)
        scale = known[1]
    result = value * scale
    if not math.isfinite(result):
        raise InputError(f"{_shown(text)} is too large", where=where)
    return result


def _unit_error(text: str, value: float, unit: str, kind: str, where: str) -> InputError:
    """Say why this unit will not do here, and what may have been meant."""
    noun, example = _DIMENSIONS[kind].noun, _DIMENSIONS[kind].example
    shown, n = _shown(text), f"{value:.12g}"
    known = _lookup(unit) if unit else None
    plain = re.fullmatch(r"([kmgtpe])(i?)", unit, re.I)
    folded = re.fullmatch(r"([kmgtpe]i?)b(/s|ps)?", unit, re.I)
    if not unit:
        found, remedy = f"{shown} has no unit", f"{noun.capitalize()} needs one, e.g. {example}."
    elif kind == "bandwidth" and (plain or re.fullmatch(r"[kmgtpe]/s", unit, re.I)):
        p = unit[0].upper().replace("K", "k")
        found = f"{shown} may mean bits or bytes"
        remedy = f"Write '{n} {p}b/s' ({_eighth(value, p)}) or '{n} {p}B/s'."
    elif kind == "size" and plain:
        p = unit[0].upper()
        found = f"{shown} may mean powers of 1000 or of 1024"
        remedy = f"Write {n}{p}iB (as nccl-tests reads it) or {n}{p.replace('K', 'k')}B."
    elif kind == "size" and known and known[0] == "bits":
        p = unit[: -len("b")] if unit.endswith("b") else unit[:1].upper()
        found = f"{shown} is a number of bits; sizes are counted in bytes"
        remedy = f"Write {value / 8:.12g}{p}B, or {n}{p}B if bytes were meant."
    elif kind in ("bandwidth", "size") and folded and known is None:
        p = folded[1][0].upper().replace("K", "k") + folded[1][1:].lower()
        tail = "/s" if kind == "bandwidth" else ""
        found = f"{shown} may mean bits or bytes"
        remedy = f"Write '{n} {p}b{tail}' for bits or '{n} {p}B{tail}' for bytes."
        if kind == "size":
            remedy = f"Write {n}{p}B for bytes."
    elif known:
        found, remedy = (
            f"{shown} is {_DIMENSIONS[known[0]].noun}, not {noun}",
            f"Write e.g. {example}.",
        )
    else:
        found = f"{shown} has the unknown unit {_shown(unit)}"
        near = _near_units(unit, kind)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"Write e.g. {example}."
    return InputError(found, where=where, remedy=remedy)


def _eighth(value: float, prefix: str) -> str:
    """The byte rate of so many bits, for a hint."""
    return f"{value / 8:.12g} {prefix}B/s"


def _near_units(unit: str, kind: str) -> list[str]:
    """Known units of the dimension that differ by case, else the closest spellings."""
    mine = [name for name, (of, _) in _UNITS.items() if of == kind]
    mine += [name for name, (of, _) in _WORDS.items() if of == kind and name.endswith("flop/s")]
    same = [name for name in mine if name.lower() == unit.lower()]
    return same[:2] or difflib.get_close_matches(unit, mine, n=2, cutoff=0.5)


def parse_bandwidth(text: str | float, where: str = "") -> float:
    """Return a bandwidth [B/s]: ``50 GB/s``, ``400Gbps``, ``400 Gbit/s``, ``25GiB/s``.

    >>> parse_bandwidth("400G")
    Traceback (most recent call last):
    netmodel.errors.InputError: '400G' may mean bits or bytes. Write '400 Gb/s' (50 GB/s) or '400 GB/s'.

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
        raise InputError(
            f"{_shown(str(text))} is above one",
            where=where,
            remedy=f"Write {value:g}% or {value / 100:g}." if value <= 100 else "At most 100%.",
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
    shown = _shown(str(text))
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
        raise InputError(f"{_shown(text)} starts at zero", where=where, remedy="Start from 1 up.")
    if last < first:
        raise InputError(
            f"{_shown(text)} ends before it starts", where=where, remedy="Write it as low..high."
        )
    return [first * 2.0**i for i in range(int(math.log2(last / first) + 1e-9) + 1)]


def _scaled(value: float, steps: list[tuple[float, str]], space: str = " ") -> str:
    """Write a value with 3 significant digits in the unit that keeps it from 1 to 1000."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    chosen = next((i for i, (scale, _) in enumerate(steps) if size >= scale * 0.9995), None)
    scale, unit = steps[-1 if chosen is None else chosen]
    if value == 0:
        scale, unit = next(step for step in steps if step[0] <= 1)
    number = f"{value / scale:.3g}"
    if "e" in number:
        number = f"{float(number):.10g}"
    return f"{number}{space}{unit}" if unit else number


def _steps(unit: str, prefixes: str = "EPTGMk") -> list[tuple[float, str]]:
    """Unit steps from the largest decimal prefix down to the plain unit."""
    return [(_DECIMAL[p], f"{p}{unit}") for p in prefixes] + [(1.0, unit)]


_TIME_STEPS = [(86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")]
_TIME_STEPS += [(1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]
_BINARY_STEPS = [(scale, f"{p}B") for p, scale in reversed(_BINARY.items())] + [(1.0, "B")]


def format_bandwidth(value: float, *, bits: bool = False) -> str:
    """Write a bandwidth [B/s]: ``50 GB/s``, or ``400 Gb/s`` when ``bits``."""
    return _scaled(value * 8, _steps("b/s")) if bits else _scaled(value, _steps("B/s"))


def format_size(value: float, *, binary: bool = False) -> str:
    """Write a size [B]: ``1.07 GB``, or ``1 GiB`` when ``binary``."""
    return _scaled(value, _BINARY_STEPS if binary else _steps("B"))


def format_time(value: float) -> str:
    """Write a time [s]: ``3.7 µs``, ``12.3 ms``, ``19.9 s``, ``2.5 h``, ``54.2 d``."""
    return _scaled(value, _TIME_STEPS)


def format_flops(value: float) -> str:
    """Write a compute rate [FLOP/s]: ``989 TFLOP/s``."""
    return _scaled(value, _steps("FLOP/s"))


def format_power(value: float) -> str:
    """Write a power [W]: ``10.2 kW``."""
    return _scaled(value, _steps("W"))


def format_money(value: float) -> str:
    """Write an amount [USD]: ``$36k``, ``$5.58M``, ``$2.1B``."""
    return "$" + _scaled(value, [(1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, "")], space="")


def format_length(value: float) -> str:
    """Write a length [m]: ``30 m``, ``2 km``."""
    return _scaled(value, [(1e3, "km"), (1.0, "m"), (1e-2, "cm"), (1e-3, "mm")])


def format_count(value: float) -> str:
    """Write a count: ``16,384``."""
    return f"{value:,.0f}"


def format_percent(value: float) -> str:
    """Write a fraction as percent with 3 significant digits: ``43.7%``."""
    return f"{float(f'{value * 100:.3g}'):.10g}%"
