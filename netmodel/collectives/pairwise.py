"""Every rank sends to every other (all-to-all), or to one (send-recv); NCCL's p2p channels."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.traffic import Traffic

NAME = "pairwise"
KINDS = frozenset({"all_to_all", "send_recv"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count the bytes of a personalised exchange.

    All-to-all: a rank sends :math:`S/n` to each; of its buffer, :math:`S (1 - m/n)` leaves a unit
    of m members. Peers are served side by side, so hops do not add up: one step inside, one hop at
    every tier. PXN gathers what goes to one rail on the GPU of that rail; the bytes stay the same.
    Send-recv: the message, through the port and every tier on the way.
    """
    n = group.ranks
    if kind == "send_recv":
        inside = group.local > 1
        return Traffic(
            steps=1 if inside is True else 0 if inside is False else inside * 1,
            hops=tuple((branches > 1) * 1 for branches in group.branches),
            port=size * (inside * 1),
            egress=tuple(size * ((branches > 1) * 1) for branches in group.branches),
        )
    return Traffic(
        steps=1,
        hops=tuple((branches > 1) * 1 for branches in group.branches),
        port=size * (group.local - 1) / n,
        egress=tuple(size * (1.0 - below / n) for below in group.below),
        copy=size / n,
    )
