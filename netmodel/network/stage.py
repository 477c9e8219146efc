"""One stretch of a message's way, on which it takes shortest paths between endpoints.

A message crosses up to three stages: NVLink between GPUs, PCIe inside a host, switches between
hosts. Each is a graph of its own with its own endpoints; this file knows nothing but such a
graph: how far each node is from each endpoint, how traffic spreads over all shortest paths, and
which single path a policy picks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network, sorted_by
from netmodel.network.components import join
from netmodel.network.lumping import colours
from netmodel.network.trickle import is_sparse, trickle

DistanceArray = npt.NDArray[np.int16]
CHUNK = 400_000  # entries of a working array: small enough for the cache
KEPT = 6_000_000  # arcs times columns up to which it is remembered how bytes spread
Spread = tuple[IntArray, IntArray, IntArray, FloatArray]
"""Arcs that bring bytes nearer, where from and where to (class and column), and their parts."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A part of the network, its endpoints, and shortest paths by hops between them.

    Attributes
    ----------
    network : Network
        The whole.
    links : int array
        Links of this stage, both directions of each edge.
    endpoints : int array [endpoints]
        Nodes that send and receive.
    group : int array [endpoints]
        Endpoints that are cabled alike share a group; traffic is told apart by group only.
    forwards : bool array [nodes]
        Whether a node passes on what is not its own.
    cost : int array [links of the stage], optional
        How many hops each link counts for, by default one.
    """

    network: Network
    links: IntArray
    endpoints: IntArray
    group: IntArray
    forwards: npt.NDArray[np.bool_]
    cost: IntArray | None = None

    @cached_property
    def length(self) -> IntArray:
        """Hops that each link counts for."""
        return np.ones(len(self.links), int) if self.cost is None else self.cost

    @cached_property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.group.max(initial=-1)) + 1

    @cached_property
    def group_of(self) -> IntArray:
        """Group of each node of the network, -1 for those that are no endpoint."""
        found = np.full(self.network.n_nodes, -1)
        found[self.endpoints] = self.group
        return found

    @cached_property
    def component(self) -> IntArray:
        """Connected component of each node."""
        half = self.links[self.links < self.network.n_links // 2]
        nodes = np.arange(self.network.n_nodes)
        return join(nodes, self.network.source[half], self.network.target[half])

    @cached_property
    def home(self) -> IntArray:
        """Connected component of each group, numbered from 0 without gaps."""
        found = np.zeros(self.n_groups, int)
        found[self.group] = self.component[self.endpoints]
        numbers: IntArray = np.unique(found, return_inverse=True)[1].astype(int)
        return numbers

    @cached_property
    def column(self) -> IntArray:
        """Number of each group among those of its component: its column in traffic matrices."""
        home = self.home
        order, first = sorted_by(home, int(home.max(initial=-1)) + 1)
        found = np.empty(self.n_groups, int)
        found[order] = np.arange(self.n_groups) - first[home[order]]
        return found

    @cached_property
    def outgoing(self) -> tuple[IntArray, IntArray]:
        """Positions of the links ordered by source, and where each node's begin (CSR)."""
        return sorted_by(self.network.source[self.links], self.network.n_nodes)

    def home_of(self, node: int) -> int:
        """Return the number (as in :attr:`home`) of a node's component, -1 if it has no group."""
        there = np.flatnonzero(self._component_of_group == self.component[node])
        return int(self.home[there[0]]) if len(there) else -1

    @cached_property
    def group_at(self) -> IntArray:
        """Group of each component and column [components, width], -1 where there is none."""
        found = np.full((int(self.home.max(initial=-1)) + 1, self.width), -1)
        found[self.home, self.column] = np.arange(self.n_groups)
        return found

    @cached_property
    def distance_of_groups(self) -> DistanceArray:
        """Hops between groups [groups, width]."""
        return self.distance[self.group_class]

    @cached_property
    def width(self) -> int:
        """Groups in the largest component."""
        return int(self.column.max(initial=-1)) + 1

    @cached_property
    def lump(self) -> IntArray:
        """Class of each node: groups are classes of their own, like switches one class."""
        network, links = self.network, self.links
        start = np.where(self.group_of >= 0, self.group_of + 1, -network.kind - 1)
        alike = self.capacity * self.length
        return colours(start, network.source[links], network.target[links], alike)

    @cached_property
    def capacity(self) -> FloatArray:
        """Bandwidth of each link of the stage [B/s]."""
        return self.network.capacity[self.links]

    @cached_property
    def group_class(self) -> IntArray:
        """Class of each group."""
        found = np.zeros(self.n_groups, int)
        found[self.group] = self.lump[self.endpoints]
        return found

    @cached_property
    def arcs(self) -> Arcs:
        """Links between classes."""
        source = self.lump[self.network.source[self.links]]
        target = self.lump[self.network.target[self.links]]
        n = int(self.lump.max(initial=-1)) + 1
        pairs, first, member = np.unique(
            source * n + target, return_index=True, return_inverse=True
        )
        passing = np.zeros(n, bool)
        passing[self.lump] = self.forwards
        return Arcs(
            source=pairs // n,
            target=pairs % n,
            capacity=np.bincount(member, self.capacity, len(pairs)).astype(float),
            member=member.astype(int),
            forwards=passing,
            length=self.length[first],
        )

    @cached_property
    def distance(self) -> DistanceArray:
        """Hops from each class to each group of its component [classes, width], -1 if none.

        All groups are searched at once, one bit each: a node reaches what its neighbours reach.
        """
        arcs, n = self.arcs, len(self.arcs.forwards)
        found = np.full((n, self.width), -1, np.int16)
        found[self.group_class, self.column] = 0
        seen = np.packbits(found == 0, axis=1)
        offers = {0: seen.copy()}
        by_length = [(int(each), _rows(arcs, each, n)) for each in np.unique(arcs.length)]
        hops, longest = 0, int(arcs.length.max(initial=0))
        while any(hops - back in offers for back in range(longest)):
            hops += 1
            reached = np.zeros_like(seen)
            for length, (rows, target, first) in by_length:
                if hops - length in offers:
                    offered = offers[hops - length][target]
                    reached[rows] |= np.bitwise_or.reduceat(offered, first, axis=0)
            fresh = reached & ~seen
            if fresh.any():
                seen |= fresh
                found[np.unpackbits(fresh, axis=1, count=self.width).view(bool)] = hops
                fresh[~arcs.forwards] = 0
                offers[hops] = fresh
            offers.pop(hops - longest, None)
        return found

    def hops(self, nodes: IntArray, groups: IntArray) -> IntArray:
        """Return the hops from nodes to groups, -1 where there is no way."""
        found = self.distance[self.lump[nodes], self.column[groups]].astype(int)
        return np.where(self.component[nodes] == self._component_of_group[groups], found, -1)

    @cached_property
    def _component_of_group(self) -> IntArray:
        found = np.zeros(self.n_groups, int)
        found[self.group] = self.component[self.endpoints]
        return found

    @cached_property
    def joins_peers(self) -> bool:
        """Whether endpoints are cabled to endpoints, or switches to switches: a detour exists."""
        ends = self.group_of >= 0
        network, links = self.network, self.links
        return bool((ends[network.source[links]] == ends[network.target[links]]).any())

    @cached_property
    def joins_endpoints(self) -> bool:
        """Whether some endpoints are cabled to each other."""
        ends = self.group_of >= 0
        network, links = self.network, self.links
        return bool((ends[network.source[links]] & ends[network.target[links]]).any())

    @cached_property
    def grouped(self) -> Stage:
        """The same stage with all endpoints that are cabled alike in one group."""
        return replace(self, group=groups_alike(self.network, self.links, self.endpoints))

    def arriving(self, traffic: FloatArray) -> FloatArray:
        """Return the bytes for each group [components, width] of a traffic matrix."""
        found = np.zeros((int(self.home.max(initial=-1)) + 1, self.width))
        np.add.at(found, self.home, traffic)
        return found

    def link_bytes(self, arc_bytes: FloatArray) -> FloatArray:
        """Divide the bytes of each arc among its links by bandwidth, over the whole network."""
        arcs = self.arcs
        found = np.zeros(self.network.n_links)
        found[self.links] = arc_bytes[arcs.member] * self.capacity / arcs.capacity[arcs.member]
        return found

    def spray(self, traffic: FloatArray, rank: IntArray | None = None) -> FloatArray:
        """Return the bytes on each arc when traffic is spread over all shortest paths.

        At every node the bytes for one group are divided among the next hops by bandwidth.

        Parameters
        ----------
        traffic : float array [groups, width]
            Bytes from each group to the groups (by :attr:`column`) of its component.
        rank : int array [arcs], optional
            Only next hops of the lowest rank at a node are used (dimension order).

        Returns
        -------
        float array [arcs]
            Bytes.
        """
        if rank is None and is_sparse(traffic):
            return trickle(self, traffic)
        arcs, total = self.arcs, np.zeros(len(self.arcs.source))
        for columns, steps in self._spread:
            if not traffic[:, columns].any():
                continue
            here = np.zeros((len(arcs.forwards), len(columns)))
            here[self.group_class] = traffic[:, columns]
            flat = here.reshape(-1)
            for arc, spot, onwards, part in steps:
                weight = part
                if rank is not None:
                    lowest = np.full(len(flat), np.iinfo(np.int64).max)
                    np.minimum.at(lowest, spot, rank[arc])
                    weight = np.where(rank[arc] == lowest[spot], arcs.capacity[arc], 0.0)
                    whole = np.bincount(spot, weight, len(flat))[spot]
                    weight = weight / np.where(whole > 0, whole, 1.0)
                moved = flat[spot] * weight
                total += np.bincount(arc, moved, len(total))
                np.add.at(flat, onwards, moved)
        return total

    @property
    def _spread(self) -> Iterable[tuple[IntArray, list[Spread]]]:
        """How bytes spread, for some columns at a time; kept where it is small enough."""
        if len(self.arcs.source) * self.width > KEPT:
            return self._spreading()
        return self._kept_spread

    @cached_property
    def _kept_spread(self) -> list[tuple[IntArray, list[Spread]]]:
        return list(self._spreading())

    def _spreading(self) -> Iterator[tuple[IntArray, list[Spread]]]:
        arcs = self.arcs
        for columns in _chunks(np.arange(self.width), max(1, CHUNK // max(1, len(arcs.source)))):
            steps, count = [], len(columns)
            for arc, column in self._steps(self.distance[:, columns]):
                spot, weight = arcs.source[arc] * count + column, arcs.capacity[arc]
                whole = np.bincount(spot, weight)[spot]
                steps.append((arc, spot, arcs.target[arc] * count + column, weight / whole))
            yield columns, steps

    def _steps(self, far: DistanceArray) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield the arcs that bring bytes one hop nearer, farthest first, with their columns."""
        arcs = self.arcs
        before, after = far[arcs.source], far[arcs.target]
        step = (after == before - arcs.length[:, None]) & (after >= 0)
        step &= arcs.forwards[arcs.target][:, None] | (after == 0)
        arc, column = np.nonzero(step)
        level = before[arc, column]
        order = np.argsort(level, kind="stable")
        upto = np.concatenate([[0], np.cumsum(np.bincount(level))])
        for hops in range(len(upto) - 2, 0, -1):
            now = order[upto[hops] : upto[hops + 1]]
            yield arc[now], column[now]


@dataclass(frozen=True, slots=True, eq=False)
class Arcs:
    """Links between classes of nodes.

    Attributes
    ----------
    source, target : int array [arcs]
        Classes.
    capacity : float array [arcs]
        Of all its links together [B/s].
    member : int array [links of the stage]
        Arc of each link.
    forwards : bool array [classes]
        Whether the nodes of a class pass traffic on.
    length : int array [arcs]
        Hops that an arc counts for.
    """

    source: IntArray
    target: IntArray
    capacity: FloatArray
    member: IntArray
    forwards: npt.NDArray[np.bool_]
    length: IntArray


def groups_alike(network: Network, links: IntArray, endpoints: IntArray) -> IntArray:
    """Return a group for each endpoint, the same for those that have equal cables to the rest.

    Groups are numbered from 0 in the order of their first endpoints.
    """
    start = np.arange(network.n_nodes) + 1
    start[endpoints] = 0
    source, target = network.source[links], network.target[links]
    alike = colours(start, source, target, network.capacity[links])[endpoints]
    _, first, group = np.unique(alike, return_index=True, return_inverse=True)
    rank = np.empty(len(first), int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group]


def _rows(arcs: Arcs, length: int, n: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the classes that arcs of a length leave, the arcs' targets, where each begins."""
    kept = np.flatnonzero(arcs.length == length)
    order, first = sorted_by(arcs.source[kept], n)
    rows = np.flatnonzero(np.diff(first))
    return rows, arcs.target[kept][order], first[rows]


def _chunks(columns: IntArray, size: int) -> Iterator[IntArray]:
    """Cut an array into pieces of at most so many."""
    for start in range(0, len(columns), size):
        yield columns[start : start + size]
