"""Faults: what a pattern hits, that routes heal, and that it never gets faster."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.graph import Block, Cables, Wiring, from_networkx, to_networkx
from netmodel.network import compile_network, faults, link_loads, tiers
from netmodel.network import traffic as patterns
from netmodel.network.ports import Ways

from .conftest import leaf_spine, three_tier

GB = 1e9


@pytest.fixture(scope="module")
def rails(fabric):
    """32 GPUs on 8 leaves and 2 spines."""
    return fabric.wire(fabric.leaf_spine(8, 4, 2, rail=True))


def edges(wiring):
    return sum(len(group.a) for group in wiring.cables)


def all_to_all_time(wiring, policy="adaptive"):
    network = compile_network(wiring)
    return link_loads(
        network, patterns.all_to_all(np.arange(len(network.gpus)), 1e9), policy=policy
    ).time


@pytest.mark.parametrize(
    ("pattern", "nodes", "cables"),
    [
        ("leaf-0-3:spine-1", 0, 1),
        ("spine-1:leaf-0-3", 0, 1),
        ("leaf-0-*:spine-*", 0, 8),
        ("spine-0", 1, 8),
        ("n3-nic?", 4, 8),
        ("rail=2", 8, 16),
        ("random leaf-spine 25% seed 1", 0, 4),
        ("random cables 3", 0, 3),
        ("random nics 25% seed 5", 8, 16),
        ("random leaves 1", 1, 6),
        ("n0-gpu1", 1, 2),
    ],
)
def test_a_pattern_takes_what_it_names(pattern, nodes, cables, rails):
    left = faults.apply(rails, pattern)
    assert rails.n_nodes - left.n_nodes == nodes
    assert edges(rails) - edges(left) == cables


def test_the_sound_fabric_is_never_touched(rails, fabric):
    before = to_networkx(rails)
    faults.apply(rails, ["spine-0 at 50%", "n0-gpu0", "random cables 10% seed 2"])
    after = to_networkx(rails)
    assert dict(before.nodes(data=True)) == dict(after.nodes(data=True))
    assert list(before.edges(data=True)) == list(after.edges(data=True))


def test_names_and_cables_stay_with_their_nodes(rails):
    graph, left = to_networkx(rails), to_networkx(faults.apply(rails, ["spine-0", "n2-gpu1"]))
    assert set(graph) - set(left) == {"spine-0", "n2-gpu1"}
    for a, b, data in left.edges(data=True):
        assert graph.edges[a, b] == data
    assert [left.nodes[n] for n in left] == [graph.nodes[n] for n in left]


def test_a_dead_host_leaves_the_job_and_its_ranks_close_up(rails):
    left = faults.apply(rails, "node=3")
    assert len(left.gpus) == 28
    assert left.names(left.gpus[12:14]) == ["n4-gpu0", "n4-gpu1"]
    assert tiers(left).unit == (4, 16, 28)


def test_the_same_seed_breaks_the_same_cables(rails):
    def broken(seed):
        left = faults.apply(rails, f"random cables 20% seed {seed}")
        return frozenset(to_networkx(left).edges)

    assert broken(1) == broken(1)
    assert broken(1) != broken(2)


def test_slower_cables_keep_running_at_their_part(rails):
    left = to_networkx(faults.apply(rails, ["leaf-0-0:spine-0 at 25%", "n0-nic0 at 50%"]))
    assert left.edges["leaf-0-0", "spine-0"]["bandwidth"] == pytest.approx(25 * GB)
    assert left.edges["n0-nic0", "leaf-0-0"]["bandwidth"] == pytest.approx(25 * GB)
    assert left.edges["leaf-0-0", "spine-1"]["bandwidth"] == pytest.approx(100 * GB)


def bundle(cables=4):
    """Two GPUs joined by one bundle."""
    return Wiring(
        name="pair",
        blocks=(Block(kind="gpu", shape=(2,), label="gpu{0}"),),
        cables=(
            Cables(
                a=np.array([0]),
                b=np.array([1]),
                bandwidth=100.0,
                latency=0.0,
                cables=cables,
                link="x",
                tier="leaf-spine",
            ),
        ),
    )


def test_one_cable_of_a_bundle_takes_its_part():
    left = faults.apply(bundle(), "1 of gpu0:gpu1").cables[0]
    assert (left.bandwidth.tolist(), left.cables.tolist()) == ([75.0], [3])
    left = faults.apply(bundle(), "1 of gpu0:gpu1 at 20%").cables[0]
    assert (left.bandwidth.tolist(), left.cables.tolist()) == ([80.0], [4])
    left = faults.apply(bundle(), "random leaf-spine 50% seed 3").cables[0]
    assert (left.bandwidth.tolist(), left.cables.tolist()) == ([50.0], [2])
    assert not len(faults.apply(bundle(), "4 of gpu*:gpu*").cables[0].a)


def test_routes_heal_around_a_dead_spine(rails):
    left = faults.apply(rails, "spine-0")
    assert all_to_all_time(left) == pytest.approx(16 / 32 * 1e9 / (25 * GB))


def test_a_host_whose_nic_died_shares_those_it_has(rails):
    """Four GPUs on three NICs, and the neighbour on the same PCIe switch carries two."""
    assert all_to_all_time(faults.apply(rails, "n0-nic1")) > 1.5 * all_to_all_time(rails)


def test_a_cut_says_who_lost_whom(rails):
    left = faults.apply(rails, "leaf-1-*:spine-*")
    with pytest.raises(ModelError, match=r"no way from n\d-nic\d to n\d-nic\d"):
        all_to_all_time(left)
    with pytest.raises(ModelError, match="n4-gpu0 and 15 other GPUs cannot reach n0-gpu0"):
        tiers(left)
    with pytest.raises(ModelError, match="n5-gpu0 and 3 other GPUs reach no NIC"):
        all_to_all_time(faults.apply(rails, "n5-nic*"))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 3))
def test_one_more_failed_cable_never_makes_it_faster(rails, seed, count):
    """By the best routes; adaptive ones, which see one hop ahead, never beat the sound fabric."""
    rng = np.random.default_rng(seed)
    graph = to_networkx(rails)
    uplinks = [e for e in graph.edges if graph.edges[e]["tier"] == "leaf-spine"]
    order = [f"{a}:{b}" for a, b in rng.permutation(np.array(uplinks))][: count + 1]
    best = [time_or_cut(faults.apply(rails, broken), "optimal") for broken in (order[:-1], order)]
    assert best[1] >= best[0] * (1 - 1e-6)
    sound, spread = all_to_all_time(rails), time_or_cut(faults.apply(rails, order), "adaptive")
    assert spread >= max(sound, best[1]) * (1 - 1e-6)


def time_or_cut(wiring, policy):
    """Time, infinite where some have lost each other."""
    try:
        return all_to_all_time(wiring, policy)
    except ModelError:
        return np.inf


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("leaf-9-9", "no node is named 'leaf-9-9'. Did you mean"),
        ("leaf-0-0:leaf-0-1", "no cable joins leaf-0-0 and leaf-0-1"),
        ("plane=7", "no plane is named '7'"),
        ("rail=9", "Known: 0, 1, 2, 3"),
        ("leaf-* at 0%", "leaves 0 % of the bandwidth"),
        ("random cables", "cannot read the fault"),
        ("random hoses 5%", "no kind of cable or node is named 'hoses'"),
        ("random spines 50", "50 is more than the 2 there are"),
        ("xyz*", "no node's name fits 'xyz*'"),
        ("kill them all", "cannot read the fault 'kill them all'"),
        ("", "cannot read the fault ''"),
    ],
)
def test_what_names_nothing_is_refused(pattern, says, rails):
    with pytest.raises(InputError) as caught:
        faults.apply(rails, pattern)
    assert says in str(caught.value)


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(["rails", "leaf-spine", "three tiers"]),
    broken=st.lists(
        st.sampled_from(
            [
                "random leaf-spine 1 seed 3",
                "random nics 1 seed 5",
                "random leaf-spine 2 seed 4 at 50%",
                "random host-leaf 1 seed 8",
                "random spines 1 seed 2",
            ]
        ),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)
def test_faults_between_hosts_load_the_compiled_fabric_as_a_new_one(name, broken):
    """Broken cables join nothing, and what is left of the others carries the same."""
    made = {"rails": leaf_spine(rail=True), "leaf-spine": leaf_spine(), "three tiers": three_tier()}
    wiring = from_networkx(made[name])
    sound = Ways(compile_network(wiring))
    sent = patterns.all_to_all(np.arange(len(wiring.gpus)), 1e9)
    sent += patterns.ring(np.arange(len(wiring.gpus)), 1e9)
    hurt = sound.on(faults.on_links(sound.network, broken))
    anew = Ways(compile_network(faults.apply(wiring, broken)))
    found, expected = outcome(hurt, sent), outcome(anew, sent)
    assert found.keys() == expected.keys()
    assert [*found.values()] == pytest.approx([*expected.values()], rel=1e-9)
    assert hurt.up is sound.up


def outcome(ways, sent):
    """Time of every loaded link by name, or who lost whom."""
    try:
        loads = link_loads(ways, sent)
    except ModelError as cut:
        return {cut.found: 0.0}
    used = np.flatnonzero(loads.bytes)
    return dict(zip(ways.network.link_names(used), loads.times[used], strict=True))


def test_faults_inside_a_host_need_another_fabric():
    network = compile_network(from_networkx(leaf_spine()))
    for pattern in (
        "n0-gpu1",
        "n0-nic1 at 25%",
        "n0-nvs",
        "n1-pcie0:n1-nic0",
        "n0-gpu0:n0-nvs at 50%",
    ):
        assert faults.on_links(network, [pattern]) is None
