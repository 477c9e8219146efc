"""Laws of the front door: bounds, monotony, one code for scalars and arrays."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.collectives import ALGORITHMS, Operation, library, time
from netmodel.collectives.group import group_of
from netmodel.collectives.select import usable
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers

KINDS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send_recv")
RANKS = (2, 3, 4, 7, 8, 12, 16, 24, 64, 100, 1024, 8192, 65536)
FABRICS = {
    "hopper-ib": ("hopper", "NVLink4", "InfiniBand-NDR", 8, 450e9, 50e9, math.inf),
    "ampere-efa": ("ampere", "NVLink3", "EFA-100G", 8, 300e9, 6.25e9, math.inf),
    "blackwell-rack": ("blackwell", "NVLink5", "InfiniBand-NDR", 72, 900e9, 50e9, math.inf),
    "cdna3-roce": ("cdna3", "xGMI-MI300X", "Ethernet-400G", 8, 448e9, 50e9, 64e9),
    "ada-pcie": ("ada", "PCIe4x16", "Ethernet-100G", 8, 31e9, 12.5e9, math.inf),
    "hopper-alone": ("hopper", "NVLink4", "RoCE", 1, 450e9, 50e9, math.inf),
}
sizes = st.floats(0, 36).map(lambda power: 2.0**power)
fabrics = st.sampled_from(sorted(FABRICS))


def tiers_of(name: str, nic: float = 1.0, port: float = 1.0, latency: float = 1.0) -> Tiers:
    _, link, outer, domain, line, rate, peer = FABRICS[name]
    return Tiers(
        names=("nvlink", "leaf", "spine"),
        unit=(domain, 32 * domain, 65536),
        bandwidth=(line * port, rate * nic, rate * nic),
        latency=(0.6e-6 * latency, 4.8e-6 * latency, 5.7e-6 * latency),
        links=(link, outer, outer),
        peer=(peer, math.inf, math.inf),
    )


def library_of(name: str):
    generation, link, outer, *_ = FABRICS[name]
    return library(generation, link, outer)


def seconds(name: str, kind: str, size: float, ranks: int, **fabric: float) -> float:
    call = Operation(kind=kind, size=size, ranks=ranks)
    return time(call, tiers_of(name, **fabric).span(ranks), library_of(name)).time


@given(fabrics, st.sampled_from(KINDS), sizes, st.sampled_from(RANKS))
@settings(max_examples=150, deadline=None)
def test_no_prediction_beats_its_lower_bound(name, kind, size, ranks):
    """Bytes at line rate and the trip to the farthest member: nothing is quicker."""
    found = time(
        Operation(kind=kind, size=size, ranks=ranks), tiers_of(name).span(ranks), library_of(name)
    )
    assert found.time >= found.lower_bound > 0


@given(fabrics, st.sampled_from(KINDS), st.sampled_from(RANKS), st.data())
@settings(max_examples=120, deadline=None)
def test_no_forced_algorithm_beats_the_bound_either(name, kind, ranks, data):
    span, lib = tiers_of(name).span(ranks), library_of(name)
    able = [each for each in ALGORITHMS if usable(each, kind, group_of(span), lib) is True]
    found = time(
        Operation(kind=kind, size=data.draw(sizes), ranks=ranks),
        span,
        lib,
        algorithm=data.draw(st.sampled_from(able)),
    )
    assert found.time >= found.lower_bound


@given(fabrics, st.sampled_from(KINDS), st.sampled_from(RANKS), sizes, st.floats(1.0, 64.0))
@settings(max_examples=150, deadline=None)
def test_fewer_bytes_never_take_longer(name, kind, ranks, size, more):
    assert seconds(name, kind, size, ranks) <= seconds(name, kind, size * more, ranks)


@given(fabrics, st.sampled_from(KINDS), st.sampled_from(RANKS), sizes, st.floats(1.0, 8.0))
@settings(max_examples=80, deadline=None)
def test_more_bandwidth_and_less_latency_never_take_longer(name, kind, ranks, size, factor):
    now = seconds(name, kind, size, ranks)
    assert seconds(name, kind, size, ranks, nic=factor) <= now
    assert seconds(name, kind, size, ranks, port=factor) <= now
    assert seconds(name, kind, size, ranks, latency=1 / factor) <= now


@given(fabrics, st.sampled_from(KINDS), st.sampled_from(RANKS))
@settings(max_examples=40, deadline=None)
def test_a_curve_equals_its_points_to_the_last_bit(name, kind, ranks):
    span, lib = tiers_of(name).span(ranks), library_of(name)
    size = 2.0 ** np.arange(0, 37, 1.5)
    curve = time(Operation(kind=kind, size=size, ranks=ranks), span, lib)
    points = [time(Operation(kind=kind, size=x, ranks=ranks), span, lib) for x in size.tolist()]
    assert curve.time.tolist() == [point.time for point in points]
    assert curve.algorithm.tolist() == [point.algorithm for point in points]
    assert curve.protocol.tolist() == [point.protocol for point in points]
    assert curve.bottleneck.tolist() == [point.bottleneck for point in points]


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_ranks_equal_their_points(kind, pod, hopper):
    ranks = np.array(RANKS)
    size = np.array([[1e3], [1e6], [1e9]])
    table = time(Operation(kind=kind, size=size, ranks=ranks), pod.span(ranks), hopper)
    assert table.time.shape == (3, len(RANKS))
    assert table.time.tolist() == [
        [time(Operation(kind=kind, size=s, ranks=n), pod.span(n), hopper).time for n in RANKS]
        for s in size.ravel().tolist()
    ]


@given(fabrics, st.sampled_from(KINDS), sizes, st.sampled_from(RANKS))
@settings(max_examples=60, deadline=None)
def test_the_parts_add_up_to_the_time(name, kind, size, ranks):
    found = time(
        Operation(kind=kind, size=size, ranks=ranks), tiers_of(name).span(ranks), library_of(name)
    )
    assert sum(found.parts.values()) == pytest.approx(found.time, rel=1e-9)
    assert min(found.parts.values()) >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_of_one_and_an_empty_message_cost_nothing(kind, pod, hopper):
    alone = time(Operation(kind=kind, size=1e6, ranks=1), pod.span(1), hopper)
    empty = time(Operation(kind=kind, size=0.0, ranks=64), pod.span(64), hopper)
    assert (alone.time, alone.lower_bound, empty.time) == (0, 0, 0)


def test_many_ranks_and_sizes_are_one_call_of_milliseconds(pod, hopper):
    """65,536 ranks, all sizes from 8 B to 64 GiB: under 50 ms of processor time."""
    from time import process_time

    call = Operation(kind="all_reduce", size=2.0 ** np.arange(3, 37), ranks=65536)
    span = pod.span(65536)
    time(call, span, hopper)
    start = process_time()
    for algorithm in ("auto", "ring", "tree", "nvls_tree"):
        time(call, span, hopper, algorithm=algorithm)
    assert process_time() - start < 0.05


def test_an_unknown_or_impossible_algorithm_is_refused_by_name(pod, hopper):
    call = Operation(kind="all_gather", size=1e6, ranks=16)
    with pytest.raises(InputError, match="no algorithm is named 'rings'"):
        time(call, pod.span(16), hopper, algorithm="rings")
    with pytest.raises(InputError, match="all_gather cannot run as tree"):
        time(call, pod.span(16), hopper, algorithm="tree")
    with pytest.raises(InputError, match="no protocol is named 'fast'"):
        time(call, pod.span(16), hopper, protocol="fast")


def test_ranks_that_share_no_domain_use_the_network_alone(pod, hopper):
    """A data-parallel group of one GPU a node: its bottleneck is never the NVLink domain."""
    span = pod.span(64, 8)
    found = time(Operation(kind="all_reduce", size=1e9, ranks=64), span, hopper)
    assert found.bottleneck in ("leaf", "spine")
    assert 1e9 * 2 * 63 / 64 / found.time < 50e9


def test_a_measured_constant_replaces_the_fitted_one(pod):
    slow = library("hopper", "NVLink4", "InfiniBand-NDR", overlay={"hop": "100 us"})
    call = Operation(kind="all_reduce", size=1024.0, ranks=64)
    usual = time(call, pod.span(64), library("hopper", "NVLink4", "InfiniBand-NDR"))
    assert time(call, pod.span(64), slow).time > usual.time + 500e-6
    with pytest.raises(InputError, match="no constant is named 'hopp'"):
        library("hopper", overlay={"hopp": "1 us"})
    with pytest.raises(InputError, match="no share of line rate"):
        library("hopper", overlay={"network": 1.2})
    assert replace(slow, hop=1.0).hop == 1.0
