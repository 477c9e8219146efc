"""The best parallel layouts of a model on a cluster: enumerate, drop what cannot be, rank.

Numbers of a layout are arrays, one element a candidate, under each choice of the settings that are
words (schedule, recompute). Divisibility and memory drop most of them at once; the rest are timed
and ranked by step time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import InputError, ModelError
from netmodel.graph import FloatArray, IntArray
from netmodel.network import tiers
from netmodel.training import step
from netmodel.units import format_size
from netmodel.workload import Model, Strategy, check_strategy, memory

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step

SCHEDULES = ("1f1b", "interleaved", "zb-h1")
RECOMPUTES = ("none", "selective", "full")
MICRO_BATCHES = (1, 2, 4, 8)
VIRTUAL = (2, 3, 4, 5, 6, 8)
TIMED = 96
"""Most candidates that are timed: those that by a rule of thumb lose least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The answer of one search.

    Attributes
    ----------
    evaluated : int
        Distinct strategies whose step time was computed.
    feasible : int
        Strategies that divide and fit in memory.
    best : tuple of Step
        The fastest first.
    """

    evaluated: int
    feasible: int
    best: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Layouts that share the settings that are words; one element a layout."""

    strategy: Strategy
    need: FloatArray

    def pick(self, i: int) -> Strategy:
        """One of them, in plain numbers."""
        numbers = ("tp", "pp", "dp", "ep", "vpp", "micro_batch", "zero")
        return replace(
            self.strategy, **{name: int(getattr(self.strategy, name)[i]) for name in numbers}
        )


def search(
    model: Model,
    cluster: Cluster,
    gpus: int,
    *,
    seq_len: int,
    global_batch: int,
    precision: str = "bf16",
    micro_batch: int | None = None,
    fidelity: str = "closed",
    top: int = 10,
) -> Search:
    """Rank the layouts of a model by step time.

    Parameters
    ----------
    seq_len, global_batch : int
        Tokens in one sequence; sequences in one step.
    micro_batch : int, optional
        Keep to this one.
    top : int
        How many to return.

    Raises
    ------
    ModelError
        When no layout divides and fits, saying what comes closest.
    """
    domain = int(tiers(cluster.wiring(gpus)).unit[0])
    capacity = float(cluster.accelerator.memory)
    sizes = (micro_batch,) if micro_batch else MICRO_BATCHES
    found = [
        _candidates(model, gpus, seq_len, global_batch, domain, sizes, precision, words)
        for words in product(SCHEDULES, RECOMPUTES)
    ]
    ranked = sorted(
        (loss, which, int(i))
        for which, each in enumerate(found)
        for loss, i in _losses(each, capacity, domain)
    )
    steps: list[Step] = []
    for _, which, i in ranked:
        if len(steps) == TIMED:
            break
        strategy = found[which].pick(i)
        try:
            check_strategy(model, strategy, gpus)
        except InputError:
            continue
        steps.append(step(model, cluster, strategy, gpus=gpus, seq_len=seq_len, fidelity=fidelity))
    if not steps:
        raise _nothing(model, cluster, gpus, global_batch, found)
    steps.sort(key=lambda each: (each.step_time, str(each.strategy)))
    return Search(evaluated=len(steps), feasible=len(ranked), best=tuple(steps[:top]))


def _candidates(
    model: Model,
    gpus: int,
    seq_len: int,
    global_batch: int,
    domain: int,
    sizes: Sequence[int],
    precision: str,
    words: tuple[str, str],
) -> Candidates:
    """Every layout whose factors divide what they cut, with the memory it needs [B]."""
    schedule, recompute = words
    experts = model.moe.experts if model.moe else 1
    axes = (
        [each for each in divisors(model.heads) if each <= domain],
        [each for each in divisors(gpus) if each <= model.layers],
        divisors(experts),
        VIRTUAL if schedule == "interleaved" else (1,),
        sizes,
        (1, 3),
    )
    grid = np.meshgrid(*(np.array(axis, int) for axis in axes), indexing="ij")
    tp, pp, ep, vpp, micro_batch, zero = (axis.ravel() for axis in grid)
    dp = gpus // np.minimum(tp * pp, gpus)
    good = (tp * pp * dp == gpus) & ((tp * dp) % ep == 0) & (global_batch % (dp * micro_batch) == 0)
    good &= (zero == 1) | ((pp == 1) & (dp > 1))
    if schedule != "1f1b":
        good &= pp > 1
    if schedule == "interleaved":
        batches = global_batch // np.maximum(dp * micro_batch, 1)
        good &= (pp * vpp <= model.layers) & (batches % pp == 0)
    tp, pp, dp, ep, vpp, micro_batch, zero = (
        axis[good] for axis in (tp, pp, dp, ep, vpp, micro_batch, zero)
    )
    strategy = Strategy(
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        vpp=vpp,
        micro_batch=micro_batch,
        zero=zero,
        global_batch=global_batch,
        schedule=schedule,
        recompute=recompute,
        precision=precision,
        overlap_ep=model.moe is not None,
    )
    need = memory(model, strategy, seq_len)["total"] if len(tp) else np.zeros(0)
    return Candidates(strategy=strategy, need=np.broadcast_to(need, tp.shape))


def divisors(number: int) -> list[int]:
    """Return the divisors, growing.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    return [each for each in range(1, number + 1) if number % each == 0]


def _losses(
    candidates: Candidates, capacity: float, domain: int
) -> Iterator[tuple[float, IntArray]]:
    """Index of each layout that fits, and the share of its step it loses by rule of thumb.

    The rule only orders what is timed: bubble, recomputation, and a little for every cut that
    sends messages, more where they leave the scale-up domain.
    """
    each = candidates.strategy
    bubble = (each.pp - 1) / (each.vpp * each.micro_batches)
    if each.schedule == "zb-h1":
        bubble = bubble / 3
    again = {"none": 0.0, "selective": 0.02, "full": 0.25}[each.recompute]
    cuts = 0.03 * np.log2(each.tp) + 0.02 * np.log2(each.ep) + 0.1 * (each.ep * each.tp > domain)
    loss = bubble + again + cuts + 0.05 / each.micro_batch + 0.05 * (each.zero == 3)
    for i in np.flatnonzero(candidates.need <= capacity):
        yield float(np.round(loss[i], 9)), i


def _nothing(
    model: Model, cluster: Cluster, gpus: int, global_batch: int, found: Sequence[Candidates]
) -> ModelError:
    """Say why no layout is left, and what would help."""
    needs = [float(each.need.min()) for each in found if len(each.need)]
    where = f"{model.name} on {gpus:,} GPUs of {cluster.name}"
    if not needs:
        return ModelError(
            f"no layout divides {global_batch:,} sequences and {gpus:,} GPUs",
            where=where,
            remedy="Choose a global batch with more divisors, or another number of GPUs.",
        )
    capacity = float(cluster.accelerator.memory)
    return ModelError(
        f"no layout fits in memory: the smallest needs {format_size(min(needs))} a GPU of "
        f"{format_size(capacity)}",
        where=where,
        remedy="Use more GPUs, or ones with more memory.",
    )


def plain(strategy: Strategy) -> dict[str, Any]:
    """Fields of a strategy that are not at their default, in their order."""
    usual = Strategy()
    return {
        name: getattr(strategy, name)
        for name in Strategy.__slots__
        if getattr(strategy, name) != getattr(usual, name)
    }
