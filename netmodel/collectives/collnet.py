"""In-network reduction (SHARP): the fabric's switches add, each NIC sends its share once."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.nvls import multicast_bytes
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import choose

NAME = "collnet"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("simple",)


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count the bytes: multicast inside the domain, and S out of every domain, however many.

    One hop up and down the switch tree at each tier, whatever the number of domains.
    """
    return Traffic(
        steps=0,
        hops=tuple((branches > 1) * 1 for branches in group.branches),
        port=multicast_bytes(size, group.local),
        egress=tuple(
            choose(branches > 1, size / below, 0.0 * size)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
    )
