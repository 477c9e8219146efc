"""One flow followed for all that nothing tells apart: the same ends, far fewer flows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.graph import from_networkx
from netmodel.network import faults, traffic
from netmodel.network.alike import classes
from netmodel.network.arrays import compile_network
from netmodel.network.flows import simulate_flows
from netmodel.network.legs import connections, in_rows, legs_between
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule

from .conftest import GB, dragonfly, leaf_spine, mesh, pcie_box, three_tier, torus

WIRINGS = {
    "leaf-spine": from_networkx(leaf_spine()),
    "rails": from_networkx(leaf_spine(rail=True)),
    "two NICs for four GPUs": from_networkx(leaf_spine(nics=2)),
    "oversubscribed": from_networkx(leaf_spine(up=100 * GB)),
    "three tiers": from_networkx(three_tier()),
    "mesh": from_networkx(mesh()),
    "PCIe": from_networkx(pcie_box()),
    "dragonfly": from_networkx(dragonfly(p=1, a=2, h=1, groups=3)),
    "torus": torus((4, 4)),
}
HURT = {
    "rails": ("n0-nic1 at 50%", "leaf-0-2:spine-1", "n5-nic3"),
    "oversubscribed": ("leaf-0-0:spine-0", "n3-nic0 at 20%"),
    "three tiers": ("spine-3:core-2", "leaf-1:spine-1 at 30%"),
    "torus": ("chip1-1:chip1-2", "chip0-0:chip0-1 at 50%"),
}
WAYS = {name: Ways(compile_network(wiring)) for name, wiring in WIRINGS.items()} | {
    f"{name}, hurt": Ways(compile_network(faults.apply(WIRINGS[name], broken)))
    for name, broken in HURT.items()
}
POLICIES = ["adaptive", "minimal", "ecmp", "static"]
NAMES = sorted(WAYS)


def one_by_one(ways, sent, rule):
    """Ends of all flows, each followed with its own links [s]."""
    made, network = connections(ways, sent.source, sent.target, rule), ways.network
    size = sent.size[made.message] * made.share
    columns = (network.capacity, network.latency, made.first, made.links, size, 0.0)
    return simulate_flows(*columns, parts=made.parts)


def by_class(ways, sent, rule):
    """The same, and the classes, of which one flow is followed each."""
    found = legs_between(ways, sent.source, sent.target, rule)
    size = sent.size[found.message] * found.share
    made = classes(ways.network.capacity, ways.network.latency, found, size)
    return made.ends()[made.member], made


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(POLICIES), st.integers(0, 99), st.data())
def test_ends_are_those_of_flows_followed_one_by_one(name, policy, seed, data):
    ways, rule = WAYS[name], Rule(policy=policy, seed=seed, qps=data.draw(st.integers(1, 2)))
    ranks = np.arange(len(ways.network.gpus))
    patterns = {
        "all-to-all": lambda: traffic.all_to_all(ranks, 1e9).listed(),
        "groups": lambda: traffic.all_to_all(traffic.sister_groups(len(ranks), 4, 2), 1e9).listed(),
        "ring": lambda: traffic.ring(ranks, 1e9),
        "permutation": lambda: traffic.permutation(ranks, 1e9, np.random.default_rng(seed)),
        "two sizes": lambda: traffic.ring(ranks, 1e9) + traffic.ring(ranks[::-1], 3e9),
    }
    kinds = sorted(patterns) if name != "dragonfly" else ["all-to-all", "ring", "permutation"]
    sent = patterns[data.draw(st.sampled_from(kinds))]()
    ends, found = by_class(ways, sent, rule)
    assert ends == pytest.approx(one_by_one(ways, sent, rule), rel=1e-9)
    assert found.weight.sum() == len(ends)


@pytest.mark.parametrize("name", ["leaf-spine", "rails", "three tiers", "torus"])
def test_an_all_to_all_of_a_symmetric_fabric_is_a_few_flows(name):
    """As many as there are distances at which ranks lie from each other, or ways between them."""
    ways = WAYS[name]
    sent = traffic.all_to_all(np.arange(len(ways.network.gpus)), 1e9).listed()
    _, found = by_class(ways, sent, Rule())
    assert len(found.weight) <= 5
    assert len(found.member) == len(sent.size)


def test_one_slow_cable_tells_flows_apart():
    sent = traffic.all_to_all(np.arange(16), 1e9).listed()
    whole, hurt = (by_class(WAYS[name], sent, Rule())[1] for name in ("torus", "torus, hurt"))
    assert len(hurt.weight) > 4 * len(whole.weight)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMES)
def test_legs_of_groups_are_those_of_single_pairs(name, policy, monkeypatch):
    """What ports cabled alike have in common is listed once, with each port's own cables."""
    ways, rule = WAYS[name], Rule(policy=policy)
    sent = traffic.all_to_all(np.arange(len(ways.network.gpus)), 1.0).listed()
    shared = connections(ways, sent.source, sent.target, rule)
    for stage in (ways.up, ways.host, ways.out):
        monkeypatch.setitem(stage.__dict__, "joins_endpoints", True)
    single = connections(ways, sent.source, sent.target, rule)
    assert shared.message.tolist() == single.message.tolist()
    assert shared.first.tolist() == single.first.tolist()
    assert shared.links.tolist() == single.links.tolist()
    assert shared.parts == pytest.approx(single.parts, rel=1e-12)


def test_432_hosts_exchange_over_few_legs():
    """186,192 messages: each pair of leaves once, and each host's own cables for each leaf."""
    ways = Ways(compile_network(from_networkx(three_tier(12))))
    hosts, leaves = 432, 72
    sent = traffic.all_to_all(np.arange(hosts), 1e9).listed()
    found = legs_between(ways, sent.source, sent.target, Rule())
    assert len(found.message) == hosts * (hosts - 1)
    assert found.count == leaves * leaves + 2 * hosts * leaves + 2 * hosts
    made = classes(ways.network.capacity, ways.network.latency, found, sent.size)
    assert len(made.weight) == 3  # below one leaf, in one pod, across the core
    ends = made.ends().max()
    assert ends == pytest.approx((hosts - 1) / hosts * 1e9 / (50 * GB), rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True), max_size=9),
    st.data(),
)
def test_rows_of_any_links_end_as_simulated_one_by_one(routes, data):
    """Nothing about fabrics: links, sizes and copies of flows drawn at random."""
    routes = [route for route in routes for _ in range(data.draw(st.integers(1, 3)))]
    capacity = np.array(data.draw(st.lists(st.sampled_from([4.0, 10.0]), min_size=6, max_size=6)))
    latency = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.5]), min_size=6, max_size=6)))
    drawn = st.lists(st.sampled_from([1.0, 20.0]), min_size=len(routes), max_size=len(routes))
    size = np.array(data.draw(drawn))
    first = np.cumsum([0, *(len(route) for route in routes)])
    links = np.array([link for route in routes for link in route], int)
    made = classes(capacity, latency, in_rows(first, links, np.ones(len(links))), size)
    expected = simulate_flows(capacity, latency, first, links, size, 0.0)
    assert made.ends()[made.member] == pytest.approx(expected, rel=1e-9)
