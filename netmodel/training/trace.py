"""One step as a timeline: each micro-batch on each stage, simulated in its schedule's order.

Durations come from the same layers that the closed form adds up, but every stage has its own:
layers that do not divide, the embedding on the first, the output head and the multi-token modules
on the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import InputError
from netmodel.training.compose import Sum, pace_of
from netmodel.training.layer import Layer, layer, total, totals
from netmodel.training.orders import BACKWARD, FORWARD, INPUT, WEIGHT, pipeline_order
from netmodel.training.pieces import Pieces, pieces
from netmodel.training.simulator import Durations, Timeline, simulate
from netmodel.training.timeline import Activity, trace_json
from netmodel.workload import Model, Strategy, stage_layers

if TYPE_CHECKING:
    from netmodel.topology import Cluster

LANES = ("tp", "cp", "ep", "dp")
"""Dimensions whose messages belong to layers, each on a lane of its own."""

MOST_TASKS = 400_000
"""Of one trace; a viewer opens no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A step, simulated.

    Attributes
    ----------
    timeline : Timeline
        The pipeline: tasks and messages between stages.
    activities : tuple of Activity
        Messages of the other dimensions, and what happens once a step.
    step_time : float
        From the first task to the end of the optimizer [s].
    closed_form : float
        The same as :func:`netmodel.training.step` says [s].
    """

    timeline: Timeline
    activities: tuple[Activity, ...]
    step_time: float
    closed_form: float

    def to_json(self) -> str:
        """Return the trace in Chrome's format; equal questions give equal bytes."""
        return trace_json(self.timeline, self.activities)


def trace(
    model: Model,
    cluster: Cluster,
    strategy: Strategy,
    *,
    gpus: int,
    seq_len: int,
    software: Any = None,
) -> Trace:
    """Simulate one step; the arguments are those of :func:`netmodel.training.step`.

    Raises
    ------
    InputError
        When the schedule has no order of work for these counts, or the trace would be too large.

    Notes
    -----
    A message between stages holds its sender's computing up for the share of it that the closed
    form counts as exposed, and its receiver until it has come. Messages of other dimensions are
    drawn over the task that they belong to, all of its layers in one.
    """
    given = pieces(model, cluster, strategy, gpus=gpus, seq_len=seq_len, software=software)
    return simulated(given)


def simulated(given: Pieces) -> Trace:
    """Simulate a step whose pieces are known."""
    plan, strategy = given.plan, given.strategy
    tasks = 2 * int(plan.micro_batches) * int(plan.pp) * int(plan.vpp)
    if tasks > MOST_TASKS:
        raise InputError(
            f"{tasks:,} tasks in one step, a trace holds {MOST_TASKS:,}",
            where="--trace",
            remedy="Use a smaller global batch: the pattern repeats.",
        )
    order = pipeline_order(
        strategy.schedule,
        ranks=int(plan.pp),
        micro_batches=int(plan.micro_batches),
        chunks=int(plan.vpp),
    )
    layers = {kind: layer(plan, kind, given.rates, given.factors) for kind in plan.work}
    held = holdings(given)
    timeline = simulate(order, durations(given, layers, held))
    closed = given.sum()
    after = list(_afterwards(given, layers, closed, timeline))
    return Trace(
        timeline=timeline,
        activities=(*_during(timeline, layers, held), *after),
        step_time=max(each.end for each in after),
        closed_form=float(closed.step_time),
    )


def holdings(given: Pieces) -> list[dict[str, float]]:
    """What each stage of the model holds, by layer kind, first to last.

    The last rank and those between hold what :func:`~netmodel.workload.stage_layers` deals them,
    the first one the rest; where those between are not all full, the earlier ones are. The stages
    of one rank are alike.
    """
    model, strategy = given.model, given.strategy
    p, layers = int(strategy.pp), float(model.layers)
    folded = strategy.schedule == "zb-v"
    ends = given.plan.stages
    if folded or strategy.schedule == "dualpipe":  # dealt as in a pipeline that runs one way
        dealt = stage_layers(model, replace(strategy, schedule="1f1b"))
        ends = (dealt.first, dealt.middle, dealt.last)
    first, full, last = (float(each.layers) for each in ends)
    if p == 1:
        of_rank = [layers]
    elif folded:  # rank i holds the stages i and 2p-1-i
        of_rank = [(first + last) / 2, *_even(layers - (first + last) / 2, p - 1)]
    else:
        between = min(layers - first - last, (p - 2) * full)
        of_rank = [layers - between - last, *_even(between, p - 2), last]
    if folded:
        return _with_kinds(model, [each / 2 for each in (*of_rank, *of_rank[::-1])])
    chunks = int(strategy.vpp) if strategy.schedule == "interleaved" else 1
    return _with_kinds(model, [each / chunks for each in of_rank] * chunks)


def _even(layers: float, ranks: int) -> list[float]:
    """Share layers out, the first ranks one more where they do not divide."""
    if ranks == 0:
        return []
    whole, more = divmod(layers, ranks)
    if whole + more != int(whole + more):
        return [layers / ranks] * ranks
    return [whole + (i < more) for i in range(ranks)]


def _with_kinds(model: Model, layers: list[float]) -> list[dict[str, float]]:
    """Say which of the layers of each stage are dense and which MoE; add what both ends hold."""
    opening = model.moe.first_dense if model.moe is not None else model.layers
    share = model.moe_layers / max(model.layers - opening, 1)
    held, done = [], 0.0
    for count in layers:
        moe = max(done + count - max(done, opening), 0.0) * share
        held.append({"dense": count - moe, "moe": moe})
        done += count
    held[0]["embedding"] = 1.0
    held[-1]["head"] = 1.0
    held[-1]["mtp"] = float(model.mtp)
    return held


def durations(given: Pieces, layers: dict[str, Layer], held: list[dict[str, float]]) -> Durations:
    """Seconds of one micro-batch on every stage."""
    plan, factors = given.plan, given.factors
    stages = len(held)
    edge = plan.messages.get(("pp", "edge", "any"), 0.0) / plan.vpp
    share = factors["pp_exposed"] * edge
    forward = _by_stage(held, {kind: total(each.forward) for kind, each in layers.items()}) + share
    backward = (
        _by_stage(held, {kind: total(each.backward) for kind, each in layers.items()}) + share
    )
    weight = _by_stage(held, {kind: each.weight for kind, each in layers.items()})
    pair = None
    if plan.schedule == "dualpipe":
        message = _by_stage(held, {kind: each.forward["ep"] for kind, each in layers.items()})
        back = _by_stage(held, {kind: each.backward["ep"] for kind, each in layers.items()})
        moving = message + back[::-1]
        busy = (forward + backward[::-1] - moving) * factors["overlap_slowdown"]
        pair = np.maximum(busy, moving)
    return Durations(
        forward=forward,
        backward=backward,
        weight=weight,
        pair=pair,
        send=np.full(max(1, stages - 1), edge),
    )


def _by_stage(held: list[dict[str, float]], seconds: dict[str, Any]) -> Any:
    """Add up a time of layers over what each stage holds."""
    return np.array(
        [sum(count * seconds.get(kind, 0.0) for kind, count in each.items()) for each in held]
    )


def _during(
    timeline: Timeline, layers: dict[str, Layer], held: list[dict[str, float]]
) -> Iterator[Activity]:
    """Messages of each dimension over the tasks that they belong to, hidden ones included."""
    order = timeline.order
    passes = {FORWARD: ("forward",), BACKWARD: ("backward",), INPUT: ("backward",)}
    split = {
        name: {
            which: _by_stage(
                held, {kind: getattr(each, which)[name] for kind, each in layers.items()}
            )
            for which in ("forward", "backward")
        }
        for name in LANES
    }
    hidden = {
        name: _by_stage(held, {kind: each.hidden.get(name, 0.0) for kind, each in layers.items()})
        for name in LANES
    }
    second = np.concatenate([[False], order.paired[:-1]])
    for name in LANES:
        waited = split[name]
        all_waits = waited["forward"] + waited["backward"]
        if not (all_waits + hidden[name]).any():
            continue
        for task in np.flatnonzero((order.kind != WEIGHT) & ~second).tolist():
            seconds = 0.0
            for each in (task, task + 1) if order.paired[task] else (task,):
                stage = int(order.stage[each])
                (which,) = passes[int(order.kind[each])]
                wait = float(waited[which][stage])
                part = wait / all_waits[stage] if all_waits[stage] else 0.5
                seconds += wait + float(hidden[name][stage]) * part
            start, end = float(timeline.start[task]), float(timeline.end[task])
            if seconds > 0:
                yield Activity(
                    rank=int(order.rank[task]),
                    lane=name,
                    name=name,
                    start=start,
                    end=min(end, start + seconds),
                )


def _afterwards(
    given: Pieces, layers: dict[str, Layer], closed: Sum, timeline: Timeline
) -> Iterator[Activity]:
    """What happens once a step on every rank, when the last one is done."""
    brief = {kind: totals(each) for kind, each in layers.items()}
    slow = max((pace_of(stage, brief) for stage in given.plan.stages), key=lambda pace: pace.both)
    inside = sum(
        slow.counts[kind] * (each.forward["dp"] + each.backward["dp"])
        for kind, each in layers.items()
        if kind in ("dense", "moe")
    )
    exposed = float(closed.parts["dp"] - given.plan.micro_batches * inside)
    message = sum(
        float(seconds)
        for (dimension, phase, _), seconds in given.plan.messages.items()
        if phase == "step" and dimension in ("dp", "edp", "replica")
    )
    tied = float(given.plan.messages.get(("pp", "step", "embedding"), 0.0))
    late = float(closed.parts["stragglers"] / (closed.step_time - closed.parts["stragglers"]))
    once = (
        ("dp", "gradients and weights", exposed),
        ("pp", "shared embedding", tied),
        ("optimizer", "optimizer", float(closed.parts["optimizer"])),
        ("other", "overhead", float(closed.parts["overhead"])),
    )
    for rank in range(timeline.order.ranks):
        now = timeline.makespan
        begin = max(now - max(message - exposed, 0.0), 0.0)
        for lane, name, seconds in once:
            start = begin if lane == "dp" and message else now
            now += max(seconds, 0.0)
            if now > start:
                yield Activity(rank=rank, lane=lane, name=name, start=start, end=now)
        end = now * (1.0 + late)
        yield Activity(rank=rank, lane="other", name="stragglers", start=now, end=end)
