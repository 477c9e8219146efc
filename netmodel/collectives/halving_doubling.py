"""Recursive halving, then doubling (Rabenseifner): few steps and least bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.recursive_doubling import tier_hops
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import ceil_log2, choose, floor_log2

NAME = "halving_doubling"
KINDS = frozenset({"all_reduce", "reduce_scatter", "all_gather"})
PROTOCOLS = ("ll", "ll128", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count :math:`2\log_2 n` steps whose messages halve with distance, near ones first.

    Half goes to the neighbour, a quarter two ranks on, so a unit of m members sends
    :math:`2 (S/m)(1 - m/n)` a member beyond itself: the far links carry least. A count that is no
    power of two folds the rest in and out, one message of S each way.

    References
    ----------
    .. [1] R. Rabenseifner, "Optimization of collective reduction operations", ICCS 2004.
    """
    n = group.ranks
    rounds = 2 if kind == "all_reduce" else 1
    odd = choose(ceil_log2(n) > floor_log2(n), 1.0, 0.0)
    return Traffic(
        steps=rounds * ceil_log2(group.local) + 2 * odd * choose(group.local > 1, 1.0, 0.0),
        hops=tier_hops(group, rounds),
        port=choose(group.local > 1, size * (rounds * (1.0 - 1.0 / group.local) + odd), 0.0 * size),
        egress=tuple(
            choose(branches > 1, size * (rounds * (1.0 / below - 1.0 / n) + odd), 0.0 * size)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / n,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the exchanges; ranks above the last power of two fold in first and out last."""
    core = 1 << (ranks.bit_length() - 1)
    rank, extra = np.arange(core), np.arange(core, ranks)
    depth = core.bit_length() - 1
    halving = [step(rank, rank ^ (1 << k), 0.5 ** (k + 1)) for k in range(depth)]
    doubling = halving[::-1]
    fold = [step(extra, extra - core, 1.0)] if extra.size else []
    back = [Step(each.dst, each.src, each.share) for each in fold]
    middle = {"reduce_scatter": halving, "all_gather": doubling}.get(kind, [*halving, *doubling])
    return [*fold, *middle, *back]
