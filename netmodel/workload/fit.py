"""Whether a layout fits in the memory of a GPU; if not, by how much, and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from netmodel.errors import InputError
from netmodel.units import format_size
from netmodel.workload.layout import Strategy
from netmodel.workload.memory import memory
from netmodel.workload.recipe import MEGATRON, Recipe
from netmodel.workload.rules import possible
from netmodel.workload.transformer import Model

TOLERANCE = 0.08
"""Share of a GPU's memory within which an estimate cannot tell. Accelerators are rated in GB and
built in GiB, 7.4 % more; and every published run that we know stays inside it."""

MOST_OFFERS = 3
MOST_CHANGES = 3
MOST_TP = 8


def _changes(model: Model, strategy: Strategy) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield changes that lower memory on the same GPUs, each with its words, gentlest first."""
    s = strategy
    if s.zero < 1:
        yield "zero", {"zero": 1}
    if s.micro_batch > 1:
        yield "micro_batch", {"micro_batch": 1}
    if s.recompute != "full":
        yield "recompute", {"recompute": "full"}
    for degree in (2, 4, 8, 16, 32, 64, 128):
        if model.moe is not None and degree > s.ep and degree <= model.moe.experts:
            yield "ep", {"ep": degree}
        for key in ("tp", "pp", "cp"):
            grown = degree // getattr(s, key)
            if s.dp >= grown > 1 and not (key == "tp" and degree > MOST_TP):
                yield key, {key: degree}
    if s.zero < 3:
        yield "zero", {"zero": 3}


def _written(change: dict[str, Any]) -> str:
    """Write a change as the strategy's text; ``dp`` follows by itself."""
    return ",".join(f"{key}={value}" for key, value in change.items())


def what_fits(
    model: Model,
    strategy: Strategy,
    seq_len: int,
    capacity: float,
    recipe: Recipe = MEGATRON,
) -> list[str]:
    """Return up to three changes, on the same GPUs, under which the layout fits.

    Single changes are tried first, then pairs and triples of them, gentlest first; the same keys
    are offered once.

    Returns
    -------
    list of str
        As ``--strategy`` takes them: ``"recompute=full"``, ``"tp=8,zero=3"``; empty where none of
        them is enough.
    """
    gpus = strategy.gpus
    changes = list(_changes(model, strategy))
    for many in range(1, MOST_CHANGES + 1):
        found: dict[tuple[str, ...], str] = {}
        for chosen in combinations(changes, many):
            names = tuple(name for name, _ in chosen)
            if names in found or len(set(names)) < many:
                continue
            change = {key: value for _, each in chosen for key, value in each.items()}
            plan = replace(strategy, **change)
            plan = replace(plan, dp=gpus // (plan.tp * plan.cp * plan.pp))
            if plan.dp < 1 or not possible(model, plan, gpus, seq_len):
                continue
            if memory(model, plan, seq_len, recipe)["total"] <= capacity:
                found[names] = _written(change)
                if len(found) == MOST_OFFERS:
                    break
        if found:
            return list(found.values())
    return []


def check_memory(
    model: Model,
    strategy: Strategy,
    seq_len: int,
    capacity: float,
    recipe: Recipe = MEGATRON,
) -> None:
    """Refuse a layout whose fullest rank clearly needs more memory than a GPU has.

    What exceeds it by less than :data:`TOLERANCE` passes.

    Parameters
    ----------
    capacity : float
        Memory of one GPU [B].

    Raises
    ------
    InputError
        Saying by how much it does not fit, what takes most, and what would make it fit.
    """
    parts = dict(memory(model, strategy, seq_len, recipe))
    total = parts.pop("total")
    if total <= capacity * (1 + TOLERANCE):
        return
    largest = sorted(parts, key=lambda name: -parts[name])[:2]
    most = " and ".join(f"{name} {format_size(parts[name])}" for name in largest)
    offers = what_fits(model, strategy, seq_len, capacity, recipe)
    if offers:
        remedy = f"It fits with {' or with '.join(offers)}."
    else:
        remedy = f"No change of the layout on as many GPUs ({strategy.gpus}) is enough: use more."
    raise InputError(
        f"{model.name} needs {format_size(total)} on its fullest rank, "
        f"{format_size(total - capacity)} more than the {format_size(capacity)} of a GPU ({most})",
        where="memory",
        remedy=remedy,
    )
