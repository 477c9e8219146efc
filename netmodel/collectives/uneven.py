"""All-to-all of unequal messages: from a matrix of who sends how much to whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives.group import Group, group_of
from netmodel.collectives.library import Library
from netmodel.collectives.traffic import Price, Traffic, price
from netmodel.collectives.tuner import P2P_LL_BYTES
from netmodel.errors import InputError
from netmodel.network.tiers import Span
from netmodel.numeric import ceil_log2

FloatArray = npt.NDArray[np.float64]


def uneven_traffic(matrix: FloatArray, group: Group) -> Traffic:
    """Count an exchange by its busiest rank: links are full duplex, so the larger of out and in.

    Parameters
    ----------
    matrix : array [n, n]
        Bytes from each rank (row) to each other (column); the diagonal stays at home [B].
    group : Group
        Where the members lie, in rank order.
    """
    rank = np.arange(len(matrix))
    own = np.diag(matrix)

    def beyond(members: int) -> float:
        """Bytes of the busiest rank that leave its unit of so many members, or enter it."""
        outside = (rank[:, None] // members) != (rank[None, :] // members)
        crossing = np.where(outside, matrix, 0.0)
        return float(max(crossing.sum(axis=1).max(), crossing.sum(axis=0).max()))

    local = int(group.local)
    inside = np.where((rank[:, None] // local) == (rank[None, :] // local), matrix, 0.0)
    np.fill_diagonal(inside, 0.0)
    return Traffic(
        steps=ceil_log2(local),
        hops=tuple(int(branches > 1) for branches in group.branches),
        port=float(max(inside.sum(axis=1).max(), inside.sum(axis=0).max())),
        egress=tuple(beyond(int(below)) for below in group.below),
        handled=float((inside.sum(axis=1) + own).max()),
    )


def uneven_all_to_all(matrix: Any, span: Span, library: Library) -> Price:
    """Time an all-to-all whose messages differ, as the routing of tokens makes them.

    Parameters
    ----------
    matrix : array [n, n]
        Bytes from each rank (row) to each other (column) [B].
    span : Span
        Where the n members lie.
    library : Library
        Latencies and efficiencies.

    Raises
    ------
    InputError
        When the matrix is not square, not that of the span, or holds what is no size.

    Examples
    --------
    >>> from netmodel.collectives import library
    >>> from netmodel.network.tiers import Tiers
    >>> tiers = Tiers(names=("nvlink",), unit=(8,), bandwidth=(450e9,), latency=(0.0,),
    ...               links=("NVLink4",))
    >>> even = np.full((8, 8), 2.0**20)
    >>> skewed = even * np.linspace(0.5, 1.5, 8)
    >>> hopper = library("hopper", "NVLink4")
    >>> price_even = uneven_all_to_all(even, tiers.span(8), hopper).time
    >>> price_even < uneven_all_to_all(skewed, tiers.span(8), hopper).time
    True
    """
    sizes = np.asarray(matrix, float)
    ranks = int(span.ranks)
    if sizes.shape != (ranks, ranks):
        raise InputError(
            f"a matrix of {sizes.shape} for {ranks} ranks",
            where="size matrix",
            remedy="Give n x n.",
        )
    if not (np.isfinite(sizes).all() and (sizes >= 0).all()):
        raise InputError("holds sizes below zero or not finite", where="size matrix")
    group = group_of(span)
    largest = float(sizes.max())
    protocol = "ll" if largest <= P2P_LL_BYTES else "simple"
    whole = float(sizes.sum(axis=1).max())
    return price(
        "all_to_all", whole, uneven_traffic(sizes, group), group, library, "pairwise", protocol
    )
