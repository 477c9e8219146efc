"""How much of a step's time a percent of each resource is worth, and where that ends.

The model is evaluated again with one field changed a little; nothing is assumed about what
limits. All changes of the fabric are one evaluation, for its tiers take arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives.group import SCALE_UP
from netmodel.network.tiers import Tiers
from netmodel.training.layer import total
from netmodel.training.pieces import Pieces

Floats = npt.NDArray[np.float64]

CHANGE = 0.01
"""Relative change of a field up and down."""

STEPS = 2.0 ** (np.arange(1, 49) / 16)
"""Improvements that are tried in search of kinks: up to eight times."""

SAME = 0.05
"""Both sides of a field agree when their elasticities differ by less than this share."""

DROP = 0.15
"""A kink is where the worth of one more improvement falls by this share of its first."""

HERE = 1.08
"""A kink at less than so many times better is one from here on."""

MATTERS = 0.005
"""Elasticity below which a field is not looked at further."""

NETWORK = "network"
"""All tiers outside the scale-up domain together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kink:
    """Where improving a field stops to help as it did.

    Attributes
    ----------
    field : str
        ``leaf.bandwidth``, ``core.latency``, ...
    factor : float
        How many times better than now.
    takes_over : str
        The field that then matters more than it does now; empty where compute hides what is left.
    largest : str
        The largest part of the step there that is not compute.
    """

    field: str
    factor: float
    takes_over: str
    largest: str

    def __str__(self) -> str:
        after = f"{self.takes_over} takes over" if self.takes_over else "compute hides what is left"
        where = f"above {self.factor:.2g}x" if self.factor >= HERE else "from here on"
        loss = f"{self.largest} messages" if self.largest in MESSAGES else f"the {self.largest}"
        return f"{where}, {self.field} helps less: {after}; the largest loss then: {loss}"


def field_values(fabric: Tiers) -> dict[str, tuple[tuple[int, ...], str]]:
    """Every field of a fabric: which tiers it changes, and what of them."""
    outside = tuple(i for i, name in enumerate(fabric.names) if name not in SCALE_UP)
    found: dict[str, tuple[tuple[int, ...], str]] = {
        f"{name}.{what}": ((i,), what)
        for what in ("bandwidth", "latency")
        for i, name in enumerate(fabric.names)
    }
    if len(outside) > 1:
        found[f"{NETWORK}.bandwidth"] = outside, "bandwidth"
        found[f"{NETWORK}.latency"] = outside, "latency"
    return found


def changed(fabric: Tiers, tiers: tuple[int, ...], what: str, factor: Any) -> Tiers:
    """Return the fabric with bandwidth or latency of some tiers times a factor, maybe an array.

    Examples
    --------
    >>> tiers = Tiers(names=("nvlink", "leaf"), unit=(8, 32), bandwidth=(450e9, 50e9),
    ...               latency=(1e-6, 4e-6), links=("", ""))
    >>> changed(tiers, (1,), "bandwidth", 2.0).bandwidth
    (450000000000.0, 100000000000.0)
    """

    def times(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            each * factor if i in tiers and _limits(each) else each for i, each in enumerate(values)
        )

    if what == "latency":
        return replace(fabric, latency=times(fabric.latency))
    return replace(
        fabric,
        bandwidth=times(fabric.bandwidth),
        uniform_bandwidth=times(fabric.uniform_bandwidth),
        peer=times(fabric.peer),
    )


def _limits(value: Any) -> bool:
    """Whether a rate is one at all: where switches join GPUs, no partner has its own."""
    return isinstance(value, np.ndarray) or math.isfinite(value)


def step_times(given: Pieces, factors: Mapping[str, Floats]) -> dict[str, Floats]:
    """Step time under each factor of each field of the fabric, in one evaluation [s]."""
    parts = _parts(given, factors)
    return {name: np.asarray(total(each)) for name, each in parts.items()}


def _parts(given: Pieces, factors: Mapping[str, Floats]) -> dict[str, dict[str, Floats]]:
    """Parts of the step under each factor of each field of the fabric [s]."""
    known = field_values(given.fabric)
    length = sum(len(each) for each in factors.values())
    wide = {
        what: [np.ones(length) for _ in given.fabric.names] for what in ("bandwidth", "latency")
    }
    places, start = {}, 0
    for name, each in factors.items():
        tiers, what = known[name]
        places[name] = slice(start, start + len(each))
        for tier in tiers:
            wide[what][tier][places[name]] = each
        start += len(each)
    fabric = given.fabric
    for tier in range(len(fabric.names)):
        for what, by_tier in wide.items():
            fabric = changed(fabric, (tier,), what, by_tier[tier])
    parts = given.with_fabric(fabric).sum().parts
    return {
        name: {part: np.broadcast_to(value, length)[place] for part, value in parts.items()}
        for name, place in places.items()
    }


def slope(up: float, here: float, down: float, *, better: int, change: float = CHANGE) -> float:
    """Percent of step time per percent of a field.

    The central difference; where its two sides differ, as at a kink, the side of improvement.

    Parameters
    ----------
    up, here, down : float
        Step time with the field a little higher, as it is, a little lower [s].
    better : int
        1 where more is better, -1 where less is.

    Examples
    --------
    >>> slope(1 / 1.01, 1.0, 1 / 0.99, better=1)
    -1.0
    >>> slope(1.0, 1.0, 1 / 0.99, better=1)
    0.0
    """
    above = math.log(up / here) / math.log1p(change)
    below = math.log(here / down) / -math.log1p(-change)
    if abs(above - below) > SAME * max(abs(above), abs(below)):
        return round(above if better > 0 else below, 12)
    whole = math.log1p(change) - math.log1p(-change)
    return round(math.log(up / down) / whole, 12)


def elasticities(given: Pieces) -> dict[str, float]:
    """Percent of step time per percent of each field.

    Negative where more of it makes the step shorter. Tiers one by one, and all of the network
    together: where two tiers limit alike, neither helps alone. ``global_batch`` is that of one
    micro-batch more.
    """
    around = np.array([1 + CHANGE, 1.0, 1 - CHANGE])
    found = {}
    times = step_times(given, dict.fromkeys(field_values(given.fabric), around))
    for name, (up, here, down) in ((name, each.tolist()) for name, each in times.items()):
        found[name] = slope(up, here, down, better=-1 if name.endswith("latency") else 1)
    gpu = given.accelerator

    def faster(factor: float) -> float:
        peak = {name: rate * factor for name, rate in gpu.peak.items()}
        return given.with_accelerator(replace(gpu, peak=peak)).step_time

    def wider(factor: float) -> float:
        other = replace(gpu, memory_bandwidth=gpu.memory_bandwidth * factor)
        return given.with_accelerator(other).step_time

    for name, timed in (("gpu.flops", faster), ("gpu.memory_bandwidth", wider)):
        found[name] = slope(timed(1 + CHANGE), timed(1.0), timed(1 - CHANGE), better=1)
    found["global_batch"] = _of_batch(given)
    return found


def _of_batch(given: Pieces) -> float:
    """Percent of step time per percent of the global batch."""
    strategy = given.strategy
    share, m = strategy.dp * strategy.micro_batch, strategy.micro_batches

    def timed(batches: int) -> float:
        other = replace(strategy, global_batch=share * batches)
        return replace(given, strategy=other).with_fabric(given.fabric).step_time

    return math.log(timed(m + 1) / timed(m)) / math.log((m + 1) / m)


def kinks(given: Pieces, elasticity: Mapping[str, float]) -> tuple[Kink, ...]:
    """Where improving each field of the fabric stops to help as it does now, up to eightfold.

    Between kinks a step is nearly linear in the time a byte or a hop takes. A kink is where that
    line bends: the gain of one more improvement falls by :data:`DROP` of the first one.
    """
    matter = [
        name
        for name in field_values(given.fabric)
        if abs(elasticity.get(name, 0.0)) > MATTERS and not name.startswith(NETWORK)
    ]
    if not matter:
        return ()
    factors = {
        name: np.concatenate([[1.0], 1 / STEPS if name.endswith("latency") else STEPS])
        for name in matter
    }
    parts = _parts(given, factors)
    found = []
    for name in matter:
        seconds = np.asarray(total(parts[name]))
        cost = 1 / factors[name] if name.endswith("bandwidth") else factors[name]
        gain = np.diff(seconds) / np.diff(cost)
        falls = np.flatnonzero(gain[:-2] - gain[2:] > DROP * gain[0])
        if not len(falls) or gain[0] <= 0:
            continue
        at = int(falls[0]) + 1  # the bend is between this factor and the next
        factor = math.sqrt(factors[name][at] * factors[name][at + 1])
        factor = max(factor, 1 / factor)
        there = {part: float(value[at + 2]) for part, value in parts[name].items()}
        found.append(
            Kink(
                field=name,
                factor=float(factor),
                takes_over=_taking_over(given, name, float(factors[name][at + 2]), elasticity),
                largest=max(
                    (part for part in there if part not in COMPUTE), key=lambda part: there[part]
                ),
            )
        )
    return tuple(found)


MESSAGES = frozenset({"tp", "cp", "ep", "dp", "pp"})
"""Parts of a step that are communication."""

COMPUTE = frozenset({"gemm", "attention", "elementwise", "head", "recompute"})
"""Parts of a step that are no loss in themselves."""


def _taking_over(given: Pieces, name: str, factor: float, before: Mapping[str, float]) -> str:
    """The tier whose bandwidth matters more once a field has been improved past its kink."""
    tiers, what = field_values(given.fabric)[name]
    beyond = given.with_fabric(changed(given.fabric, tiers, what, factor))
    around = np.array([1 + CHANGE, 1.0, 1 - CHANGE])
    others = {
        other: around
        for other in field_values(given.fabric)
        if other != name and other.endswith("bandwidth") and not other.startswith(NETWORK)
    }
    rise = {
        other: abs(slope(*each.tolist(), better=1)) - abs(before[other])
        for other, each in step_times(beyond, others).items()
    }
    most = max(rise, key=lambda other: rise[other], default="")
    return most if most and rise[most] > DROP * abs(before[name]) else ""
