"""Fat trees: the sizing tables of the field, counted on generated graphs."""

import networkx as nx
import numpy as np
import pytest
from netmodel.graph import check_graph, to_networkx

FT2 = {  # radix: hosts, switches, cables between switches
    4: (8, 6, 8),
    8: (32, 12, 32),
    16: (128, 24, 128),
    32: (512, 48, 512),
    40: (800, 60, 800),
    64: (2048, 96, 2048),
    128: (8192, 192, 8192),
    144: (10368, 216, 10368),
}
FT3 = {
    4: (16, 20, 32),
    8: (128, 80, 256),
    16: (1024, 320, 2048),
    32: (8192, 1280, 16384),
    40: (16000, 2000, 32000),
    64: (65536, 5120, 131072),
    128: (524288, 20480, 1048576),
    144: (746496, 25920, 1492992),
}


@pytest.mark.parametrize("radix", FT2)
def test_two_tiers_of_any_radix(radix, count, one_nic_hosts):
    hosts, switches, cables = FT2[radix]
    cluster = one_nic_hosts(hosts, family="fat-tree", radix=radix, tiers=2)
    made = count(cluster.wiring())
    assert (made.switches, made.between_switches) == (switches, cables)
    assert made.cables["host-leaf"] == hosts
    assert cluster.max_gpus == hosts


@pytest.mark.parametrize("radix", FT3)
def test_three_tiers_of_any_radix(radix, count, one_nic_hosts):
    hosts, switches, cables = FT3[radix]
    cluster = one_nic_hosts(hosts, family="fat-tree", radix=radix, tiers=3)
    made = count(cluster.wiring())
    assert (made.switches, made.between_switches) == (switches, cables)
    assert made.cables["leaf-spine"] == made.cables["spine-core"] == hosts
    assert cluster.max_gpus == hosts


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(("radix", "planes"), [(8, 2), (8, 4), (16, 2), (16, 8), (64, 2)])
def test_planes_are_so_many_two_tier_trees(radix, planes, split, count, one_nic_hosts):
    """P R^2/2 ports: as many NICs of one port, or a P-th of them where a NIC has one a plane."""
    hosts, switches, cables = FT2[radix]
    nics, ports = (1, planes) if split else (planes, 1)
    cluster = one_nic_hosts(
        hosts, family="multi-plane", radix=radix, planes=planes, nics=nics, nic_ports=ports
    )
    made = count(cluster.wiring())
    assert (made.switches, made.between_switches) == (planes * switches, planes * cables)
    assert made.cables["host-leaf"] == planes * hosts
    assert made.nodes["nic"] == nics * hosts


def test_one_switch_holds_as_many_hosts_as_it_has_ports(count, one_nic_hosts):
    made = count(one_nic_hosts(64, family="fat-tree", radix=64).wiring())
    assert (made.switches, made.between_switches) == (1, 0)
    assert count(one_nic_hosts(65, family="fat-tree", radix=64).wiring()).switches > 1


@pytest.mark.parametrize(("tiers", "hops"), [(2, 2), (3, 4)])
def test_diameter_is_three_or_five_switches(tiers, hops, diameter, one_nic_hosts):
    hosts = {2: 32, 3: 128}[tiers]
    wiring = one_nic_hosts(hosts, family="fat-tree", radix=8, tiers=tiers).wiring()
    assert diameter(wiring) == hops


@pytest.mark.parametrize(("radix", "tiers"), [(4, 2), (8, 2), (16, 2), (4, 3), (8, 3)])
def test_any_half_of_the_hosts_reaches_the_other_at_full_rate(radix, tiers, one_nic_hosts):
    """Bisection of a full fat tree is hosts / 2 cables: a maximum flow finds them."""
    hosts = (FT2 if tiers == 2 else FT3)[radix][0]
    graph = to_networkx(one_nic_hosts(hosts, family="fat-tree", radix=radix, tiers=tiers).wiring())
    check_graph(graph)
    rng = np.random.default_rng(radix)
    gpus = [n for n, kind in graph.nodes(data="kind") if kind == "gpu"]
    half = set(rng.permutation(gpus)[: hosts // 2])
    for gpu in gpus:
        graph.add_edge("left" if gpu in half else "right", gpu, cables=1)
    assert nx.maximum_flow_value(graph, "left", "right", capacity="cables") == hosts / 2


@pytest.mark.parametrize(
    ("ratio", "down", "up"), [(1, 32, 32), (3, 48, 16), (7, 56, 8), (2, 42, 21)]
)
def test_oversubscription_splits_the_ports_of_a_leaf(ratio, down, up, count, one_nic_hosts):
    wiring = one_nic_hosts(
        down * 8, family="fat-tree", radix=64, tiers=2, oversubscription=ratio
    ).wiring()
    made = count(wiring)
    assert made.nodes["leaf"] == 8
    assert made.cables["leaf-spine"] == 8 * up
    leaves = wiring.of_kind("leaf")
    assert set(made.degree[leaves]) == {down + up}


def test_oversubscription_can_differ_by_tier(count, one_nic_hosts):
    wiring = one_nic_hosts(
        48 * 48 * 2, family="fat-tree", radix=64, tiers=3, oversubscription=[3, "3:1"]
    ).wiring()
    made = count(wiring)
    assert made.nodes["leaf"] == 96
    assert made.cables["leaf-spine"] == 96 * 16
    assert made.cables["spine-core"] == 2 * 16 * 16  # two pods of 16 spines with 16 uplinks
