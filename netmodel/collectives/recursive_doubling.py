"""Recursive doubling: in step k exchange everything with the rank 2**k away; fewest steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import ceil_log2

NAME = "recursive_doubling"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "ll128", "simple")


def tier_hops(group: Group, rounds: Any) -> tuple[Any, ...]:
    """Hops at each tier when step k reaches 2**k ranks away, near ones first."""
    depth = [ceil_log2(branches) for branches in group.branches]
    depth.append(0)
    return tuple(rounds * (depth[tier] - depth[tier + 1]) for tier in range(len(group.tiers)))


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count :math:`\lceil\log_2 n\rceil` steps that each move the whole buffer.

    References
    ----------
    .. [1] R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of collective communication
       operations in MPICH", 2005, section 4.1.
    """
    inside = ceil_log2(group.local)
    return Traffic(
        steps=inside,
        hops=tier_hops(group, 1),
        port=size * inside,
        egress=tuple(size * ceil_log2(branches) for branches in group.branches),
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the exchanges; ranks above the last power of two fold in first and out last."""
    core = 1 << (ranks.bit_length() - 1)
    extra = np.arange(core, ranks)
    rank = np.arange(core)
    fold = [step(extra, extra - core, 1.0)] if extra.size else []
    back = [Step(each.dst, each.src, each.share) for each in fold]
    middle = [step(rank, rank ^ (1 << k), 1.0) for k in range(core.bit_length() - 1)]
    return [*fold, *middle, *back]
