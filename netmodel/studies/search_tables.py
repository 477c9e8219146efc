"""Times and memory of many layouts: each piece once for all layouts that share it.

A class of layouts (one order, one group of ZeRO stages, one recompute, one way to deal layers) is
planned and its layers are added up on the grid, where a kernel costs as much as there are
different shapes of it. What the step needs of that is then laid out by site, in rows, and finished
in blocks that stay in the cache. All of it runs through the functions that time a single layout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.graph import FloatArray, IntArray
from netmodel.studies.search_messages import Asked, Marks, Timer
from netmodel.studies.search_space import PLAIN, Space, Word
from netmodel.training.compose import Others, Pace, finish, slowest
from netmodel.training.factors import factors, rates
from netmodel.training.frameworks import Software
from netmodel.training.layer import Totals, layer, totals
from netmodel.training.messages import Wires
from netmodel.training.plan import Plan, plan, summed
from netmodel.workload import Model, Strategy, demands
from netmodel.workload.memory import memory_by_stage

if TYPE_CHECKING:
    from netmodel.catalog.accelerators import Accelerator
    from netmodel.network.tiers import Tiers
    from netmodel.training.kernels import Rates

BLOCK = 4096
"""Rows of one block: its arrays stay in a core's cache."""
MEMORY_BLOCK = 2**17
"""Layouts whose memory is found at once."""


NOWHERE = ""
"""What is recomputed in a layer in which nothing is."""
SHARDED = 3
"""The ZeRO stage that sends weights in every layer."""
REPEATED = 1.5
"""Exchanges with experts where recomputing repeats those of the forward pass, over all others."""
ROUNDING = 1 - 1e-9
"""A bound may not exceed a time by the rounding of its sum."""
FINISHING = ("messages", "pp", "micro_batches", "updated")
"""Numbers of a plan that vary from row to row and are read once layers are added up."""
PACE = ("forward", "backward", "weight", "experts")
"""Numbers of a pace that are read then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The layouts of one class, one site a column: what finishing their steps needs.

    Attributes
    ----------
    plan : Plan
        Its messages once a step, and numbers; work and stages are in ``slow``.
    slow, others : Pace, Others
        As :func:`netmodel.training.compose.slowest` gives them.
    vpp : tuple of int
        Virtual stages along the first axis of what depends on them.
    """

    plan: Plan
    slow: Pace
    others: Others
    vpp: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Times the layouts of a space of one model on one fabric.

    Attributes
    ----------
    shared : dict
        What classes that were looked at share with others, by what is recomputed.
    """

    model: Model
    room: Space
    software: Software
    accelerator: Accelerator
    timer: Timer
    shared: dict[str, dict[tuple[Any, ...], Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Model,
        room: Space,
        software: Software,
        accelerator: Accelerator,
        fabric: Tiers,
    ) -> Evaluator:
        """Choose the libraries."""
        wires = Wires.of(fabric, accelerator.generation, software)
        timer = Timer(model, wires, overlapped=room.base.overlap_ep)
        return cls(model, room, software, accelerator, timer)

    def on(self, room: Space) -> Evaluator:
        """Return the same for another space."""
        return replace(self, room=room, shared={})

    def rows(self, word: Word, zero: tuple[int, ...], sites: IntArray) -> Rows:
        """Add up the layers of all layouts of a class and lay them out by site.

        Parameters
        ----------
        word : Word
            Of its schedules, the one that stands for the class.
        zero : tuple of int
            ZeRO stages.
        sites : array
            Places in the grid that are kept.
        """
        room, vpp = self.room, self.room.vpp
        with np.errstate(all="ignore"):  # points that are not possible are dropped below
            asked, bare = self._planned(word, zero)
            timed, marks = self.timer.messages(asked)
            whole = replace(bare, messages=summed(timed))
            slow, others = self._slowest(word, zero, whole, marks)
        once = {key: each for key, each in whole.messages.items() if key[1] in ("edge", "step")}
        slim = replace(whole, work={}, messages=once, gpus=room.gpus)
        return Rows(
            plan=_map_plan(slim, lambda each: _flat(each, room.shape, sites)),
            slow=_map(slow, lambda each: _flat(each, room.shape, sites)),
            others=Others(*(_flat(each, room.shape, sites) for each in others)),
            vpp=vpp,
        )

    def prepare(self, classes: Iterable[tuple[Word, tuple[int, ...]]]) -> None:
        """Time the messages of several classes, each with its ZeRO stages, all together."""
        with np.errstate(all="ignore"):
            self.timer.learn(one for word, zero in classes for one in self._planned(word, zero)[0])

    def _planned(self, word: Word, zero: tuple[int, ...]) -> tuple[Asked, Plan]:
        """State messages and plan of a class; but for where ranks lie, orders share them."""
        if len(self.room.shape) > 1 and word.recompute not in self.shared:
            kept = self.shared.get(NOWHERE, {})
            self.shared.clear()  # a grid's are large, and its jobs come one recompute at a time
            self.shared[NOWHERE] = kept
        known = self.shared.setdefault(word.recompute, {})
        same, mine = ("plan", zero, word.schedule), ("asked", zero, word.schedule, word.order)
        if mine not in known:
            grid = self.room.grid(word, zero, self.room.vpp)
            if same not in known:
                recipe, length = self.software.recipe, self.room.seq_len
                known[same] = (
                    demands(self.model, grid, length, recipe),
                    plan(self.model, grid, length, self.software, ()),
                )
            known[mine] = self.timer.asked(known[same][0], grid)
        return known[mine], known[same][1]

    def _slowest(
        self, word: Word, zero: tuple[int, ...], whole: Plan, marks: Marks
    ) -> tuple[Pace, Others]:
        """Find the slowest rank; orders, recomputes and ways to deal layers share what is equal."""
        known = self.shared[word.recompute]
        layers = {kind: self._layer(word, zero, whole, kind, marks) for kind in whole.work}
        same = "rank", zero, word.schedule, *map(id, layers.values())
        if same not in known:
            known[same] = slowest(whole, layers)
        found: tuple[Pace, Others] = known[same]
        return found

    def _layer(
        self, word: Word, zero: tuple[int, ...], whole: Plan, kind: str, marks: Marks
    ) -> Totals:
        """Add up a kind of layer; only dense layers and those with experts run again."""
        again = word.recompute if kind in ("dense", "moe") else NOWHERE
        known = self.shared.setdefault(again, {})
        same = "layer", kind, zero, word.schedule == "dualpipe", marks.get(kind)
        if same not in known:
            values = factors(self.accelerator, self.software.keys)
            known[same] = totals(layer(whole, kind, self.speed(self.room.base), values))
        found: Totals = known[same]
        return found

    def least(self, order: str) -> tuple[FloatArray, FloatArray]:
        r"""Return bounds that no step of a site beats, in general and under DualPipe [s].

        The slowest of p ranks has at least the mean work of all,

        .. math:: \frac{m}{p} \sum_\text{layers} (f + b)

        Recomputing, bubbles, messages between stages and once a step, and sums of gradients (which
        ZeRO-3 lacks) are left out. Under DualPipe a rank of compute C and expert messages E takes
        the longer of both. C + E is at least the mean, E at most that of the rank with most layers;
        recomputed experts repeat one of two exchanges.
        """
        room, software = self.room, self.software
        word = Word(order, "none", PLAIN[0], 1)
        with np.errstate(all="ignore"):
            grid = room.grid(word, (SHARDED,), (1,))
            asked = demands(self.model, grid, room.seq_len, software.recipe)
            inside = tuple(each for each in asked if each.dimension in ("tp", "cp", "ep", "etp"))
            timed, _ = self.timer.messages(self.timer.asked(inside, grid))
            whole = plan(self.model, grid, room.seq_len, software, timed)
            values = factors(self.accelerator, software.keys)
            speed = self.speed(grid)
            bound = self._bound(whole, speed, values)
            if self.model.moe is None or "dualpipe" not in room.schedules:
                return bound, bound
            return bound, self._bound(replace(whole, schedule="dualpipe"), speed, values)

    def _bound(self, whole: Plan, speed: Rates, values: Mapping[str, Any]) -> FloatArray:
        """Finish a step whose ranks all have the mean work, without bubble and messages [s]."""
        counts = {
            "dense": self.model.dense_layers, "moe": self.model.moe_layers,
            "head": 1, "embedding": 1, "mtp": self.model.mtp,
        }  # fmt: skip
        brief = {kind: totals(layer(whole, kind, speed, values)) for kind in whole.work}
        work = sum(counts[kind] * (each.forward + each.backward) for kind, each in brief.items())
        work = work / whole.pp
        experts: Any = 0.0
        if whole.schedule == "dualpipe":
            held = [
                sum(getattr(stage, kind) * each.experts for kind, each in brief.items())
                for stage in whole.stages
            ]
            most = REPEATED * reduce(np.maximum, held)
            even = work / (1.0 + values["overlap_slowdown"])
            experts = work - np.maximum(work - most, even)
        rank = Pace({}, work, 0.0, work, experts)
        alone = replace(whole, messages={}, gpus=self.room.gpus)
        seconds = finish(alone, (rank, Others(0.0, 0.0)), speed, values).step_time * ROUNDING
        full: FloatArray = np.broadcast_to(seconds, (1, 1, *self.room.shape))
        return full.ravel()

    def speed(self, strategy: Strategy) -> Any:
        """Return what the GPU attains."""
        values = factors(self.accelerator, self.software.keys)
        flash = self.software.recipe.flash
        return rates(self.accelerator, values, precision=strategy.precision, flash=flash)

    def seconds(
        self, rows: Rows, word: Word, chosen: Mapping[int, IntArray]
    ) -> dict[int, FloatArray]:
        """Time chosen rows of some numbers of virtual stages: by those, ZeRO stage and row [s]."""
        values = factors(self.accelerator, self.software.keys)
        speed = self.speed(self.room.base)
        shared = replace(rows.plan, schedule=word.schedule, vpp=1)
        places = [rows.vpp.index(vpp) for vpp in chosen]
        counts = [len(index) for index in chosen.values()]
        at, index = np.repeat(places, counts), np.concatenate([*chosen.values()])
        chunks = np.asarray(rows.vpp)[at]
        found: list[FloatArray] = []
        for start in range(0, len(index), BLOCK):
            here = slice(start, start + BLOCK)

            def pick(each: Any, at: IntArray = at[here], index: IntArray = index[here]) -> Any:
                return _pick(each, at, index)

            made = replace(_map_plan(shared, pick), vpp=chunks[here])
            slow = _map(rows.slow, pick)
            others = Others(*(_map(each, pick) for each in rows.others))
            found.append(finish(made, (slow, others), speed, values).step_time)
        whole = np.concatenate(found, axis=1)
        parts = np.split(whole, np.cumsum(counts)[:-1], axis=1)
        return dict(zip(chosen, parts, strict=True))

    def memory(self, word: Word, vpp: tuple[int, ...], sites: IntArray) -> Iterator[FloatArray]:
        """Yield the memory of the fullest GPU [B] by ZeRO stage and site, for each of ``vpp``."""
        room, zero = self.room, self.room.zero
        some = max(1, MEMORY_BLOCK // (len(zero) * math.prod(room.shape)))
        for start in range(0, len(vpp), some):
            part = vpp[start : start + some]
            with np.errstate(all="ignore"):
                grid = room.grid(word, zero, part)
                stages = memory_by_stage(self.model, grid, room.seq_len, self.software.recipe)
                need = reduce(np.maximum, [stage["total"] for stage in stages])
            full = np.broadcast_to(need, (len(part), len(zero), *room.shape))
            yield from full.reshape(len(part), len(zero), -1)[..., sites]


def _map(value: Any, change: Any) -> Any:
    """Change every array of a plan, a pace or a mapping."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(each, change) for key, each in value.items()}
    if isinstance(value, Pace):
        return replace(
            value,
            **{name: _map(getattr(value, name), change) for name in PACE},
            counts={},
        )
    return value


def _map_plan(made: Plan, change: Any) -> Plan:
    """Change every array of a plan that finishing a step reads."""
    return replace(made, **{name: _map(getattr(made, name), change) for name in FINISHING})


def _flat(value: Any, shape: tuple[int, ...], sites: IntArray) -> Any:
    """Lay an array on the grid out as (zero, vpp, site); numbers stay."""
    if not isinstance(value, np.ndarray):
        return value
    front = value.shape[:2]
    full = np.broadcast_to(value, (*front, *shape)).reshape(*front, -1)
    return np.ascontiguousarray(full[..., sites].swapaxes(0, 1))


def _pick(value: npt.NDArray[Any], at: IntArray, index: IntArray) -> npt.NDArray[Any]:
    """Take rows of an array (zero, vpp, site), each for its number of virtual stages."""
    stages, several, sites = value.shape
    where = at * sites + index if several > 1 else index
    taken: npt.NDArray[Any] = value.reshape(stages, -1).take(where, axis=1)
    return taken
