"""A fabric seen as layers: which nodes stand on which row, and what joins two rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netmodel.graph import HOST_KINDS, FloatArray, IntArray, Wiring
from netmodel.plots.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, SOFT

ROWS = ("nvswitch", "gpu", "cpu", "pcie_switch", "nic", "leaf", "router", "spine", "ocs", "core")
"""From the ground up: the host first, the fabric above it."""

NAMES = {
    "nvswitch": ("NVSwitch", "NVSwitches"),
    "gpu": ("GPU", "GPUs"),
    "cpu": ("CPU", "CPUs"),
    "pcie_switch": ("PCIe switch", "PCIe switches"),
    "nic": ("NIC", "NICs"),
    "leaf": ("leaf", "leaves"),
    "router": ("router", "routers"),
    "spine": ("spine", "spines"),
    "ocs": ("optical switch", "optical switches"),
    "core": ("core", "cores"),
}


TIER_COLORS = {
    "nvlink": GREEN,
    "xgmi": GREEN,
    "ici": GREEN,
    "pcie": FAINT,
    "host-leaf": ORANGE,
    "local": BLUE,
    "leaf-spine": BLUE,
    "spine-core": PURPLE,
    "global": PURPLE,
    "wan": SKY,
}
NODE_COLORS = {
    "gpu": INK,
    "nvswitch": GREEN,
    "cpu": FAINT,
    "pcie_switch": FAINT,
    "nic": ORANGE,
    "leaf": BLUE,
    "router": BLUE,
    "spine": BLUE,
    "ocs": PURPLE,
    "core": PURPLE,
}
TEXT_COLORS = {ORANGE: "#a87400", FAINT: SOFT}
"""Darker inks where a colour is too light to read as text."""


def counted(kind: str, count: int) -> str:
    """Write how many nodes of a kind.

    >>> counted("leaf", 32)
    '32 leaves'
    """
    return f"{count:,} {NAMES[kind][count != 1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """All cables between two kinds of nodes.

    Attributes
    ----------
    low, high : str
        Kinds of the two ends, the lower row first.
    tier, link : str
        As in the graph; several links of one tier are joined by commas.
    cables : int
        Cables in all.
    bandwidth : float
        Of all cables together, one direction [B/s].
    """

    low: str
    high: str
    tier: str
    link: str
    cables: int
    bandwidth: float


def kinds(wiring: Wiring) -> list[str]:
    """Return the kind of every node, in node order."""
    return [block.kind for block in wiring.blocks for _ in range(block.size)]


def counts(wiring: Wiring) -> dict[str, int]:
    """Return how many nodes there are of each kind, from the ground up."""
    found = {kind: len(wiring.of_kind(kind)) for kind in ROWS}
    return {kind: count for kind, count in found.items() if count}


def bundles(wiring: Wiring) -> list[Bundle]:
    """Return what joins each two kinds, from the ground up."""
    block_kind = [block.kind for block in wiring.blocks]
    sums: dict[tuple[str, str, str], tuple[set[str], int, float]] = {}
    for group in wiring.cables:
        ends = [
            np.searchsorted(wiring.starts, side, side="right") - 1 for side in (group.a, group.b)
        ]
        number = np.broadcast_to(group.cables, group.a.shape)
        rate = np.broadcast_to(group.bandwidth, group.a.shape)
        pairs = np.stack(ends, axis=1)
        for pair in np.unique(pairs, axis=0):
            here = (pairs == pair).all(axis=1)
            low, high = sorted((block_kind[pair[0]], block_kind[pair[1]]), key=ROWS.index)
            links, cables, bandwidth = sums.get((low, high, group.tier), (set(), 0, 0.0))
            sums[low, high, group.tier] = (
                links | {group.link},
                cables + int(number[here].sum()),
                bandwidth + float(rate[here].sum()),
            )
    made = [
        Bundle(
            low=low,
            high=high,
            tier=tier,
            link=", ".join(sorted(links)),
            cables=cables,
            bandwidth=bandwidth,
        )
        for (low, high, tier), (links, cables, bandwidth) in sums.items()
    ]
    return sorted(made, key=lambda each: (ROWS.index(each.high), ROWS.index(each.low)))


def positions(wiring: Wiring) -> tuple[FloatArray, IntArray]:
    """Place every node: x from 0 to 1, and its row.

    Hosts stand side by side with their parts spread inside; NVSwitches of a domain that is no
    host's own stand under its GPUs; each switch stands over the middle of what it joins below,
    moved apart from its neighbours.
    """
    kind = kinds(wiring)
    row = np.array([ROWS.index(each) for each in kind])
    x = np.full(len(kind), np.nan)
    host = wiring.attribute("node", -1.0)
    parts = np.isin(kind, HOST_KINDS)
    inside = parts & (host >= 0)
    hosts = np.unique(host[inside])
    for place, which in enumerate(hosts):
        for each in np.unique(row[inside & (host == which)]):
            members = np.flatnonzero(inside & (host == which) & (row == each))
            x[members] = (place + (np.arange(len(members)) + 0.5) / len(members)) / len(hosts)
    low = np.concatenate([group.a for group in wiring.cables])
    high = np.concatenate([group.b for group in wiring.cables])
    swap = row[low] > row[high]
    low, high = np.where(swap, high, low), np.where(swap, low, high)
    _place_under(x, low, high, np.flatnonzero(parts & ~inside))
    for each in sorted(set(row[~parts].tolist())):
        members = np.flatnonzero(~parts & (row == each))
        middle = [_mean(x[low[high == node]]) for node in members]
        order = np.argsort(middle, kind="stable")
        x[members[order]] = (np.arange(len(members)) + 0.5) / len(members)
    return x, row


def _place_under(x: FloatArray, low: IntArray, high: IntArray, nodes: IntArray) -> None:
    """Spread nodes that hang under the same others over the width of those."""
    reach: dict[tuple[float, float], list[int]] = {}
    for node in nodes.tolist():
        above = x[high[low == node]]
        above = above[~np.isnan(above)]
        ends = (float(above.min()), float(above.max())) if len(above) else (0.0, 1.0)
        reach.setdefault(ends, []).append(node)
    for (left, right), members in reach.items():
        x[members] = left + (right - left) * (np.arange(len(members)) + 0.5) / len(members)


def _mean(values: Sequence[float] | FloatArray) -> float:
    """Mean of the places that are known; the middle when none is."""
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.5
