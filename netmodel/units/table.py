"""Every unit that is read: what it measures, and its size in SI."""

from __future__ import annotations

from dataclasses import dataclass

from netmodel.errors import InputError

DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_HOUR, _KWH = 3600.0, 3.6e6
_YEAR = 365 * 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a quantity measures: a noun, the SI unit that code uses, and a text to copy."""

    noun: str
    unit: str
    example: str


DIMENSIONS = {
    "size": Dimension("a size", "B", "256MB or 1GiB"),
    "bits": Dimension("a number of bits", "bit", "8 bit"),
    "bandwidth": Dimension("a bandwidth", "B/s", "50 GB/s or 400 Gb/s"),
    "time": Dimension("a time", "s", "3.7 us or 2 h"),
    "flops": Dimension("a compute rate", "FLOP/s", "989 TFLOP/s"),
    "power": Dimension("a power", "W", "700 W or 10.2 kW"),
    "energy": Dimension("an energy", "J", "3.4 GWh"),
    "money": Dimension("an amount of money", "USD", "36000 USD or $36k"),
    "money_rate": Dimension("a price per time", "USD/s", "2 USD/h"),
    "energy_price": Dimension("a price of energy", "USD/J", "0.10 USD/kWh"),
    "length": Dimension("a length", "m", "30 m"),
    "fraction": Dimension("a fraction", "", "75% or 0.75"),
    "count": Dimension("a count", "", "2048"),
    "frequency": Dimension("a frequency", "Hz", "1.98 GHz"),
    "slowness": Dimension("a time per length", "s/m", "5 ns/m"),
    "text": Dimension("a text", "", ""),
}


def _unit_table() -> dict[str, tuple[str, float]]:
    """List every unit that is read exactly as written: its dimension and its size in SI."""
    table: dict[str, tuple[str, float]] = {"count": ("count", 1.0), "text": ("text", 1.0)}
    for prefix, scale in {**DECIMAL, "K": 1e3, **BINARY}.items():
        table[f"{prefix}B"] = ("size", scale)
        table[f"{prefix}b"] = ("bits", scale)
        table[f"{prefix}B/s"] = table[f"{prefix}Bps"] = ("bandwidth", scale)
        table[f"{prefix}b/s"] = table[f"{prefix}bps"] = ("bandwidth", scale / 8)
    for prefix, scale in DECIMAL.items():
        table[f"{prefix}W"] = ("power", scale)
        table[f"{prefix}J"] = ("energy", scale)
        table[f"{prefix}Wh"] = ("energy", scale * _HOUR)
        table[f"{prefix}Hz"] = ("frequency", scale)
        table[f"{prefix}USD"] = ("money", scale)
        for hour in ("h", "hr", "hour", "GPU-h", "GPU-hour"):
            table[f"{prefix}USD/{hour}"] = ("money_rate", scale / _HOUR)
        table[f"{prefix}USD/year"] = ("money_rate", scale / _YEAR)
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
    """List units spelled out, which no case can make ambiguous; keys in lower case."""
    table: dict[str, tuple[str, float]] = {"percent": ("fraction", 0.01)}
    prefixes = {p.lower(): s for p, s in (DECIMAL | BINARY).items()}
    for prefix, scale in prefixes.items():
        for word, size in (("byte", 1.0), ("bytes", 1.0), ("bit", 1 / 8), ("bits", 1 / 8)):
            table[f"{prefix}{word}"] = ("size" if size == 1 else "bits", scale)
            table[f"{prefix}{word}/s"] = table[f"{prefix}{word}ps"] = ("bandwidth", scale * size)
        for word in ("flop", "flops", "op", "ops"):
            table[f"{prefix}{word}/s"] = ("flops", scale)
        table[f"{prefix}flops"] = table[f"{prefix}ops"] = ("flops", scale)
    for names, seconds in (
        ("sec secs second seconds", 1.0),
        ("nsec nanosecond nanoseconds", 1e-9),
        ("usec microsecond microseconds", 1e-6),
        ("msec millisecond milliseconds", 1e-3),
        ("mins minute minutes", 60.0),
        ("hr hrs hour hours", _HOUR),
        ("day days", 24 * _HOUR),
        ("week weeks", 168 * _HOUR),
        ("year years", _YEAR),
    ):
        table |= dict.fromkeys(names.split(), ("time", seconds))
    table |= dict.fromkeys(("watt", "watts"), ("power", 1.0))
    table |= dict.fromkeys(("meter", "metre", "meters", "metres"), ("length", 1.0))
    return table


UNITS = _unit_table()
WORDS = _word_table()


def lookup(unit: str) -> tuple[str, float] | None:
    """Return dimension and SI size of a unit, or None when it is not known as written."""
    if unit.endswith(("/sec", "/second")):
        unit = unit[: unit.rindex("/")] + "/s"
    return UNITS.get(unit) or WORDS.get(unit.lower())


def convert(value: float, unit: str) -> float:
    """Return ``value`` of a known unit in SI, for tables that keep numbers and units apart.

    >>> convert(400, "Gbit/s")
    50000000000.0

    Raises
    ------
    InputError
        When the unit is not known.
    """
    known = lookup(unit)
    if known is None:
        raise InputError(f"{unit!r} is not a known unit")
    return value * known[1]


def dimension(unit: str) -> str:
    """Return what a unit measures: ``size``, ``bandwidth``, ``time``, ... or ``""`` if unknown."""
    known = lookup(unit)
    return known[0] if known else ""
