"""Clusters: sizes, sites, mixed nodes, overrides, and every file that ships."""

import time

import networkx as nx
import numpy as np
import pytest
from netmodel.errors import InputError, ModelError
from netmodel.graph import check_graph, to_networkx
from netmodel.topology import (
    FAMILIES,
    cluster_from_graph,
    cluster_names,
    load_cluster,
    make_cluster,
    reference_cluster,
)

REQUIRED = {
    "deepseek-h800-mpft", "deepseek-h800-mrft", "fire-flyer-2", "dgx-superpod-a100",
    "dgx-superpod-h100", "dgx-superpod-b200", "gb200-nvl72", "meta-24k-roce", "selene",
}  # fmt: skip


def test_the_names_that_others_rely_on_exist():
    assert set(cluster_names()) >= REQUIRED


@pytest.mark.parametrize("name", cluster_names())
def test_every_shipped_cluster_is_sound_at_a_small_size(name):
    """Named as its file, cited, connected, its GPUs in rank order, every attribute in place."""
    cluster = load_cluster(name)
    assert cluster.name == name
    assert cluster.sources
    graph = cluster.graph(min(cluster.gpus, 96))
    check_graph(graph)
    assert nx.is_connected(graph) or cluster.fabric.family in ("multi-plane", "rail-only")
    gpus = [data for _, data in graph.nodes(data=True) if data["kind"] == "gpu"]
    assert len(gpus) == min(cluster.gpus, 96)
    assert all(data["accelerator"] for data in gpus)
    joined = nx.node_connected_component(graph, next(iter(graph)))
    assert all(n in joined for n, kind in graph.nodes(data="kind") if kind == "gpu")


@pytest.mark.parametrize("name", cluster_names())
def test_every_shipped_cluster_is_wired_at_its_own_size(name, count):
    cluster = load_cluster(name)
    made = count(cluster.wiring())
    assert made.nodes["gpu"] == cluster.gpus
    assert made.degree.min() > 0


@pytest.mark.parametrize("name", sorted(REQUIRED))
@pytest.mark.parametrize("gpus", [1, 4, 8, 9, 96])
def test_any_size_works(name, gpus):
    graph = load_cluster(name).graph(gpus)
    kinds = [kind for _, kind in graph.nodes(data="kind")]
    assert kinds[:gpus] == ["gpu"] * gpus
    assert kinds.count("gpu") == gpus


def test_sizes_that_make_no_sense_are_refused():
    cluster = load_cluster("selene")
    with pytest.raises(InputError, match="0 GPUs asked for"):
        cluster.wiring(0)
    with pytest.raises(
        ModelError, match=r"5,121 GPUs asked for, this design ends at 5,120, as its spec"
    ):
        cluster.resize(5121)
    assert cluster.resize(16).gpus == 16


def test_meta_pods_are_192_racks_of_16_gpus(count):
    wiring = load_cluster("meta-24k-roce").wiring()
    made = count(wiring)
    assert made.nodes["leaf"] == 1536
    spines = next(block for block in wiring.blocks if block.kind == "spine")
    assert spines.shape[1] == 8  # pods
    assert made.cables["leaf-spine"] == 24_576  # full bisection inside a pod
    assert made.cables["leaf-spine"] / made.cables["spine-core"] == pytest.approx(7, rel=0.02)


def test_hpn_segments_have_16_leaves_and_pods_15_segments(count):
    cluster = load_cluster("alibaba-hpn7")
    assert count(cluster.wiring(1024)).nodes["leaf"] == 16
    wiring = cluster.wiring(2 * 15_360)
    made = count(wiring)
    assert made.nodes["leaf"] == 2 * 15 * 16
    assert made.cables["host-leaf"] == 2 * 2 * 15_360
    rates = {g.tier: g.bandwidth * len(g.a) for g in wiring.cables}
    assert rates["host-leaf"] / rates["leaf-spine"] == pytest.approx(1.067, abs=5e-4)
    assert made.cables["leaf-spine"] / made.cables["spine-core"] == 15


def test_both_ports_of_an_hpn_nic_go_to_different_planes():
    graph = load_cluster("alibaba-hpn7").graph(64)
    for node, kind in graph.nodes(data="kind"):
        if kind == "nic":
            planes = [
                graph.nodes[n]["plane"] for n in graph[node] if graph.nodes[n]["kind"] == "leaf"
            ]
            assert sorted(planes) == [0, 1]


def test_megascale_leaves_serve_64_servers_of_one_rail(count):
    made = count(load_cluster("megascale").wiring(512))
    assert made.nodes["leaf"] == 8
    assert made.cables["host-leaf"] == 512
    assert made.cables["leaf-spine"] == 256  # at twice the rate


def test_fire_flyer_zones_are_800_port_trees_joined_by_few_cables(count):
    cluster = load_cluster("fire-flyer-2", ["sites.gpus=6400", "max_gpus=12800", "gpus=12800"])
    made = count(cluster.wiring(12_800))  # 800 nodes with one NIC a zone
    assert (made.nodes["leaf"], made.nodes["spine"]) == (2 * 40, 2 * 20)
    assert made.cables["wan"] == 4


def test_the_planned_four_planes_hold_32768_gpus():
    cluster = load_cluster("deepseek-roce-4plane")
    assert cluster.max_gpus == 32_768 == 4 * 128**2 // 2


def test_sites_have_fabrics_of_their_own(count):
    wiring = load_cluster("three-sites").wiring()
    made = count(wiring)
    assert made.nodes["leaf"] == 3 * 32
    assert made.cables["wan"] == 3 * 8
    graph = to_networkx(wiring)
    across = [
        e for e in graph.edges(data=True) if graph.nodes[e[0]]["site"] != graph.nodes[e[1]]["site"]
    ]
    assert {e[2]["tier"] for e in across} == {"wan"}
    assert count(load_cluster("three-sites").wiring(1024)).cables["wan"] == 0


def test_a_site_must_fit_its_fabric():
    with pytest.raises(InputError, match="8,000 GPUs a site, but the fabric of one ends at 6,400"):
        load_cluster("fire-flyer-2", ["sites.gpus=8000"])


def test_groups_of_the_same_node_keep_names_apart():
    data = {
        "name": "two", "description": "d", "sources": ["s"], "gpus": 32,
        "nodes": [{"name": "DGX-H100"}, {"name": "DGX-H100", "nic_bandwidth": "200 Gb/s"}],
        "fabric": {"family": "fat-tree", "radix": 64, "link": "InfiniBand-NDR"},
    }  # fmt: skip
    wiring = make_cluster(data).wiring()
    assert len(set(wiring.names())) == wiring.n_nodes


def test_groups_of_nodes_keep_their_proportion():
    cluster = load_cluster("hybrid-a100-h100-mi300x")
    for gpus in (96, 768, 770):
        wiring = cluster.wiring(gpus)
        sizes = [block.size for block in wiring.blocks if block.kind == "gpu"]
        assert sum(sizes) == gpus
        assert max(sizes[:3]) - min(sizes[:3]) <= 8
    rates = {
        float(b)
        for g in cluster.wiring().cables
        if g.tier == "host-leaf"
        for b in np.unique(g.bandwidth)
    }
    assert rates == {25e9, 50e9}


def test_overrides_change_the_graph(count):
    made = count(load_cluster("fat-tree-64", ["fabric.oversubscription=3"]).wiring(3072))
    assert made.cables["host-leaf"] == 3 * made.cables["leaf-spine"]
    fast = load_cluster("fat-tree-64", ["fabric.link.bandwidth=800 Gb/s"]).wiring(512)
    assert {g.bandwidth for g in fast.cables if g.tier == "leaf-spine"} == {100e9}
    slow = load_cluster("fat-tree-64", ["nodes.nic_bandwidth=200 Gb/s"]).wiring(64)
    assert {g.bandwidth for g in slow.cables if g.tier == "host-leaf"} == {25e9}


def test_a_65536_gpu_cluster_is_wired_in_milliseconds():
    cluster = load_cluster("fat-tree-64")
    start = time.process_time()
    wiring = cluster.wiring()
    assert time.process_time() - start < 0.15
    assert wiring.n_nodes > 200_000


def test_the_same_graph_comes_back_from_networkx():
    graph = load_cluster("deepseek-h800-mpft").graph(64)
    again = cluster_from_graph(graph)
    assert (again.gpus, again.max_gpus) == (64, 64)
    assert again.accelerator.name == "H800-SXM"
    assert nx.utils.graphs_equal(again.graph(), graph)
    part = again.resize(8)
    assert len(part.wiring().gpus) == 8
    assert part.notes() == ("8 of the graph's 64 GPUs",)
    with pytest.raises(ModelError, match="65 GPUs asked for, the graph has 64"):
        again.wiring(65)


def test_a_graph_without_accelerators_says_how_to_name_them():
    graph = nx.Graph(name="bare")
    graph.add_node("a", kind="gpu")
    with pytest.raises(InputError, match="Give each GPU node accelerator='H100'"):
        _ = cluster_from_graph(graph).accelerator


@pytest.mark.parametrize(
    ("arguments", "nics", "rate", "hosts"),
    [
        ({"accelerator": "A100", "gpus": 64}, 64, 25e9, 8),
        ({"accelerator": "H100", "gpus": 64}, 64, 50e9, 8),
        ({"accelerator": "A100", "gpus": 64, "nic_bandwidth": 12.5e9}, 64, 12.5e9, 8),
        ({"accelerator": "H100", "gpus": 64, "gpus_per_node": 4}, 64, 50e9, 16),
        ({"accelerator": "GB200", "gpus": 144, "gpus_per_node": 72}, 144, 50e9, 36),
        ({"accelerator": "GB200", "gpus": 64, "gpus_per_node": 8}, 64, 50e9, 16),
    ],
)
def test_reference_clusters(arguments, nics, rate, hosts, count):
    cluster = reference_cluster(**arguments)
    wiring = cluster.wiring()
    assert count(wiring).nodes["nic"] == nics
    assert {g.bandwidth for g in wiring.cables if g.tier == "host-leaf"} == {rate}
    node = np.concatenate([b.attributes["node"] for b in wiring.blocks if b.kind == "gpu"])
    assert node.max() + 1 == hosts
    assert cluster.gpus == arguments["gpus"]


def test_an_accelerator_without_any_known_node_is_refused():
    with pytest.raises(InputError, match="the catalog has no node with Rubin"):
        reference_cluster("Rubin", gpus=8)


def test_every_family_has_a_shipped_or_tested_design():
    shipped = {load_cluster(name).fabric.family for name in cluster_names()}
    assert set(FAMILIES) - shipped == {"hypercube"}  # tested in test_lattices


def test_making_the_same_cluster_twice_gives_the_same_graph():
    data = {
        "name": "twice", "description": "d", "sources": ["s"], "gpus": 32, "nodes": "DGX-H100",
        "fabric": {"family": "dragonfly", "link": "InfiniBand-NDR", "routers": 4,
                   "hosts_per_router": 4, "global_ports": 2},
    }  # fmt: skip
    one, two = make_cluster(data).graph(), make_cluster(data).graph()
    assert nx.utils.graphs_equal(one, two)
