"""Ways of single messages, link by link: what a flow simulation or a person wants to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule, single_paths
from netmodel.network.stage import Stage

Leg = tuple[Stage, IntArray, IntArray]
"""A stage and the endpoints between which messages cross it."""


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
    """Return paths of messages between ranks.

    Parameters
    ----------
    network : Network or Ways
        The fabric; pass :class:`Ways` to use its stages again.
    source, target : int array [messages]
        Ranks; a message to oneself has a path without links.
    policy, seed, qps, forward
        As in :func:`netmodel.network.load.link_loads`. Where a policy spreads a message, a random
        one of its paths stands for it; so does one NVSwitch for those it is striped over.

    Raises
    ------
    ModelError
        When a pair has no way; it names the two ends.
    """
    rule = Rule(policy=policy, seed=seed, qps=qps, forward=forward)
    ways = network if isinstance(network, Ways) else Ways(network)
    parts = []
    for _, which, legs in itineraries(ways, np.asarray(source), np.asarray(target), rule):
        main = max(range(len(legs)), key=lambda i: legs[i][0] is rule.out(ways))
        flow, found = single_paths(*legs[main], rule)
        inner = Rule(policy="ecmp", seed=seed)
        paths = [
            found if i == main else single_paths(*leg, inner)[1][flow] for i, leg in enumerate(legs)
        ]
        parts.append((which[flow], _packed(np.concatenate(paths, axis=1))))
    if not parts:
        return Routes(np.zeros(0, int), np.zeros(0), np.zeros((0, 0), int))
    flow = np.concatenate([part[0] for part in parts])
    order = np.argsort(flow, kind="stable")
    share = 1 / np.bincount(flow)[flow]
    return Routes(flow[order], share[order], _stacked([part[1] for part in parts])[order])


def itineraries(
    ways: Ways, source: IntArray, target: IntArray, rule: Rule
) -> Iterator[tuple[int, IntArray, list[Leg]]]:
    """Yield a port's turn, messages that take the same stages, and the legs of their ways.

    Messages between hosts come once for each port that a GPU has.
    """
    gpus = ways.network.gpus
    inside = ways.domain[source] == ways.domain[target]
    near = ~inside & (ways.chassis[source] == ways.chassis[target])
    for stage, chosen in ((ways.up, inside), (ways.host, near)):
        which = np.flatnonzero(chosen)
        if len(which):
            yield 0, which, [(stage, gpus[source[which]], gpus[target[which]])]
    which = np.flatnonzero(~inside & ~near)
    if not len(which):
        return
    source, target = source[which], target[which]
    sender, receiver = ways.relays(source, target, forward=rule.forwards(ways))
    for turn in range(ways.port.shape[1]):
        start, goal = ways.port_at(sender, turn), ways.port_at(receiver, turn)
        yield (
            turn,
            which,
            [
                (ways.up, gpus[source], gpus[sender]),
                (ways.host, gpus[sender], start),
                (rule.out(ways), start, goal),
                (ways.host, goal, gpus[receiver]),
                (ways.up, gpus[receiver], gpus[target]),
            ],
        )


def _packed(paths: IntArray) -> IntArray:
    """Move the padding of each row to its end, and drop columns that hold nothing else."""
    order = np.argsort(paths < 0, axis=1, kind="stable")
    moved = np.take_along_axis(paths, order, axis=1)
    return moved[:, : int((moved >= 0).sum(axis=1).max(initial=0))]


def _stacked(parts: list[IntArray]) -> IntArray:
    """Put paths of different lengths in one array."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=-1) for p in parts]
    )
