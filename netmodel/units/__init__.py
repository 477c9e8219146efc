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

from netmodel.units.format import (
    format_bandwidth,
    format_count,
    format_flops,
    format_length,
    format_money,
    format_percent,
    format_power,
    format_size,
    format_time,
)
from netmodel.units.parse import (
    parse_bandwidth,
    parse_count,
    parse_counts,
    parse_energy_price,
    parse_flops,
    parse_fraction,
    parse_length,
    parse_money,
    parse_money_rate,
    parse_power,
    parse_size,
    parse_sizes,
    parse_time,
)
from netmodel.units.table import convert, dimension

__all__ = [
    "convert",
    "dimension",
    "format_bandwidth",
    "format_count",
    "format_flops",
    "format_length",
    "format_money",
    "format_percent",
    "format_power",
    "format_size",
    "format_time",
    "parse_bandwidth",
    "parse_count",
    "parse_counts",
    "parse_energy_price",
    "parse_flops",
    "parse_fraction",
    "parse_length",
    "parse_money",
    "parse_money_rate",
    "parse_power",
    "parse_size",
    "parse_sizes",
    "parse_time",
]
