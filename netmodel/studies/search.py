"""The best parallel layouts of a model on a cluster: enumerate, drop what cannot be, rank.

What is enumerated stands in :mod:`~netmodel.studies.search_space`. Divisibility and memory drop
most of it at once; all that is left is timed as arrays (:mod:`~netmodel.studies.search_tables`), so
the ranking, the front of step time against memory and the share of layouts that are faster than a
given one are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import ModelError, unknown_name
from netmodel.graph import FloatArray
from netmodel.studies.search_rank import Ranking, fastest, front
from netmodel.studies.search_run import every, promising
from netmodel.studies.search_space import VARIED, space
from netmodel.studies.search_tables import Evaluator
from netmodel.studies.search_why import Why, why
from netmodel.training import step
from netmodel.training.frameworks import Software, software_of
from netmodel.training.step import accelerator_of, tiers_of
from netmodel.units import format_size, format_time
from netmodel.workload import Model, Strategy, memory

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step

HABITS = (
    "sequence_parallel",
    "overlap_dp",
    "overlap_tp",
    "overlap_ep",
    "balanced_stages",
    "context",
)
"""Settings of the framework that a search does not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One layout on the front: step time [s] and memory of the fullest GPU [B]."""

    step_time: float
    memory: float
    strategy: Strategy

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, SI units in the keys."""
        fields = {name: getattr(self.strategy, name) for name in Strategy.__slots__}
        return {"step_time_s": self.step_time, "memory_B": self.memory, "strategy": fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The answer of one search.

    Attributes
    ----------
    evaluated : int
        Distinct strategies whose step time was computed: those that divide and fit.
    feasible : int
        The same.
    best : tuple of Step
        The fastest first.
    pareto : tuple of Point
        Layouts that no other beats in both step time and memory, the fastest first.
    why : tuple of Why
        What separates each of the others from the best.
    times, needs : array
        Step time [s] and memory [B] of every layout that was evaluated.
    """

    evaluated: int
    feasible: int
    best: tuple[Step, ...]
    pareto: tuple[Point, ...] = ()
    why: tuple[Why, ...] = ()
    times: FloatArray = field(repr=False, compare=False)
    needs: FloatArray = field(repr=False, compare=False)

    def faster(self, seconds: float) -> float:
        """Return the share of evaluated layouts that are faster than a step time [s]."""
        return float(np.mean(self.times < seconds))

    def __str__(self) -> str:
        """Print the best, and why the others are slower."""
        from netmodel.studies.layouts import layout_text

        first = self.best[0]
        lines = [f"{self.evaluated:,} layouts; the best takes {format_time(first.step_time)}"]
        return "\n".join([*lines, f"  {layout_text(first.strategy)}", *map(str, self.why)])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel search``, without the time it took."""
        return {
            "evaluated": self.evaluated,
            "feasible": self.feasible,
            "best": [each.to_dict() for each in self.best],
            "pareto": [each.to_dict() for each in self.pareto],
            "why": [each.to_dict() for each in self.why],
        }


def search(
    model: Model,
    cluster: Cluster,
    gpus: int,
    *,
    seq_len: int,
    global_batch: int,
    precision: str = "bf16",
    fixed: Mapping[str, Any] | None = None,
    software: Software | None = None,
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
    top: int = 10,
    exhaustive: bool = True,
    near: Strategy | None = None,
) -> Search:
    """Rank the layouts of a model by step time.

    Parameters
    ----------
    seq_len, global_batch : int
        Tokens in one sequence; sequences in one step.
    fixed : mapping, optional
        Fields of the strategy that are not searched, ``{"pp": 16, "zero": 1}``; a tuple leaves a
        choice.
    software : Software, optional
        Framework; the cluster's own when left out.
    fidelity, routing, placement, seed
        Of the best, as in :func:`netmodel.training.step.step`; the ranking is in closed form.
    top : int
        How many to return.
    exhaustive : bool
        Whether every layout that divides and fits is timed. If not, those that a bound proves to
        be slower than the best are left out, and with them the front: the best are the same.
    near : Strategy, optional
        A layout that may be good, as that of another size: where it divides and fits, and only the
        best is asked for, more is left out.

    Raises
    ------
    ModelError
        When no layout divides and fits, saying what comes closest.
    """
    stated = dict(fixed or {})
    software = software_of(software, cluster.software or {})
    habits = {name: software.defaults[name] for name in HABITS}
    if model.moe is not None:
        habits["overlap_ep"] = True
    for name in stated:
        if name not in Strategy.__slots__:
            raise unknown_name("field", name, Strategy.__slots__, where="fixed")
    varied = {name: stated.pop(name) for name in VARIED if name in stated}
    base = replace(Strategy(global_batch=global_batch, precision=precision, **habits), **stated)
    fabric = tiers_of(cluster, gpus)
    domain, flash = int(fabric.unit[0]), software.recipe.flash
    room = space(model, gpus, seq_len, base, domain, varied, flash=flash)
    evaluator = Evaluator.of(model, room, software, accelerator_of(cluster, gpus), fabric)
    ranking = Ranking(float(cluster.accelerator.memory))
    if exhaustive:
        least = every(evaluator, ranking)
    else:
        known = _known(evaluator, cluster, near) if near is not None and top == 1 else np.inf
        least = promising(evaluator, ranking, top, known)
    if not len(ranking):
        raise _nothing(model, cluster, gpus, global_batch, least)
    times, needs = ranking.all()
    best = tuple(
        step(
            model,
            cluster,
            ranking.layout(index),
            gpus=gpus,
            seq_len=seq_len,
            software=software,
            fidelity=fidelity,
            routing=routing,
            placement=placement,
            seed=seed,
        )
        for index in fastest(times, needs, top).tolist()
    )
    edge = front(times, needs, ranking.capacity).tolist() if exhaustive else ()
    return Search(
        evaluated=len(times),
        feasible=len(times),
        best=best,
        pareto=tuple(
            Point(
                step_time=float(times[index]),
                memory=float(needs[index]),
                strategy=ranking.layout(index),
            )
            for index in edge
        ),
        why=tuple(why(best[0], each) for each in best[1:]),
        times=times,
        needs=needs,
    )


def _known(evaluator: Evaluator, cluster: Cluster, near: Strategy) -> float:
    """Return the step time of a layout at this size, infinite where it is not in the space [s]."""
    model, room, recipe = evaluator.model, evaluator.room, evaluator.software.recipe
    cuts = near.tp * near.cp * near.pp
    layout = replace(near, dp=room.gpus // cuts, global_batch=room.base.global_batch)
    if room.gpus < cuts or not room.holds(model, layout):
        return np.inf
    if memory(model, layout, room.seq_len, recipe)["total"] > cluster.accelerator.memory:
        return np.inf
    timed = step(
        model, cluster, layout, gpus=room.gpus, seq_len=room.seq_len, software=evaluator.software
    )
    return float(timed.step_time)


def _nothing(
    model: Model, cluster: Cluster, gpus: int, global_batch: int, least: float
) -> ModelError:
    """Say why no layout is left, and what would help."""
    where = f"{model.name} on {gpus:,} GPUs of {cluster.name}"
    if not np.isfinite(least):
        return ModelError(
            f"no layout divides {global_batch:,} sequences over {gpus:,} GPUs",
            where=where,
            remedy="Choose a global batch with more divisors, or another number of GPUs.",
        )
    capacity = float(cluster.accelerator.memory)
    return ModelError(
        f"no layout fits: the smallest needs {format_size(least)} a GPU, "
        f"{format_size(least - capacity)} more than it has",
        where=where,
        remedy="Use more GPUs, or GPUs with more memory.",
    )
