"""Laws of all fat-tree-like families, whatever radix, tiers, oversubscription and size."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.graph import check_graph, to_networkx
from netmodel.topology import load_cluster

FAMILIES = ("fat-tree", "rail-optimized", "multi-plane", "rail-only", "dual-tor")
fabrics = st.fixed_dictionaries(
    {
        "family": st.sampled_from(FAMILIES),
        "radix": st.sampled_from([8, 12, 16, 20, 36]),
        "oversubscription": st.sampled_from([1, 1.5, 2, 3]),
        "tiers": st.sampled_from(["auto", 2, 3]),
        "nics": st.sampled_from([1, 4]),
        "nic_ports": st.sampled_from([1, 2]),
    }
)


def switches_of(one_nic_hosts, fabric, gpus, count):
    """Wire it, or None where the design ends before."""
    cluster = one_nic_hosts(1, **fabric)
    try:
        wiring = cluster.wiring(gpus)
    except ModelError:
        assert gpus > cluster.max_gpus
        return None
    return wiring, count(wiring)


@settings(max_examples=60, deadline=None)
@given(fabric=fabrics, gpus=st.integers(1, 600))
def test_no_switch_has_more_cables_than_ports(fabric, gpus, one_nic_hosts, count):
    made = switches_of(one_nic_hosts, fabric, gpus, count)
    if made:
        wiring, counts = made
        switches = wiring.of_kind("leaf", "spine", "core")
        assert counts.degree[switches].max() <= fabric["radix"]
        ports = fabric["nic_ports"]
        assert set(counts.degree[wiring.of_kind("nic")]) == {1 + ports}  # its GPU and its leaves
        assert counts.cables["host-leaf"] == fabric["nics"] * ports * gpus


@settings(max_examples=40, deadline=None)
@given(fabric=fabrics, gpus=st.integers(1, 300), more=st.integers(1, 100))
def test_a_larger_cluster_never_needs_fewer_parts(fabric, gpus, more, one_nic_hosts, count):
    small = switches_of(one_nic_hosts, fabric, gpus, count)
    large = switches_of(one_nic_hosts, fabric, gpus + more, count)
    if small and large:
        assert large[1].switches >= small[1].switches
        assert sum(large[1].cables.values()) > sum(small[1].cables.values())


@settings(max_examples=25, deadline=None)
@given(fabric=fabrics, gpus=st.integers(1, 120))
def test_every_gpu_reaches_every_other(fabric, gpus, one_nic_hosts, count):
    made = switches_of(one_nic_hosts, fabric, gpus, count)
    if made:
        graph = to_networkx(made[0])
        check_graph(graph)
        gpu = [n for n, kind in graph.nodes(data="kind") if kind == "gpu"]
        joined = nx.node_connected_component(graph, gpu[0])
        assert set(gpu) <= joined


@settings(max_examples=25, deadline=None)
@given(fabric=fabrics, gpus=st.integers(2, 400))
def test_spines_of_a_plane_carry_equal_loads(fabric, gpus, one_nic_hosts, count):
    """Cables of a leaf spread evenly: every leaf has the same number to each spine it reaches."""
    made = switches_of(one_nic_hosts, fabric, gpus, count)
    if made:
        for group in made[0].cables:
            if group.tier in ("leaf-spine", "spine-core"):
                assert np.ndim(group.cables) == 0
                pairs = set(zip(group.a.tolist(), group.b.tolist(), strict=True))
                assert len(pairs) == len(group.a)


def test_multi_plane_grows_a_third_tier_and_says_so(count):
    cluster = load_cluster("deepseek-h800-mpft")
    assert count(cluster.wiring(16_384)).nodes["core"] == 0
    grown = count(cluster.wiring(65_536))
    assert grown.nodes["core"] == 8 * 128
    assert grown.cables["spine-core"] == grown.cables["leaf-spine"] == 65_536
    assert cluster.notes(2_048) == ()
    assert "3 tiers of switches, since the published 2 end before" in cluster.notes(65_536)[-1]


def test_a_design_that_may_not_grow_says_where_it_ends():
    cluster = load_cluster("deepseek-h800-mpft", ["fabric.max_tiers=2"])
    assert cluster.max_gpus == 16_384
    with pytest.raises(ModelError, match="20,000 GPUs asked for, this design ends at 16,384"):
        cluster.wiring(20_000)


def test_planes_never_meet_outside_the_hosts():
    graph = load_cluster("deepseek-h800-mpft").graph(1024)
    fabric = graph.subgraph(n for n, k in graph.nodes(data="kind") if k in ("nic", "leaf", "spine"))
    planes = list(nx.connected_components(fabric))
    assert len(planes) == 8
    for plane in planes:
        marks = {graph.nodes[n].get("plane") for n in plane if graph.nodes[n]["kind"] != "nic"}
        rails = {graph.nodes[n]["rail"] for n in plane if graph.nodes[n]["kind"] == "nic"}
        assert marks == rails
        assert len(marks) == 1


def test_rail_r_of_a_unit_meets_on_one_leaf():
    graph = load_cluster("dgx-superpod-h100").graph(512)
    for node, data in graph.nodes(data=True):
        if data["kind"] == "nic":
            (leaf,) = (n for n in graph[node] if graph.nodes[n]["kind"] == "leaf")
            assert graph.nodes[leaf]["rail"] == data["rail"]
            assert graph.nodes[leaf]["pod"] == data["node"] // 32


def test_more_cables_than_ports_are_refused():
    with pytest.raises(InputError, match="60 cables down and 20 up need 80 of 64 ports"):
        load_cluster("dgx-superpod-h100", ["fabric.leaf.down=60", "fabric.leaf.up=20"])


def test_a_fabric_without_any_port_count_is_refused(one_nic_hosts):
    with pytest.raises(InputError, match="nothing says how many ports a leaf switch has"):
        one_nic_hosts(8, family="fat-tree")


@settings(max_examples=25, deadline=None)
@given(fabric=fabrics, ratio=st.sampled_from([1, 2, 3, 7]), gpus=st.integers(1, 40))
def test_no_host_bridges_two_leaves_of_a_fat_tree(fabric, ratio, gpus, one_nic_hosts):
    """Else its NVLink would bypass the spines, and leaves would be no tier."""
    fabric |= {"family": "fat-tree", "radix": 64, "oversubscription": ratio, "nics": 8}
    fabric |= {"nic_ports": 1}
    graph = one_nic_hosts(1, **fabric).graph(gpus)
    leaf_of = {}
    for node, data in graph.nodes(data=True):
        if data["kind"] == "nic":
            (leaf,) = (n for n in graph[node] if graph.nodes[n]["kind"] == "leaf")
            assert leaf_of.setdefault(data["node"], leaf) == leaf


def test_whole_hosts_keep_the_ratio(count):
    made = count(load_cluster("fat-tree-64", ["fabric.oversubscription=2"]).wiring(400))
    assert (made.cables["host-leaf"], made.cables["leaf-spine"]) == (400, 200)
