"""Link loads: conservation, closed bounds, symmetry, and what oversubscription costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.network import Traffic, Ways, compile_network, connections, link_loads, routes
from netmodel.network import traffic as patterns
from netmodel.network.routing import Rule
from scipy import stats

GB = 1e9


def divergence(loads):
    """Bytes out less bytes in, at every node."""
    network = loads.network
    out = np.bincount(network.source, loads.bytes, network.n_nodes)
    return out - np.bincount(network.target, loads.bytes, network.n_nodes)


def balance(network, traffic):
    """Bytes sent less bytes received, at every node."""
    listed, gpus = traffic.listed(), network.gpus
    sent = np.bincount(gpus[listed.source], listed.size, network.n_nodes)
    return sent - np.bincount(gpus[listed.target], listed.size, network.n_nodes)


@pytest.fixture(scope="module")
def zoo(fabric):
    """Compiled fabrics by name."""
    graphs = {
        "rails": fabric.leaf_spine(8, 4, 2, rail=True),
        "plain": fabric.leaf_spine(8, 2, 2, gpus=4, nics=2),
        "three tiers": fabric.three_tier(4),
        "dragonfly": fabric.dragonfly(),
        "pcie": fabric.pcie_box(),
        "mesh": fabric.mesh(8),
    }
    made = {name: Ways(compile_network(graph)) for name, graph in graphs.items()}
    made["torus"] = Ways(compile_network(fabric.torus((4, 3))))
    return made


NAMES = ("rails", "plain", "three tiers", "dragonfly", "pcie", "mesh", "torus")
POLICIES = ("adaptive", "optimal", "minimal", "ecmp", "static", "valiant", "dimension-order")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_enters_a_switch_leaves_it(name, policy, zoo, seed):
    ways, rng = zoo[name], np.random.default_rng(seed)
    n = len(ways.network.gpus)
    source, target = rng.integers(0, n, (2, 20))
    sent = patterns.flows(source, target, rng.uniform(1, 1e9, 20))
    loads = link_loads(ways, sent, policy=policy, seed=seed, qps=2)
    assert divergence(loads) == pytest.approx(balance(ways.network, sent), abs=1e-3)
    assert (loads.bytes >= 0).all()


@pytest.mark.parametrize("policy", ["ecmp", "static"])
@pytest.mark.parametrize("name", NAMES)
def test_bytes_on_links_are_bytes_sent_times_hops(name, policy, zoo):
    ways = zoo[name]
    n = len(ways.network.gpus)
    sent = patterns.permutation(np.arange(n), 1e6, np.random.default_rng(1))
    found = routes(ways, sent.source, sent.target, policy=policy)
    hops = (found.paths >= 0).sum(axis=1)
    assert np.bincount(found.flow, found.share) == pytest.approx(np.ones(len(sent.size)))
    expected = (sent.size[found.flow] * found.share * hops).sum()
    assert link_loads(ways, sent, policy=policy).bytes.sum() == pytest.approx(expected)


@pytest.mark.parametrize("policy", ["adaptive", "minimal", "ecmp", "static"])
@pytest.mark.parametrize("name", NAMES)
def test_shares_of_single_messages_add_up_to_the_loads(name, policy, zoo):
    ways, rng = zoo[name], np.random.default_rng(2)
    n = len(ways.network.gpus)
    sent = patterns.flows(*rng.integers(0, n, (2, 50)), rng.uniform(1, 1e9, 50))
    found = connections(ways, sent.source, sent.target, Rule(policy=policy, qps=2))
    size = np.repeat(sent.size[found.message] * found.share, np.diff(found.first))
    total = np.bincount(found.links, size * found.parts, ways.network.n_links)
    expected = link_loads(ways, sent, policy=policy, qps=2).bytes
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_paths_are_chains_from_source_to_target(name, zoo):
    ways = zoo[name]
    network, n = ways.network, len(ways.network.gpus)
    pairs = np.argwhere(~np.eye(n, dtype=bool))
    found = routes(ways, pairs[:, 0], pairs[:, 1])
    for flow, path in zip(found.flow, found.paths, strict=True):
        links = path[path >= 0]
        assert network.source[links[0]] == network.gpus[pairs[flow, 0]]
        assert network.target[links[-1]] == network.gpus[pairs[flow, 1]]
        assert (network.target[links[:-1]] == network.source[links[1:]]).all()


@pytest.mark.parametrize("policy", ["adaptive", "static", "valiant"])
@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("name", ["rails", "plain", "dragonfly", "pcie"])
def test_counted_exchanges_load_links_like_listed_ones(name, forward, policy, zoo, monkeypatch):
    """The aggregated books of an all-to-all equal those of its single flows."""
    ways = zoo[name]
    n = len(ways.network.gpus)
    sent = patterns.all_to_all(patterns.sister_groups(n, n // 2, 2), 1e9)
    listed = link_loads(ways, sent.listed(), policy=policy, forward=forward).bytes
    monkeypatch.setattr("netmodel.network.ledger.LISTED", 0)
    counted = link_loads(ways, sent, policy=policy, forward=forward).bytes
    assert counted == pytest.approx(listed, rel=1e-9, abs=1e-3)


def test_all_to_all_on_a_non_blocking_fat_tree_takes_what_its_nics_take(fabric):
    for graph in (fabric.leaf_spine(8, 4, 2, rail=True), fabric.leaf_spine(8, 4, 4)):
        network = compile_network(graph)
        sent = patterns.all_to_all(np.arange(32), 32e6)
        away = 32e6 * 28 / 32
        assert link_loads(network, sent).time == pytest.approx(away / (50 * GB), rel=1e-9)


@pytest.mark.parametrize("ratio", [2, 4])
def test_oversubscription_multiplies_what_crosses_the_spine(ratio, fabric):
    """16 of the 32 ranks are across; a GPU's share of the uplinks is 50 / ratio GB/s."""
    network = compile_network(fabric.leaf_spine(8, 4, 2, rail=True, up=100 * GB / ratio))
    loads = link_loads(network, patterns.all_to_all(np.arange(32), 32e6))
    assert loads.time == pytest.approx(16e6 / (50 * GB / ratio), rel=1e-9)
    assert loads.hottest(1)[0].tier == "leaf-spine"


def test_sixty_four_ranks_on_a_four_to_one_tree(fabric):
    """64 ranks, 8 a leaf, 50 GB/s NICs, 64 MiB each: 56/64 of it on a quarter of the rate."""
    size = 64 * 2**20
    network = compile_network(
        fabric.leaf_spine(64, 8, 1, gpus=2, nics=2, pcie=200 * GB, up=2 * 8 * 50 * GB / 4)
    )
    one_a_host = np.arange(0, 128, 2)
    loads = link_loads(network, patterns.all_to_all(one_a_host, size))
    crossing = 56 / 64 * size * 8 / (4 * 50 * GB)
    assert loads.time == pytest.approx(crossing, rel=1e-9)


def mean_share(stages, balls):
    """Mean of 1 / (worst of so many bins), each holding 1 + Binomial(balls - 1, 1 / balls)."""
    upto = [stats.binom.cdf(k, balls - 1, 1 / balls) ** stages for k in range(balls)]
    return sum(p / (k + 1) for k, p in enumerate(np.diff(upto, prepend=0.0)))


@pytest.mark.parametrize(("tiers", "expected"), [(2, 0.48), (3, 0.40)])
def test_a_random_permutation_under_one_hash_loses_what_theory_says(tiers, expected, fabric):
    """Flows fall on links like balls in bins, once up and once down for each tier crossed."""
    if tiers == 2:
        graph = fabric.leaf_spine(512, 16, 16, gpus=2, nics=1, nvlink=None, up=50 * GB)
        ranks, below = np.arange(0, 1024, 2), 32
    else:
        graph, ranks, below = fabric.three_tier(12), np.arange(432), 36
    ways = Ways(compile_network(graph))
    rates = []
    for seed in range(6):
        sent = patterns.permutation(ranks, 1e9, np.random.default_rng(seed))
        loads = link_loads(ways, sent, policy="ecmp", seed=seed)
        found = routes(ways, sent.source, sent.target, policy="ecmp", seed=seed)
        worst = np.where(found.paths >= 0, loads.times[found.paths], 0).max(axis=1)
        far = sent.source // below != sent.target // below
        rates.append((1e9 / worst / (50 * GB))[far].mean())
        assert link_loads(ways, sent).time == pytest.approx(1e9 / (50 * GB), rel=1e-9)
    balls = 16 if tiers == 2 else 6
    assert mean_share(2 * (tiers - 1), balls) == pytest.approx(expected, abs=0.02)
    assert np.mean(rates) == pytest.approx(mean_share(2 * (tiers - 1), balls), abs=0.03)


def test_many_connections_come_close_to_spraying(fabric):
    network = compile_network(fabric.leaf_spine(32, 8, 8, gpus=2, nics=1, nvlink=None))
    sent = patterns.permutation(np.arange(0, 64, 2), 1e9, np.random.default_rng(0))
    times = [link_loads(network, sent, policy="ecmp", qps=q).time for q in (1, 8, 256)]
    assert times[0] > times[1] > times[2]
    assert times[2] == pytest.approx(link_loads(network, sent).time, rel=0.25)


def test_static_routes_carry_every_shift_without_collision(fabric):
    """d-mod-k on a non-blocking tree: all ranks send to the rank k further on (Zahavi 2010)."""
    network = compile_network(fabric.three_tier(4))
    ranks = np.arange(16)
    for shift in range(1, 16):
        sent = patterns.flows(ranks, (ranks + shift) % 16, 1e9)
        assert link_loads(network, sent, policy="static").time == pytest.approx(1e9 / (50 * GB))


def test_dimension_order_finishes_one_axis_before_the_next(fabric):
    network = compile_network(fabric.torus((5, 5)))
    found = routes(network, np.array([0]), np.array([7]), policy="dimension-order")
    visited = network.target[found.paths[0]].tolist()
    assert visited == [5, 6, 7]


def test_torus_all_to_all_fills_each_axis_evenly(fabric):
    """Rings of 5: a chip's bytes travel 1.2 hops an axis, on 2 cables."""
    network = compile_network(fabric.torus((5, 5)))
    for policy in ("adaptive", "dimension-order"):
        loads = link_loads(network, patterns.all_to_all(np.arange(25), 25e6), policy=policy)
        assert loads.bytes == pytest.approx(np.full(network.n_links, 25e6 * 1.2 / 2))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3, 2), (8, 4)])
def test_the_short_cut_for_tori_gives_what_spreading_gives(shape, fabric, monkeypatch):
    network = compile_network(fabric.torus(shape))
    sent = patterns.all_to_all(np.arange(len(network.gpus)), 1e9)
    short = link_loads(network, sent)
    monkeypatch.setattr("netmodel.network.load.torus_all_to_all", lambda *_: None)
    assert short.bytes == pytest.approx(link_loads(network, sent).bytes)
    open_ended = compile_network(fabric.torus(shape, wrap=False))
    assert link_loads(open_ended, sent).time > short.time


def test_valiant_spreads_what_is_adverse_for_minimal_routes(fabric):
    """All of a group sends to the next group: one cable, or all of them through detours."""
    network = compile_network(fabric.dragonfly())
    ranks = np.arange(72)
    sent = patterns.flows(ranks, (ranks + 8) % 72, 1e9)
    minimal = link_loads(network, sent, policy="minimal").time
    valiant = link_loads(network, sent, policy="valiant").time
    assert minimal == pytest.approx(8e9 / (25 * GB))
    assert valiant < 0.5 * minimal


@pytest.mark.parametrize("name", NAMES)
def test_no_policy_beats_the_optimum(name, zoo):
    ways = zoo[name]
    n = len(ways.network.gpus)
    for seed in range(2):
        some = np.random.default_rng(seed).permutation(n)[:24]
        sent = patterns.permutation(some, 1e9, np.random.default_rng(seed))
        least = link_loads(ways, sent, policy="optimal").time
        for policy in POLICIES:
            time = link_loads(ways, sent, policy=policy).time
            assert time >= least * (1 - 1e-6), policy


def test_the_optimum_detours_where_minimal_routes_collide(zoo):
    """All of a group to the next: 8 GPUs leave their group by its 8 global cables at least."""
    ranks = np.arange(72)
    sent = patterns.flows(ranks, (ranks + 8) % 72, 1e9)
    least = link_loads(zoo["dragonfly"], sent, policy="optimal").time
    minimal = link_loads(zoo["dragonfly"], sent, policy="minimal").time
    assert 1e9 / (25 * GB) <= least < minimal / 3


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(1, 10), cable=st.integers(0, 10_000))
def test_more_capacity_never_hurts(fabric, factor, cable):
    graph = fabric.leaf_spine(8, 4, 2, rail=True)
    sent = patterns.all_to_all(np.arange(32), 1e9) + patterns.ring(np.arange(32), 1e9)
    before = link_loads(compile_network(graph), sent, policy="static").time
    edge = list(graph.edges)[cable % graph.number_of_edges()]
    graph.edges[edge]["bandwidth"] *= factor
    assert link_loads(compile_network(graph), sent, policy="static").time <= before * (1 + 1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_relabelling_hosts_changes_no_time(zoo, seed):
    """Hosts under one leaf, and GPUs under one NVSwitch with their rails, are alike."""
    rng, ways = np.random.default_rng(seed), zoo["rails"]
    hosts = np.concatenate([rng.permutation(4), 4 + rng.permutation(4)])
    rails = rng.permutation(4)
    relabelled = (hosts[:, None] * 4 + rails).ravel()
    for make in (lambda r: patterns.ring(r, 1e9), lambda r: patterns.all_to_all(r, 1e9)):
        plain = link_loads(ways, make(np.arange(32))).time
        assert link_loads(ways, make(relabelled)).time == pytest.approx(plain, rel=1e-12)


def test_what_cannot_be_listed_is_refused_under_a_hash(zoo, monkeypatch):
    monkeypatch.setattr("netmodel.network.ledger.LISTED_AT_MOST", 100)
    with pytest.raises(InputError, match=r"992 messages .* adaptive"):
        link_loads(zoo["rails"], patterns.all_to_all(np.arange(32), 1e9), policy="ecmp")


def test_jobs_add_up(zoo):
    ways = zoo["three tiers"]
    one = patterns.ring(np.arange(8), 1e9)
    two = patterns.all_to_all(np.arange(8, 16), 1e9)
    both = link_loads(ways, one + two).bytes
    assert both == pytest.approx(link_loads(ways, one).bytes + link_loads(ways, two).bytes)


def test_planes_equal_rails_when_gpus_forward(fabric):
    """DeepSeek's MPFT and MRFT: the all-to-all never needs a spine between rails."""
    rails = compile_network(fabric.leaf_spine(8, 4, 4, rail=True))
    planes = fabric.leaf_spine(8, 4, 4, rail=True)
    for leaf in [n for n, kind in planes.nodes(data="kind") if kind == "leaf"]:
        for s in range(4):
            if s != int(leaf[-1]):
                planes.remove_edge(leaf, f"spine-{s}")
            else:
                planes.edges[leaf, f"spine-{s}"]["bandwidth"] *= 4
    sent = patterns.all_to_all(np.arange(32), 1e9)
    first, second = link_loads(rails, sent).time, link_loads(compile_network(planes), sent).time
    assert second == pytest.approx(first, rel=1e-9)
    with pytest.raises(ModelError, match=r"no way from n\d-nic\d to n\d-nic\d .*pairs have lost"):
        link_loads(compile_network(planes), sent, forward=False)


def test_forwarding_bytes_cross_nvlink_once_more(zoo):
    """12 of a rank's 32 parts stay or go along its own rail elsewhere; the rest hop over NVLink."""
    ways = zoo["rails"]
    loads = link_loads(ways, patterns.all_to_all(np.arange(32), 32e6))
    layer = ways.network.layer
    assert loads.bytes[layer == 0].sum() == pytest.approx(2 * 32 * (3 + 21) * 1e6)


def test_the_hottest_link_is_named_with_its_bytes(zoo):
    sent = Traffic(np.array([0, 1]), np.array([4, 5]), np.array([1e9, 3e9]))
    hot = link_loads(zoo["rails"], sent).hottest(20)
    assert (hot[0].name, hot[0].tier) == ("n0-nic1:leaf-0-1", "host-leaf")
    assert (hot[0].bytes, hot[0].time, hot[0].utilisation) == (3e9, 3e9 / (50 * GB), 1.0)
    times = [each.time for each in hot]
    assert times == sorted(times, reverse=True)


def test_messages_are_striped_over_all_nvswitches_under_any_policy(fabric):
    graph = fabric.leaf_spine(2, 1, 1)
    for host in range(2):
        graph.add_node(f"n{host}-nvs1", kind="nvswitch")
        for gpu in range(4):
            fabric.join(graph, f"n{host}-gpu{gpu}", f"n{host}-nvs1", "nvlink", 100 * GB)
    ways, sent = Ways(compile_network(graph)), patterns.flows([0], [1], 3e9)
    for policy in ("adaptive", "ecmp", "static", "valiant"):
        assert link_loads(ways, sent, policy=policy).time == pytest.approx(3e9 / (300 * GB))


def test_gpus_share_the_nearest_nics(fabric):
    """Four GPUs, two NICs: two GPUs each; eight GPUs and one NIC: all through it."""
    ways = Ways(compile_network(fabric.leaf_spine(2, 1, 1, gpus=4, nics=2)))
    names = ways.network.wiring.names(ways.port[:4, 0])
    assert names == ["n0-nic0", "n0-nic0", "n0-nic1", "n0-nic1"]
    alone = Ways(compile_network(fabric.pcie_box()))
    assert set(alone.network.wiring.names(alone.port[:8, 0])) == {"n0-nic0"}


@pytest.mark.parametrize("counted", [False, True])
def test_a_gpu_without_pcie_leaves_through_a_neighbour_on_nvlink(counted, fabric, monkeypatch):
    graph = fabric.leaf_spine(4, 4, 1)
    for host in range(4):
        graph.remove_edge(f"n{host}-gpu3", f"n{host}-pcie1")
    ways = Ways(compile_network(graph))
    assert ways.gate[:4].tolist() == [0, 1, 2, 0]
    if counted:
        monkeypatch.setattr("netmodel.network.ledger.LISTED", 0)
    sent = patterns.all_to_all(np.arange(16), 16e6)
    loads = link_loads(ways, sent)
    assert divergence(loads) == pytest.approx(balance(ways.network, sent), abs=1e-3)
    assert loads.time == pytest.approx(2 * 12e6 / (50 * GB))
    found = routes(ways, np.array([3]), np.array([7]))
    names = ways.network.wiring.names(ways.network.target[found.paths[0]])
    assert [name for name in names if "gpu" in name] == ["n0-gpu0", "n1-gpu0", "n1-gpu3"]
