"""Counts, bisection, oversubscription and diameter, against formulas and slow searches."""

import itertools

import netmodel as nm
import networkx as nx
import numpy as np
import pytest
from netmodel.graph import to_networkx
from netmodel.network import compile_network, describe, faults
from netmodel.network.bisection import bisection_bandwidth
from netmodel.network.metrics import diameter

GB = 1e9


@pytest.mark.parametrize("k", [4, 6, 8])
def test_a_k_ary_fat_tree(k, fabric):
    """k^3/4 hosts, k^2/2 leaves and spines, k^2/4 cores, full bisection, five switches across."""
    found = describe(fabric.wire(fabric.three_tier(k)))
    hosts = k**3 // 4
    assert found["gpus"] == found["nodes"] == hosts
    assert found["switches"] == {"leaf": k * k // 2, "spine": k * k // 2, "core": k * k // 4}
    cables = {name: found["cables"][name] for name in ("host-leaf", "leaf-spine", "spine-core")}
    assert set(cables.values()) == {hosts}
    assert found["bisection_bandwidth_Bps"] == pytest.approx(hosts / 2 * 50 * GB)
    assert found["oversubscription"] == {"leaf-spine": 1.0, "spine-core": 1.0}
    assert (found["diameter_hops"], found["diameter_switches"]) == (4, 5)


@pytest.mark.parametrize("ratio", [0.5, 1, 2, 4])
def test_oversubscription_narrows_the_middle(ratio, fabric):
    found = describe(fabric.wire(fabric.leaf_spine(8, 4, 2, rail=True, up=100 * GB / ratio)))
    assert found["oversubscription"] == {"leaf-spine": pytest.approx(ratio)}
    assert found["bisection_bandwidth_Bps"] == pytest.approx(16 * 50 * GB / max(ratio, 1))
    assert (found["diameter_hops"], found["diameter_switches"]) == (2, 3)


@pytest.mark.parametrize(
    ("shape", "cables", "hops", "cut"),
    [((4, 4, 4), 192, 6, 32), ((16, 16), 512, 16, 32), ((16, 16, 16), 12288, 24, 512)],
)
def test_tori(shape, cables, hops, cut, fabric):
    found = describe(fabric.torus(shape))
    assert found["cables"] == {"ici": cables}
    assert found["diameter_hops"] == hops
    assert found["bisection_bandwidth_Bps"] == pytest.approx(cut * 50 * GB)


def test_a_mesh_without_wrap(fabric):
    found = describe(fabric.torus((4, 4, 4), wrap=False))
    assert found["cables"] == {"ici": 144}
    assert found["diameter_hops"] == 9
    assert found["bisection_bandwidth_Bps"] == pytest.approx(16 * 50 * GB)


@pytest.mark.parametrize(
    ("size", "routers", "local", "across"),
    [((2, 4, 2, 9), 36, 54, 36), ((4, 8, 4, 33), 264, 924, 528)],
)
def test_balanced_dragonflies(size, routers, local, across, fabric):
    found = describe(fabric.wire(fabric.dragonfly(*size)))
    assert found["switches"] == {"router": routers}
    assert (found["cables"]["local"], found["cables"]["global"]) == (local, across)
    assert found["diameter_hops"] == 3
    assert found["oversubscription"]["global"] == pytest.approx(1.0)


def test_parallel_cables_count_each(fabric):
    graph = fabric.leaf_spine(4, 2, 2)
    graph.edges["leaf-0-0", "spine-0"]["cables"] = 5
    assert describe(fabric.wire(graph))["cables"]["leaf-spine"] == 4 + 4


@pytest.mark.parametrize("name", ["mesh", "torus", "ring of six", "cut dragonfly"])
def test_bisection_is_the_least_of_all_halvings(name, fabric):
    graph = {
        "mesh": lambda: fabric.mesh(8),
        "torus": lambda: to_networkx(fabric.torus((3, 4))),
        "ring of six": lambda: to_networkx(fabric.torus((6,))),
        "cut dragonfly": lambda: fabric.dragonfly(1, 2, 2, 4),
    }[name]()
    gpus = [n for n, kind in graph.nodes(data="kind") if kind == "gpu"]
    least = min(halving(graph, gpus, set(half)) for half in halves(gpus))
    assert bisection_bandwidth(fabric.wire(graph)) == pytest.approx(least)


def halves(gpus):
    return (half for half in itertools.combinations(gpus, len(gpus) // 2) if gpus[0] in half)


def halving(graph, gpus, half):
    """Maximum flow from one half of the GPUs to the other."""
    flow = nx.DiGraph()
    for u, v, data in graph.edges(data=True):
        flow.add_edge(u, v, capacity=data["bandwidth"])
        flow.add_edge(v, u, capacity=data["bandwidth"])
    for gpu in gpus:
        flow.add_edge(*(("from", gpu) if gpu in half else (gpu, "to")))
    return nx.maximum_flow_value(flow, "from", "to")


def test_failures_show_in_the_numbers(fabric):
    wiring = fabric.wire(fabric.leaf_spine(8, 4, 2, rail=True))
    found = describe(faults.apply(wiring, "spine-0"))
    assert found["switches"]["spine"] == 1
    assert found["oversubscription"] == {"leaf-spine": pytest.approx(2.0)}


def test_diameter_is_the_longest_shortest_way(fabric):
    graph = fabric.dragonfly(1, 3, 1, 4)
    routers = graph.subgraph(n for n, kind in graph.nodes(data="kind") if kind == "router")
    assert diameter(compile_network(graph))[0] == nx.diameter(routers)
    assert np.isfinite(bisection_bandwidth(fabric.wire(graph)))


def test_root_ports_of_a_cpu_are_not_counted_as_switches():
    """Fire-Flyer 2 has no PCIe switch (arXiv:2408.14158): four root ports for eight GPUs."""
    found = describe(nm.load_cluster("fire-flyer-2").wiring(16))
    assert "pcie_switch" not in found["switches"]
    assert found["root_ports"] == 8
    rails = describe(nm.load_cluster("dgx-superpod-h100").wiring(16))
    assert rails["switches"]["pcie_switch"] > 0
    assert rails["root_ports"] == 0
