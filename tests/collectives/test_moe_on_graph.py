"""Dispatch and combine on the graph: rungs agree, and planes equal rails as DeepSeek measured."""

import numpy as np
import pytest
from netmodel import collectives
from netmodel.collectives.moe_on_graph import exchange_on_graph
from netmodel.collectives.placed import Fabric
from netmodel.network import faults
from netmodel.topology import load_cluster

SHAPE = {"tokens": 4096, "top_k": 8, "vector": 7392.0, "experts": 256, "group_limit": 4}
NAMES = ("deepseek-h800-mpft", "deepseek-h800-mrft")
FABRICS = {name: Fabric.of(load_cluster(name).wiring(256)) for name in NAMES}


def library(kernel="normal", name="deepep"):
    return collectives.moe_library(name, kernel, generation="hopper", inter_link="InfiniBand-NDR")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernel", ["normal", "low_latency"])
@pytest.mark.parametrize(("ranks", "stride"), [(8, 1), (16, 1), (64, 1), (256, 1), (32, 8)])
def test_rungs_agree_on_an_exchange(name, kernel, ranks, stride):
    fabric = FABRICS[name]
    expected = collectives.exchange(fabric.tiers.span(ranks, stride), library(kernel), **SHAPE)
    for fidelity in ("contention", "flow"):
        found = exchange_on_graph(
            fabric, library(kernel), ranks=ranks, stride=stride, fidelity=fidelity, **SHAPE
        )
        assert found.time == pytest.approx(expected.time, rel=0.01)
        assert found.time >= expected.lower_bound


@pytest.mark.parametrize("ep", [16, 32, 64, 128])
def test_planes_carry_expert_parallel_traffic_like_rails(ep):
    """arXiv:2505.09343 figure 5: MPFT and MRFT equal within 1.5 %, all groups of 2,048 at once."""
    times = [
        exchange_on_graph(
            Fabric.of(load_cluster(name).wiring(2048)), library(), ranks=ep, **SHAPE
        ).time
        for name in NAMES
    ]
    assert times[0] == pytest.approx(times[1], rel=0.015)


def test_sizes_may_be_an_array():
    tokens = np.array([128, 4096])
    shape = {**SHAPE, "tokens": tokens}
    many = exchange_on_graph(FABRICS[NAMES[0]], library(), ranks=64, **shape)
    each = [
        exchange_on_graph(FABRICS[NAMES[0]], library(), ranks=64, **{**SHAPE, "tokens": count}).time
        for count in tokens.tolist()
    ]
    assert many.time.tolist() == pytest.approx(each)


def test_a_lost_nic_slows_the_exchange_and_is_felt_by_its_neighbour():
    wiring = load_cluster(NAMES[1]).wiring(256)
    hurt = Fabric.of(faults.apply(wiring, "node0003-nic4"))
    before, after = (
        exchange_on_graph(fabric, library(), ranks=64, **SHAPE)
        for fabric in (FABRICS[NAMES[1]], hurt)
    )
    assert 1.2 < after.time / before.time < 2.1
    assert "node0003" in after.links(1)[0].name
    assert after.links(1)[0].groups == (0,)


def test_a_thin_spine_slows_only_exchanges_that_cross_it():
    thin = Fabric.of(load_cluster(NAMES[1], ("fabric.oversubscription=4",)).wiring(2048))
    full = Fabric.of(load_cluster(NAMES[1]).wiring(2048))
    near, far = (
        exchange_on_graph(thin, library(), ranks=ranks, stride=stride, **SHAPE).time
        / exchange_on_graph(full, library(), ranks=ranks, stride=stride, **SHAPE).time
        for ranks, stride in ((64, 1), (64, 32))
    )
    assert near == pytest.approx(1.0, rel=0.01)
    assert far > 2
