"""Schedules timed by flow: the same bytes on the same links as the contention rung, and shared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.graph import from_networkx
from netmodel.network import link_loads, maxmin_rates, traffic
from netmodel.network.arrays import compile_network
from netmodel.network.legs import connections
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule
from netmodel.network.schedule import arrivals, flow_time

from .conftest import GB, leaf_spine, mesh, pcie_box, three_tier, torus

FABRICS = {
    "leaf-spine": leaf_spine,
    "rails": lambda: leaf_spine(rail=True),
    "two NICs for four GPUs": lambda: leaf_spine(nics=2),
    "oversubscribed": lambda: leaf_spine(up=100 * GB),
    "three tiers": three_tier,
    "mesh": mesh,
    "PCIe": pcie_box,
    "torus": torus,
}
WAYS = {
    name: Ways(compile_network(wiring if name == "torus" else from_networkx(wiring)))
    for name, wiring in ((name, make()) for name, make in FABRICS.items())
}


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(FABRICS)), st.data())
def test_flows_put_the_same_bytes_on_every_link_as_the_contention_rung(name, data):
    ways = WAYS[name]
    policy = data.draw(st.sampled_from(["adaptive", "minimal", "ecmp", "static"]))
    rank = st.integers(0, len(ways.network.gpus) - 1)
    sent = data.draw(st.lists(st.tuples(rank, rank), min_size=1, max_size=8))
    source, target = np.array(sent).T
    flows = traffic.flows(source, target, 8.0)
    made = connections(ways, flows.source, flows.target, Rule(policy=policy, qps=2))
    moved = np.repeat(flows.size[made.message] * made.share, np.diff(made.first)) * made.parts
    found = np.bincount(made.links, moved, ways.network.n_links)
    assert found == pytest.approx(link_loads(ways, flows, policy=policy, qps=2).bytes, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(FABRICS)), st.integers(0, 9), st.sampled_from(["adaptive", "ecmp"]))
def test_no_flow_is_quicker_than_its_busiest_link(name, seed, policy):
    """Contention is a lower bound of flow, latency aside: sharing may leave links idle later."""
    ways = WAYS[name]
    ranks = np.arange(len(ways.network.gpus))
    sent = traffic.permutation(ranks, 1e9, np.random.default_rng(seed))
    loads = link_loads(ways, sent, policy=policy)
    assert flow_time(ways, [sent], policy=policy) >= loads.time * (1 - 1e-9)


@pytest.mark.parametrize("name", ["leaf-spine", "rails", "three tiers", "mesh", "oversubscribed"])
@pytest.mark.parametrize("pattern", ["all_to_all", "ring"])
def test_flow_and_contention_agree_where_traffic_is_symmetric(name, pattern):
    ways = WAYS[name]
    sent = getattr(traffic, pattern)(np.arange(len(ways.network.gpus)), 1e10)
    assert flow_time(ways, [sent]) == pytest.approx(link_loads(ways, sent).time, rel=0.01)


def test_steps_add_up_and_each_pays_its_latency():
    ways = WAYS["mesh"]
    step = traffic.ring(np.arange(8), 64e6)
    assert flow_time(ways, [step] * 14) == pytest.approx(14 * (1e-6 + 64e6 / 64e9), rel=1e-9)


def test_half_the_uplinks_double_the_time_between_leaves():
    """Each of 16 ranks under one leaf sends to its like under the other; up is 2 x 100 GB/s."""
    sent = traffic.flows(np.arange(16), np.arange(16) + 16, 1e9)
    full, half = flow_time(WAYS["leaf-spine"], [sent]), flow_time(WAYS["oversubscribed"], [sent])
    assert full == pytest.approx(1e9 / 50e9, rel=1e-3)
    assert half == pytest.approx(16e9 / 200e9, rel=1e-3)


def test_one_path_each_collides_where_spraying_does_not():
    """Eight of sixteen hosts of a fat tree with one NIC send to the other eight."""
    sent = traffic.permutation(np.arange(16), 1e9, np.random.default_rng(3))
    spread = flow_time(WAYS["three tiers"], [sent])
    assert spread == pytest.approx(1e9 / 50e9, rel=1e-3)
    assert flow_time(WAYS["three tiers"], [sent], policy="ecmp") >= 2 * spread * (1 - 1e-3)


def test_hashing_a_permutation_of_1024_hosts_leaves_about_four_tenths_of_line_rate():
    """Full bisection is not enough: single paths of ECMP collide, spraying restores every rate."""
    ways = Ways(compile_network(from_networkx(three_tier(16))))
    sent = traffic.permutation(np.arange(1024), 1e9, np.random.default_rng(0))

    def mean_rate(policy):
        made = connections(ways, sent.source, sent.target, Rule(policy=policy))
        rates = maxmin_rates(ways.network.capacity, made.first, made.links, parts=made.parts)
        return rates.mean()

    assert mean_rate("ecmp") == pytest.approx(0.4 * 50e9, rel=0.1)
    assert mean_rate("adaptive") == pytest.approx(50e9, rel=1e-9)


def test_a_message_to_a_neighbour_arrives_sooner_than_one_that_shares():
    sent = traffic.flows([0, 1, 2], [4, 4, 3], 64e6)
    ends = arrivals(WAYS["mesh"], sent, Rule())
    assert ends == pytest.approx(np.full(3, 1e-6 + 1e-3), rel=1e-9)


def test_nothing_sent_takes_no_time():
    assert flow_time(WAYS["mesh"], [traffic.ring(np.arange(1), 1e9)]) == 0.0
    assert flow_time(WAYS["mesh"], []) == 0.0


def test_an_unknown_policy_and_a_cut_fabric_are_refused():
    with pytest.raises(InputError):
        flow_time(WAYS["mesh"], [], policy="luck")
    made = leaf_spine()
    made.remove_nodes_from(["spine-0", "spine-1"])
    sent = traffic.flows([0], [31], 1.0)
    with pytest.raises(ModelError):
        flow_time(compile_network(from_networkx(made)), [sent])
