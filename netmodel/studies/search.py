"""The best parallel layouts of a model on a cluster: enumerate, drop what cannot be, rank.

Numbers of a layout are arrays, one element a candidate, under each choice of the settings that are
words (schedule, recompute). Divisibility and memory drop most of them at once; the rest are timed
in one call and ranked by step time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.errors import ModelError
from netmodel.graph import IntArray
from netmodel.training import step
from netmodel.training.frameworks import Software, software_of
from netmodel.training.step import tiers_of
from netmodel.units import format_size
from netmodel.workload import Model, Strategy, memory, possible

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step

BoolArray = npt.NDArray[np.bool_]

SCHEDULES = ("1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe")
MICRO_BATCHES = (1, 2, 4, 8)
VIRTUAL = (2, 3, 4, 5, 6, 8, 10, 12)
HABITS = (
    "sequence_parallel",
    "overlap_dp",
    "overlap_tp",
    "overlap_ep",
    "balanced_stages",
    "context",
)
"""Settings of the framework that a search does not change."""

WORDS: tuple[str, ...] = ("schedule", "recompute")
NUMBERS = ("tp", "pp", "dp", "ep", "vpp", "micro_batch", "zero")


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
    """

    evaluated: int
    feasible: int
    best: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel search``, without the time it took."""
        return {
            "evaluated": self.evaluated,
            "feasible": self.feasible,
            "best": [each.to_dict() for each in self.best],
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
    top: int = 10,
) -> Search:
    """Rank the layouts of a model by step time.

    Parameters
    ----------
    seq_len, global_batch : int
        Tokens in one sequence; sequences in one step.
    fixed : mapping, optional
        Fields of the strategy that are not searched: ``{"pp": 16, "zero": 1}``.
    software : Software, optional
        Framework; the cluster's own when left out.
    top : int
        How many to return.

    Raises
    ------
    ModelError
        When no layout divides and fits, saying what comes closest.
    """
    fixed = dict(fixed or {})
    software = software_of(software, cluster.software or {})
    habits = {name: software.defaults[name] for name in HABITS}
    if model.moe is not None:
        habits["overlap_ep"] = True
    words: dict[str, Any] = {
        name: fixed.pop(name) for name in ("schedule", "recompute") if name in fixed
    }
    numbers = {name: fixed.pop(name) for name in NUMBERS if name in fixed}
    base = replace(Strategy(global_batch=global_batch, precision=precision, **habits), **fixed)
    grid = _grid(model, cluster, gpus, base.cp, numbers)
    capacity = float(cluster.accelerator.memory)
    ranked: list[tuple[float, str, Strategy]] = []
    evaluated, least = 0, np.inf
    for schedule, recompute in product(
        _choices(words, "schedule", SCHEDULES),
        _choices(words, "recompute", _recomputes(model, software)),
    ):
        tried = replace(base, schedule=schedule, recompute=recompute)
        candidates = _divide(model, gpus, seq_len, tried, grid)
        if not len(candidates.tp):
            continue
        need = memory(model, candidates, seq_len, software.recipe)["total"]
        least = min(least, float(np.min(need)))
        candidates = _take(candidates, np.broadcast_to(need, candidates.tp.shape) <= capacity)
        if not len(candidates.tp):
            continue
        evaluated += len(candidates.tp)
        seconds = step(
            model, cluster, candidates, gpus=gpus, seq_len=seq_len, software=software
        ).step_time
        order = np.argsort(seconds, kind="stable")[:top]
        found = [_pick(candidates, int(i)) for i in order]
        ranked += [
            (float(seconds[i]), str(each), each) for i, each in zip(order, found, strict=True)
        ]
    if not ranked:
        raise _nothing(model, cluster, gpus, global_batch, least)
    ranked.sort(key=lambda row: row[:2])
    best = tuple(
        step(
            model,
            cluster,
            each,
            gpus=gpus,
            seq_len=seq_len,
            software=software,
            fidelity=fidelity,
        )
        for _, _, each in ranked[:top]
    )
    return Search(evaluated=evaluated, feasible=evaluated, best=best)


def _recomputes(model: Model, software: Software) -> tuple[str, ...]:
    """What is worth recomputing: nothing, what is cheap for its memory, or every layer.

    With fused attention the core keeps little, so cheap are norms, activation functions and the
    up-projections of latent attention (arXiv:2412.19437, section 3.2.3); without, the core.
    """
    cheap = "norm+mla_up+activation" if model.mla else "norm+activation"
    return ("none", cheap if software.recipe.flash else "selective", "full")


def _choices(fixed: Mapping[str, Any], name: str, every: tuple[str, ...]) -> tuple[str, ...]:
    """The one word that is fixed, those of a tuple, or every word."""
    chosen = fixed.get(name, every)
    return (chosen,) if isinstance(chosen, str) else tuple(chosen)


def _grid(
    model: Model, cluster: Cluster, gpus: int, cp: int, fixed: Mapping[str, int]
) -> dict[str, IntArray]:
    """Every combination of the numbers of a layout, tensor parallelism inside one domain."""
    domain = int(tiers_of(cluster, gpus).unit[0])
    axes: dict[str, Sequence[int]] = {
        "tp": [each for each in divisors(model.heads) if each <= domain],
        "pp": [each for each in divisors(gpus) if each <= model.layers],
        "ep": divisors(model.moe.experts if model.moe else 1),
        "vpp": (1, *VIRTUAL),
        "micro_batch": MICRO_BATCHES,
        "zero": (1, 3),
    }
    axes |= {name: (value,) for name, value in fixed.items() if name in axes}
    mesh = np.meshgrid(*(np.array(axis, int) for axis in axes.values()), indexing="ij")
    columns = dict(zip(axes, (axis.ravel() for axis in mesh), strict=True))
    inner = columns["tp"] * columns["pp"] * cp
    whole = gpus % inner == 0
    if "zero" not in fixed:  # weights sharded in a pipeline are gathered for every micro-batch
        whole &= (columns["zero"] == 1) | (columns["pp"] == 1)
    return {name: column[whole] for name, column in (columns | {"dp": gpus // inner}).items()}


def divisors(number: int) -> list[int]:
    """Return the divisors, growing.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    return [each for each in range(1, number + 1) if number % each == 0]


def _divide(
    model: Model, gpus: int, seq_len: int, base: Strategy, grid: dict[str, IntArray]
) -> Strategy:
    """Keep the layouts of a schedule that divide what they cut."""
    virtual = grid["vpp"] > 1
    here = virtual if base.schedule == "interleaved" else ~virtual
    if base.schedule != "1f1b":
        here = here & (grid["pp"] > 1)
    numbers: dict[str, Any] = {name: column[here] for name, column in grid.items()}
    candidates = replace(base, **numbers)
    good = np.asarray(possible(model, candidates, gpus, seq_len))
    good = np.broadcast_to(good, candidates.tp.shape)
    if base.schedule == "interleaved":  # Megatron-LM's order needs whole rounds of the pipeline
        good = good & (candidates.micro_batches % candidates.pp == 0)
    return _take(candidates, good)


def _take(candidates: Strategy, chosen: BoolArray) -> Strategy:
    """Keep some of many layouts."""
    return replace(candidates, **{name: getattr(candidates, name)[chosen] for name in NUMBERS})


def _pick(candidates: Strategy, i: int) -> Strategy:
    """One of many layouts, in plain numbers."""
    numbers: dict[str, Any] = {name: int(getattr(candidates, name)[i]) for name in NUMBERS}
    return replace(candidates, **numbers)


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
