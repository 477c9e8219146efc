"""One step played through: every task of every pipeline rank, for a timeline to look at.

The closed form says how long a step takes; this runs the same work, rank by rank, through the
pipeline simulator, and puts behind it what happens once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.training.compose import Pace, add_up, pace_of
from netmodel.training.factors import factors, rates
from netmodel.training.frameworks import software_of
from netmodel.training.layer import layer, totals
from netmodel.training.orders import pipeline_order
from netmodel.training.simulator import Durations, Timeline, simulate
from netmodel.training.step import planned, tiers_of
from netmodel.training.timeline import Activity
from netmodel.workload import Model, Strategy

if TYPE_CHECKING:
    from netmodel.topology import Cluster

HELD = {"zb-v": 2}
"""Stages that a rank holds under schedules that fold the pipeline into one copy of the model."""


def replay(
    model: Model,
    cluster: Cluster,
    strategy: Strategy,
    *,
    gpus: int,
    seq_len: int,
    software: Any = None,
) -> tuple[Timeline, tuple[Activity, ...]]:
    """Play one step through the pipeline simulator.

    Parameters
    ----------
    model, cluster, strategy, gpus, seq_len, software
        As :func:`netmodel.training.step` takes them; plain numbers.

    Returns
    -------
    timeline : Timeline
        Tasks and messages of one pipeline.
    activities : tuple of Activity
        Gradient reduction that is waited for, and the optimizer, on each rank.

    Raises
    ------
    InputError
        When the schedule does not exist for these counts.
    """
    chosen = software_of(software, cluster.software or {})
    accelerator, fabric = cluster.accelerator, tiers_of(cluster, gpus)
    plan, _ = planned(model, strategy, seq_len, fabric, accelerator.generation, chosen)
    values = factors(accelerator, chosen.keys)
    attained = rates(accelerator, values, precision=strategy.precision, flash=chosen.recipe.flash)
    layers = {kind: totals(layer(plan, kind, attained, values)) for kind in plan.work}
    first, middle, last = (pace_of(stage, layers) for stage in plan.stages)
    ranks = int(strategy.pp)
    paces = [first, *[middle] * (ranks - 2), last][:ranks]
    held = HELD.get(strategy.schedule, int(strategy.vpp))
    slowdown = float(values.get("overlap_slowdown", 1.0))
    order = pipeline_order(
        strategy.schedule,
        ranks=ranks,
        micro_batches=int(strategy.micro_batches),
        chunks=held,
    )
    durations = Durations(
        forward=_by_rank(paces, lambda pace: pace.forward / held),
        backward=_by_rank(paces, lambda pace: pace.backward / held),
        weight=_by_rank(paces, lambda pace: pace.weight / held),
        pair=_by_rank(paces, lambda pace: _pair(pace, slowdown))
        if strategy.schedule == "dualpipe"
        else None,
        send=float(plan.messages.get(("pp", "edge", "any"), 0.0)),
    )
    timeline = simulate(order, durations)
    parts = add_up(plan, attained, values).parts
    return timeline, _afterwards(timeline, ranks, parts["dp"], parts["optimizer"])


def _by_rank(paces: list[Pace], get: Callable[[Pace], Any]) -> Any:
    """A duration of every rank, shape (ranks, 1) [s]."""
    return np.array([[float(get(pace))] for pace in paces])


def _pair(pace: Pace, slowdown: float) -> float:
    """A forward and a backward that hide each other's expert messages [s]."""
    message = float(pace.experts)
    return max((float(pace.forward) + float(pace.backward) - message) * slowdown, message)


def _afterwards(
    timeline: Timeline, ranks: int, wait: float, optimizer: float
) -> tuple[Activity, ...]:
    """What each rank does once its pipeline is through, up to the common end of the step."""
    done = timeline.makespan
    found = []
    for rank in range(ranks):
        if wait > 0:
            found.append(
                Activity(rank=rank, lane="dp", name="gradients", start=done, end=done + wait)
            )
        start = done + wait
        found.append(
            Activity(
                rank=rank, lane="compute", name="optimizer", start=start, end=start + optimizer
            )
        )
    return tuple(found)
