"""A fabric in a few numbers: how much of what, how wide in the middle, how far across."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.graph import ROOT_PORT, SWITCH_KINDS, TIERS, IntArray, Wiring
from netmodel.network.arrays import Network, compile_network
from netmodel.network.bisection import bisection_bandwidth
from netmodel.network.components import join
from netmodel.network.cuts import Edges, edges_by_layer
from netmodel.network.ports import Ways
from netmodel.network.stage import Stage

SWITCHES = ("nvswitch", "pcie_switch", *SWITCH_KINDS)
SAMPLE = 64  # endpoints whose distance to all others is measured


def describe(wiring: Wiring) -> dict[str, Any]:
    """Return counts, bisection, oversubscription and diameter of a fabric.

    Returns
    -------
    dict
        ``nodes`` (hosts), ``gpus``; ``switches`` by kind; ``root_ports`` of CPUs, see
        :func:`root_port_count`; ``cables`` by tier, parallel ones counted each;
        ``bisection_bandwidth_Bps`` one direction; ``oversubscription`` by tier,
        see :func:`oversubscription`; ``diameter_hops`` and ``diameter_switches``, see
        :func:`diameter`.
    """
    network = compile_network(wiring)
    hops, switches = diameter(network)
    return {
        "nodes": host_count(wiring),
        "gpus": len(wiring.gpus),
        "switches": switch_count(wiring),
        "root_ports": root_port_count(wiring),
        "cables": cable_count(wiring),
        "bisection_bandwidth_Bps": bisection_bandwidth(wiring),
        "oversubscription": oversubscription(wiring),
        "diameter_hops": hops,
        "diameter_switches": switches,
    }


def host_count(wiring: Wiring) -> int:
    """Count the hosts: by the GPUs' ``node``, or as what NVLink and PCIe keep together."""
    node = wiring.attribute("node", -1.0)[wiring.gpus]
    if (node >= 0).all():
        return len(np.unique(node))
    host = np.arange(wiring.n_nodes)
    for edges in edges_by_layer(wiring)[: TIERS["host-leaf"]]:
        host = join(host, edges.a, edges.b)
    return len(np.unique(host[wiring.gpus]))


def switch_count(wiring: Wiring) -> dict[str, int]:
    """Count the switches of each kind that the fabric has."""
    counts = {kind: len(wiring.of_kind(kind)) for kind in SWITCHES}
    counts["pcie_switch"] -= root_port_count(wiring)
    return {kind: count for kind, count in counts.items() if count}


def root_port_count(wiring: Wiring) -> int:
    """Count the CPU ports over which several GPUs are reached; the graph has them as switches."""
    models = [
        np.broadcast_to(np.asarray(block.attributes.get("model"), object), block.size)
        for block in wiring.blocks
        if block.kind == "pcie_switch"
    ]
    return sum(int((model == ROOT_PORT).sum()) for model in models)


def cable_count(wiring: Wiring) -> dict[str, int]:
    """Count the cables of each tier, innermost tier first."""
    counts: dict[str, int] = {}
    for group in sorted(wiring.cables, key=lambda group: TIERS[group.tier]):
        each = np.broadcast_to(np.asarray(group.cables), len(group.a))
        counts[group.tier] = counts.get(group.tier, 0) + int(each.sum())
    return counts


def oversubscription(wiring: Wiring) -> dict[str, float]:
    """Return for each tier of switch cables what may arrive from below over what may go up.

    From below arrives no more than the NICs and the tiers between let through. One is
    non-blocking, 2 halves a GPU's rate when all send up at once, less than one is spare.
    Units that differ are averaged, by bandwidth.
    """
    layers, gpus = edges_by_layer(wiring), wiring.gpus
    below = np.arange(wiring.n_nodes)
    supply, found = np.inf, {}
    for layer, edges in enumerate(layers):
        here = join(below, edges.a, edges.b)
        if layer >= TIERS["host-leaf"] and len(np.unique(here[gpus])) < len(np.unique(below[gpus])):
            up = _leaving(below, gpus, edges) / len(gpus)
            if layer > TIERS["host-leaf"] and np.isfinite(supply):
                found[_tier_name(wiring, layer)] = supply / up
            supply = min(supply, up)
        below = here
    return found


def _leaving(unit: IntArray, gpus: IntArray, edges: Edges) -> float:
    """Add up the bandwidth with which all units that hold GPUs can send."""
    held = np.bincount(unit[gpus], minlength=int(unit.max()) + 1) > 0
    out = edges.where(unit[edges.a] != unit[edges.b])
    return sum(float(out.bandwidth[held[unit[end]]].sum()) for end in (out.a, out.b))


def _tier_name(wiring: Wiring, layer: int) -> str:
    return next(g.tier for g in wiring.cables if TIERS[g.tier] == layer and len(g.a))


def diameter(network: Network) -> tuple[int, int]:
    """Return the longest of the shortest ways between GPUs: cables, and switches on it.

    Between hosts the cables from switch to switch are counted, so that one switch has 0 hops, a
    leaf-spine 2 and a dragonfly 3; without switches the cables from GPU to GPU. Distances are
    measured from a sample of endpoints, which is exact where they are alike.
    """
    ways = Ways(network)
    stage = ways.out if len(ways.ports) else ways.up
    groups = np.unique(np.linspace(0, stage.n_groups - 1, SAMPLE).astype(int))
    chosen = np.isin(stage.group, groups)
    few = Stage(
        network,
        stage.links,
        stage.endpoints[chosen],
        np.unique(stage.group[chosen], return_inverse=True)[1].astype(int),
        stage.forwards,
    )
    reached = few.distance[few.lump[stage.endpoints]]
    longest = int(reached.max(initial=0))
    if stage is ways.up:
        return longest, 0
    longest = max(longest, 2)
    return longest - 2, longest - 1
