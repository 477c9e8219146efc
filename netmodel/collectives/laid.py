"""An algorithm's bytes on the links of a graph: messages between ranks, and what switches reduce.

Everything is laid for a size of one byte, since loads grow with the size alone.
"""

from __future__ import annotations

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
from netmodel.network.alike import classes
from netmodel.network.itinerary import routes
from netmodel.network.legs import Legs, connections, in_rows, legs_between, paced
from netmodel.network.load import Loads, link_loads
from netmodel.network.traffic import Traffic

FOLLOWED = 100_000
"""Flows that differ which the flow rung follows; of more, those of one rank keep one pace."""
MOST_MESSAGES = 5_000_000
"""Messages that it takes at all."""
BLOCK = 65_536
"""Messages that are listed at a time where no two share a part of their ways."""


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

    @property
    def flows(self) -> Legs:
        """Return a flow for each stream."""
        return in_rows(self.first, self.links, self.parts)

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
        flows, size, pace = self._flows()
        delays = np.zeros(len(capacity))
        found = classes(capacity, delays, flows, size)
        if self.paced or len(found.weight) > FOLLOWED:
            found = classes(capacity, delays, *paced(flows, size, pace))
        return float(found.ends().max(initial=0.0))

    @property
    def messages(self) -> int:
        """Messages between ranks, exchanges written out."""
        members = [each.members for each in self.traffic.exchanges]
        exchanged: int = sum(m.size * (m.shape[1] - 1) for m in members)
        return len(self.traffic.size) + exchanged

    def _flows(self) -> tuple[Legs, FloatArray, IntArray]:
        """Return the flows of messages and switches, their bytes, and who may have to pace them.

        A chain's flows keep the pace of their group; others, where they are too many, that of the
        rank that sends; each stream its own.
        """
        streams = self.streams
        routed, size, pace = self._routed(self.traffic.listed())
        own = streams.group if self.paced else len(self.group_of) + np.arange(len(streams.size))
        found = routed.joined(streams.flows)
        return found, np.append(size, streams.size), np.append(pace, own)

    def _routed(self, sent: Traffic) -> tuple[Legs, FloatArray, IntArray]:
        """Return the flows of messages.

        Where GPUs are cabled to each other, no two messages share legs: if these are too many,
        those of one rank are paced as soon as they are listed.
        """
        ways, rule = self.fabric.ways, self.fabric.rule
        pace = self.group_of[sent.source] if self.paced else sent.source
        inside = np.count_nonzero(ways.domain[sent.source] == ways.domain[sent.target])
        if inside <= FOLLOWED or not ways.up.joins_endpoints:
            found = legs_between(ways, sent.source, sent.target, rule)
            return found, sent.size[found.message] * found.share, pace[found.message]
        order, owners = np.argsort(pace, kind="stable"), np.unique(pace)
        each = max(1, len(owners) * BLOCK // len(order))
        cuts = np.searchsorted(pace[order], owners[each::each])
        found, sizes = _no_streams().flows, []
        for rows in np.split(order, cuts):
            part = legs_between(ways, sent.source[rows], sent.target[rows], rule)
            message = rows[part.message]
            chain, size = paced(part, sent.size[message] * part.share, pace[message])
            found = found.joined(chain)
            sizes.append(size)
        return found, np.concatenate(sizes), owners

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
