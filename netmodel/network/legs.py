"""Ways of many messages, stretch by stretch: what several have in common is listed once.

All messages of an all-to-all differ, but the stretches they are put together from do not: the
NVLink hop to a neighbour, the NIC's cable, the way from one leaf to another. A thousand ranks
send a million messages over some ten thousand such legs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import sorted_by
from netmodel.network.itinerary import itineraries
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule, single_paths
from netmodel.network.stage import Stage
from netmodel.network.walk import check_reached, fan_out

Entries = tuple[IntArray, IntArray, FloatArray]
"""Leg, link and part of the bytes, for each link of each leg."""
LegArray = npt.NDArray[np.signedinteger[Any]]
"""Numbers of legs, in 32 bits where millions of flows have them."""


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """Flows that carry messages, put together from legs.

    Attributes
    ----------
    message : int array [flows]
        Whose bytes they carry; a message has a flow for each of its ports and connections.
    share : float array [flows]
        Part of the message's bytes.
    legs : int array [most legs of a flow, flows]
        Legs of each flow, -1 where it has fewer.
    first : int array [legs + 1]
        Where each leg's links begin.
    links : int array [entries]
        Links.
    parts : float array [entries]
        Part of the flow's bytes that takes the link.
    """

    message: IntArray
    share: FloatArray
    legs: LegArray
    first: IntArray
    links: IntArray
    parts: FloatArray

    @property
    def count(self) -> int:
        """Number of legs."""
        return len(self.first) - 1

    @property
    def leg_of(self) -> IntArray:
        """Leg of each entry."""
        return np.repeat(np.arange(self.count), np.diff(self.first))

    def joined(self, other: Legs) -> Legs:
        """Return the flows of both, the other's messages numbered on from these."""
        most = max(len(self.legs), len(other.legs))
        ahead, behind = _padded(self.legs, most), _padded(other.legs, most)
        return Legs(
            message=np.append(self.message, other.message + self.message.max(initial=-1) + 1),
            share=np.append(self.share, other.share),
            legs=np.append(ahead, np.where(behind >= 0, behind + self.count, -1), axis=1),
            first=np.append(self.first, self.first[-1] + other.first[1:]),
            links=np.append(self.links, other.links),
            parts=np.append(self.parts, other.parts),
        )

    def entries(self, legs: LegArray) -> Entries:
        """Return the links of some legs: the place in the list, link and part of each."""
        length = self.first[legs + 1] - self.first[legs]
        place = np.repeat(np.arange(len(legs)), length)
        offset = np.arange(len(place)) - np.repeat(np.cumsum(length) - length, length)
        spot = self.first[legs][place] + offset
        return place, self.links[spot], self.parts[spot]

    def of_flows(self, flows: IntArray) -> Entries:
        """Return the links of some flows: the place in the list, link and part of each."""
        chosen = self.legs[:, flows]
        slot, flow = np.nonzero(chosen >= 0)
        place, link, part = self.entries(chosen[slot, flow])
        return flow[place], link, part


@dataclass(frozen=True, slots=True, eq=False)
class Connections:
    """Flows that carry messages, with their links in rows (CSR).

    Attributes
    ----------
    message : int array [flows]
        Whose bytes they carry; a message has a flow for each of its ports and connections.
    share : float array [flows]
        Part of the message's bytes.
    first : int array [flows + 1]
        Where each flow's links begin.
    links : int array [entries]
        Links.
    parts : float array [entries]
        Part of the flow's bytes that takes the link.
    """

    message: IntArray
    share: FloatArray
    first: IntArray
    links: IntArray
    parts: FloatArray


def connections(ways: Ways, source: IntArray, target: IntArray, rule: Rule) -> Connections:
    """Return the flows of messages between ranks, as ``simulate_flows`` reads them.

    Where the rule keeps a connection to one path, it is one flow; where switches (or NVSwitches)
    spread it, its flow names the links of all its paths.

    Raises
    ------
    InputError
        For ``optimal``, which routes traffic and not single messages.
    ModelError
        When a pair has no way; it names the two ends.
    """
    found = legs_between(ways, source, target, rule)
    flows, n = len(found.message), ways.network.n_links
    flow, link, part = found.of_flows(np.arange(flows))
    both, entry = np.unique(flow * n + link, return_inverse=True)
    return Connections(
        message=found.message,
        share=found.share,
        first=np.searchsorted(both // n, np.arange(flows + 1)),
        links=both % n,
        parts=np.bincount(entry, part, len(both)).astype(float),
    )


def legs_between(ways: Ways, source: IntArray, target: IntArray, rule: Rule) -> Legs:
    """Return the flows of messages between ranks, and the legs they are put together from.

    Raises
    ------
    InputError, ModelError
        As :func:`connections`.
    """
    if rule.policy == "optimal":
        raise InputError(
            "optimal routing divides traffic, not single messages",
            remedy="Use --fidelity contention with it, or another routing policy.",
        )
    source, target = np.asarray(source, int), np.asarray(target, int)
    copies = rule.qps if rule.policy == "ecmp" else 1
    ports = ways.port.shape[1] if len(ways.ports) else 1
    listing = _Listing(ways, rule, copies)
    flows, legs = [np.zeros(0, int)], [np.zeros((0, 0), np.int32)]
    for turn, which, stretches in itineraries(ways, source, target, rule):
        flows.append(((which * ports + turn)[:, None] * copies + np.arange(copies)).ravel())
        columns = [each for stretch in stretches for each in listing.columns(*stretch)]
        legs.append(np.array(columns, np.int32).reshape(len(columns), len(flows[-1])))
    most = max(len(each) for each in legs)
    padded = [_padded(each, most) for each in legs]
    flow = np.concatenate(flows)
    order = np.argsort(flow, kind="stable")
    message = flow[order] // (ports * copies)
    first, links, parts = listing.rows()
    return Legs(
        message=message,
        share=1.0 / np.bincount(message)[message],
        legs=np.concatenate(padded, axis=1)[:, order],
        first=first,
        links=links,
        parts=parts,
    )


def paced(found: Legs, size: FloatArray, owner: IntArray) -> tuple[Legs, FloatArray]:
    """Make one flow of all flows of an owner, in which all keep one pace.

    Parameters
    ----------
    found : Legs
        Flows.
    size : float array [flows]
        Bytes of each [B].
    owner : int array [flows]
        Whose they are.

    Returns
    -------
    Legs, float array
        A flow for each owner, of one leg, and its bytes [B].
    """
    from scipy.sparse import coo_array

    owners, number = np.unique(owner, return_inverse=True)
    slot, flow = np.nonzero(found.legs >= 0)
    held = coo_array(
        (size[flow], (number[flow], found.legs[slot, flow])), shape=(len(owners), found.count)
    )
    n_links = int(found.links.max(initial=-1)) + 1
    crossed = coo_array((found.parts, (found.leg_of, found.links)), shape=(found.count, n_links))
    carried = held.tocsr() @ crossed.tocsr()
    whole = np.bincount(number, size, len(owners)).astype(float)
    parts = carried.data / np.repeat(whole, np.diff(carried.indptr))
    return in_rows(carried.indptr, carried.indices, parts), whole


def in_rows(first: IntArray, links: IntArray, parts: FloatArray) -> Legs:
    """Return flows of one leg each, given in rows (CSR), each a message of its own."""
    flows = np.arange(len(first) - 1)
    return Legs(flows, np.ones(len(flows)), flows[None], first, links, parts)


def _padded(legs: LegArray, most: int) -> LegArray:
    """Give every flow as many places for legs."""
    padded: LegArray = np.pad(legs, ((0, most - len(legs)), (0, 0)), constant_values=-1)
    return padded


class _Listing:
    """The legs listed so far."""

    def __init__(self, ways: Ways, rule: Rule, copies: int) -> None:
        self.ways, self.rule, self.copies = ways, rule, copies
        self.lengths = [np.zeros(0, int)]
        self.links = [np.zeros(0, int)]
        self.parts = [np.zeros(0)]
        self.count = 0

    def rows(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return where each leg's links begin, the links, and their parts."""
        first = np.append(0, np.cumsum(np.concatenate(self.lengths)))
        return first, np.concatenate(self.links), np.concatenate(self.parts)

    def add(self, count: int, entries: Entries) -> int:
        """Add so many legs; return the number of the first."""
        row, link, part = entries
        order = np.argsort(row, kind="stable")
        self.lengths.append(np.bincount(row, minlength=count))
        self.links.append(link[order])
        self.parts.append(part[order])
        self.count += count
        return self.count - count

    def columns(self, stage: Stage, start: IntArray, goal: IntArray) -> Iterator[LegArray]:
        """Yield legs of all flows of messages across a stage, -1 for those that stay."""
        moved = np.flatnonzero(start != goal)
        if not len(moved):
            return
        single = self.rule.policy in ("valiant", "dimension-order") and stage.joins_peers
        if single or self.rule.walks(self.ways, stage):
            found = [self._paths(stage, start[moved], goal[moved])]
        elif not stage.joins_endpoints:
            found = self._by_group(stage.grouped, start[moved], goal[moved])
        else:
            pair, inverse = np.unique(_keys(stage, start, goal)[moved], return_inverse=True)
            nodes = stage.network.n_nodes
            fan = fan_out(stage, pair // nodes, pair % nodes)
            found = [self.add(len(pair), fan) + inverse]
        for legs in found:
            column = np.full((len(start), self.copies), -1, np.int32)
            column[moved] = legs.reshape(len(moved), -1)
            yield column.ravel()

    def _paths(self, stage: Stage, start: IntArray, goal: IntArray) -> IntArray:
        """List the single paths of connections."""
        pair, inverse = np.unique(_keys(stage, start, goal), return_inverse=True)
        nodes, copies = stage.network.n_nodes, self.copies
        paths = single_paths(stage, pair // nodes, pair % nodes, self.rule)[1]
        leg, hop = np.nonzero(paths >= 0)
        begin = self.add(len(paths), (leg, paths[leg, hop], np.ones(len(leg))))
        found: IntArray = begin + inverse[:, None] * copies + np.arange(copies)
        return found

    def _by_group(self, stage: Stage, start: IntArray, goal: IntArray) -> list[IntArray]:
        """List what each endpoint has of its own apart from what its group has in common."""
        network, n = stage.network, stage.n_groups
        pair, inverse = np.unique(
            stage.group_of[start] * n + stage.group_of[goal], return_inverse=True
        )
        member, first = sorted_by(stage.group, n)
        begin = stage.endpoints[member[first[pair // n]]]
        other = np.where(pair // n == pair % n, 1, 0)  # to another one of the same group
        end = stage.endpoints[member[first[pair % n] + other]]
        cut = (stage.hops(begin, pair % n) < 0)[inverse]
        check_reached(network, start, goal, np.where(cut, -1, 0))
        leg, link, part = fan_out(stage, begin, end)
        leaving, coming = network.source[link] == begin[leg], network.target[link] == end[leg]
        between = ~(leaving | coming)
        common = self.add(len(pair), (leg[between], link[between], part[between])) + inverse
        found, twin = [common], _Twins(stage)
        for port, chosen, ahead in ((start, leaving, True), (goal, coming, False)):
            key, spot = np.unique(port * len(pair) + inverse, return_inverse=True)
            order, upto = sorted_by(leg[chosen], len(pair))
            own, each = key // len(pair), key % len(pair)
            length = upto[each + 1] - upto[each]
            row = np.repeat(np.arange(len(key)), length)
            offset = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
            entry = np.flatnonzero(chosen)[order[upto[each][row] + offset]]
            cable = twin.of(link[entry], own[row], ahead=ahead)
            found.append(self.add(len(key), (row, cable, part[entry])) + spot)
        return found


def _keys(stage: Stage, start: IntArray, goal: IntArray) -> IntArray:
    """Number pairs of nodes."""
    return start * stage.network.n_nodes + goal


class _Twins:
    """Which cable of an endpoint answers to which of another one that is cabled alike."""

    def __init__(self, stage: Stage) -> None:
        self.network = network = stage.network
        source, target = network.source[stage.links], network.target[stage.links]
        order = np.lexsort((stage.capacity, target, source))
        self.links = stage.links[order]
        self.first = np.searchsorted(source[order], np.arange(network.n_nodes + 1))
        self.place = np.zeros(network.n_links, int)
        self.place[self.links] = np.arange(len(order)) - self.first[source[order]]

    def of(self, link: IntArray, port: IntArray, *, ahead: bool) -> IntArray:
        """Return the link of each port that stands where the given one of its twin does."""
        out = link if ahead else self.network.reverse(link)
        found = self.links[self.first[port] + self.place[out]]
        return found if ahead else self.network.reverse(found)
