"""An algorithm's bytes on the links of a graph: messages between ranks, and what switches reduce.

Everything is laid for a size of one byte, since loads grow with the size alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netmodel.collectives import nvls, pairwise
from netmodel.collectives.library import MULTICAST_ALGORITHMS
from netmodel.collectives.placed import Carriers, Fabric, carriers
from netmodel.collectives.schedule import pairs
from netmodel.collectives.select import ALGORITHMS
from netmodel.errors import InputError
from netmodel.graph import NODE_KINDS, FloatArray, IntArray
from netmodel.network import traffic as patterns
from netmodel.network.flows import simulate_flows
from netmodel.network.itinerary import connections, routes
from netmodel.network.load import Loads, link_loads
from netmodel.network.traffic import Traffic

FOLLOWED = 100_000
"""Messages that the flow rung follows one by one; of more, those of one rank keep one pace."""
MOST_MESSAGES = 5_000_000
"""Messages that it takes at all."""
BLOCK = 65_536
"""Messages that are routed at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """What switches reduce and multicast: bytes that flow through all of some links at one pace.

    Attributes
    ----------
    first, links, parts : array
        Links of each stream in rows (CSR), and the part of its bytes on each.
    size : float array [streams]
        Bytes over the operation's size.
    group : int array [streams]
        Whose.
    """

    first: IntArray
    links: IntArray
    parts: FloatArray
    size: FloatArray
    group: IntArray

    def loads(self, n_links: int) -> FloatArray:
        """Bytes on every link."""
        each = np.repeat(self.size, np.diff(self.first)) * self.parts
        return np.bincount(self.links, each, n_links).astype(float)


@dataclass(frozen=True, eq=False)
class Laid:
    """One algorithm of all groups at once, on the links.

    Attributes
    ----------
    fabric : Fabric
        Where.
    groups : int array [groups, members]
        GPUs, in the order in which the algorithm numbers them.
    traffic : Traffic
        Messages between GPUs.
    streams : Streams
        What switches do.
    paced : bool
        Whether a group's messages are links of one chain, which flows at one pace (a tree).
    """

    fabric: Fabric
    groups: IntArray
    traffic: Traffic
    streams: Streams
    paced: bool = False

    @cached_property
    def loads(self) -> Loads:
        """Bytes on every link, over the operation's size."""
        ways, rule = self.fabric.ways, self.fabric.rule
        found = link_loads(ways, self.traffic, policy=rule.policy, seed=rule.seed, qps=rule.qps)
        return Loads(
            ways.network, found.bytes + self.streams.loads(ways.network.n_links), found.ledger
        )

    def drained(self, capacity: FloatArray) -> float:
        """Return how long all flows take that share links of such capacity max-min fairly [s].

        Raises
        ------
        InputError
            When there are too many messages to follow, or under ``optimal`` routing.
        """
        if self.messages > MOST_MESSAGES:
            raise InputError(
                f"{self.messages:,} messages at once are too many to follow, "
                f"{MOST_MESSAGES:,} are allowed",
                where="--fidelity flow",
                remedy="Use --fidelity contention, or smaller groups.",
            )
        flows = self._flows()
        ends = simulate_flows(
            capacity,
            np.zeros(len(capacity)),
            flows.first,
            flows.links,
            flows.size,
            0.0,
            parts=flows.parts,
        )
        return float(ends.max(initial=0.0))

    @property
    def messages(self) -> int:
        """Messages between ranks, exchanges written out."""
        members = [each.members for each in self.traffic.exchanges]
        exchanged: int = sum(m.size * (m.shape[1] - 1) for m in members)
        return len(self.traffic.size) + exchanged

    def _flows(self) -> Streams:
        """Return the flows of all messages and switches; of what keeps one pace, one a group."""
        sent = self.traffic.listed()
        n_links = self.fabric.ways.network.n_links
        if self.messages <= FOLLOWED:
            every = _joined(self._routed(sent, self.group_of[sent.source]), self.streams)
            return _paced(every, n_links) if self.paced else every
        order = np.argsort(sent.source, kind="stable")
        edges = np.searchsorted(
            sent.source[order], np.arange(0, len(self.group_of) + 1, self._ranks_a_block)
        )
        blocks = [order[low:high] for low, high in itertools.pairwise(edges) if high > low]
        found = _no_streams()
        for rows in [*blocks, order[edges[-1] :]]:
            part = Traffic(sent.source[rows], sent.target[rows], sent.size[rows])
            found = _joined(found, _paced(self._routed(part, part.source), n_links))
        return _joined(found, self.streams)

    @property
    def _ranks_a_block(self) -> int:
        return max(1, BLOCK * len(self.group_of) // self.messages)

    def _routed(self, sent: Traffic, owner: IntArray) -> Streams:
        """Return the flows of listed messages."""
        found = connections(self.fabric.ways, sent.source, sent.target, self.fabric.rule)
        size = sent.size[found.message] * found.share
        return Streams(found.first, found.links, found.parts, size, owner[found.message])

    @cached_property
    def group_of(self) -> IntArray:
        """Number of each GPU's group, -1 for those that take no part."""
        group = np.full(len(self.fabric.ways.network.gpus), -1)
        group[self.groups] = np.arange(len(self.groups))[:, None]
        return group

    def groups_on(self, link: int) -> IntArray:
        """Return the numbers of the groups whose bytes cross a link."""
        owner = np.repeat(self.streams.group, np.diff(self.streams.first))
        found = [owner[self.streams.links == link]]
        source, target = self.traffic.source, self.traffic.target
        if len(source):
            flows = connections(self.fabric.ways, source, target, self.fabric.rule)
            row = np.searchsorted(flows.first, np.flatnonzero(flows.links == link), side="right")
            found.append(self.group_of[source[flows.message[row - 1]]])
        if self.traffic.exchanges:
            found.append(self.group_of[self._exchanging(link)])
        return np.unique(np.concatenate(found))

    def _exchanging(self, link: int) -> IntArray:
        """Return GPUs whose part in an exchange crosses a link.

        A NIC named as an end stands for the GPUs that use it, and where neighbours forward, for
        all of their domain.
        """
        ways = self.fabric.ways
        ends = self.loads.sharers(link)
        wiring = ways.network.wiring
        names = set(ends.senders)
        number = {name: node for node, name in enumerate(wiring.names()) if name in names}
        nodes = np.array(list(number.values()), int)
        uses = np.isin(ways.network.gpus, nodes)
        if len(ways.ports):
            uses |= np.isin(ways.port, nodes).any(axis=1)
            if self.fabric.rule.forwards(ways):
                uses = np.isin(ways.domain, ways.domain[uses])
        taking = np.zeros(len(uses), bool)
        for exchange in self.traffic.exchanges:
            taking[exchange.members] = True
        return np.flatnonzero(uses & taking)


def lay(fabric: Fabric, groups: IntArray, algorithm: str, kind: str) -> Laid:
    """Lay an algorithm of all groups on the links; a repeated question is answered from memory."""
    key = (algorithm, kind, groups.shape, groups.tobytes())
    if key not in fabric.memory:
        fabric.memory[key] = _laid(fabric, groups, algorithm, kind)
    found: Laid = fabric.memory[key]
    return found


def _laid(fabric: Fabric, groups: IntArray, algorithm: str, kind: str) -> Laid:
    if algorithm == pairwise.NAME:
        return Laid(fabric, groups, patterns.all_to_all(groups, 1.0), _no_streams())
    if algorithm == "p2p":
        steps = ALGORITHMS[algorithm].schedule(kind, groups.shape[1])
        return Laid(fabric, groups, _messages(groups, *pairs(steps)), _no_streams())
    sent, streams = _nothing(), _no_streams()
    number = np.full(len(fabric.ways.network.gpus), -1)
    number[groups] = np.arange(len(groups))[:, None]
    for each in carriers(fabric, groups):
        whole = groups[number[each.groups[:, 0]]]
        if algorithm in MULTICAST_ALGORITHMS:
            streams = _joined(streams, _multicast(fabric, whole, number, each.local))
        if algorithm == "collnet":
            streams = _joined(streams, _switch_trees(fabric, each, number))
        elif algorithm != "nvls":
            sent += _scheduled(fabric, each, algorithm, kind)
    paced = algorithm in ("tree", "nvls_tree")
    return Laid(fabric, groups, sent, streams, paced=paced)


def _scheduled(fabric: Fabric, each: Carriers, algorithm: str, kind: str) -> Traffic:
    """Write an algorithm out among carriers; of the NVLS tree, what passes between domains."""
    inner = algorithm != "nvls_tree"
    module = ALGORITHMS[algorithm if inner else "tree"]
    steps = module.schedule(kind, each.groups.shape[1], each.local)
    if not steps:
        return _nothing()
    sent = _messages(each.groups, *pairs(steps))
    if inner:
        return sent
    unit = fabric.units[fabric.inner - 1][1]
    far = unit[sent.source] != unit[sent.target]
    return Traffic(sent.source[far], sent.target[far], sent.size[far])


def lay_dispatch(fabric: Fabric, groups: IntArray, *, by_rail: bool) -> Laid:
    """Lay the copies that leave domains, one byte from each rank to all domains together.

    Parameters
    ----------
    by_rail : bool
        Whether a copy goes to the rank that has the sender's place in the target domain, which
        hands it on there; else straight to any rank.
    """
    key = ("dispatch", by_rail, groups.shape, groups.tobytes())
    if key not in fabric.memory:
        sent = _nothing()
        for each in carriers(fabric, groups):
            count, n = each.groups.shape
            if by_rail and n // each.local > 1:
                rails = each.groups.reshape(count, -1, each.local).transpose(0, 2, 1)
                sent += patterns.all_to_all(rails.reshape(-1, n // each.local), 1.0)
            elif not by_rail:
                sent += patterns.all_to_all(each.groups, 1.0)
        fabric.memory[key] = Laid(fabric, groups, sent, _no_streams())
    found: Laid = fabric.memory[key]
    return found


def _messages(groups: IntArray, src: IntArray, dst: IntArray, share: FloatArray) -> Traffic:
    """Give every group the same messages."""
    size = np.broadcast_to(share, (len(groups), len(share))).ravel()
    return patterns.flows(groups[:, src], groups[:, dst], size)


def _nothing() -> Traffic:
    return Traffic(np.zeros(0, int), np.zeros(0, int), np.zeros(0))


def _no_streams() -> Streams:
    none = np.zeros(0, int)
    return Streams(np.zeros(1, int), none, np.zeros(0), np.zeros(0), none)


def _joined(a: Streams, b: Streams) -> Streams:
    return Streams(
        np.concatenate([a.first, a.first[-1] + b.first[1:]]),
        *(
            np.concatenate([getattr(a, name), getattr(b, name)])
            for name in ("links", "parts", "size", "group")
        ),
    )


def _paced(flows: Streams, n_links: int) -> Streams:
    """Make one flow of all flows of a group."""
    length = np.diff(flows.first)
    both, entry = np.unique(
        np.repeat(flows.group, length) * n_links + flows.links, return_inverse=True
    )
    carried = np.bincount(entry, flows.parts * np.repeat(flows.size, length), len(both))
    groups, number = np.unique(flows.group, return_inverse=True)
    whole = np.bincount(number, flows.size).astype(float)
    row = np.searchsorted(groups, both // n_links)
    first = np.searchsorted(row, np.arange(len(groups) + 1))
    return Streams(first, both % n_links, carried / whole[row], whole, groups)


def _multicast(fabric: Fabric, groups: IntArray, number: IntArray, local: int) -> Streams:
    """Return what NVLink SHARP moves: each member's port, in and out, striped over NVSwitches."""
    network = fabric.ways.network
    if local < 2:
        return _no_streams()
    switch = NODE_KINDS.index("nvswitch")
    rank = np.full(network.n_nodes, -1)
    rank[network.gpus[groups.ravel()]] = np.arange(groups.size)
    out = np.flatnonzero((rank[network.source] >= 0) & (network.kind[network.target] == switch))
    out = out[np.argsort(rank[network.source[out]], kind="stable")]
    owner = rank[network.source[out]]
    whole = np.bincount(owner, network.capacity[out], groups.size)
    part = network.capacity[out] / whole[owner]
    first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=groups.size))])
    size = np.full(groups.size, float(nvls.multicast_bytes(1.0, local)))
    group = number[groups.ravel()]
    ahead = Streams(first, out, part, size, group)
    return _joined(ahead, Streams(first, network.reverse(out), part, size, group))


def _switch_trees(fabric: Fabric, each: Carriers, number: IntArray) -> Streams:
    """Return the trees of switches that reduce (SHARP): one for each carrier of a domain.

    The tree is what destination-based routes from all others to one of them have in common: there
    each switch has one way on. Every cable of it carries the channel's share up and down once.
    """
    ways, network = fabric.ways, fabric.ways.network
    rows, owner = [], []
    for members in each.groups:
        for channel in range(each.local):
            peers = members[channel :: each.local]
            root = np.full(len(peers) - 1, peers[0])
            found = routes(ways, peers[1:], root, policy="static", forward=False)
            up = np.unique(found.paths[found.paths >= 0])
            up = up[network.layer[up] > 0]
            rows.append(np.union1d(up, network.reverse(up)))
            owner.append(number[peers[0]])
    first = np.cumsum([0, *(len(row) for row in rows)])
    links = np.concatenate(rows)
    size = np.full(len(owner), 1.0 / each.local)
    return Streams(first, links, np.ones(len(links)), size, np.array(owner, int))
