"""Two levels: reduce-scatter inside each domain, rings over rail peers, all-gather inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import choose

NAME = "hierarchical"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "ll128", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count the three stages, which overlap chunk by chunk: the slowest decides.

    Inside :math:`2(g-1)` steps and :math:`2(g-1)S/g` bytes, between N domains :math:`2(N-1)` hops
    and :math:`2(N-1)S/(N g)` bytes on each rail.
    """
    g, domains = group.local, group.units
    crossings = (*group.branches, 1)
    rail = 2.0 * size / g * (domains - 1) / domains
    return Traffic(
        steps=2 * (g - 1),
        hops=tuple(2 * (crossings[tier] - crossings[tier + 1]) for tier in range(len(group.tiers))),
        port=2.0 * size * (g - 1) / g,
        egress=tuple(
            choose(branches > 1, rail * g / below, 0.0 * size)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / group.ranks,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the stages one after the other."""
    rank = np.arange(ranks)
    domains = ranks // local
    beside = rank // local * local + (rank % local + 1) % local
    along = (rank + local) % ranks
    inside = [step(rank, beside, 1.0 / local, local - 1)] if local > 1 else []
    between = [step(rank, along, 1.0 / local / domains, 2 * (domains - 1))] if domains > 1 else []
    return [*inside, *between, *inside]
