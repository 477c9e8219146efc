"""Where a step's time goes, from all model FLOPs at peak to the real step.

Every second belongs to one entry. Kernels and communication are those of the mean pipeline rank;
what the slowest rank, which the others wait for, has more of is the imbalance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netmodel.collectives.group import SCALE_UP
from netmodel.network.tiers import Tiers
from netmodel.training.factors import peaks
from netmodel.training.layer import total
from netmodel.training.messages import Message
from netmodel.training.pieces import Pieces, even_stage
from netmodel.workload import Stage, Work, flops_per_token

IDEAL, EXTRA, IMBALANCE = "ideal", "extra work", "imbalance"
KERNELS = ("gemm", "attention", "elementwise", "head")
"""Parts of a step that are its GPU's own model work."""

DIMENSIONS = {
    "tp": ("tp",),
    "cp": ("cp",),
    "ep": ("ep", "etp"),
    "dp": ("dp", "edp", "replica"),
    "pp": ("pp",),
}
"""Dimensions of messages that make up each part of a step that is communication."""

CAUSES = ("latency", "bandwidth", "contention")


def waterfall(given: Pieces) -> dict[str, float]:
    """Split the step's seconds by cause; they add up to the step time [s].

    Returns
    -------
    dict of str to float
        ``ideal``, the model's FLOPs at the rated peak; ``extra work``, FLOPs beyond the model's
        (multi-token modules); ``kernels:KIND``, what kernels take beyond their FLOPs at peak;
        ``DIMENSION:TIER:CAUSE``, communication that is waited for; and the other parts of the
        step under their own names. Entries of no time are left out.

    Notes
    -----
    A part of the step that is communication is shared out in proportion to the time that its
    messages take alone. A message is charged to the tier that decides it. Its latency is what
    fewer bytes would not shorten; contention is what it would save if each tier of the network
    gave every GPU as much as its own NIC; bandwidth is the rest.
    """
    real, even = given.sum().parts, mean_rank(given)
    seconds: dict[str, float] = {}
    ideal = _ideal(given)
    seconds[IDEAL] = ideal["model"]
    seconds[EXTRA] = sum(ideal[kind] for kind in KERNELS) - ideal["model"]
    for kind in KERNELS:
        seconds[f"kernels:{kind}"] = even[kind] - ideal[kind]
    shares = communication_shares(given)
    for name, value in even.items():
        if name in KERNELS:
            continue
        if name in DIMENSIONS and shares[name]:
            for (tier, cause), share in shares[name].items():
                seconds[f"{name}:{tier}:{cause}"] = value * share
        else:
            seconds[name] = value
    seconds[IMBALANCE] = total(real) - total(even)
    return {name: float(value) for name, value in seconds.items() if value or name == IDEAL}


def mean_rank(given: Pieces) -> dict[str, Any]:
    """Parts of the step with the work of the mean pipeline rank, the rest as it is [s]."""
    real, even = given.sum().parts, given.balanced().sum().parts
    once = ONCE if given.strategy.zero >= 3 else (*ONCE, "dp")
    return {name: real[name] if name in once else value for name, value in even.items()}


ONCE = ("pp", "bubble", "optimizer", "overhead", "stragglers")
"""Parts of a step that are not work of the slowest rank in each micro-batch; ``dp`` is one, too,
where weights are not gathered layer by layer."""


def _ideal(given: Pieces) -> dict[str, float]:
    """Seconds of one GPU's share of the FLOPs at the rated peak: the model's, and by kind."""
    strategy, plan = given.strategy, given.plan
    peak, _ = peaks(given.accelerator, strategy.precision)
    tokens = strategy.global_batch * given.seq_len
    flops = flops_per_token(given.model, given.seq_len, causal=True) * tokens / strategy.gpus
    found = dict.fromkeys(KERNELS, 0.0) | {"model": flops / peak}
    stage = even_stage(given.model, plan)
    for kind, work in plan.work.items():
        passes = 3.0 * plan.micro_batches * getattr(stage, kind) / peak  # one forward, two back
        products, cores = _flops(work)
        layer = kind in ("dense", "moe")
        found["gemm" if layer else "head"] += passes * products
        found["attention" if layer else "head"] += passes * cores
    return found


def _flops(work: Work) -> tuple[float, float]:
    """Forward FLOPs of products and of attention cores, masked half not counted."""
    products = sum(each.flops for each in work.gemms)
    cores = sum(each.flops * (0.5 if each.causal else 1.0) for each in work.attention)
    return products, cores


def communication_shares(given: Pieces) -> dict[str, dict[tuple[str, str], float]]:
    """Split each dimension's messages by (tier, cause); the shares of a dimension add up to 1."""
    alone = given.with_fabric(unshared(given.fabric)).messages
    stage = even_stage(given.model, given.plan)
    shares: dict[str, dict[tuple[str, str], float]] = {}
    for name, own in DIMENSIONS.items():
        seconds: dict[tuple[str, str], float] = {}
        for message, free in zip(given.messages, alone, strict=True):
            if message.demand.dimension not in own:
                continue
            times = occurrences(message, given, stage)
            for tier, cause, value in _causes(message, free):
                if value:
                    key = tier, cause
                    seconds[key] = seconds.get(key, 0.0) + times * value
        whole = sum(seconds.values())
        shares[name] = {key: value / whole for key, value in seconds.items()} if whole else {}
    return shares


def _causes(message: Message, free: Message) -> list[tuple[str, str, float]]:
    """Latency, bandwidth and contention of one message, each with the tier that it is due to."""
    seconds = float(message.seconds)
    contention = max(seconds - float(free.seconds), 0.0)
    latency = min(float(free.latency), seconds - contention)
    return [
        (str(free.tier), "latency", latency),
        (str(free.tier), "bandwidth", seconds - contention - latency),
        (str(message.tier), "contention", contention),
    ]


def occurrences(message: Message, given: Pieces, stage: Stage) -> Any:
    """How often a message's unit of phase comes in one step of one rank."""
    phase, layer = message.demand.phase, message.demand.layer
    if phase == "step":
        return 1.0
    if phase == "edge":
        return 2.0 * given.plan.micro_batches
    return given.plan.micro_batches * getattr(stage, layer)


def unshared(fabric: Tiers) -> Tiers:
    """Return the fabric on which every tier gives each GPU what its own NIC does, or more.

    Examples
    --------
    >>> tiers = Tiers(names=("nvlink", "leaf", "spine"), unit=(8, 32, 256), links=("", "", ""),
    ...               bandwidth=(450e9, 50e9, 25e9), latency=(0.0, 0.0, 0.0))
    >>> unshared(tiers).bandwidth
    (450000000000.0, 50000000000.0, 50000000000.0)
    """
    first = next((i for i, name in enumerate(fabric.names) if name not in SCALE_UP), None)
    if first is None:
        return replace(fabric, uniform_bandwidth=fabric.bandwidth)
    own = fabric.bandwidth[first]
    wide = tuple(max(each, own) if i >= first else each for i, each in enumerate(fabric.bandwidth))
    return replace(fabric, bandwidth=wide, uniform_bandwidth=wide)


def growth(first: Mapping[str, float], last: Mapping[str, float], scale: float) -> dict[str, float]:
    """Explain one waterfall by another: perfect scaling, and what each entry adds to it [s].

    Parameters
    ----------
    first, last : mapping of str to float
        Waterfalls of two sizes.
    scale : float
        What the first step would shrink (or grow) to at the last size if nothing were lost.
    """
    seconds = {IDEAL: scale * sum(first.values())}
    names = [*last, *(name for name in first if name not in last)]
    for name in names:
        more = last.get(name, 0.0) - scale * first.get(name, 0.0)
        if name == IDEAL:
            name = "ideal work"
        if abs(more) > ROUNDING * seconds[IDEAL]:
            seconds[name] = more
    return seconds


ROUNDING = 1e-12
"""Share of a step below which a difference is none."""
