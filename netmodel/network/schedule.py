"""The third rung: how long traffic takes when its flows share every link max-min fairly.

Under a policy that keeps to single paths, each connection is one flow. Where switches spray, a
message is one flow per port that divides over all its shortest paths, as
:func:`netmodel.network.load.link_loads` divides it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network, sorted_by
from netmodel.network.flows import simulate_flows
from netmodel.network.maxmin import Paths
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule, routes
from netmodel.network.stage import Stage
from netmodel.network.traffic import Traffic
from netmodel.network.walk import check_reached

SPRAYED = ("adaptive", "minimal")
"""Policies under which a message takes all its shortest paths."""


def flow_time(
    network: Network | Ways,
    steps: Iterable[Traffic],
    *,
    policy: str = "adaptive",
    seed: int = 0,
    qps: int = 1,
    forward: bool | None = None,
) -> float:
    """Return how long a schedule takes, each step beginning when all of the last has arrived [s].

    Parameters
    ----------
    network : Network or Ways
        The fabric; pass :class:`Ways` to use its stages again.
    steps : iterable of Traffic
        What is sent in each step; a step that is given again (the same object) is timed once.
    policy, seed, qps, forward
        As in :func:`netmodel.network.load.link_loads`.

    Raises
    ------
    InputError
        For an unknown policy.
    ModelError
        When a pair has no way; it names the two ends.
    """
    ways = network if isinstance(network, Ways) else Ways(network)
    rule = Rule(policy=policy, seed=seed, qps=qps, forward=forward)
    taken: dict[int, float] = {}
    total = 0.0
    held = list(steps)  # so that no two have the same id
    for step in held:
        if id(step) not in taken:
            taken[id(step)] = float(arrivals(ways, step.listed(), rule).max(initial=0.0))
        total += taken[id(step)]
    return total


def arrivals(ways: Ways, traffic: Traffic, rule: Rule) -> FloatArray:
    """Return when the last byte of each listed message arrives, all being sent at once [s]."""
    network = ways.network
    message, share, paths = connections(ways, traffic.source, traffic.target, rule)
    ends = simulate_flows(
        network.capacity,
        network.latency,
        paths.indptr,
        paths.links,
        traffic.size[message] * share,
        0.0,
        parts=paths.parts,
    )
    last = np.zeros(len(traffic.size))
    np.maximum.at(last, message, ends)
    return last


def connections(
    ways: Ways, source: IntArray, target: IntArray, rule: Rule
) -> tuple[IntArray, FloatArray, Paths]:
    """Return the flows of messages between ranks.

    Returns
    -------
    message : int array [flows]
        Whose bytes they carry.
    share : float array [flows]
        Part of the message.
    paths : Paths
        Links of each flow, with the part of its bytes that takes each.
    """
    if rule.policy not in SPRAYED:
        single = routes(
            ways,
            source,
            target,
            policy=rule.policy,
            seed=rule.seed,
            qps=rule.qps,
            forward=rule.forward,
        )
        used = single.paths >= 0
        indptr = np.append(0, np.cumsum(used.sum(axis=1)))
        links = single.paths[used]
        return single.flow, single.share, Paths(indptr, links, np.ones(len(links)))
    source, target = np.asarray(source, int), np.asarray(target, int)
    legs = _legs(ways, source, target, rule)
    return _sprayed(legs)


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """A stretch that messages cross in one stage, from node to node, by one of their ports."""

    stage: Stage
    message: IntArray
    turn: int
    start: IntArray
    goal: IntArray


def _legs(ways: Ways, source: IntArray, target: IntArray, rule: Rule) -> list[Leg]:
    """Return all legs of messages, as :func:`netmodel.network.routing.routes` chains them."""
    gpus = ways.network.gpus
    inside = ways.domain[source] == ways.domain[target]
    near = ~inside & (ways.chassis[source] == ways.chassis[target])
    found = []
    for stage, chosen in ((ways.up, inside), (ways.host, near)):
        which = np.flatnonzero(chosen)
        if len(which):
            found.append(Leg(stage, which, 0, gpus[source[which]], gpus[target[which]]))
    which = np.flatnonzero(~inside & ~near)
    if not len(which):
        return found
    source, target = source[which], target[which]
    sender = ways.forwarder[source, ways.rail[target]] if rule.forwards(ways) else source
    for turn in range(ways.port.shape[1]):
        start, goal = ways.port_at(sender, turn), ways.port_at(target, turn)
        for stage, a, b in (
            (ways.up, gpus[source], gpus[sender]),
            (ways.host, gpus[sender], start),
            (rule.out(ways), start, goal),
            (ways.host, goal, gpus[target]),
        ):
            found.append(Leg(stage, which, turn, a, b))
    return found


def _sprayed(legs: list[Leg]) -> tuple[IntArray, FloatArray, Paths]:
    """Join the legs of each message and port to one flow; see :func:`connections`."""
    none = np.zeros(0, int)
    turns = max((leg.turn for leg in legs), default=0) + 1
    flow, link, part = [none], [none], [np.zeros(0)]
    for leg in legs:
        which, links, parts = spray(leg.stage, leg.start, leg.goal)
        flow.append(leg.message[which] * turns + leg.turn)
        link.append(links)
        part.append(parts)
    flows = np.unique(np.concatenate([none, *(leg.message * turns + leg.turn for leg in legs)]))
    flow_all, link_all = np.concatenate(flow), np.concatenate(link)
    part_all = np.concatenate(part)
    width = int(link_all.max(initial=0)) + 1
    pairs, entry = np.unique(flow_all * width + link_all, return_inverse=True)
    indptr = np.searchsorted(pairs // width, np.append(flows, np.iinfo(np.int64).max))
    message = flows // turns
    paths = Paths(indptr, pairs % width, np.bincount(entry, part_all).astype(float))
    return message, 1.0 / np.bincount(message)[message], paths


def spray(stage: Stage, start: IntArray, goal: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Spread flows over all shortest paths, at each node in proportion to bandwidth.

    Returns
    -------
    flow, link : int array [entries]
        Every link that carries a part of a flow; one reached twice is named twice.
    part : float array [entries]
        Of the flow's bytes.
    """
    network, groups = stage.network, stage.group_of[goal]
    order, first = sorted_by(network.source[stage.links], network.n_nodes)
    outgoing, length = stage.links[order], stage.length[order]
    hops = stage.hops(start, groups)
    hops[start == goal] = 0
    hops[(hops == 0) & (start != goal)] = 2  # two endpoints of one group meet at a switch
    check_reached(network, start, goal, hops)
    flow = np.flatnonzero(hops > 0)
    node, left, amount = start[flow], hops[flow], np.ones(len(flow))
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    while len(flow):
        count = first[node + 1] - first[node]
        owner = np.repeat(np.arange(len(flow)), count)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        spot = np.repeat(first[node], count) + offset
        towards, whose = network.target[outgoing[spot]], flow[owner]
        wanted = left[owner] - length[spot]
        near = stage.hops(towards, groups[whose]) == wanted
        near &= np.where(wanted == 0, towards == goal[whose], stage.forwards[towards])
        spot, owner, towards, wanted = spot[near], owner[near], towards[near], wanted[near]
        width = network.capacity[outgoing[spot]]
        moved = amount[owner] * width / np.bincount(owner, width, len(flow))[owner]
        found.append((flow[owner], outgoing[spot], moved))
        key = flow[owner] * network.n_nodes + towards
        _, one, same = np.unique(key, return_index=True, return_inverse=True)
        flow, node, left = flow[owner][one], towards[one], wanted[one]
        amount = np.bincount(same, moved, len(one)).astype(float)
        on = left > 0
        flow, node, left, amount = flow[on], node[on], left[on], amount[on]
    if not found:
        none = np.zeros(0, int)
        return none, none, np.zeros(0)
    flows, links, parts = zip(*found, strict=True)
    return np.concatenate(flows), np.concatenate(links), np.concatenate(parts)
