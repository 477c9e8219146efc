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

from dataclasses import dataclass

import numpy as np

from netmodel.errors import InputError, unknown_name
from netmodel.graph import IntArray
from netmodel.network.arrays import sorted_by
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

    def walks(self, ways: Ways, stage: Stage) -> bool:
        """Whether connections keep to one path on a stage.

        Nothing hashes inside a host, and GPUs stripe what they send over all NVSwitches.
        """
        striped = stage is ways.host or (stage is ways.up and not stage.joins_peers)
        return self.is_single and not striped

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
