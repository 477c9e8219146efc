"""PAT (parallel aggregated trees): Bruck's steps in reverse, far ones first and smallest."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.recursive_doubling import tier_hops
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import choose

NAME = "pat"
KINDS = frozenset({"all_gather", "reduce_scatter"})
PROTOCOLS = ("simple",)


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count :math:`\lceil\log_2 n\rceil` hops; far links carry :math:`S(1/m - 1/n)` a member.

    NCCL offers it with one GPU a node, where it needs few hops for as many bytes as a ring; each
    rank still handles n blocks, one short step for each.

    References
    ----------
    .. [1] S. Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at
       scale", arXiv 2506.20252, 2025.
    """
    n = group.ranks
    return Traffic(
        steps=n,
        hops=tier_hops(group, 1),
        port=0.0 * size,
        egress=tuple(
            choose(branches > 1, size * (1.0 / below - 1.0 / n), 0.0 * size)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / n,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the steps: the farthest first, with one block, then twice as many half as far."""
    rank = np.arange(ranks)
    steps = []
    for k in reversed(range((ranks - 1).bit_length())):
        reach = 1 << k
        blocks = len(range(0, ranks - reach, 2 * reach))
        steps.append(step(rank, (rank + reach) % ranks, blocks / ranks))
    if kind == "reduce_scatter":
        return [Step(each.dst, each.src, each.share) for each in reversed(steps)]
    return steps
