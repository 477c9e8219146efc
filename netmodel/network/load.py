"""Exact load of every link under any traffic, and which links make everybody wait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network
from netmodel.network.lattice import torus_all_to_all
from netmodel.network.ledger import Account, Ledger
from netmodel.network.optimal import optimal_spread
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule, single_paths
from netmodel.network.sharing import Sharers, sharers_of
from netmodel.network.stage import Stage
from netmodel.network.traffic import Traffic
from netmodel.network.walk import axis_of_links


@dataclass(frozen=True, eq=False)
class Hot:
    """A link that others wait for.

    Attributes
    ----------
    name, tier : str
        ``leaf-03:spine-07``; tier of its cable.
    bytes, capacity : float
        What crosses it [B]; its bandwidth [B/s].
    time : float
        How long that takes [s].
    utilisation : float
        Of the busiest link's time.
    """

    link: int
    name: str
    tier: str
    bytes: float
    capacity: float
    time: float
    utilisation: float


@dataclass(frozen=True, eq=False)
class Loads:
    """Bytes on every directed link of a network.

    Attributes
    ----------
    network : Network
        Whose links.
    bytes : float array [links]
        Load [B].
    ledger : Ledger, optional
        The books that the loads came from.
    """

    network: Network
    bytes: FloatArray
    ledger: Ledger | None = None

    @property
    def times(self) -> FloatArray:
        """How long each link is busy at full rate [s]."""
        return self.bytes / self.network.capacity

    @property
    def time(self) -> float:
        """Contention time: how long the busiest link is, all stages flowing at once [s]."""
        return float(self.times.max(initial=0.0))

    @property
    def stepwise_time(self) -> float:
        """Time when messages pass NVLink first and the network then, one after the other [s].

        What forwarding costs where it is not pipelined: the busiest link of each added up.
        """
        inner = self.network.layer == 0
        return float(self.times[inner].max(initial=0.0) + self.times[~inner].max(initial=0.0))

    def sharers(self, link: int) -> Sharers:
        """Return whose bytes cross a link."""
        return Sharers(0, (), ()) if self.ledger is None else sharers_of(self.ledger, link)

    def hottest(self, count: int = 5) -> list[Hot]:
        """Return the busiest links, busiest first."""
        times = self.times
        order = np.argsort(-times, kind="stable")[:count]
        order = order[times[order] > 0]
        names = self.network.link_names(order)
        return [
            Hot(
                link=int(link),
                name=name,
                tier=self.network.tier_of(int(link)),
                bytes=float(self.bytes[link]),
                capacity=float(self.network.capacity[link]),
                time=float(times[link]),
                utilisation=float(times[link] / times[order[0]]),
            )
            for link, name in zip(order, names, strict=True)
        ]


def contention_time(loads: Loads) -> float:
    """Return the time of the most loaded link [s]; see :attr:`Loads.time`."""
    return loads.time


def link_loads(
    network: Network | Ways,
    traffic: Traffic,
    *,
    policy: str = "adaptive",
    seed: int = 0,
    qps: int = 1,
    forward: bool | None = None,
) -> Loads:
    """Return the bytes that traffic puts on every link.

    Parameters
    ----------
    network : Network or Ways
        The fabric; pass :class:`Ways` to use its stages again.
    traffic : Traffic
        Who sends what.
    policy : str
        One of :data:`netmodel.network.routing.POLICIES`. Inside hosts, and where only one path
        is shortest, all agree.
    seed : int
        Of ``ecmp``'s hash.
    qps : int
        Connections that ``ecmp`` splits every message into.
    forward : bool, optional
        Whether senders use their neighbours' rails over NVLink (PXN); by default where the NICs
        of one scale-up domain lead to different switches.

    Returns
    -------
    Loads
        Exact for the policy.

    Raises
    ------
    InputError
        For an unknown policy.
    ModelError
        When a pair has no way; it names the two ends.
    """
    rule = Rule(policy=policy, seed=seed, qps=qps, forward=forward)
    ways = network if isinstance(network, Ways) else Ways(network)
    ledger = Ledger(ways, rule)
    ledger.book(traffic, whole=rule.policy == "ecmp")
    found = np.zeros(ways.network.n_links)
    for account in ledger.accounts():
        if account.is_empty:
            continue
        walks = rule.walks(ways, account.stage)
        found += _along_paths(account, rule) if walks else _spread(account, rule)
    if ledger.leaves_hosts and rule.policy != "ecmp":
        _settle_ports(ledger, found)
    return Loads(ways.network, found, ledger)


def _spread(account: Account, rule: Rule) -> FloatArray:
    """Spread an account's bytes over shortest paths."""
    stage, matrix = account.stage, account.matrix()
    if not matrix.any():
        return np.zeros(stage.network.n_links)
    if rule.policy in ("adaptive", "minimal", "dimension-order"):
        even = torus_all_to_all(stage, matrix)
        if even is not None:
            return even
    if rule.policy == "dimension-order":
        axis = axis_of_links(stage.network)[stage.links]
        rank = np.zeros(len(stage.arcs.source), int)
        rank[stage.arcs.member] = axis
        return stage.link_bytes(stage.spray(matrix, rank))
    if rule.policy == "optimal" and stage.joins_peers:
        return stage.link_bytes(optimal_spread(stage, matrix))
    if rule.policy == "valiant" and stage.joins_peers:
        away, on = _two_legs(stage, matrix)
        return stage.link_bytes(stage.spray(away) + stage.spray(on))
    return stage.link_bytes(stage.spray(matrix))


def _two_legs(stage: Stage, matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Send everything to a random group first, then on (Valiant)."""
    places = np.zeros((int(stage.home.max()) + 1, stage.width))
    places[stage.home, stage.column] = 1.0
    even = places / places.sum(axis=1, keepdims=True)
    out = matrix.sum(axis=1, keepdims=True) * even[stage.home]
    groups = places.sum(axis=1)[stage.home][:, None]
    return out, stage.arriving(matrix)[stage.home] / groups


def _along_paths(account: Account, rule: Rule) -> FloatArray:
    """Send each flow of an account along the paths that the policy picks."""
    start, goal, size = account.by_goal() if rule.policy == "static" else account.by_pair()
    flow, paths = single_paths(account.stage, start, goal, rule)
    split = np.bincount(flow, minlength=len(start))[flow]
    used = paths >= 0
    weight = np.broadcast_to((size[flow] / split)[:, None], paths.shape)
    return np.bincount(paths[used], weight[used], account.stage.network.n_links).astype(float)


def _settle_ports(ledger: Ledger, found: FloatArray) -> None:
    """Give every port's own links what that port carries, not the mean of those cabled alike.

    Bytes between ports of one group turn round at their first switch; they are added here,
    divided by bandwidth among a port's cables.
    """
    stage, network = ledger.out.stage, ledger.ways.network
    matrix = ledger.out.matrix()
    groups = np.arange(stage.n_groups)
    turning = matrix[groups, stage.column]
    for ends, carried, crossing in (
        (network.source, ledger.sent, matrix.sum(axis=1)),
        (network.target, ledger.received, stage.arriving(matrix)[stage.home, stage.column]),
    ):
        links = stage.links[stage.group_of[ends[stage.links]] >= 0]
        port = ends[links]
        group = stage.group_of[port]
        straight = _fractions(port, network.capacity[links])
        spread = _fractions(port, found[links], otherwise=straight)
        back = turning[group] / np.where(crossing[group] > 0, crossing[group], 1.0)
        found[links] = carried[port] * (back * straight + (1 - back) * spread)


def _fractions(
    part: IntArray, value: FloatArray, otherwise: FloatArray | None = None
) -> FloatArray:
    """Return each value's share of the sum of its part; ``otherwise`` where that is nothing."""
    total = np.bincount(part, value)[part]
    shares = value / np.where(total > 0, total, 1.0)
    return shares if otherwise is None else np.where(total > 0, shares, otherwise)
