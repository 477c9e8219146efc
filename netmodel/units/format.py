"""Turn SI numbers into text for tables: 3 significant digits in the unit that suits."""

from __future__ import annotations

import math

from netmodel.units.table import BINARY, DECIMAL


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
    """List unit steps from the largest decimal prefix down to the plain unit."""
    return [(DECIMAL[p], f"{p}{unit}") for p in prefixes] + [(1.0, unit)]


_TIME_STEPS = [(86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")]
_TIME_STEPS += [(1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]
_BINARY_STEPS = [(scale, f"{p}B") for p, scale in reversed(BINARY.items())] + [(1.0, "B")]


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
