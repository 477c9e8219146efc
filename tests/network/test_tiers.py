"""Tiers against a slow computation on the networkx graph, and against arithmetic."""

import itertools
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
from netmodel.errors import ModelError
from netmodel.graph import TIERS, to_networkx
from netmodel.network.tiers import Tiers, tiers
from netmodel.topology import load_cluster

GB = 1e9
FAMILIES = {
    "rails": lambda f: f.leaf_spine(8, 4, 2, rail=True),
    "one leaf a group": lambda f: f.leaf_spine(8, 2, 2),
    "shared NICs": lambda f: f.leaf_spine(4, 2, 2, gpus=4, nics=2),
    "2:1": lambda f: f.leaf_spine(8, 4, 2, rail=True, up=50 * GB),
    "leaf with spare uplinks": lambda f: f.leaf_spine(8, 4, 2, rail=True, up=400 * GB),
    "slow PCIe": lambda f: f.leaf_spine(4, 2, 2, pcie=30 * GB),
    "ragged": lambda f: f.leaf_spine(7, 4, 2, rail=True),
    "three tiers": lambda f: f.three_tier(4),
    "mesh": lambda f: f.mesh(8),
    "torus": lambda f: to_networkx(f.torus((3, 4))),
    "dragonfly": lambda f: f.dragonfly(2, 4, 2, 5),
}


def below(graph, layer):
    """GPUs that cables up to a layer join."""
    kept = nx.Graph()
    kept.add_nodes_from(graph)
    kept.add_edges_from((u, v) for u, v, d in graph.edges(data=True) if TIERS[d["tier"]] <= layer)
    gpus = {n for n, kind in graph.nodes(data="kind") if kind == "gpu"}
    return [part for part in nx.connected_components(kept) if part & gpus], gpus


def slow_tiers(graph):
    """Units by components, egress by maximum flow, latency by Dijkstra over all pairs."""
    found = []
    for layer in range(max(TIERS.values()) + 1):
        inner, gpus = below(graph, layer - 1)
        outer, _ = below(graph, layer)
        if len(outer) == len(inner):
            continue
        rates = [slow_egress(graph, part, part & gpus, layer) for part in inner]
        found.append(
            (
                max(len(part & gpus) for part in outer),
                min(rate for rate in rates if rate > 0),
                slow_latency(graph, layer, [part & gpus for part in inner]),
            )
        )
    return tuple(zip(*found, strict=True))


def slow_egress(graph, part, gpus, layer):
    """Maximum flow from the GPUs of a unit to its neighbours, divided by the GPUs."""
    flow = nx.DiGraph()
    for u, v, d in graph.edges(data=True):
        at = TIERS[d["tier"]]
        for a, b in ((u, v), (v, u)):
            if a in part and b in part and at < layer:
                flow.add_edge(a, b, capacity=d["bandwidth"])
            elif a in part and b not in part and at == layer:
                known = flow.get_edge_data(a, "outside", {"capacity": 0.0})["capacity"]
                flow.add_edge(a, "outside", capacity=known + d["bandwidth"])
    flow.add_edges_from(("gpus", gpu) for gpu in gpus)
    return nx.maximum_flow_value(flow, "gpus", "outside") / len(gpus) if "outside" in flow else 0.0


def slow_latency(graph, layer, parts):
    """Least latency between GPUs of two parts; a switch's own delay is split on its two sides."""
    weighted = nx.Graph()
    delay = {
        n: 0.0 if d["kind"] == "gpu" else d.get("latency", 0.0) for n, d in graph.nodes(data=True)
    }
    for u, v, d in graph.edges(data=True):
        if TIERS[d["tier"]] <= layer:
            weighted.add_edge(u, v, weight=d["latency"] + (delay[u] + delay[v]) / 2)
    part_of = {gpu: i for i, part in enumerate(parts) for gpu in part}
    lengths = {a: nx.single_source_dijkstra_path_length(weighted, a) for a in part_of}
    return min(
        lengths[a][b]
        for a, b in itertools.combinations(part_of, 2)
        if part_of[a] != part_of[b] and b in lengths.get(a, ())
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_tiers_are_what_a_slow_computation_finds(family, fabric):
    graph = FAMILIES[family](fabric)
    fast = tiers(fabric.wire(graph))
    unit, bandwidth, latency = slow_tiers(graph)
    assert fast.unit == unit
    assert fast.bandwidth == pytest.approx(bandwidth, rel=1e-12)
    assert fast.latency == pytest.approx(latency, rel=1e-9)


PUBLISHED = {
    "alibaba-hpn7": 32,
    "aws-p4d": 128,
    "deepseek-h800-mpft": 32,
    "dgx-superpod-h100": 48,
    "dragonfly-64": 48,
    "frontier": 64,
    "gb200-nvl72": 144,
    "hamming-mesh-2x2": 64,
    "hybrid-a100-h100-mi300x": 96,
    "hyperx-16x16": 48,
    "leonardo": 64,
    "meta-24k-roce": 48,
    "rail-only": 32,
    "tpu-v4": 64,
    "tpu-v5e": 64,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_tiers_of_every_family_are_what_a_slow_computation_finds(name):
    wiring = load_cluster(name).wiring(PUBLISHED[name])
    fast, graph = tiers(wiring), to_networkx(wiring)
    unit, bandwidth, latency = slow_tiers(graph)
    assert fast.unit == unit
    assert fast.bandwidth == pytest.approx(bandwidth, rel=1e-12)
    assert fast.latency == pytest.approx(latency, rel=1e-9)


def test_bridged_pairs_share_root_ports_and_the_link_between_sockets():
    """Fire-Flyer 2: both GPUs of a pair send beyond it at once, over one uplink of each kind."""
    wiring = load_cluster("fire-flyer-2").wiring(48)
    graph, found = to_networkx(wiring), tiers(wiring)
    kind = graph.nodes(data="kind")
    uplinks = {
        data["bandwidth"]
        for a, b, data in graph.edges(data=True)
        if "cpu" in (kind[a], kind[b]) and {kind[a], kind[b]} <= {"cpu", "pcie_switch"}
    }
    assert found.names == ("nvlink", "pcie", "leaf")
    assert found.unit == (2, 8, 48)
    assert found.bandwidth[1] == min(uplinks) / 2


def test_a_rail_optimized_pod_by_hand(fabric):
    """4 GPUs on NVLink, 16 behind the leaves of a group, 32 in all."""
    found = tiers(fabric.wire(fabric.leaf_spine(8, 4, 2, rail=True)))
    assert found.names == ("nvlink", "leaf", "spine")
    assert found.unit == (4, 16, 32)
    assert found.bandwidth == (200 * GB, 50 * GB, 50 * GB)
    assert found.links == ("nvlink-cable", "host-leaf-cable", "leaf-spine-cable")
    assert found.uniform_bandwidth == found.bandwidth


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_oversubscribed_leaves_divide_what_leaves_them(ratio, fabric):
    graph = fabric.leaf_spine(8, 4, 2, rail=True, up=100 * GB / ratio)
    assert tiers(fabric.wire(graph)).bandwidth[-1] == pytest.approx(50 * GB / ratio)


def test_gpus_that_share_a_nic_share_its_rate(fabric):
    found = tiers(fabric.wire(fabric.leaf_spine(4, 2, 2, gpus=8, nics=2)))
    assert found.bandwidth[1] == pytest.approx(2 * 50 * GB / 8)


def test_a_full_mesh_gives_a_group_only_the_cables_between_its_members(fabric):
    span = tiers(fabric.wire(fabric.mesh(8, 64 * GB))).span(np.array([2, 4, 8]))
    assert span.bandwidth[0].tolist() == [64 * GB, 3 * 64 * GB, 7 * 64 * GB]
    assert span.uniform_bandwidth[0].tolist() == [64 * GB, 3 * 64 * GB, 7 * 64 * GB]


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 8), (4, 4, 8)])
def test_all_to_all_on_a_torus_is_bound_by_its_bisection(shape, fabric):
    """Half of what half of the chips send crosses 2 N / k cables."""
    found = tiers(fabric.torus(shape))
    chips, longest = int(np.prod(shape)), max(shape)
    assert found.bandwidth == (2 * len(shape) * 50 * GB,)
    cut = 2 * chips / longest * 50 * GB
    assert found.uniform_bandwidth[0] == pytest.approx(cut * (chips - 1) / (chips / 2) ** 2)


@pytest.mark.parametrize("shape", [(4, 4, 8), (8, 4, 4), (3, 5), (2, 4, 6), (4, 1, 4)])
@pytest.mark.parametrize("wrap", [True, False])
def test_a_grid_is_found_in_a_graph_that_lost_its_indices(shape, wrap, fabric):
    wiring = fabric.torus(shape, wrap=wrap)
    flat = fabric.wire(to_networkx(wiring))
    assert flat.blocks[0].shape == (int(np.prod(shape)),)
    assert tiers(flat).uniform_bandwidth == pytest.approx(tiers(wiring).uniform_bandwidth)


def test_all_to_all_on_a_balanced_dragonfly(fabric):
    """The rate that fills the cables when all shortest paths of all router pairs are counted."""
    graph = fabric.dragonfly()
    routers = [n for n, kind in graph.nodes(data="kind") if kind == "router"]
    between = graph.subgraph(routers)
    load = dict.fromkeys(("local", "global"), 0.0)
    for a, b in itertools.permutations(routers, 2):
        paths = list(nx.all_shortest_paths(between, a, b))
        for path in paths:
            for edge in itertools.pairwise(path):
                load[between.edges[edge]["tier"]] += 1 / len(paths)
    cables = {"local": 54, "global": 36}
    pairs = len(routers) - 1
    worst = min(2 * cables[t] * 25 * GB / (2 * load[t] / pairs) for t in load)
    found = tiers(fabric.wire(graph))
    assert found.names == ("leaf", "local", "global")
    assert found.uniform_bandwidth[-1] == pytest.approx(worst, rel=0.03)
    assert found.bandwidth == (25 * GB, 25 * GB, 25 * GB)


def test_gpus_below_one_root_port_share_it(fabric):
    """Two GPUs a port: a ring crosses it once, of an all-to-all 2 x 6/7 of a GPU's bytes do."""
    found = tiers(fabric.wire(fabric.pcie_box(32 * GB)))
    assert found.names == ("pcie", "leaf")
    assert found.unit == (8, 16)
    assert found.bandwidth == (32 * GB, 25 * GB / 8)
    sockets = 32 * GB / (4 * 4 / 7)
    ports = 32 * GB / (2 * 6 / 7)
    assert found.uniform_bandwidth[0] == pytest.approx(min(sockets, ports))


def test_a_lone_gpu_has_one_tier_without_partners(fabric):
    assert tiers(fabric.wire(fabric.mesh(1))).unit == (1,)


def test_a_fabric_that_falls_apart_says_who_lost_whom(fabric):
    graph = fabric.leaf_spine(4, 2, 2)
    graph.remove_edges_from([("leaf-1-0", "spine-0"), ("leaf-1-0", "spine-1")])
    with pytest.raises(ModelError, match="n2-gpu0 and 7 other GPUs cannot reach n0-gpu0"):
        tiers(fabric.wire(graph))


def test_a_curve_of_spans_equals_its_points():
    found = Tiers(
        names=("xgmi", "leaf"),
        unit=(8, 64),
        bandwidth=(448 * GB, 50 * GB),
        latency=(1e-6, 3e-6),
        links=("xgmi", "ndr"),
        peer=(64 * GB, float("inf")),
    )
    ranks, stride = np.array([2, 8, 16, 64]), np.array([1, 8, 4, 1])
    many = found.span(ranks, stride)
    for i, (r, s) in enumerate(zip(ranks.tolist(), stride.tolist(), strict=True)):
        one = found.span(r, s)
        assert [int(m[i]) for m in many.members] == [int(m) for m in one.members]
        assert many.bandwidth[0][i] == one.bandwidth[0]


def test_neither_networkx_nor_scipy_is_loaded():
    code = (
        "import sys, netmodel.network.tiers; "
        "print(sorted({'networkx', 'scipy'} & {m.split('.')[0] for m in sys.modules}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
