"""Whether a layout fits in memory, and if not, by how much and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from netmodel.errors import InputError
from netmodel.units import format_size
from netmodel.workload import Model, Strategy, memory, possible

if TYPE_CHECKING:
    from netmodel.topology import Cluster


def check_fit(model: Model, cluster: Cluster, strategy: Strategy, seq_len: int) -> None:
    """Refuse a layout that needs more memory than a GPU has.

    Raises
    ------
    InputError
        By how much it is over, and the smallest change that makes it fit.
    """
    capacity = float(cluster.accelerator.memory)
    need = float(memory(model, strategy, seq_len)["total"])
    if need <= capacity:
        return
    remedy = next(
        (
            f"{words} makes it fit ({format_size(total)})."
            for words, other in _changes(strategy)
            if possible(model, other, other.gpus, seq_len)
            and (total := float(memory(model, other, seq_len)["total"])) <= capacity
        ),
        "Use a smaller model or sequence, more GPUs, or GPUs with more memory.",
    )
    raise InputError(
        f"needs {format_size(need)} on the fullest GPU, {format_size(need - capacity)} over the "
        f"{format_size(capacity)} of one {cluster.accelerator.name}",
        where=f"{model.name} on {strategy.gpus:,} GPUs",
        remedy=remedy,
    )


def _changes(strategy: Strategy) -> Iterator[tuple[str, Strategy]]:
    """Yield changes that save memory, the least costly first, then pairs of them on more GPUs."""
    if strategy.micro_batch > 1:
        yield "micro_batch=1", replace(strategy, micro_batch=1)
    for zero in range(strategy.zero + 1, 4):
        yield f"zero={zero}", replace(strategy, zero=zero)
    for recompute in ("selective", "full"):
        if recompute != strategy.recompute:
            yield f"recompute={recompute}", replace(strategy, recompute=recompute)
    full = replace(strategy, recompute="full", micro_batch=1)
    for name in ("tp", "pp", "ep"):
        for factor in (2, 4, 8, 16, 32, 64):
            wider = replace(full, **{name: getattr(full, name) * factor})
            if name == "ep":
                yield f"ep={wider.ep} with recompute=full", wider
                continue
            if strategy.dp % factor == 0:
                moved = replace(wider, dp=strategy.dp // factor)
                yield f"{name}={getattr(wider, name)} with recompute=full", moved
    for factor in (2, 4, 8, 16, 32, 64):
        for name in ("pp", "tp"):
            wider = replace(full, **{name: getattr(full, name) * factor})
            words = f"{name}={getattr(wider, name)} on {wider.gpus:,} GPUs with recompute=full"
            yield words, wider
    yield "zero=3 with recompute=full", replace(full, zero=3)
