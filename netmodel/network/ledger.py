"""Books traffic between ranks on the stages it passes, without listing what is uniform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule
from netmodel.network.stage import Stage
from netmodel.network.traffic import Exchange, Traffic
from netmodel.network.walk import check_reached

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BoolArray = npt.NDArray[np.bool_]
LISTED = 1_000_000  # pairs up to which an exchange is written out
FEW = 64  # rows up to which a product of counts is dense
LISTED_AT_MOST = 8_000_000  # pairs up to which it may be


@dataclass(eq=False)
class Account:
    """Bytes between the endpoints of one stage, as a list and as a matrix between groups.

    Attributes
    ----------
    stage : Stage
        The graph.
    start, goal, size : list of arrays
        Endpoints and bytes [B] of what has been booked one by one.
    counted : list of arrays
        Group that sends, endpoint that receives and bytes [B] of what has been counted.
    """

    stage: Stage
    start: list[IntArray] = field(default_factory=list)
    goal: list[IntArray] = field(default_factory=list)
    size: list[FloatArray] = field(default_factory=list)
    counted: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)
    _matrix: FloatArray | None = None

    def add(self, start: IntArray, goal: IntArray, size: FloatArray) -> None:
        """Book bytes between endpoints; what stays where it is costs nothing."""
        moved = (start != goal) & (size != 0)
        self.start.append(start[moved])
        self.goal.append(goal[moved])
        self.size.append(size[moved])

    def add_groups(self, source: IntArray, target: IntArray, size: FloatArray) -> None:
        """Book bytes between groups of endpoints of which no single ones are named."""
        if self._matrix is None:
            self._matrix = np.zeros((self.stage.n_groups, self.stage.width))
        self._book(self._matrix, source, target, size)

    def add_all_pairs(self, groups: IntArray, size: float) -> None:
        """Book the same bytes between all groups of a set that lies in one component."""
        if self._matrix is None:
            self._matrix = np.zeros((self.stage.n_groups, self.stage.width))
        columns = self.stage.column[groups]
        self._matrix[np.ix_(groups, columns)] += size
        self._matrix[groups, columns] -= size

    def add_matrix(self, size: FloatArray) -> None:
        """Book a matrix of bytes between all groups [groups, groups]."""
        stage = self.stage
        if self._matrix is None:
            self._matrix = np.zeros((stage.n_groups, stage.width))
        for home in range(len(stage.group_at)):
            inside = np.flatnonzero(stage.home == home)
            self._matrix[np.ix_(inside, stage.column[inside])] += size[np.ix_(inside, inside)]
        if len(stage.group_at) > 1:
            self._refuse(*np.nonzero((size != 0) & (stage.home[:, None] != stage.home)))

    def add_counted(self, group: IntArray, goal: IntArray, size: FloatArray) -> None:
        """Book bytes from groups to single endpoints."""
        self.counted.append((group, goal, size))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was booked."""
        return self._matrix is None and not self.counted and not any(map(len, self.start))

    def by_goal(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return all that was booked as bytes from one endpoint of each group to endpoints."""
        start, goal, size = self.flows()
        stage, nodes = self.stage, self.stage.network.n_nodes
        parts = [(stage.group_of[start], goal, size), *self.counted]
        group, goal, size = (np.concatenate(column) for column in zip(*parts, strict=True))
        pair, inverse = np.unique(group * nodes + goal, return_inverse=True)
        first = self.representative[pair // nodes]
        return first, pair % nodes, np.bincount(inverse, size, len(pair)).astype(float)

    def by_pair(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return what was booked one by one, that between the same endpoints added up."""
        start, goal, size = self.flows()
        nodes = self.stage.network.n_nodes
        pair, inverse = np.unique(start * nodes + goal, return_inverse=True)
        return pair // nodes, pair % nodes, np.bincount(inverse, size, len(pair)).astype(float)

    @property
    def representative(self) -> IntArray:
        """Return the first endpoint of each group."""
        found = np.zeros(self.stage.n_groups, int)
        found[self.stage.group[::-1]] = self.stage.endpoints[::-1]
        return found

    def counted_pairs(self) -> tuple[IntArray, IntArray]:
        """Return the pairs of groups between which bytes were counted, not listed."""
        group = self.stage.group_of
        pairs = [(source, group[goal]) for source, goal, _ in self.counted]
        if self._matrix is not None:
            source, column = np.nonzero(self._matrix)
            pairs.append((source, self.stage.group_at[self.stage.home[source], column]))
        none = np.zeros(0, int)
        return (
            np.concatenate([none, *(source for source, _ in pairs)]),
            np.concatenate([none, *(target for _, target in pairs)]),
        )

    def flows(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return endpoints and bytes of all that was booked one by one."""
        none = np.zeros(0)
        return (
            np.concatenate([none.astype(int), *self.start]),
            np.concatenate([none.astype(int), *self.goal]),
            np.concatenate([none, *self.size]),
        )

    def matrix(self) -> FloatArray:
        """Return the bytes between groups [groups, width], as :meth:`Stage.spray` takes them."""
        start, goal, size = self.flows()
        empty = np.zeros((self.stage.n_groups, self.stage.width))
        found = empty if self._matrix is None else self._matrix.copy()
        group = self.stage.group_of
        self._book(found, group[start], group[goal], size)
        for source, target, counted in self.counted:
            self._book(found, source, group[target], counted)
        if found.any():
            source, column = np.nonzero((found != 0) & (self.stage.distance_of_groups < 0))
            self._refuse(source, self.stage.group_at[self.stage.home[source], column])
        return found

    def _book(
        self, matrix: FloatArray, source: IntArray, target: IntArray, size: FloatArray
    ) -> None:
        stage = self.stage
        apart = stage.home[source] != stage.home[target]
        self._refuse(source[apart], target[apart])
        spot = source * stage.width + stage.column[target]
        matrix += np.bincount(spot, size, matrix.size).reshape(matrix.shape)

    def _refuse(self, source: IntArray, target: IntArray) -> None:
        """Refuse groups that have no way to each other."""
        if len(source):
            first = self.representative
            start, goal = first[source], first[target]
            check_reached(self.stage.network, start, goal, np.full(len(start), -1))


@dataclass(eq=False)
class Ledger:
    """What all ranks send, stage by stage.

    Attributes
    ----------
    ways : Ways
        Stages and ports.
    rule : Rule
        Whether GPUs forward to the receiver's rail over NVLink (PXN), and on which stage between
        hosts shortest paths are looked for.
    sent, received : float array [nodes]
        Bytes that every port passes to and takes from the switches [B].
    """

    ways: Ways
    rule: Rule

    def __post_init__(self) -> None:
        self.forward = self.rule.forwards(self.ways)
        self.up = Account(self.ways.up)
        self.host = Account(self.ways.host)
        self.sent = np.zeros(self.ways.network.n_nodes)
        self.received = np.zeros(self.ways.network.n_nodes)
        self._out: Account | None = None

    @property
    def out(self) -> Account:
        """Between hosts; only fabrics with switches have it."""
        if self._out is None:
            self._out = Account(self.rule.out(self.ways))
        return self._out

    def accounts(self) -> list[Account]:
        """Return the accounts that have been opened."""
        return [self.up, self.host, *([self._out] if self._out is not None else [])]

    @property
    def leaves_hosts(self) -> bool:
        """Whether anything was booked between hosts."""
        return self._out is not None

    def book(self, traffic: Traffic, *, whole: bool = False) -> None:
        """Book all traffic; ``whole`` writes every exchange out as flows."""
        if whole:
            pairs = sum(e.members.size * (e.members.shape[1] - 1) for e in traffic.exchanges)
            if pairs > LISTED_AT_MOST:
                raise InputError(
                    f"ecmp must hash {pairs:,} messages one by one, {LISTED_AT_MOST:,} are allowed",
                    remedy="Use --routing adaptive or static, or fewer GPUs.",
                )
            traffic = traffic.listed()
        self.book_flows(traffic.source, traffic.target, traffic.size)
        for exchange in traffic.exchanges:
            if exchange.members.size * exchange.members.shape[1] <= LISTED:
                listed = Traffic(*_nothing(), (exchange,)).listed()
                self.book_flows(listed.source, listed.target, listed.size)
            else:
                self._book_exchange(exchange)

    def book_flows(self, source: IntArray, target: IntArray, size: FloatArray) -> None:
        """Book flows between ranks."""
        ways, gpus = self.ways, self.ways.network.gpus
        inside = ways.domain[source] == ways.domain[target]
        self.up.add(gpus[source[inside]], gpus[target[inside]], size[inside])
        source, target, size = source[~inside], target[~inside], size[~inside]
        near = ways.chassis[source] == ways.chassis[target]
        self.host.add(gpus[source[near]], gpus[target[near]], size[near])
        source, target, size = source[~near], target[~near], size[~near]
        if not len(source):
            return
        sender, receiver = ways.relays(source, target, forward=self.forward)
        self.up.add(gpus[source], gpus[sender], size)
        self.up.add(gpus[receiver], gpus[target], size)
        for start, goal, share in self._port_pairs(sender, receiver):
            self.out.add(start, goal, size * share)
            self._leave(sender, start, size * share)
            self._arrive(receiver, goal, size * share)

    def _port_pairs(
        self, sender: IntArray, target: IntArray
    ) -> list[tuple[IntArray, IntArray, float]]:
        """Return the ports that carry equal shares between two ranks: first to first, ..."""
        most = self.ways.port.shape[1]
        return [
            (self.ways.port_at(sender, k), self.ways.port_at(target, k), 1 / most)
            for k in range(most)
        ]

    def _leave(self, rank: IntArray, port: IntArray, size: FloatArray) -> None:
        self.host.add(self.ways.network.gpus[rank], port, size)
        self.sent += np.bincount(port, size, len(self.sent))

    def _arrive(self, rank: IntArray, port: IntArray, size: FloatArray) -> None:
        self.host.add(port, self.ways.network.gpus[rank], size)
        self.received += np.bincount(port, size, len(self.received))

    def _book_exchange(self, exchange: Exchange) -> None:
        """Book an exchange: pairs at home one by one, all others by counting members.

        For rail r, let A[c, g] count the members of group c that send to that rail through ports
        of kind g, and B[c, g] the members on that rail: the bytes between kinds of ports are
        the sum over c and r of A^T B, less the same products taken within each home.
        """
        ways, members = self.ways, exchange.members
        together = (ways.domain[members] == ways.domain[members[:, :1]]).all(axis=1)
        for whole in members[together]:
            self.up.add_all_pairs(whole, exchange.size)
        members = members[~together]
        groups, m = members.shape
        if not groups:
            return
        rank, group = members.ravel(), np.repeat(np.arange(groups), m)
        _, home = np.unique(group * (ways.home.max() + 1) + ways.home[rank], return_inverse=True)
        rails = int(ways.rail.max()) + 1 if self.forward else 1
        rail = ways.rail[rank] if self.forward else np.zeros_like(rank)
        sender = ways.forwarder[rank] if self.forward else ways.gate[rank][:, None]
        odd = (ways.rail[sender] != np.arange(rails)) & self.forward
        pairs = _pairs_within(home), _pairs_towards(odd, group, home, rail)
        for first, second in pairs:
            self.book_flows(rank[first], rank[second], np.full(len(first), float(exchange.size)))
        there = _table(group, rail, rails)[group] - _table(home, rail, rails)[home]
        there[odd] = 0
        size = (exchange.size * there).ravel()
        gpus = ways.network.gpus
        self.up.add(np.repeat(gpus[rank], rails), gpus[sender].ravel(), size)
        taken = m - np.bincount(home)[home] - np.bincount(pairs[1][1], minlength=len(rank))
        received = np.asarray(exchange.size * taken, dtype=np.float64)
        self.up.add(gpus[ways.gate[rank]], gpus[rank], received)
        even = ~odd.ravel()
        for turn in range(ways.port.shape[1]):
            share = 1 / ways.port.shape[1]
            start, goal = ways.port_at(sender.ravel(), turn), ways.port_at(rank, turn)
            self._leave(sender.ravel(), start, size * share)
            self._arrive(ways.gate[rank], goal, received * share)
            kind, single = ways.out.group_of, self.rule.policy == "static"
            sending, receiving = kind[start][even], goal if single else kind[goal]
            within = [
                (
                    ((part[:, None] * rails + np.arange(rails)).ravel()[even], sending),
                    (part * rails + rail, receiving),
                )
                for part in (group, home)
            ]
            part_size = exchange.size * share
            if groups * rails <= FEW and not single:
                whole = _dense_product(*within[0], ways.out.n_groups)
                inside = _product(*within[1]).tocoo()
                whole[inside.row, inside.col] -= inside.data
                self.out.add_matrix(whole * part_size)
            else:
                between = (_product(*within[0]) - _product(*within[1])).tocoo()
                far = between.data != 0
                book = self.out.add_counted if single else self.out.add_groups
                ends = between.row[far].astype(int), between.col[far].astype(int)
                book(*ends, between.data[far] * part_size)


def _table(part: IntArray, rail: IntArray, rails: int) -> IntArray:
    """Count the members of each part on each rail."""
    parts = int(part.max()) + 1
    return np.bincount(part * rails + rail, minlength=parts * rails).reshape(parts, rails)


def _pairs_towards(
    odd: BoolArray, group: IntArray, home: IntArray, rail: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the pairs whose sender's host has no port on the receiver's rail."""
    sources, rails = np.nonzero(odd)
    left, right = [np.zeros(0, int)], [np.zeros(0, int)]
    for source, lacking in zip(sources, rails, strict=True):
        there = (group == group[source]) & (home != home[source]) & (rail == lacking)
        right.append(np.flatnonzero(there))
        left.append(np.full(len(right[-1]), source))
    return np.concatenate(left), np.concatenate(right)


def _nothing() -> tuple[IntArray, IntArray, FloatArray]:
    return np.zeros(0, int), np.zeros(0, int), np.zeros(0)


def _pairs_within(part: IntArray) -> tuple[IntArray, IntArray]:
    """Return all ordered pairs of positions that have the same value."""
    order = np.argsort(part, kind="stable")
    count = np.bincount(part)
    first = np.cumsum(count) - count
    each = count[part[order]]
    left = np.repeat(order, each)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(each) - each, each)
    right = order[np.repeat(first[part[order]], each) + offset]
    apart = left != right
    return left[apart], right[apart]


Places = tuple[IntArray, IntArray]
"""Rows and columns of the ones of a matrix; those that coincide add up."""


def _product(a: Places, b: Places) -> csr_array:
    """Return A^T B."""
    from scipy.sparse import coo_array

    rows = int(max(a[0].max(), b[0].max())) + 1
    left, right = (
        coo_array((np.ones(len(row)), (row, column)), shape=(rows, int(column.max()) + 1)).tocsr()
        for row, column in (a, b)
    )
    return left.T @ right


def _dense_product(a: Places, b: Places, columns: int) -> FloatArray:
    """Return A^T B of matrices of few rows and so many columns."""
    rows = int(max(a[0].max(), b[0].max())) + 1
    left, right = (
        np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)
        for row, column in (a, b)
    )
    product: FloatArray = left.T.astype(float) @ right.astype(float)
    return product
