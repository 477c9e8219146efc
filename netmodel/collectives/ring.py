"""Ring: every rank passes what it gets to the next one; least bytes, most steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import IntArray, Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import choose

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
        port=choose(group.units > 1, moved * (1.0 - 1.0 / group.local), moved),
        egress=tuple(
            choose(branches > 1, moved / below, 0.0 * moved)
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=0.0 if chained else size / n,
    )


def channel_orders(ranks: int, local: int) -> IntArray:
    """Order in which each channel's ring visits the ranks, one row a channel.

    One channel a member of a domain, so that every NIC carries one ring: channel c enters a domain
    at member c and leaves it at member c - 1, the next domain the other way round, so that a ring
    crosses between domains on one rail.

    >>> channel_orders(4, 2).tolist()
    [[0, 1, 3, 2], [1, 0, 2, 3]]
    """
    inside = (np.arange(local) + np.arange(local)[:, None]) % local
    domains = np.arange(ranks // local)
    orders = np.where((domains % 2 == 0)[None, :, None], inside[:, None, :], inside[:, None, ::-1])
    return (orders + local * domains[None, :, None]).reshape(local, ranks)


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out a ring: one step that repeats, each rank to the next one of every channel.

    Parameters
    ----------
    kind : str
        Operation; broadcast and reduce start or end at rank 0.
    ranks, local : int
        Members; members of one domain, which divides them.
    """
    orders = channel_orders(ranks, local)
    if kind in ("broadcast", "reduce"):
        starts = np.argmax(orders == 0, axis=1)
        turned = np.stack(
            [np.roll(order, -start) for order, start in zip(orders, starts, strict=True)]
        )
        chain = turned if kind == "broadcast" else turned[:, ::-1]
        return [step(chain[:, :-1], chain[:, 1:], 1.0 / local)]
    repeat = (2 if kind == "all_reduce" else 1) * (ranks - 1)
    return [step(orders, np.roll(orders, -1, axis=1), 1.0 / ranks / local, repeat)]
