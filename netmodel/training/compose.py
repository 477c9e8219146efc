"""From layers to a step: the slowest pipeline rank, the bubble, what happens once a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from netmodel.numeric import choose, larger, root, smaller
from netmodel.training.kernels import Rates
from netmodel.training.layer import PARTS, Layer, Parts, Totals, layer, totals
from netmodel.training.overlap import exposed
from netmodel.training.pipeline import bubble, uneven_wait
from netmodel.training.plan import Plan, taken
from netmodel.workload import Stage

CHUNK = 2**15
"""Layouts added up at a time: their arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One micro-batch on one rank: how many layers of each kind, and the totals [s]."""

    counts: Mapping[str, Any]
    forward: Any
    backward: Any
    weight: Any
    experts: Any

    @property
    def both(self) -> Any:
        """Forward and backward."""
        return self.forward + self.backward


class Others(NamedTuple):
    """What the slowest rank waits for [s].

    ``work`` is one micro-batch on all other ranks together, ``waits`` its idle time under 1F1B.
    """

    work: Any
    waits: Any


@dataclass(frozen=True, slots=True)
class Frame:
    """A step without its breakdown [s].

    Attributes
    ----------
    slow : Pace
        The rank that the others wait for.
    steady, bubble, pipe, sync, optimizer, stragglers : float or array
        Its micro-batches, its idle time, waits for pipeline messages and for gradients and weights,
        the optimizer, and the wait for the slowest of all GPUs.
    step_time : float or array
        All of it, and the fixed time.
    view : mapping
        The micro-batches as the schedule runs them.
    """

    slow: Pace
    steady: Any
    bubble: Any
    pipe: Any
    sync: Any
    optimizer: Any
    stragglers: Any
    step_time: Any
    view: Parts


@dataclass(frozen=True, slots=True)
class Sum:
    """A step, added up: its time, by part, hidden communication, and the schedule's view [s]."""

    step_time: Any
    parts: Parts
    hidden: Parts
    view: Parts


def step_time(plan: Plan, rates: Rates, factors: Mapping[str, Any]) -> Any:
    """Time one step without its breakdown, to the last bit as :func:`add_up` does [s]."""
    layers, brief = _few(plan, rates, factors)
    del layers
    if plan.sort is None:
        return _frame(plan, brief, rates, factors).step_time
    seconds = np.empty(plan.sort.shape)
    for start in range(0, len(seconds), CHUNK):
        part = slice(start, start + CHUNK)
        some = taken(replace(plan, of_layers=None), part)
        mine = {kind: each.at(plan.sort[part]) for kind, each in brief.items()}
        seconds[part] = _frame(some, mine, rates, factors).step_time
    return seconds


def add_up(plan: Plan, rates: Rates, factors: Mapping[str, Any]) -> Sum:
    """Add up one step; the parts' sum is the step time."""
    layers, brief = _few(plan, rates, factors)
    if plan.sort is not None:
        layers = {kind: each.at(plan.sort) for kind, each in layers.items()}
        brief = {kind: each.at(plan.sort) for kind, each in brief.items()}
    frame = _frame(plan, brief, rates, factors)
    m, slow = plan.micro_batches, frame.slow
    parts: Parts = {name: m * _held(slow.counts, layers, name, ("dense", "moe")) for name in PARTS}
    others = tuple(kind for kind in layers if kind not in ("dense", "moe"))
    parts["head"] = m * sum(_held(slow.counts, layers, name, others) for name in PARTS)
    if plan.schedule == "dualpipe":
        compute = slow.both - slow.experts
        slowed = compute * factors["overlap_slowdown"]
        pairs = m - _alone(plan)
        parts["interference"] = pairs * (slowed - compute)
        parts["ep"] = frame.steady - m * compute - parts["interference"]
        parts["head"] = parts["head"] - m * _held(slow.counts, layers, "ep", others)
    hidden = {name: m * _hidden(slow.counts, layers, name) for name in ("tp", "cp", "ep", "dp")}
    if plan.schedule == "dualpipe":
        hidden["ep"] = m * slow.experts - parts["ep"]
    message = _synced(plan)
    parts["dp"] = parts["dp"] + frame.sync
    hidden["dp"] = hidden["dp"] + message - frame.sync
    parts["pp"] = frame.pipe
    edge = plan.messages.get(("pp", "edge", "any"), 0.0)
    hidden["pp"] = 2.0 * edge * (1.0 - factors["pp_exposed"]) * m
    parts["bubble"] = frame.bubble
    parts["optimizer"] = frame.optimizer
    parts["overhead"] = factors["overhead"]
    parts["stragglers"] = frame.stragglers
    updated = frame.sync + frame.optimizer
    view = {**frame.view, "bubble": frame.bubble, "optimizer": updated}
    return Sum(frame.step_time, parts, hidden, view)


def _few(
    plan: Plan, rates: Rates, factors: Mapping[str, Any]
) -> tuple[dict[str, Layer], dict[str, Totals]]:
    """Time each kind of layer, of many layouts each sort once."""
    own = plan if plan.of_layers is None else plan.of_layers
    layers = {kind: layer(own, kind, rates, factors) for kind in own.work}
    return layers, {kind: totals(each) for kind, each in layers.items()}


def _frame(
    plan: Plan, brief: Mapping[str, Totals], rates: Rates, factors: Mapping[str, Any]
) -> Frame:
    """Find what decides the step time."""
    return finish(plan, slowest(plan, brief), rates, factors)


def slowest(plan: Plan, brief: Mapping[str, Totals]) -> tuple[Pace, Others]:
    """Find the rank that the others wait for, and what it waits for them.

    Of a plan, only ``stages``, ``pp`` and ``micro_batches`` matter.
    """
    paces = [pace_of(stage, brief) for stage in plan.stages]
    slow = _slowest(paces)
    work = paces[0].both + paces[2].both + (plan.pp - 2) * paces[1].both - slow.both
    waits = uneven_wait(
        stages=plan.pp,
        micro_batches=plan.micro_batches,
        forward=(paces[0].forward, paces[1].forward, paces[2].forward),
        backward=(paces[0].backward, paces[1].backward, paces[2].backward),
    )
    alone = plan.pp > 1
    return slow, Others(
        larger(choose(alone, work, 0.0), 0.0), larger(choose(alone, waits, 0.0), 0.0)
    )


def finish(
    plan: Plan, ranks: tuple[Pace, Others], rates: Rates, factors: Mapping[str, Any]
) -> Frame:
    """Add to the ranks of :func:`slowest` what the schedule idles and what happens once a step.

    Layers, their work and the stages are in ``ranks``; of a plan, only the rest matters.
    """
    slow, others = ranks
    m, p = plan.micro_batches, plan.pp
    if plan.schedule == "dualpipe":
        steady, pair, view = _two_way(plan, slow, factors)
    else:
        steady, pair = m * slow.both, 0.0
        view = {"forward": m * slow.forward, "backward": m * slow.backward}
    idle = bubble(
        plan.schedule, stages=p, weight=slow.weight, pair=pair,
        others=others.waits if plan.schedule == "1f1b" else others.work,
        backward=slow.backward, chunks=plan.vpp, micro_batches=m, forward=slow.forward,
    )  # fmt: skip
    edge = plan.messages.get(("pp", "edge", "any"), 0.0)
    tied = plan.messages.get(("pp", "step", "embedding"), 0.0)
    pipe = 2.0 * edge * (factors["pp_exposed"] * m + (p - 1) / plan.vpp) + tied
    message = _synced(plan)
    cover = factors["dp_hidden"] * slow.both * _covering(plan)
    under = exposed(message, factors["dp_exposed"], cover)
    sync = plan.overlap_dp * under + (1.0 - plan.overlap_dp) * message
    optimizer = plan.updated * factors["optimizer"] / rates.memory
    busy = steady + idle + pipe + sync + optimizer
    late = busy * factors["jitter"] * _largest_of(plan.gpus)
    whole = busy + late + factors["overhead"]
    return Frame(slow, steady, idle, pipe, sync, optimizer, late, whole, view)


def _covering(plan: Plan) -> Any:
    """Micro-batches under which messages of gradients and weights may hide.

    The last backward and the first forward pass of a rank. Interleaved, a rank runs each of its
    chunks for as many micro-batches as there are stages before it turns to the next one: gradients
    of the first chunk that ends may move while the others follow.
    """
    group = smaller(plan.micro_batches, plan.pp)
    return 1.0 + (group - 1.0) * (1.0 - 1.0 / plan.vpp)


def _synced(plan: Plan) -> Any:
    """Messages once a step that gradients and weights need [s]."""
    seconds: Any = 0.0
    for (dimension, phase, _), each in plan.messages.items():
        if phase == "step" and dimension in ("dp", "edp", "replica"):
            seconds = seconds + each
    return seconds


def _held(
    counts: Mapping[str, Any], layers: Mapping[str, Layer], name: str, kinds: tuple[str, ...]
) -> Any:
    """Sum a part over the layers that a rank holds."""
    seconds: Any = 0.0
    for kind in kinds:
        if kind in layers:
            each = layers[kind]
            seconds = seconds + counts[kind] * (each.forward[name] + each.backward[name])
    return seconds


def _hidden(counts: Mapping[str, Any], layers: Mapping[str, Layer], name: str) -> Any:
    seconds: Any = 0.0
    for kind, each in layers.items():
        seconds = seconds + counts[kind] * each.hidden.get(name, 0.0)
    return seconds


def pace_of(stage: Stage, brief: Mapping[str, Totals]) -> Pace:
    """One micro-batch on one rank."""
    ahead: Any = 0.0
    back: Any = 0.0
    weight: Any = 0.0
    experts: Any = 0.0
    counts = {}
    for kind, each in brief.items():
        count = counts[kind] = getattr(stage, kind)
        ahead = ahead + count * each.forward
        back = back + count * each.backward
        weight = weight + count * each.weight
        experts = experts + count * each.experts
    return Pace(counts, ahead, back, weight, experts)


def _slowest(paces: list[Pace]) -> Pace:
    """The rank that the others wait for."""
    best, *rest = paces
    for pace in rest:
        slower = pace.both > best.both
        if isinstance(slower, bool):
            best = pace if slower else best
            continue
        best = Pace(
            {kind: choose(slower, pace.counts[kind], best.counts[kind]) for kind in best.counts},
            choose(slower, pace.forward, best.forward),
            choose(slower, pace.backward, best.backward),
            choose(slower, pace.weight, best.weight),
            choose(slower, pace.experts, best.experts),
        )
    return best


def _alone(plan: Plan) -> Any:
    r"""Micro-batches of DualPipe that meet no partner, mean over ranks: :math:`5p/4 - 1/2`."""
    return smaller(1.25 * plan.pp - 0.5, 1.0 * plan.micro_batches)


def _two_way(plan: Plan, slow: Pace, factors: Mapping[str, Any]) -> tuple[Any, Any, Parts]:
    """DualPipe: pairs of a forward and a backward whose communication hides under compute.

    The expert messages of a micro-batch without a partner are waited for. A pair takes the longer
    of its compute, on the SMs that communication leaves, and its communication.

    Returns
    -------
    tuple
        Time of all micro-batches, of a pair, and the schedule's view [s].
    """
    m, alone = plan.micro_batches, _alone(plan)
    compute = slow.both - slow.experts
    pair = larger(compute * factors["overlap_slowdown"], slow.experts)
    split = smaller(0.75 * plan.pp - 0.5, alone)
    view = {
        "forward": alone * slow.forward,
        "backward": alone * slow.backward - split * slow.weight,
        "weight": split * slow.weight,
        "pairs": (m - alone) * pair,
    }
    return alone * slow.both + (m - alone) * pair, pair, view


def _largest_of(gpus: Any) -> Any:
    r"""Expected largest of n normal deviates, :math:`\sqrt{2 \ln n}`."""
    if isinstance(gpus, int | float):
        return math.sqrt(2.0 * math.log(gpus))
    sizes, where = np.unique(gpus, return_inverse=True)
    logs = np.array([2.0 * math.log(size) for size in sizes.tolist()])
    return root(logs)[where].reshape(np.shape(gpus))
