"""GPUs and other accelerators, one row each, found by name, alias, family or variant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from netmodel import units
from netmodel.catalog import table
from netmodel.catalog.table import Fact
from netmodel.errors import InputError, unknown_name

_VENDORS = re.compile(r"^(nvidia|amd|intel|google|aws|cloud|habana|tesla|instinct|radeon)-")
_NOISE = re.compile(r"-(hbm\w+|gddr\w+|tensor|core|gpu|oam|nvl72|nvl|per|announced)(?=-|$)")
_VARIANT = re.compile(r"-(\d+(?:\.\d+)?)-?(gb|gib|w)(?=-|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One accelerator, as its vendor rates it.

    Attributes
    ----------
    name, vendor, generation : str
        Canonical name; who makes it; ``volta``, ``ampere``, ``hopper``, ``cdna3``, ``tpu-v5p``, ...
    peak : mapping of str to float
        Dense rate by precision (``bf16``, ``fp16``, ``fp8``, ``fp4``, ``tf32``, ``fp32``,
        ``int8``) [FLOP/s]; only the precisions that the source states.
    memory, memory_bandwidth : float
        Of its high-bandwidth memory [B], [B/s].
    power : float or None
        Rated board power [W].
    sms : int or None
        Streaming multiprocessors or compute units, over which tiles are spread in waves.
    scaleup_bandwidth : float or None
        All its scale-up links together, one direction [B/s].
    scaleup_link : str or None
        Catalog row of one such link.
    usual_node : str or None
        Catalog row of the host in which it is most often measured.
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    vendor: str
    generation: str
    peak: Mapping[str, float] = field(hash=False)
    memory: float
    memory_bandwidth: float
    power: float | None
    sms: int | None
    scaleup_bandwidth: float | None
    scaleup_link: str | None
    usual_node: str | None
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero(
            "accelerator",
            self.name,
            memory=self.memory,
            memory_bandwidth=self.memory_bandwidth,
            **{f"peak_{key}": value for key, value in self.peak.items()},
        )

    def rate(self, precision: str) -> float:
        """Dense peak in one precision [FLOP/s].

        Raises
        ------
        InputError
            When no rate is published for that precision.
        """
        if precision not in self.peak:
            raise InputError(
                f"{self.name} has no published {precision} rate",
                where=f"precision {precision!r}",
                remedy=f"Use one of {', '.join(self.peak)}.",
            )
        return self.peak[precision]


def accelerator(name: str, where: str = "") -> Accelerator:
    """Return an accelerator by any name people give it.

    A family name means its usual row (``A100`` is the 80 GB SXM module). A memory or power in the
    name that no row has is taken as stated, the rest as in the family's row.

    >>> accelerator("a100").name, accelerator("H100-96GB-500W").memory
    ('A100-SXM-80GB', 96000000000.0)

    Raises
    ------
    InputError
        When no accelerator has that name, offering the near ones.
    """
    known = table.aliases("accelerators")
    key = re.sub(r"sxm\d?", "sxm", _NOISE.sub("", _strip_vendor(table.key(name))))
    for candidate in (table.key(name), key):
        if candidate in known:
            return _row(known[candidate])
    family = known.get(_VARIANT.sub("", key))
    if family is None:
        raise unknown_name("accelerator", str(name), known, where=where)
    chosen = _row(family)
    for number, unit in _VARIANT.findall(key):
        chosen = _stated(chosen, float(number), unit, str(name))
    return chosen


def _strip_vendor(key: str) -> str:
    """Drop the maker's names in front."""
    stripped = _VENDORS.sub("", key)
    return stripped if stripped == key else _strip_vendor(stripped)


def _stated(row: Accelerator, number: float, unit: str, name: str) -> Accelerator:
    """Return the row with the memory or the power that the name states."""
    unit = {"gb": "GB", "gib": "GiB", "w": "W"}[unit]
    name_of = "power" if unit == "W" else "memory"
    value = units.convert(number, unit)
    fact = Fact(value, f"{number:g}", unit, "rated", f"stated in {name!r}")
    changed = replace(row, name=name, facts={**row.facts, name_of: fact})
    return replace(changed, power=value) if unit == "W" else replace(changed, memory=value)


@cache
def _row(name: str) -> Accelerator:
    """Build the value of one canonical row."""
    facts = table.rows("accelerators")[name]
    peak = {f.removeprefix("peak_"): table.need(facts, f) for f in facts if f.startswith("peak_")}
    sms = table.number(facts, "sms")
    return Accelerator(
        name=name,
        vendor=table.word(facts, "vendor"),
        generation=table.word(facts, "generation"),
        peak=peak,
        memory=table.need(facts, "memory"),
        memory_bandwidth=table.need(facts, "memory_bandwidth"),
        power=table.number(facts, "power"),
        sms=None if sms is None else int(sms),
        scaleup_bandwidth=table.number(facts, "scaleup_bandwidth"),
        scaleup_link=table.word(facts, "scaleup_link") or None,
        usual_node=table.word(facts, "usual_node") or None,
        facts=facts,
    )
