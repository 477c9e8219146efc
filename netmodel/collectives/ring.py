"""Ring: every rank passes what it gets to the next one; least bytes, most steps."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.real import choose
from netmodel.collectives.traffic import Traffic

NAME = "ring"
KINDS = frozenset({"all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce"})
PROTOCOLS = ("ll", "ll128", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count a ring's steps and bytes.

    All-reduce takes :math:`2(n-1)` steps and moves :math:`2(n-1)S/n` through every port,
    all-gather and reduce-scatter half of both; a broadcast or reduction is a pipeline of
    :math:`n-1` steps that moves S. A ring enters and leaves every unit of a tier once, so a unit
    of m members sends as much in all as one GPU does inside, 1/m of it for each.

    References
    ----------
    .. [1] R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of collective communication
       operations in MPICH", 2005, section 4.
    """
    n = group.ranks
    rounds = 2 if kind == "all_reduce" else 1
    chained = kind in ("broadcast", "reduce")
    moved = size if chained else rounds * (n - 1) / n * size
    crossings = (*group.branches, 1)
    return Traffic(
        steps=rounds * (n - group.units),
        hops=tuple(
            rounds * (crossings[tier] - crossings[tier + 1]) for tier in range(len(group.tiers))
        ),
        port=moved,
        egress=tuple(
            choose(branches > 1, moved / below, 0.0 * moved)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=0.0 if chained else size / n,
    )
