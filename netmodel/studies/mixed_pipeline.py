"""A pipeline whose stages are GPUs of several kinds and hold unequal numbers of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from netmodel.errors import ModelError
from netmodel.studies.shares import layer_shares
from netmodel.training.compose import Frame, Others, Pace, Sum, add_up, finish, pace_of, slowest
from netmodel.training.layer import Totals, layer, totals
from netmodel.training.pieces import Pieces
from netmodel.training.plan import Plan
from netmodel.workload import Model, Stage, memory
from netmodel.workload.fit import TOLERANCE

Counts = Sequence[int]
"""Layers of each stage."""
Kinds = Sequence[int]
"""Kind of GPU of each stage, as an index of ``made``."""
ONCE = ("dp", "edp", "replica")
"""Dimensions whose messages once a step carry a stage's gradients and weights."""


@dataclass(frozen=True)
class Pipe:
    """Stages of one model on each kind of GPU.

    Attributes
    ----------
    model : Model
    made : sequence of Pieces
        The step on each kind, with equal stages.
    """

    model: Model
    made: Sequence[Pieces]

    @cached_property
    def full(self) -> float:
        """Layers of the fullest stage as the framework deals them."""
        return max(float(stage.layers) for stage in self.made[0].plan.stages)

    @cached_property
    def briefs(self) -> list[Mapping[str, Totals]]:
        """Time of a layer of each sort on each kind."""
        return [
            {
                sort: totals(layer(each.plan, sort, each.rates, each.factors))
                for sort in each.plan.work
            }
            for each in self.made
        ]

    @cached_property
    def moe(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Share of each layer that is a mixture of experts; an alternation counts as its mean."""
        shape = np.zeros(self.model.layers)
        if self.model.moe is not None:
            first = self.model.moe.first_dense
            shape[first:] = self.model.moe_layers / max(self.model.layers - first, 1)
        return shape

    @cached_property
    def most(self) -> list[int]:
        """Layers that fit a stage of each kind; all of its memory grows with them."""
        found = []
        for each in self.made:
            held = memory(each.model, each.strategy, each.seq_len, each.software.recipe)["total"]
            room = each.accelerator.memory * (1 + TOLERANCE)
            found.append(int(self.full * room / held))
        return found

    def dealt(self, kinds: Kinds) -> tuple[int, ...]:
        """Deal the layers so that the micro-batches of a step are done soonest."""
        stages, ends = len(kinds), self._stages([0] * len(kinds))
        fixed = np.array([
            pace_of(stage, self.briefs[kind]).both for stage, kind in zip(ends, kinds, strict=True)
        ])  # fmt: skip
        layers = np.empty((stages, self.model.layers))
        for row, kind in enumerate(kinds):
            brief = self.briefs[kind]
            dense, moe = (_both(brief[sort]) if sort in brief else 0.0 for sort in ("dense", "moe"))
            layers[row] = dense * (1.0 - self.moe) + moe * self.moe
        most = [self.most[kind] for kind in kinds]
        batches = int(self.made[0].plan.micro_batches)
        return layer_shares(fixed, layers, most, micro_batches=batches)

    def check(self, counts: Counts, kinds: Kinds) -> None:
        """Refuse stages that are empty or hold more than fits.

        Raises
        ------
        ModelError
            Naming the first such stage.
        """
        for index, (count, kind) in enumerate(zip(counts, kinds, strict=True)):
            if not 1 <= count <= self.most[kind]:
                name = self.made[kind].accelerator.name
                raise ModelError(
                    f"{count} layers for a stage on {name}, which holds 1 to {self.most[kind]}",
                    where=f"stage {index}",
                    remedy="Change the shares.",
                )

    def frames(self, counts: Counts, kinds: Kinds) -> list[Frame]:
        """Time the step as each kind that holds a stage ends it; the latest decides."""
        paces = self._paces(counts, kinds)
        slow = max(paces, key=lambda pace: float(pace.both))
        work = sum(pace.both for pace in paces) - slow.both
        others = Others(work, work)
        return [
            finish(self._held(kind, counts, kinds), (slow, others), each.rates, each.factors)
            for kind, each in enumerate(self.made)
        ]

    def time(self, counts: Counts, kinds: Kinds) -> float:
        """Time of the step [s]."""
        return max(float(frame.step_time) for frame in self.frames(counts, kinds))

    def sum(self, counts: Counts, kinds: Kinds, which: int) -> Sum:
        """Account for the step that kind ``which`` ends last.

        Layers are those of the slowest stage; what comes once a step is of ``which``.
        """
        frame = self.frames(counts, kinds)[which]
        paces = self._paces(counts, kinds)
        at = max(range(len(paces)), key=lambda index: float(paces[index].both))
        stage, own = self._stages(counts)[at], self.made[kinds[at]]
        plan = replace(own.plan, stages=(stage, stage, stage))
        base = add_up(plan, own.rates, own.factors)
        sync = finish(plan, slowest(plan, self.briefs[kinds[at]]), own.rates, own.factors).sync
        parts = {
            **base.parts,
            "dp": base.parts["dp"] - sync + frame.sync,
            "pp": frame.pipe,
            "bubble": frame.bubble,
            "optimizer": frame.optimizer,
            "overhead": self.made[which].factors["overhead"],
            "stragglers": frame.stragglers,
        }
        gone = _once(plan) - sync
        behind = _once(self._held(which, counts, kinds)) - frame.sync
        hidden = {**base.hidden, "dp": base.hidden["dp"] - gone + behind}
        view = {**frame.view, "bubble": frame.bubble, "optimizer": frame.optimizer}
        return Sum(frame.step_time, parts, hidden, view)

    def ratio(self, kind: int, counts: Counts, kinds: Kinds) -> float:
        """Fullest stage of a kind, over that of the framework's dealing."""
        own = [count for count, each in zip(counts, kinds, strict=True) if each == kind]
        return max(own) / self.full

    def _stages(self, counts: Counts) -> list[Stage]:
        """What each stage holds."""
        ends = np.cumsum([0, *counts])
        found = []
        for index, (start, end) in enumerate(pairwise(ends)):
            moe, last = float(self.moe[start:end].sum()), index == len(counts) - 1
            found.append(
                Stage(
                    index=index,
                    dense=float(end - start) - moe,
                    moe=moe,
                    embedding=int(index == 0),
                    head=int(last),
                    mtp=self.model.mtp if last else 0,
                )
            )
        return found

    def _paces(self, counts: Counts, kinds: Kinds) -> list[Pace]:
        """One micro-batch on each stage."""
        stages = self._stages(counts)
        return [
            pace_of(stage, self.briefs[kind]) for stage, kind in zip(stages, kinds, strict=True)
        ]

    def _held(self, kind: int, counts: Counts, kinds: Kinds) -> Plan:
        """Let gradients and optimizer states of a kind grow with its layers."""
        each, more = self.made[kind], self.ratio(kind, counts, kinds) - 1.0
        seconds = dict(each.plan.messages)
        for message in each.messages:
            demand = message.demand
            if demand.phase == "step" and demand.dimension in ONCE:
                key = (demand.dimension, demand.phase, demand.layer)
                seconds[key] += (message.seconds - message.latency) * more
        return replace(each.plan, messages=seconds, updated=each.plan.updated * (1.0 + more))


def _both(one: Totals) -> float:
    return float(one.forward + one.backward)


def _once(plan: Plan) -> Any:
    """Messages of gradients and weights once a step, waited for or not [s]."""
    keys = [key for key in plan.messages if key[1] == "step" and key[0] in ONCE]
    return sum(plan.messages[key] for key in keys)
