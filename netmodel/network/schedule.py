"""The third rung: how long traffic takes when its flows share every link max-min fairly.

Under a policy that keeps to single paths, each connection is one flow. Where switches spray, a
message is one flow per port that divides over all its shortest paths, as
:func:`netmodel.network.load.link_loads` divides it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from netmodel.graph import FloatArray
from netmodel.network.alike import classes
from netmodel.network.arrays import Network
from netmodel.network.legs import legs_between
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule
from netmodel.network.traffic import Traffic


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
    flows = legs_between(ways, traffic.source, traffic.target, rule)
    size = traffic.size[flows.message] * flows.share
    found = classes(network.capacity, network.latency, flows, size)
    ends = found.ends()[found.member]
    last = np.zeros(len(traffic.size))
    np.maximum.at(last, flows.message, ends)
    return last
