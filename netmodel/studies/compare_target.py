"""The inverse question: what it takes to reach a wanted efficiency or utilisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmodel.collectives.group import SCALE_UP
from netmodel.errors import InputError, ModelError, unknown_name
from netmodel.network.tiers import Tiers
from netmodel.studies.explain_elasticity import changed
from netmodel.studies.layouts import Request, choose
from netmodel.training import step
from netmodel.training.factors import peaks
from netmodel.training.pieces import Pieces, pieces
from netmodel.workload import flops_per_token

if TYPE_CHECKING:
    from netmodel.studies.compare import Comparison, Entry
    from netmodel.topology import Cluster
    from netmodel.workload import Model

KINDS = ("efficiency", "mfu")
REACH = 1024.0
"""How many times more and less bandwidth is looked at."""

MOST_OVERSUBSCRIBED = 64.0
LARGEST = 2**17
"""Where the searches end."""

PRECISION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be reached.

    Attributes
    ----------
    kind : str
        ``efficiency``: tokens a second and GPU over those of the baseline size; ``mfu``.
    value : float
        Above 0, up to 1.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("target", self.kind, KINDS, where="--target")
        if not 0 < self.value <= 1:
            raise InputError(
                f"{self.kind} is {self.value:g}", where="--target", remedy="Give above 0, up to 1."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one cluster needs for a target, all else as it is.

    Attributes
    ----------
    label : str
    gpus, baseline : int
        Size, and the size that efficiency is measured against.
    now : float
        What it reaches as it is.
    met : bool
    nic_bandwidth, nic_now : float or None
        Least bandwidth of the network for each GPU [B/s], None where none is enough; as it is.
    oversubscription : float or None
        Largest above the leaves, None where even non-blocking misses the target, or where all GPUs
        are under one leaf; the end of the search where it matters to nobody.
    largest : int or None
        Most GPUs, of doublings from the baseline, that still reach it.
    network : float or None
        Price of the network [USD].
    """

    label: str
    gpus: int
    baseline: int
    now: float
    met: bool
    nic_bandwidth: float | None
    nic_now: float
    oversubscription: float | None
    largest: int | None
    network: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: SI, units in the keys."""
        return {
            "label": self.label,
            "gpus": self.gpus,
            "baseline_gpus": self.baseline,
            "now": self.now,
            "met": self.met,
            "needed_bandwidth_Bps_per_gpu": self.nic_bandwidth,
            "bandwidth_Bps_per_gpu": self.nic_now,
            "largest_oversubscription": self.oversubscription,
            "largest_gpus": self.largest,
            "network_usd": self.network,
        }


def reach(
    model: Model,
    cluster: Cluster,
    target: Target,
    entry: Entry,
    *,
    baseline: int,
    request: Request | None = None,
) -> Reach:
    """Ask one cluster what it needs.

    The layout at the size asked is kept while bandwidths change, and so is the baseline; the
    largest cluster is searched with the layout of every size.

    Parameters
    ----------
    entry : Entry
        Of the size that is asked for.
    baseline : int
        GPUs that an efficiency of 1 is measured at.
    """
    request = request or Request()
    choice = entry.choice
    assert choice is not None
    given = pieces(
        model,
        cluster,
        choice.strategy,
        gpus=entry.gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )
    whole = 1.0
    if target.kind == "efficiency":
        whole = rate(model, cluster, baseline, request, target)
    own = given.fabric

    def value(fabric: Tiers) -> float:
        other = given if fabric is own else given.with_fabric(fabric)
        return _value(other, target) / whole

    outside = tuple(i for i, name in enumerate(own.names) if name not in SCALE_UP)
    first = outside[0] if outside else 0
    now = value(own)

    def enough(factor: float) -> bool:
        return value(changed(own, outside, "bandwidth", factor)) >= target.value

    factor = least(enough, 1 / REACH, REACH) if outside else None
    nic = float(own.bandwidth[first])
    network = entry.cost.bill.network_purchase
    return Reach(
        label=entry.label,
        gpus=entry.gpus,
        baseline=baseline,
        now=now,
        met=now >= target.value,
        nic_bandwidth=None if factor is None else factor * nic,
        nic_now=nic,
        oversubscription=_oversubscription(own, outside, lambda f: value(f) >= target.value),
        largest=_largest(model, cluster, target, baseline, whole, request),
        network=network.typical if network else None,
    )


def _value(given: Pieces, target: Target) -> float:
    """Tokens a second and GPU, or utilisation, of a step."""
    strategy = given.strategy
    tokens = strategy.global_batch * given.seq_len / (given.step_time * strategy.gpus)
    if target.kind == "efficiency":
        return float(tokens)
    flops = flops_per_token(given.model, given.seq_len, causal=True)
    peak, _ = peaks(given.accelerator, given.strategy.precision)
    return float(tokens * flops / peak)


def rate(model: Model, cluster: Cluster, gpus: int, request: Request, target: Target) -> float:
    """Return what one size reaches with its own layout: tokens a second and GPU, or utilisation."""
    choice = choose(model, cluster, gpus, request)
    done = step(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )
    return float(done.tokens_per_s_per_gpu if target.kind == "efficiency" else done.mfu)


def least(enough: Callable[[float], bool], low: float, high: float) -> float | None:
    """Return the least value that is enough, by bisection of its logarithm; None where none is.

    >>> round(least(lambda x: x >= 3, 1, 100), 4), least(lambda x: False, 1, 100)
    (3.0, None)
    """
    if enough(low):
        return low
    if not enough(high):
        return None
    while high / low > 1 + PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _oversubscription(
    fabric: Tiers, outside: tuple[int, ...], enough: Callable[[Tiers], bool]
) -> float | None:
    """Return the largest oversubscription of all tiers above the leaves."""
    if len(outside) < 2:
        return None
    leaf = float(fabric.bandwidth[outside[0]])

    def thinned(share: float) -> Tiers:
        rates = tuple(
            leaf * share if i in outside[1:] else each for i, each in enumerate(fabric.bandwidth)
        )
        even = tuple(
            min(leaf * share, each) if i in outside[1:] else each
            for i, each in enumerate(fabric.uniform_bandwidth)
        )
        return replace(fabric, bandwidth=rates, uniform_bandwidth=even)

    share = least(lambda x: enough(thinned(x)), 1 / MOST_OVERSUBSCRIBED, 1.0)
    return None if share is None else 1 / share


def _largest(
    model: Model,
    cluster: Cluster,
    target: Target,
    baseline: int,
    whole: float,
    request: Request,
) -> int | None:
    """Return the last of the doublings, without a gap, that reaches the target."""
    found, size = None, baseline
    while size <= min(cluster.max_gpus or LARGEST, LARGEST):
        try:
            reached = rate(model, cluster, size, request, target) / whole
        except (InputError, ModelError):
            break
        if reached < target.value:
            break
        found, size = size, 2 * size
    return found


def cheapest(found: Sequence[Reach]) -> Reach | None:
    """Return the one with the cheapest network of those that meet the target and have a price."""
    able = [each for each in found if each.met and each.network is not None]
    return min(able, key=lambda each: each.network or 0.0) if able else None


def reaches(
    comparison: Comparison,
    clusters: Sequence[tuple[str, Cluster]],
    models: Sequence[Model],
    target: Target,
    *,
    baseline: int,
    request: Request | None = None,
) -> tuple[Reach, ...]:
    """Ask every cluster of a comparison what it needs."""
    designs, shapes = dict(clusters), {model.name: model for model in models}
    return tuple(
        reach(
            shapes[entry.model],
            designs[entry.label],
            target,
            entry,
            baseline=baseline,
            request=request,
        )
        for entry in comparison.entries
    )
