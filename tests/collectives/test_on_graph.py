"""Closed form, most loaded link and fluid flows agree where they must, and differ as predicted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import collectives
from netmodel.collectives import ALGORITHMS, Operation
from netmodel.collectives.group import group_of
from netmodel.collectives.library import Library
from netmodel.collectives.on_graph import time_on_graph
from netmodel.collectives.placed import Fabric, placed_group
from netmodel.collectives.select import usable
from netmodel.errors import InputError, ModelError
from netmodel.graph import Block, Cables, Wiring
from netmodel.network import faults, tiers
from netmodel.topology import load_cluster

GB = 1e9
MiB = 2.0**20
SHARP = collectives.library("hopper", "NVLink4", "InfiniBand-NDR", in_network=True)
RUNS = sorted((name, kind) for name, module in ALGORITHMS.items() for kind in module.KINDS)
RUNGS = ("contention", "flow")


def compiled(name, gpus, *settings, **options):
    return Fabric.of(load_cluster(name, settings).wiring(gpus), **options)


FABRICS = {
    "h100": compiled("dgx-superpod-h100", 64),
    "planes": compiled("deepseek-h800-mpft", 64),
    "a100": compiled("dgx-superpod-a100", 64),
    "large": compiled("dgx-superpod-h100", 1024),
}


def closed(kind, fabric, size, ranks, stride, **options):
    call = Operation(kind=kind, size=size, ranks=ranks)
    return collectives.time(call, fabric.tiers.span(ranks, stride), SHARP, **options)


def on_graph(kind, fabric, size, ranks, stride, **options):
    call = Operation(kind=kind, size=size, ranks=ranks)
    return time_on_graph(call, fabric, SHARP, stride=stride, **options)


def agree(fabric, name, kind, ranks, stride):
    """Every rung is within 1 %; false where the algorithm cannot serve the group."""
    group = group_of(fabric.tiers.span(ranks, stride))
    if usable(name, kind, group, SHARP) is not True:
        return False
    size = np.array([256 * MiB, 4096 * MiB])
    options = {"algorithm": name, "protocol": "simple"}
    expected = closed(kind, fabric, size, ranks, stride, **options)
    for fidelity in RUNGS:
        found = on_graph(kind, fabric, size, ranks, stride, fidelity=fidelity, **options)
        assert found.time == pytest.approx(expected.time, rel=0.01)
        assert (found.time >= found.lower_bound).all()
        assert sum(found.parts.values()) == pytest.approx(found.time, rel=1e-9)
    return True


@pytest.mark.parametrize("fabric", ["h100", "planes", "a100"])
@pytest.mark.parametrize(("name", "kind"), RUNS)
def test_rungs_agree_on_fabrics_that_do_not_block(name, kind, fabric):
    """4 to 64 ranks: part of a domain, one domain, several, and one rank of each."""
    groups = [(4, 1), (8, 1), (16, 1), (64, 1), (8, 8), (16, 4)]
    ran = [agree(FABRICS[fabric], name, kind, *group) for group in groups]
    assert any(ran)


@pytest.mark.parametrize(("name", "kind"), RUNS)
def test_rungs_agree_up_to_a_thousand_ranks(name, kind):
    """256, 128 a stride of 8, and 1,024."""
    fabric = FABRICS["large"]
    ran = [agree(fabric, name, kind, 256, 1), agree(fabric, name, kind, 128, 8)]
    if name not in ("one_shot", "two_shot"):
        ran.append(agree(fabric, name, kind, 1024, 1))
    assert any(ran) or agree(fabric, name, kind, 8, 1)


@given(
    kind=st.sampled_from(["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"]),
    size=st.floats(1, 2.0**36),
    group=st.sampled_from([(8, 1), (16, 1), (64, 1), (8, 8)]),
)
@settings(max_examples=50, deadline=None)
def test_what_the_library_chooses_takes_as_long_on_the_graph(kind, size, group):
    fabric = FABRICS["h100"]
    expected, found = closed(kind, fabric, size, *group), on_graph(kind, fabric, size, *group)
    assert (found.algorithm, found.protocol) == (expected.algorithm, expected.protocol)
    assert found.time == pytest.approx(expected.time, rel=0.01)
    assert found.bottleneck == expected.bottleneck


def test_a_curve_equals_its_points():
    sizes = np.array([1.0, 1e5, 1e7, 1e10])
    curve = on_graph("all_reduce", FABRICS["h100"], sizes, 64, 1)
    points = [on_graph("all_reduce", FABRICS["h100"], float(size), 64, 1) for size in sizes]
    assert curve.time.tolist() == [point.time for point in points]
    assert curve.algorithm.tolist() == [point.algorithm for point in points]


@pytest.mark.parametrize("ratio", [2, 4])
@pytest.mark.parametrize("kind", ["all_to_all", "send_recv"])
def test_oversubscription_costs_what_is_predicted(kind, ratio):
    """Two units of leaves: half of an all-to-all crosses, and all of a message that far."""
    name, thinner = "dgx-superpod-h100", f"fabric.oversubscription={ratio}"
    unit = tiers(load_cluster(name, (thinner,)).wiring(1024)).unit[1]
    thin, full = compiled(name, 2 * unit, thinner), compiled(name, 2 * unit)
    ranks, stride = (2, unit) if kind == "send_recv" else (2 * unit, 1)
    crossing = 1.0 if kind == "send_recv" else (1 - 1 / 2) / (1 - 8 / (2 * unit))
    for fidelity in RUNGS:
        options = {"protocol": "simple"}
        expected = closed(kind, thin, 2.0**34, ranks, stride, **options)
        found, level = (
            on_graph(kind, fabric, 2.0**34, ranks, stride, fidelity=fidelity, **options)
            for fabric in (thin, full)
        )
        assert found.time == pytest.approx(expected.time, rel=0.01)
        assert found.bottleneck == "spine"
        longer = found.parts["bandwidth"] / level.parts["bandwidth"]
        assert longer == pytest.approx(crossing * ratio, rel=0.02)


def perfect(library: Library, hop: float) -> Library:
    """A library that costs a hop's latency and line rate, and nothing else."""
    ideal = {
        name: replace(one, step=1.0, hop=1.0, wide=1.0, hop_wide=1.0, efficiency=1.0)
        for name, one in library.protocols.items()
    }
    nothing = dict.fromkeys(ideal, 0.0)
    exact = {
        name: replace(
            one,
            port=1.0,
            network=1.0,
            copy=float("inf"),
            fill=0.0,
            step=1.0,
            extra=nothing,
            ramp=nothing,
        )
        for name, one in library.algorithms.items()
    }
    return replace(
        library,
        launch=0.0,
        step=0.0,
        hop=hop,
        path=hop,
        network_ramp=0.0,
        spread=0.0,
        delay=0.0,
        gather=1.0,
        protocols=ideal,
        algorithms=exact,
    )


def switched(ranks, per_leaf, up=None):
    """GPUs with one 50 GB/s cable each, 500 ns, to leaves below one spine."""
    leaves = ranks // per_leaf
    leaf = np.arange(leaves) + ranks
    blocks = [
        Block(kind="gpu", shape=(ranks,), label="gpu{0}"),
        Block(kind="leaf", shape=(leaves,), label="leaf{0}"),
    ]
    cables = [
        Cables(
            a=np.arange(ranks),
            b=np.repeat(leaf, per_leaf),
            bandwidth=50 * GB,
            latency=500e-9,
            cables=1,
            link="ethernet",
            tier="host-leaf",
        )
    ]
    if up:
        blocks.append(Block(kind="spine", shape=(1,), label="spine{0}"))
        cables.append(
            Cables(
                a=leaf,
                b=np.full(leaves, ranks + leaves),
                bandwidth=up,
                latency=500e-9,
                cables=1,
                link="ethernet",
                tier="leaf-spine",
            )
        )
    return Fabric.of(Wiring(name="switched", blocks=tuple(blocks), cables=tuple(cables)))


@pytest.mark.parametrize("fidelity", RUNGS)
def test_closed_cases_of_analytical_simulators(fidelity):
    """Ring all-reduce of 8 ranks 2.36 ms; all-to-all of 64 on a crossbar 1.32, on 4:1 4.70 ms."""
    for kind, ranks, fabric, expected in (
        ("all_reduce", 8, switched(8, 8), 2.36e-3),
        ("all_to_all", 64, switched(64, 64), 1.32e-3),
        ("all_to_all", 64, switched(64, 8, up=8 * 50 * GB / 4), 4.70e-3),
    ):
        name = "ring" if kind == "all_reduce" else "pairwise"
        found = time_on_graph(
            Operation(kind=kind, size=64 * MiB, ranks=ranks),
            fabric,
            perfect(SHARP, 1e-6),
            fidelity=fidelity,
            algorithm=name,
            protocol="simple",
        )
        assert found.time == pytest.approx(expected, rel=0.01)


def test_a_slow_cable_is_named_with_those_who_share_it():
    """Half a NIC: the ring of its rail takes twice as long, and one group of two is named."""
    hurt = Fabric.of(
        faults.apply(load_cluster("dgx-superpod-h100").wiring(64), "node0005-nic2 at 50%")
    )
    options = {"algorithm": "ring", "protocol": "simple"}
    whole = placed_group(FABRICS["h100"], FABRICS["h100"].groups(32))
    level = on_graph("all_reduce", FABRICS["h100"], 2.0**36, 32, 1, group=whole, **options)
    found = on_graph("all_reduce", hurt, 2.0**36, 32, 1, group=whole, **options)
    first = found.links(1)[0]
    assert "node0005-nic2" in first.name
    assert first.groups == (1,)
    assert first.utilisation == pytest.approx(1.0)
    assert found.parts["bandwidth"] / level.parts["bandwidth"] == pytest.approx(2.0, rel=0.15)
    sent = 2 * 31 / 32 * 2.0**36 / 8  # an eighth of the channels leaves by each NIC
    assert first.bytes == pytest.approx(sent)


def test_all_groups_that_share_a_thin_uplink_are_named():
    thin = compiled("dgx-superpod-h100", 512, "fabric.oversubscription=4")
    found = on_graph("send_recv", thin, 2.0**30, 2, 256)
    assert "spine" in found.links(1)[0].name
    assert len(found.links(1)[0].groups) > 1
    assert {link.tier for link in found.links(3)} == {"leaf-spine"}


def test_placement_decides_who_crosses_the_spine():
    """Packed, 64 ranks stay below their leaves; GPUs drawn at random meet over thin uplinks."""
    times = {}
    for how in ("packed", "random-hosts", "random"):
        fabric = compiled(
            "dgx-superpod-h100", 2048, "fabric.oversubscription=8", placement=how, ranks=64
        )
        times[how] = on_graph("all_to_all", fabric, 2.0**32, 64, 1).time
    assert times["packed"] < times["random-hosts"]
    assert times["packed"] < times["random"]


def test_relabelling_ranks_inside_a_node_changes_nothing():
    fabric, shuffled = FABRICS["h100"], np.arange(64).reshape(8, 8)
    shuffled = np.random.default_rng(0).permuted(shuffled, axis=1).reshape(1, 64)
    for kind in ("all_reduce", "all_to_all", "all_gather"):
        call = Operation(kind=kind, size=2.0**30, ranks=64)
        here = time_on_graph(call, fabric, SHARP)
        there = time_on_graph(call, fabric, SHARP, groups=shuffled)
        assert there.time == pytest.approx(here.time, rel=1e-9)


@given(seed=st.integers(0, 50), kind=st.sampled_from(["all_reduce", "all_gather", "all_to_all"]))
@settings(max_examples=20, deadline=None)
def test_a_fault_more_is_never_faster(seed, kind):
    """One cable, then another: adaptive routing loses time or keeps it."""
    wiring, times = load_cluster("dgx-superpod-h100").wiring(64), []
    whole = placed_group(FABRICS["h100"], FABRICS["h100"].groups(64))
    for count in (0, 1, 3):
        broken = [f"random leaf-spine {count} seed {seed}"] if count else []
        broken += [f"random nics {count} seed {seed} at 50%"] if count else []
        fabric = Fabric.of(faults.apply(wiring, broken))
        times.append(on_graph(kind, fabric, 2.0**30, 64, 1, group=whole).time)
    assert times[0] <= times[1] * (1 + 1e-9)
    assert times[0] <= times[2] * (1 + 1e-9)


def test_flows_never_beat_the_most_loaded_link():
    for policy in ("ecmp", "static"):
        fabric = compiled("dgx-superpod-h100", 512, "fabric.oversubscription=2", policy=policy)
        for kind in ("all_gather", "send_recv"):
            loaded, shared = (
                on_graph(kind, fabric, 2.0**30, 2, 256, fidelity=each).time for each in RUNGS
            )
            assert shared >= loaded * (1 - 1e-9)


def test_a_single_hash_loses_what_spraying_does_not():
    spread, hashed = (
        on_graph("send_recv", compiled("dgx-superpod-h100", 512, policy=policy), 2.0**32, 2, 256)
        for policy in ("adaptive", "ecmp")
    )
    assert hashed.time > 1.5 * spread.time


def test_what_does_not_fit_is_refused():
    fabric, call = FABRICS["h100"], Operation(kind="all_reduce", size=1e9, ranks=8)
    with pytest.raises(InputError, match="fidelity is 'guess'"):
        time_on_graph(call, fabric, SHARP, fidelity="guess")
    with pytest.raises(InputError, match="do not divide"):
        time_on_graph(call, fabric, SHARP, stride=16)
    with pytest.raises(InputError, match="in two groups"):
        time_on_graph(call, fabric, SHARP, groups=np.zeros((1, 8), int))
    with pytest.raises(InputError, match="groups have 4 members"):
        time_on_graph(call, fabric, SHARP, groups=np.arange(4)[None])
    with pytest.raises(InputError, match="2 GPUs are named for 8 ranks"):
        Fabric.of(fabric.ways.network.wiring, placement=["node0000-gpu0", "node0000-gpu1"], ranks=8)
    with pytest.raises(ModelError):
        Fabric.of(faults.apply(fabric.ways.network.wiring, "node0003-nic*"))


def test_a_list_of_names_places_ranks():
    wiring = FABRICS["h100"].ways.network.wiring
    names = [f"node{host:04d}-gpu0" for host in range(8)]
    spread = Fabric.of(wiring, placement=names, ranks=8)
    strided = on_graph("all_gather", FABRICS["h100"], 2.0**30, 8, 8)
    assert on_graph("all_gather", spread, 2.0**30, 8, 1).time == pytest.approx(strided.time)
