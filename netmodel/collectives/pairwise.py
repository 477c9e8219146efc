"""Every rank sends to every other: NCCL's all-to-all over its point-to-point channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import ceil_log2

NAME = "pairwise"
KINDS = frozenset({"all_to_all"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count the bytes of a personalised exchange.

    A rank sends :math:`S/n` to each; of its buffer, :math:`S (1 - m/n)` leaves a unit of m members.
    Peers are served side by side, so their latencies do not add up: :math:`\lceil\log_2 g\rceil`
    steps inside a domain of g, one hop at every tier. PXN gathers what goes to one rail on the GPU
    of that rail; the bytes that leave stay the same. A rank copies its own share beside the sends.
    """
    n = group.ranks
    return Traffic(
        steps=ceil_log2(group.local),
        hops=tuple((branches > 1) * 1 for branches in group.branches),
        port=size * (group.local - 1) / n,
        egress=tuple(size * (1.0 - below / n) for below in group.below),
        handled=size * group.local / n,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out an exchange: in step k every rank sends to the one k places on."""
    rank = np.arange(ranks)
    return [step(rank, (rank + k) % ranks, 1.0 / ranks) for k in range(1, ranks)]
