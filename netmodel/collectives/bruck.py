"""Bruck: in step k send to the rank 2**k on what it and those behind it lack."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.recursive_doubling import tier_hops
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import ceil_log2

NAME = "bruck"
KINDS = frozenset({"all_gather", "all_to_all"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count :math:`\lceil\log_2 n\rceil` steps.

    An all-to-all moves half of the buffer in each, so it pays only where messages are tiny; an
    all-gather moves :math:`S(n-1)/n` in all, doubling with distance. The last rank of a
    unit sends all of it beyond, so its NIC decides.

    References
    ----------
    .. [1] J. Bruck et al., "Efficient algorithms for all-to-all communications in multiport
       message-passing systems", IEEE TPDS 8(11), 1997.
    """
    n = group.ranks
    every = ceil_log2(n)
    moved = 0.5 * size * every if kind == "all_to_all" else size * (n - 1) / n
    return Traffic(
        steps=ceil_log2(group.local),
        hops=tier_hops(group, 1),
        port=moved * ((group.local > 1) * 1),
        egress=tuple(moved * ((branches > 1) * 1) for branches in group.branches),
        copy=size / n,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the steps; an all-to-all forwards the blocks whose distance has bit k set."""
    rank = np.arange(ranks)
    steps = []
    for k in range((ranks - 1).bit_length()):
        reach = 1 << k
        blocks = (
            int(np.count_nonzero(rank & reach))
            if kind == "all_to_all"
            else min(reach, ranks - reach)
        )
        steps.append(step(rank, (rank + reach) % ranks, blocks / ranks))
    return steps
