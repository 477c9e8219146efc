"""Who sends how much to whom: flows one by one, and all-to-all exchanges as a whole.

Patterns take groups as an array [groups, members] of ranks, so that all the groups of a job that
run at the same time are one pattern; patterns of several jobs add up with ``+``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """Every member of each group sends the same to every other member.

    Attributes
    ----------
    members : int array [groups, members]
        Ranks.
    size : float
        From each member to each other one [B].
    """

    members: IntArray
    size: float


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Bytes between ranks.

    Attributes
    ----------
    source, target : int array [flows]
        Ranks.
    size : float array [flows]
        Bytes.
    exchanges : tuple of Exchange
        What is too much to list.
    """

    source: IntArray
    target: IntArray
    size: FloatArray
    exchanges: tuple[Exchange, ...] = ()

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            np.concatenate([self.source, other.source]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.size, other.size]),
            self.exchanges + other.exchanges,
        )

    @property
    def total(self) -> float:
        """All bytes sent."""
        pairs = sum(e.size * e.members.size * (e.members.shape[1] - 1) for e in self.exchanges)
        return float(self.size.sum() + pairs)

    def listed(self) -> Traffic:
        """Return the same bytes with every exchange written out as flows."""
        every = Traffic(self.source, self.target, self.size)
        for exchange in self.exchanges:
            every += _pairs(exchange)
        return every


def _pairs(exchange: Exchange) -> Traffic:
    m = exchange.members.shape[1]
    first, second = np.nonzero(~np.eye(m, dtype=bool))
    source, target = exchange.members[:, first].ravel(), exchange.members[:, second].ravel()
    return Traffic(source, target, np.full(len(source), exchange.size))


def sister_groups(gpus: int, ranks: int, stride: int = 1) -> IntArray:
    """Return all groups of ``ranks`` members, ``stride`` apart, that cut ``gpus`` into equal parts.

    Raises
    ------
    InputError
        When they do not divide.

    Examples
    --------
    >>> sister_groups(8, 2, 2).tolist()
    [[0, 2], [1, 3], [4, 6], [5, 7]]
    """
    if gpus % (ranks * stride):
        raise InputError(
            f"groups of {ranks} ranks, {stride} apart, do not divide {gpus} GPUs",
            remedy=f"Use a multiple of {ranks * stride} GPUs.",
        )
    cut = np.arange(gpus).reshape(-1, ranks, stride)
    return cut.transpose(0, 2, 1).reshape(-1, ranks)


def flows(source: IntArray, target: IntArray, size: float | FloatArray) -> Traffic:
    """Return single messages from rank to rank; those to oneself cost nothing and are dropped."""
    source, target = np.asarray(source, int).ravel(), np.asarray(target, int).ravel()
    apart = source != target
    sizes = np.broadcast_to(np.asarray(size, float), len(source))
    return Traffic(source[apart], target[apart], sizes[apart].copy())


def all_to_all(groups: IntArray, size: float) -> Traffic:
    """Return an all-to-all in which every rank's send buffer has ``size`` bytes in all."""
    none = np.zeros(0, int)
    members = np.atleast_2d(groups)
    if members.shape[1] < 2:
        return Traffic(none, none, np.zeros(0))
    return Traffic(none, none, np.zeros(0), (Exchange(members, size / members.shape[1]),))


def ring(groups: IntArray, size: float) -> Traffic:
    """Return what a ring sends: ``size`` bytes from every member to the next."""
    members = np.atleast_2d(groups)
    return flows(members, np.roll(members, -1, axis=1), size)


def tree(groups: IntArray, size: float) -> Traffic:
    """Return a binary tree: ``size`` bytes between every member and its parent, both ways."""
    members = np.atleast_2d(groups)
    child = np.arange(1, members.shape[1])
    up = flows(members[:, child], members[:, (child - 1) // 2], size)
    return up + flows(up.target, up.source, size)


def hierarchical(groups: IntArray, size: float, local: int) -> Traffic:
    """Return a two-level ring: inside each ``local`` consecutive members, then across them.

    Every member passes ``size`` bytes round its local ring and ``size / local`` bytes round the
    ring of members that have its place elsewhere.

    Raises
    ------
    InputError
        When ``local`` does not divide the group.
    """
    members = np.atleast_2d(groups)
    if members.shape[1] % local:
        raise InputError(f"{members.shape[1]} members do not divide into parts of {local}")
    parts = members.reshape(len(members), -1, local)
    inside = ring(parts.reshape(-1, local), size)
    across = parts.transpose(0, 2, 1).reshape(-1, parts.shape[1])
    return inside + ring(across, size / local)


def rail_all_to_all(groups: IntArray, size: float, local: int) -> Traffic:
    """Return all-to-alls among the members that have the same place in parts of ``local``."""
    members = np.atleast_2d(groups)
    if members.shape[1] % local:
        raise InputError(f"{members.shape[1]} members do not divide into parts of {local}")
    parts = members.reshape(len(members), -1, local)
    return all_to_all(parts.transpose(0, 2, 1).reshape(-1, parts.shape[1]), size)


def permutation(ranks: IntArray, size: float, rng: np.random.Generator) -> Traffic:
    """Return ``size`` bytes from every rank to another one, each receiving once."""
    ranks = np.asarray(ranks, int)
    order = rng.permutation(len(ranks))
    return flows(ranks[order], ranks[np.roll(order, -1)], size)
