"""One rank sends to one other, or every rank to its neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic

NAME = "p2p"
KINDS = frozenset({"send_recv"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count one message: through the port inside a domain, over one NIC to another.

    In nccl-tests every rank sends to the next one, and those at the end of a domain cross the
    network, so the network decides as soon as the group touches two domains.
    """
    return Traffic(
        steps=(group.local > 1) * 1,
        hops=tuple((branches > 1) * 1 for branches in group.branches),
        port=size * ((group.local > 1) * 1),
        egress=tuple(size * ((branches > 1) * 1) for branches in group.branches),
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out a shift: every rank sends the whole message to the next one."""
    rank = np.arange(ranks)
    return [step(rank, (rank + 1) % ranks, 1.0)]
