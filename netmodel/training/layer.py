"""One layer on one rank for one micro-batch: kernels, waits for messages, waits for the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.graph import IntArray
from netmodel.numeric import larger, smaller
from netmodel.training.kernels import Rates, again, backward, forward, products
from netmodel.training.overlap import exposed, launch_wait, sharded
from netmodel.training.plan import Plan

Parts = dict[str, Any]
COMPUTE = ("gemm", "attention", "elementwise", "recompute")
WAITS = ("tp", "cp", "ep", "dp", "launch")
PARTS = (*COMPUTE, *WAITS)


@dataclass(frozen=True, slots=True)
class Layer:
    """Times of one layer and micro-batch [s].

    Attributes
    ----------
    forward, backward : mapping of str to float or array
        By part: :data:`PARTS`.
    weight : float or array
        The part of the backward pass that a schedule may postpone.
    hidden : mapping of str to float or array
        Communication under compute, by dimension.
    """

    forward: Mapping[str, Any]
    backward: Mapping[str, Any]
    weight: Any
    hidden: Mapping[str, Any]

    def at(self, index: IntArray) -> Layer:
        """Take many layers from few."""
        return Layer(
            _at(self.forward, index),
            _at(self.backward, index),
            self.weight[index],
            _at(self.hidden, index),
        )


def _at(parts: Mapping[str, Any], index: IntArray) -> Parts:
    return {
        name: value[index] if isinstance(value, np.ndarray) else value
        for name, value in parts.items()
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """One layer and micro-batch in four numbers [s]: both passes, and what schedules ask for.

    ``weight`` is the part of the backward pass that may be postponed, ``experts`` the waits for
    expert messages in both passes.
    """

    forward: Any
    backward: Any
    weight: Any
    experts: Any

    def at(self, index: IntArray) -> Totals:
        """Take many from few."""
        values = (self.forward, self.backward, self.weight, self.experts)
        return Totals(*(each[index] if isinstance(each, np.ndarray) else each for each in values))


def totals(one: Layer) -> Totals:
    """Add up a layer."""
    return Totals(
        total(one.forward),
        total(one.backward),
        one.weight,
        one.forward["ep"] + one.backward["ep"],
    )


def total(parts: Mapping[str, Any]) -> Any:
    """Add up a breakdown."""
    seconds: Any = 0.0
    for value in parts.values():
        seconds = seconds + value
    return seconds


def layer(plan: Plan, kind: str, rates: Rates, factors: Mapping[str, Any]) -> Layer:
    """Add up one layer of a kind (or the embedding, the head, a multi-token module)."""
    work = plan.work[kind]
    repeated = again(work, plan.recomputed if kind in ("dense", "moe") else frozenset())
    ahead = forward(work, rates)
    back, weight = backward(work, rates, accumulate=1.0 - plan.sharded)
    redo = forward(repeated, rates).total
    full = "full" in plan.recomputed
    hidden: Parts = {}
    passes = []
    for phase, kernels, extra in (("forward", ahead, 0.0), ("backward", back, redo)):
        parts: Parts = {
            "gemm": kernels.gemm,
            "attention": kernels.attention,
            "elementwise": kernels.elementwise,
            "recompute": extra,
        }
        gpu = kernels.total + extra
        for dimension in ("tp", "cp", "ep"):
            message = _message(plan, dimension, phase, kind)
            if dimension == "ep":
                message = message + _message(plan, "etp", phase, kind)
            wait = message
            if dimension == "tp":
                share = 1.0 - plan.overlap_tp * (1.0 - factors["tp_exposed"])
                wait = message * factors["tp_cost"] * share
            elif dimension == "cp":
                under = exposed(message, factors["cp_exposed"], kernels.attention)
                wait = plan.overlap_cp * under + (1.0 - plan.overlap_cp) * message
            elif plan.schedule != "dualpipe":
                beside = gpu
                if plan.expert_cover == "shared":
                    beside = products(work, "shared", rates, backward=phase == "backward")
                    beside = beside * factors["shared_cover"]
                under = exposed(message, factors["ep_exposed"], beside)
                wait = plan.overlap_ep * under + (1.0 - plan.overlap_ep) * message
            parts[dimension] = wait
            hidden[dimension] = hidden.get(dimension, 0.0) + message - wait
        waiting = parts["tp"] + parts["cp"] + parts["ep"]
        gathered = _message(plan, "dp", phase, kind) + _message(plan, "edp", phase, kind)
        beside = smaller(gathered, _message(plan, "passing", phase, kind))
        parts["dp"] = sharded(gathered, factors["fsdp_slowing"] * beside, gpu + waiting)
        hidden["dp"] = hidden.get("dp", 0.0) + larger(gathered - parts["dp"], 0.0)
        behind = phase == "backward"
        gap = _gap(kind, factors, backward=behind, full=full)
        host = _host(plan, kind, factors, backward=behind, full=full, rates=rates)
        parts["launch"] = gap + launch_wait(gpu + gap + waiting + parts["dp"], host)
        passes.append(parts)
    return Layer(passes[0], passes[1], weight, hidden)


def _gap(kind: str, factors: Mapping[str, Any], *, backward: bool, full: bool) -> Any:
    """Time between the kernels of one pass of a layer, which no host can shorten [s]."""
    if kind not in ("dense", "moe"):
        return 0.0
    return factors["gap"] * (2.0 + (1.0 if full else 0.0) if backward else 1.0)


def _message(plan: Plan, dimension: str, phase: str, kind: str) -> Any:
    return plan.messages.get((dimension, phase, kind), 0.0)


def _host(
    plan: Plan, kind: str, factors: Mapping[str, Any], *, backward: bool, full: bool, rates: Rates
) -> Any:
    """Time that the host takes to launch one pass of a layer [s].

    Where no fused kernel serves the softmax of unfused attention, its steps are launched singly.
    """
    if kind not in ("dense", "moe"):
        return 0.0
    launch = factors["host_layer"]
    apart = plan.work[kind].attention[0].softmax_apart
    if kind == "moe":
        launch = factors["host_moe"] + factors["host_expert"] * plan.local_experts
    if backward:
        launch = launch * (factors["host_backward"] + (1.0 if full else 0.0))
    return launch * (1.0 + factors["host_softmax"] * (1.0 - rates.fused) * apart)
