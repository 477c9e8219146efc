"""Everything that the time of one step follows from, once its messages are timed.

A plan knows no GPU and no factor: the same plan is added up for other rates, and many plans of one
structure are added up at once as arrays (calibration does both).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from netmodel.graph import IntArray
from netmodel.numeric import both, choose, larger
from netmodel.training.frameworks import Software
from netmodel.training.messages import Message
from netmodel.workload import (
    Model,
    Stage,
    Strategy,
    Work,
    layer_work,
    stage_layers,
)
from netmodel.workload.demands import heaviest_held
from netmodel.workload.memory import shard_ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step, or many of one structure; every number may be an array.

    Attributes
    ----------
    work : mapping of str to Work
        Forward work of one micro-batch by layer kind.
    stages : tuple of Stage
        First, fullest middle and last pipeline rank.
    recomputed : frozenset of str
        Modules that run again in the backward pass.
    schedule : str
        Pipeline schedule.
    messages : mapping
        Seconds by (dimension, phase, layer) of all messages, each when nothing else runs [s];
        under ``passing``, of the weights and gradients of a layer on the GPU's own links.
    pp, vpp, micro_batches : int or array
        Pipeline and virtual stages, micro-batches a step.
    sharded : float or array
        1 where weights are gathered layer by layer (ZeRO-3), else 0.
    overlap_dp, overlap_tp, overlap_cp, overlap_ep : float or array
        1 where the framework hides that communication; a ring of context-parallel ranks hides its
        steps under attention, a gathering or an all-to-all comes before it.
    expert_cover : str
        What overlapped expert messages hide under: ``layer`` or ``shared``.
    updated : float or array
        Parameters whose optimizer states one rank updates.
    local_experts : float or array
        Routed experts on one rank.
    gpus : int or array
        GPUs of the job.
    of_layers : Plan, optional
        Of many layouts: a plan of the few that differ in their layers.
    sort : int array, optional
        Which of them each layout has.
    """

    work: Mapping[str, Work]
    stages: tuple[Stage, Stage, Stage]
    recomputed: frozenset[str]
    schedule: str
    messages: Mapping[tuple[str, str, str], Any]
    pp: Any
    vpp: Any
    micro_batches: Any
    sharded: Any
    overlap_dp: Any
    overlap_tp: Any
    overlap_cp: Any
    overlap_ep: Any
    expert_cover: str
    updated: Any
    local_experts: Any
    gpus: Any
    of_layers: Plan | None = None
    sort: IntArray | None = None


def plan(
    model: Model,
    strategy: Strategy,
    seq_len: Any,
    software: Software,
    messages: tuple[Message, ...],
    *,
    work: Mapping[str, Work] | None = None,
) -> Plan:
    """Gather what a step follows from; ``work`` where it is at hand."""
    stages = dealt(model, strategy, software)
    held = heaviest_held(model, strategy)
    shared, experts = shard_ranks(strategy)
    whole = held.shared + held.expert
    parts = held.shared / shared + held.expert / experts
    spread = (strategy.zero >= 1) * 1.0
    return Plan(
        work=layer_work(model, strategy, seq_len, software.recipe) if work is None else work,
        stages=stages,
        recomputed=strategy.recomputed,
        schedule=strategy.schedule,
        messages=summed(messages),
        pp=strategy.pp,
        vpp=strategy.vpp,
        micro_batches=strategy.micro_batches,
        sharded=(strategy.zero >= 3) * 1.0,
        overlap_dp=strategy.overlap_dp * 1.0,
        overlap_tp=strategy.overlap_tp * 1.0,
        overlap_cp=1.0 if strategy.context == "ring" else 0.0,
        overlap_ep=strategy.overlap_ep * 1.0,
        expert_cover=software.recipe.expert_cover,
        updated=spread * parts + (1 - spread) * whole,
        local_experts=model.moe.experts / strategy.ep if model.moe else 0.0,
        gpus=strategy.gpus,
    )


def summed(messages: tuple[Message, ...]) -> dict[tuple[str, str, str], Any]:
    """Seconds of all messages of each dimension, phase and layer [s]."""
    seconds: dict[tuple[str, str, str], Any] = {}
    for each in messages:
        demand = each.demand
        key = (demand.dimension, demand.phase, demand.layer)
        seconds[key] = seconds.get(key, 0.0) + each.seconds
        if demand.dimension in ("dp", "edp") and demand.phase != "step":
            key = ("passing", demand.phase, demand.layer)
            seconds[key] = seconds.get(key, 0.0) + each.passing
    return seconds


def dealt(model: Model, strategy: Strategy, software: Software) -> tuple[Stage, Stage, Stage]:
    """Deal layers to the first, the fullest middle and the last rank as the framework does.

    Where layers do not divide and the framework lets the last rank, which has the head, run short
    by all that is missing, the others are full. Where more are missing than one rank holds, they
    are dealt as everywhere else.

    >>> from netmodel import load_model
    >>> from netmodel.training.frameworks import software
    >>> ranks = dealt(load_model("deepseek-v3"), Strategy(pp=16), software("megatron-bridge"))
    >>> [rank.layers for rank in ranks]
    [4.0, 4.0, 1.0]
    """
    stages = stage_layers(model, strategy)
    first, middle, last = stages.first, stages.middle, stages.last
    if not software.spare_last or strategy.balanced_stages or last.copies > 1:
        return first, middle, last
    full = middle.layers
    left = full - (strategy.pp * full - model.layers)
    fits = both(strategy.pp > 2, left >= 0)
    fewer = choose(fits, left / larger(last.layers, 1), 1.0)
    more = choose(fits, (full - first.layers) / larger(full, 1), 0.0)
    return (
        replace(first, dense=first.dense + more * middle.dense, moe=first.moe + more * middle.moe),
        middle,
        replace(last, dense=last.dense * fewer, moe=last.moe * fewer),
    )


def taken(value: Any, index: IntArray | slice) -> Any:
    """Take elements of every array inside a value."""
    if isinstance(value, np.ndarray):
        return value[index]
    if isinstance(value, Mapping):
        return {key: taken(each, index) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(taken(each, index) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: taken(getattr(value, each.name), index) for each in fields(value)}
        return type(value)(**changed)
    return value
