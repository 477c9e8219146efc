"""From layers to a step: the slowest pipeline rank, the bubble, what happens once a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.collectives.real import choose, larger, root, smaller
from netmodel.training.kernels import Rates
from netmodel.training.layer import PARTS, Layer, Parts, layer, total
from netmodel.training.overlap import exposed
from netmodel.training.pipeline import bubble
from netmodel.training.plan import Plan
from netmodel.workload import Stage

ALL_PARTS = (*PARTS, "head", "pp", "bubble", "optimizer", "overhead", "stragglers")


@dataclass(frozen=True, slots=True)
class Pace:
    """One micro-batch on one rank: times by part of both passes, and the totals [s]."""

    parts: Parts
    forward: Any
    backward: Any
    weight: Any


@dataclass(frozen=True, slots=True)
class Sum:
    """A step, added up: times by part, hidden communication, and the schedule's own view [s]."""

    parts: Parts
    hidden: Parts
    view: Parts


def add_up(plan: Plan, rates: Rates, factors: Mapping[str, Any]) -> Sum:
    """Add up one step; the parts' sum is the step time."""
    layers = {kind: layer(plan, kind, rates, factors) for kind in plan.work}
    paces = [pace_of(stage, layers) for stage in plan.stages]
    slow = _slowest(paces)
    m, p = plan.micro_batches, plan.pp
    whole = [pace.forward + pace.backward for pace in paces]
    others = whole[0] + whole[2] + (p - 2) * whole[1] - (slow.forward + slow.backward)
    others = larger(choose(p > 1, others, 0.0), 0.0)
    hidden = {
        name: m * _held(plan.stages[1], layers, lambda each, n=name: each.hidden.get(n, 0.0))
        for name in ("tp", "cp", "ep", "dp")
    }
    if plan.schedule == "dualpipe":
        parts, view = _two_way(plan, slow, others, factors)
    else:
        parts = {name: m * value for name, value in slow.parts.items()}
        idle = bubble(plan.schedule, stages=p, others=others, weight=slow.weight, chunks=plan.vpp)
        parts["bubble"] = idle
        view = {"forward": m * slow.forward, "backward": m * slow.backward, "bubble": idle}
    edge = plan.messages.get(("pp", "edge", "any"), 0.0)
    chunks_lost = (p - 1) / plan.vpp
    parts["pp"] = 2.0 * edge * (factors["pp_exposed"] * m + chunks_lost)
    hidden["pp"] = 2.0 * edge * (1.0 - factors["pp_exposed"]) * m
    _once(plan, slow, rates, factors, parts, hidden)
    view["optimizer"] = parts["optimizer"]
    busy = total(parts)
    parts["overhead"] = factors["overhead"]
    parts["stragglers"] = busy * factors["jitter"] * _largest_of(plan.gpus)
    return Sum(parts, hidden, view)


def _held(stage: Stage, layers: Mapping[str, Layer], get: Any) -> Any:
    """Sum a quantity of layers over what a stage holds."""
    seconds: Any = 0.0
    for kind, each in layers.items():
        seconds = seconds + getattr(stage, kind) * get(each)
    return seconds


def pace_of(stage: Stage, layers: Mapping[str, Layer]) -> Pace:
    """One micro-batch on one rank."""
    parts: Parts = dict.fromkeys(PARTS, 0.0)
    parts["head"] = 0.0
    ahead: Any = 0.0
    back: Any = 0.0
    weight: Any = 0.0
    for kind, each in layers.items():
        count = getattr(stage, kind)
        one, other = total(each.forward), total(each.backward)
        ahead = ahead + count * one
        back = back + count * other
        weight = weight + count * each.weight
        if kind in ("dense", "moe"):
            for name in PARTS:
                parts[name] = parts[name] + count * (each.forward[name] + each.backward[name])
        else:
            parts["head"] = parts["head"] + count * (one + other)
    return Pace(parts, ahead, back, weight)


def _slowest(paces: list[Pace]) -> Pace:
    """The rank that the others wait for."""
    best, *rest = paces
    for pace in rest:
        if pace is best:
            continue
        slower = pace.forward + pace.backward > best.forward + best.backward
        if isinstance(slower, bool):
            best = pace if slower else best
            continue
        best = Pace(
            {name: choose(slower, pace.parts[name], best.parts[name]) for name in best.parts},
            choose(slower, pace.forward, best.forward),
            choose(slower, pace.backward, best.backward),
            choose(slower, pace.weight, best.weight),
        )
    return best


def _two_way(
    plan: Plan, slow: Pace, others: Any, factors: Mapping[str, Any]
) -> tuple[Parts, Parts]:
    r"""DualPipe: pairs of a forward and a backward whose communication hides under compute.

    Of m micro-batches, :math:`u = 5p/4 - 1/2` (mean over ranks) meet no partner: their expert
    communication is waited for. A pair takes the longer of its compute, on the SMs that
    communication leaves, and its communication.
    """
    m, p = plan.micro_batches, plan.pp
    alone = smaller(1.25 * p - 0.5, 1.0 * m)
    message = slow.parts["ep"]
    compute = slow.forward + slow.backward - message
    slowed = compute * factors["overlap_slowdown"]
    pair = larger(slowed, message)
    parts = {name: m * value for name, value in slow.parts.items()}
    parts["ep"] = alone * message + (m - alone) * (pair - slowed)
    parts["interference"] = (m - alone) * (slowed - compute)
    idle = bubble(
        "dualpipe", stages=p, others=others, weight=slow.weight, pair=pair, backward=slow.backward
    )
    parts["bubble"] = idle
    split = smaller(0.75 * p - 0.5, alone)
    view = {
        "forward": alone * slow.forward,
        "backward": alone * slow.backward - split * slow.weight,
        "weight": split * slow.weight,
        "pairs": (m - alone) * pair,
        "bubble": idle,
    }
    return parts, view


def _once(
    plan: Plan,
    slow: Pace,
    rates: Rates,
    factors: Mapping[str, Any],
    parts: Parts,
    hidden: Parts,
) -> None:
    """Add what happens once a step: gradients, weights, optimizer."""
    message: Any = 0.0
    for (dimension, phase, _), seconds in plan.messages.items():
        if phase == "step" and dimension in ("dp", "edp", "replica"):
            message = message + seconds
    beside = factors["dp_hidden"] * (slow.forward + slow.backward)
    under = exposed(message, factors["dp_exposed"], beside)
    wait = plan.overlap_dp * under + (1.0 - plan.overlap_dp) * message
    parts["dp"] = parts["dp"] + wait
    hidden["dp"] = hidden["dp"] + message - wait
    parts["pp"] = parts["pp"] + plan.messages.get(("pp", "step", "embedding"), 0.0)
    parts["optimizer"] = plan.updated * factors["optimizer"] / rates.memory


def _largest_of(gpus: Any) -> Any:
    r"""Expected largest of n normal deviates, :math:`\sqrt{2 \ln n}`."""
    if isinstance(gpus, int | float):
        return math.sqrt(2.0 * math.log(gpus))
    return root(2.0 * _LOG(gpus).astype(float))


_LOG = np.frompyfunc(math.log, 1, 1)
