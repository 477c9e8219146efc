"""Closed form, most loaded link and fluid flows say the same where fabrics are symmetric."""

import networkx as nx
import numpy as np
import pytest
from netmodel.network import (
    Ways,
    compile_network,
    flow_time,
    link_loads,
    tiers,
)
from netmodel.network import traffic as patterns
from netmodel.topology import load_cluster

GB = 1e9
MiB = 2**20


def star(fabric, hosts, per_leaf, up=None):
    """Hosts of one used GPU with a 50 GB/s NIC each; ``up`` is the rate of a leaf's uplink."""
    graph = fabric.leaf_spine(hosts, per_leaf, 1, gpus=2, nics=2, pcie=400 * GB, up=up)
    for host in range(hosts):  # one NIC a host is used; uplinks are sized for one
        graph.remove_node(f"n{host}-nic1")
        graph.remove_node(f"n{host}-gpu1")
    return Ways(compile_network(graph))


@pytest.mark.parametrize("ranks", [4, 8, 16, 64])
def test_rungs_agree_on_one_switch(ranks, fabric):
    ways = star(fabric, ranks, ranks)
    found = tiers(ways.network.wiring)
    size = 64 * MiB
    for sent, bytes_out in (
        (patterns.all_to_all(np.arange(ranks), size), size * (ranks - 1) / ranks),
        (patterns.ring(np.arange(ranks), size), size),
        (patterns.permutation(np.arange(ranks), size, np.random.default_rng(0)), size),
    ):
        closed = bytes_out / found.bandwidth[-1]
        assert link_loads(ways, sent).time == pytest.approx(closed, rel=0.01)
        assert flow_time(ways, [sent]) == pytest.approx(closed, rel=0.01)


def test_a_ring_all_reduce_of_eight_ranks(fabric):
    """64 MiB at 50 GB/s and 500 ns a link: 14 steps of 8 MiB over two links are 2.36 ms."""
    graph = nx.Graph(name="crossbar")
    for rank in range(8):
        graph.add_node(f"gpu{rank}", kind="gpu")
    graph.add_node("switch", kind="leaf")
    for rank in range(8):
        fabric.join(graph, f"gpu{rank}", "switch", "host-leaf", 50 * GB, 500e-9)
    network, step = compile_network(graph), patterns.ring(np.arange(8), 8 * MiB)
    assert flow_time(network, [step] * 14) == pytest.approx(2.36e-3, rel=0.01)
    closed = tiers(network.wiring)
    assert link_loads(network, step).time == pytest.approx(8 * MiB / closed.bandwidth[0])
    assert closed.latency == (2 * 500e-9,)


def test_all_to_all_of_sixty_four_ranks_crossbar_and_four_to_one_tree(fabric):
    """1.32 ms on a crossbar; eight a leaf and a quarter of the uplinks: 4.70 ms."""
    sent = patterns.all_to_all(np.arange(64), 64 * MiB)
    for ways, expected in (
        (star(fabric, 64, 64), 1.32e-3),
        (star(fabric, 64, 8, up=8 * 50 * GB / 4), 4.70e-3),
    ):
        assert link_loads(ways, sent).time == pytest.approx(expected, rel=0.01)
        assert flow_time(ways, [sent]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("ratio", [2, 4])
def test_rungs_agree_on_the_price_of_oversubscription(ratio, fabric):
    full, thin = (star(fabric, 32, 8, up=8 * 50 * GB / r) for r in (1, ratio))
    far = patterns.flows(np.arange(32), (np.arange(32) + 8) % 32, 1e9)
    for time in (lambda w: link_loads(w, far).time, lambda w: flow_time(w, [far])):
        assert time(thin) / time(full) == pytest.approx(ratio, rel=1e-3)
    closed = tiers(full.network.wiring).bandwidth[-1] / tiers(thin.network.wiring).bandwidth[-1]
    assert closed == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("gpus", [256, 1024, 2048])
@pytest.mark.parametrize("name", ["deepseek-h800-mpft", "dgx-superpod-h100", "reference"])
def test_closed_form_and_graph_agree_on_published_clusters(name, gpus):
    """All ranks send evenly to all: what leaves a host bounds it, and all tiers let it through."""
    cluster = load_cluster(name)
    wiring = cluster.wiring(min(gpus, cluster.max_gpus or gpus))
    ranks, found = len(wiring.gpus), tiers(wiring)
    time = link_loads(compile_network(wiring), patterns.all_to_all(np.arange(ranks), 1e9)).time
    beyond = [(ranks - unit) / ranks * 1e9 for unit in (1, *found.unit[:-1])]
    closed = max(b / r for b, r in zip(beyond, found.uniform_bandwidth, strict=True))
    assert time == pytest.approx(closed, rel=0.01)


@pytest.mark.parametrize("ep", [16, 64, 128])
def test_deepseek_planes_carry_its_all_to_all_like_rails(ep):
    """arXiv:2505.09343 figure 5: equal within 1.5 %; all groups of the job at once."""
    groups = patterns.sister_groups(2048, ep)
    times = [
        link_loads(compile_network(load_cluster(name).wiring(2048)), sent).time
        for name in ("deepseek-h800-mpft", "deepseek-h800-mrft")
        for sent in (patterns.all_to_all(groups, 1e9),)
    ]
    assert times[0] == pytest.approx(times[1], rel=1e-9)


def test_rail_only_pays_for_forwarding():
    """arXiv:2307.12169 section 5: all-to-all +8.2 to +11.2 % against a full fat tree.

    What goes to another rail crosses NVLink first, and the network then.
    """
    sent = patterns.all_to_all(np.arange(512), 1e9)
    rail_only, fat_tree = (
        link_loads(compile_network(load_cluster(name).wiring(512)), sent)
        for name in ("rail-only", "reference")
    )
    assert 1.082 <= rail_only.stepwise_time / fat_tree.stepwise_time <= 1.112
    assert rail_only.time == pytest.approx(fat_tree.time, rel=1e-9)
