"""Policies, and the single path that each picks for a message.

============== ==================================================================================
adaptive       every switch spreads what it passes on over all shortest paths
minimal        the same over those with the fewest cables between dragonfly groups
ecmp           a seeded hash of each connection and switch picks one shortest path
static         the destination picks it (d-mod-k on fat trees, InfiniBand's linear tables)
valiant        to a random place first, then on, both minimal
dimension-order along the first axis to the end, then the second, ... (torus, mesh, HyperX)
optimal        a linear program divides all flows so that the busiest link is least busy
============== ==================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netmodel.errors import InputError, unknown_name
from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network, sorted_by
from netmodel.network.lumping import scramble
from netmodel.network.ports import Ways
from netmodel.network.stage import Stage
from netmodel.network.walk import Pick, axis_of_links, by_destination, by_rank, hashed, walk

POLICIES = ("adaptive", "minimal", "ecmp", "static", "valiant", "dimension-order", "optimal")
"""Names of the routing policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a path is chosen; see :func:`netmodel.network.load.link_loads` for the fields."""

    policy: str = "adaptive"
    seed: int = 0
    qps: int = 1
    forward: bool | None = None

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise unknown_name("routing policy", self.policy, POLICIES)
        if self.qps < 1:
            raise InputError(f"qps is {self.qps}, it must be at least 1")

    @property
    def is_single(self) -> bool:
        """Whether every connection keeps to one path."""
        return self.policy in ("ecmp", "static")

    def forwards(self, ways: Ways) -> bool:
        """Whether senders use their neighbours' rails."""
        if self.forward is None:
            return len(ways.ports) > 0 and ways.is_railed
        return self.forward

    def out(self, ways: Ways) -> Stage:
        """Return the stage between hosts on which the policy looks for shortest paths."""
        return ways.out_direct if self.policy in ("minimal", "valiant") else ways.out

    def pick(self, stage: Stage, keys: IntArray) -> Pick:
        """Return the rule as a function that picks next hops.

        Parameters
        ----------
        stage : Stage
            Where.
        keys : int array [flows]
            What tells connections apart.
        """
        network = stage.network
        if self.policy == "static":
            number = np.zeros(network.n_nodes, int)
            order = np.argsort(stage.group, kind="stable")
            number[stage.endpoints[order]] = np.arange(len(order))
            return by_destination(number)
        if self.policy == "dimension-order":
            return by_rank(axis_of_links(network))
        return hashed(network, keys, self.seed)


def single_paths(
    stage: Stage, start: IntArray, goal: IntArray, rule: Rule
) -> tuple[IntArray, IntArray]:
    """Return one path for each connection between endpoints of a stage.

    Returns
    -------
    flow : int array [paths]
        Flow to which each path belongs; ``ecmp`` has ``rule.qps`` a flow.
    paths : int array [paths, hops]
        Links, padded with -1.
    """
    qps = rule.qps if rule.policy == "ecmp" else 1
    flow = np.repeat(np.arange(len(start)), qps)
    turn = np.tile(np.arange(qps), len(start))
    pairs = scramble(start[flow] * stage.network.n_nodes + goal[flow])
    keys = (pairs ^ scramble(turn)).view(np.int64)
    if rule.policy == "valiant" and stage.joins_peers:
        middle = _middles(stage, start, keys, rule.seed)
        pick = rule.pick(stage, keys)
        return flow, np.concatenate(
            [walk(stage, start, middle, pick), walk(stage, middle, goal, pick)], axis=1
        )
    return flow, walk(stage, start[flow], goal[flow], rule.pick(stage, keys))


def _middles(stage: Stage, start: IntArray, keys: IntArray, seed: int) -> IntArray:
    """Draw an endpoint of the same component for each flow."""
    home = stage.component[stage.endpoints]
    order, first = sorted_by(home, int(home.max(initial=-1)) + 1)
    there = stage.component[start]
    count = first[there + 1] - first[there]
    draw = scramble(scramble(keys) ^ scramble(np.array([seed + 1]))) % count.astype(np.uint64)
    drawn: IntArray = stage.endpoints[order[first[there] + draw.astype(int)]]
    return drawn


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Single paths of messages from rank to rank.

    Attributes
    ----------
    flow : int array [paths]
        Message of each path; a message has one for each of its ports and connections.
    share : float array [paths]
        Part of the message's bytes that takes the path.
    paths : int array [paths, hops]
        Links in order, padded with -1 at the end.
    """

    flow: IntArray
    share: FloatArray
    paths: IntArray

    def rows(self) -> tuple[IntArray, IntArray]:
        """Return the links of all paths end to end, and where each path's begin (CSR)."""
        used = self.paths >= 0
        first = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        return first, self.paths[used]

    def latency(self, network: Network) -> FloatArray:
        """Return the latency of each path [s]."""
        total: FloatArray = np.where(self.paths >= 0, network.latency[self.paths], 0.0).sum(axis=1)
        return total


def routes(
    network: Network | Ways,
    source: IntArray,
    target: IntArray,
    *,
    policy: str = "ecmp",
    seed: int = 0,
    qps: int = 1,
    forward: bool | None = None,
) -> Routes:
    """Return the paths of messages between ranks, link by link.

    Parameters
    ----------
    network : Network or Ways
        The fabric; pass :class:`Ways` to use its stages again.
    source, target : int array [messages]
        Ranks; a message to oneself has a path without links.
    policy, seed, qps, forward
        As in :func:`netmodel.network.load.link_loads`. Under ``adaptive`` every connection takes
        a random shortest path, so that many of them spread as packets would.

    Raises
    ------
    ModelError
        When a pair has no way; it names the two ends.
    """
    rule = Rule(policy=policy, seed=seed, qps=qps, forward=forward)
    ways = network if isinstance(network, Ways) else Ways(network)
    gpus = ways.network.gpus
    source, target = np.asarray(source, int), np.asarray(target, int)
    parts = []
    inside = ways.domain[source] == ways.domain[target]
    near = ~inside & (ways.chassis[source] == ways.chassis[target])
    inner = replace(rule, policy="ecmp", qps=1)
    for stage, chosen, how in ((ways.up, inside, rule), (ways.host, near, inner)):
        which = np.flatnonzero(chosen)
        if len(which):
            flow, paths = single_paths(stage, gpus[source[which]], gpus[target[which]], how)
            parts.append((which[flow], paths))
    which = np.flatnonzero(~inside & ~near)
    if len(which):
        flow, paths = _between_hosts(ways, source[which], target[which], rule)
        parts.append((which[flow], paths))
    if not parts:
        return Routes(np.zeros(0, int), np.zeros(0), np.zeros((0, 0), int))
    flow = np.concatenate([part[0] for part in parts])
    paths = stacked([part[1] for part in parts])
    order = np.argsort(flow, kind="stable")
    return Routes(flow[order], (1 / np.bincount(flow)[flow])[order], paths[order])


def _between_hosts(
    ways: Ways, source: IntArray, target: IntArray, rule: Rule
) -> tuple[IntArray, IntArray]:
    """Chain the stages of messages that leave their hosts."""
    gpus = ways.network.gpus
    sender, receiver = source, target
    if rule.forwards(ways):
        sender, receiver = ways.relays(source, target)
    inner = replace(rule, policy="ecmp", qps=1)
    found = []
    for turn in range(ways.port.shape[1]):
        start, goal = ways.port_at(sender, turn), ways.port_at(receiver, turn)
        flow, out = single_paths(rule.out(ways), start, goal, rule)
        legs = [
            single_paths(stage, a, b, inner)[1][flow]
            for stage, a, b in (
                (ways.up, gpus[source], gpus[sender]),
                (ways.host, gpus[sender], start),
                (ways.host, goal, gpus[receiver]),
                (ways.up, gpus[receiver], gpus[target]),
            )
        ]
        found.append((flow, packed(np.concatenate([*legs[:2], out, *legs[2:]], axis=1))))
    return np.concatenate([each[0] for each in found]), stacked([each[1] for each in found])


def packed(paths: IntArray) -> IntArray:
    """Move the padding of each row to its end, and drop columns that hold nothing else."""
    order = np.argsort(paths < 0, axis=1, kind="stable")
    moved = np.take_along_axis(paths, order, axis=1)
    return moved[:, : int((moved >= 0).sum(axis=1).max(initial=0))]


def stacked(parts: list[IntArray]) -> IntArray:
    """Put paths of different lengths in one array."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=-1) for p in parts]
    )
