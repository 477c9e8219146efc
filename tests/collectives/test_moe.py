"""Expert parallelism: the worked numbers of the published accounts, and the laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import studies
from netmodel.catalog import DATA
from netmodel.collectives import exchange, moe_library, vector_bytes
from netmodel.collectives.moe import (
    MoeLibrary,
    distinct_targets,
    histogram_imbalance,
    node_limited,
    sampling_imbalance,
)
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers

H800 = Tiers(
    names=("nvlink", "leaf"),
    unit=(8, 2048),
    bandwidth=(200e9, 50e9),
    latency=(0.6e-6, 4.8e-6),
    links=("NVLink4-H800", "InfiniBand-NDR"),
)
FP8, BF16 = vector_bytes(7168, "fp8"), vector_bytes(7168, "bf16")


DISTINCT = {
    1: 1,
    2: 1.9930,
    4: 3.6142,
    8: 5.2947,
    16: 6.5233,
    32: 7.2668,
    64: 7.6758,
    128: 7.8902,
    256: 8,
}


@pytest.mark.parametrize(("groups", "expected"), DISTINCT.items())
def test_distinct_targets_of_eight_in_256_to_four_digits(groups, expected):
    assert distinct_targets(groups, 256, 8) == pytest.approx(expected, abs=5e-5)


def test_deepseek_v2_hits_four_and_a_half_devices_without_a_limit():
    assert distinct_targets(8, 160, 6) == pytest.approx(4.4586, abs=5e-5)
    assert node_limited(8, 3, 160, 6) == 3
    assert node_limited(8, None, 160, 6) == distinct_targets(8, 160, 6)


def test_vectors_and_totals_as_the_kernels_count_them():
    assert (FP8, BF16) == (7392, 14336)
    assert vector_bytes(7168, "fp8", "low_latency") == 7408
    assert vector_bytes(7168, "logfmt10") == 9184
    assert 128 * 8 * vector_bytes(7168, "fp8", "low_latency") == 7_585_792
    assert 128 * 8 * vector_bytes(7168, "bf16", "low_latency") == 14_680_064
    with pytest.raises(InputError, match="no vector type is named 'fp9'"):
        vector_bytes(7168, "fp9")


@pytest.mark.parametrize(
    ("bandwidth", "microseconds", "per_token_ms"), [(50e9, 120.96, 14.76), (900e9, 6.72, 0.82)]
)
def test_the_ideal_limits_of_the_isca_paper(bandwidth, microseconds, per_token_ms):
    """ArXiv 2505.09343 section 2.3.2: one expert a device, 32 tokens, 9 experts, 1 + 2 bytes."""
    ideal = MoeLibrary(
        name="ideal",
        kernel="low_latency",
        fixed=0.0,
        port=1.0,
        network=1.0,
        deduplicated=False,
        direct=False,
        overlapped=1.0,
    )
    alone = Tiers(
        names=("leaf",), unit=(2**40,), bandwidth=(bandwidth,), latency=(0.0,), links=("nic",)
    )
    both_ways = sum(
        exchange(
            alone.span(2**40), ideal, tokens=32, top_k=9, vector=width * 7000, experts=2**40
        ).time
        for width in (1, 2)
    )
    assert round(both_ways * 1e6, 2) == microseconds
    assert round(2 * both_ways * 61 * 1e3, 2) == per_token_ms


def test_logical_bandwidth_counts_the_senders_own_node():
    """58 GB/s at EP32 is 43.5 on the wire; 51 at EP64 is 44.6."""
    for ranks, logical, physical in ((32, 58, 43.5), (64, 51, 44.6)):
        found = exchange(
            H800.span(ranks), moe_library(), tokens=4096, top_k=8, vector=FP8, group_limit=4
        )
        assert found.physical_bandwidth / found.logical_bandwidth == pytest.approx(
            physical / logical, rel=2e-3
        )


@pytest.mark.parametrize(
    ("ranks", "tier"), [(8, "nvlink"), (16, "nvlink"), (32, "leaf"), (64, "leaf")]
)
def test_sixteen_ranks_wait_for_nvlink_and_more_for_infiniband(ranks, tier):
    for vector in (FP8, BF16):
        found = exchange(
            H800.span(ranks), moe_library(), tokens=4096, top_k=8, vector=vector, group_limit=4
        )
        assert found.bottleneck == tier


def test_deepep_tables_within_eight_percent_mean():
    """One pair of bandwidths for the normal kernels and one fixed cost for the low-latency ones."""
    report = studies.validate_moe()
    assert (report["summary"]["rows"], report["summary"]["predicted"]) == (52, 51)
    for series, limit in (("deepep1n", 4), ("deepep1ll", 4), ("deepep1ll0", 4), ("isca25f7", 5)):
        errors = [abs(row["error_pct"]) for row in report["rows"] if row["series"] == series]
        assert np.mean(errors) < limit
    assert report["summary"]["mean_abs_pct"] < 4.5


def test_other_libraries_and_hardware_are_answered_too():
    """UCCL-EP on H200, B200 and MI300X, MORI on MI300X, DeepEP V2: 62 published rows."""
    report = studies.validate_moe(DATA / "measured" / "moe_libraries_measured.csv")["summary"]
    assert (report["rows"], report["predicted"]) == (62, 62)
    assert report["median_abs_pct"] < 9
    assert report["mean_abs_pct"] < 14


def test_few_sms_limit_the_port():
    """DeepEP V2 on B200: 643 GB/s with 24 SMs, 726 with 64."""
    b200 = Tiers(
        names=("nvlink",), unit=(8,), bandwidth=(900e9,), latency=(0.6e-6,), links=("NVLink5",)
    )
    few, many = (
        exchange(
            b200.span(8), moe_library("deepep-v2"), tokens=8192, top_k=8, vector=FP8, sms=sms
        ).logical_bandwidth
        for sms in (24, 64)
    )
    assert few == pytest.approx(643e9, rel=0.02)
    assert many == pytest.approx(726e9, rel=0.02)


def test_a_row_that_is_no_exchange_is_skipped_with_its_reason():
    skipped = [row for row in studies.validate_moe()["rows"] if row["status"] == "skipped"]
    assert [row["id"] for row in skipped] == ["dsprof-04"]
    assert "more than one dispatch or combine" in skipped[0]["reason"]


nodes = st.sampled_from([1, 2, 4, 8, 16, 32, 128])


@given(nodes, st.integers(1, 8192), st.sampled_from(["normal", "low_latency"]))
@settings(max_examples=60, deadline=None)
def test_no_exchange_beats_its_bytes_at_line_rate(count, tokens, kernel):
    found = exchange(
        H800.span(8 * count), moe_library(kernel=kernel), tokens=tokens, top_k=8, vector=FP8
    )
    assert found.time >= found.lower_bound > 0


@given(nodes, st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_a_tighter_node_limit_is_never_slower(count, limit):
    span = H800.span(8 * count)
    tight, loose = (
        exchange(span, moe_library(), tokens=4096, top_k=8, vector=BF16, group_limit=each).time
        for each in (limit, limit + 1)
    )
    assert tight <= loose * (1 + 1e-12)


def test_time_rises_with_the_nodes_until_all_copies_leave():
    times = exchange(
        H800.span(np.array([16, 32, 64, 128, 256, 512])),
        moe_library(),
        tokens=4096,
        top_k=8,
        vector=BF16,
        group_limit=4,
    ).time
    assert (np.diff(times) > 0).all()


def test_arrays_equal_their_points():
    ranks = np.array([8, 16, 64, 256])
    table = exchange(H800.span(ranks), moe_library(), tokens=4096, top_k=8, vector=FP8)
    points = [
        exchange(H800.span(n), moe_library(), tokens=4096, top_k=8, vector=FP8).time
        for n in ranks.tolist()
    ]
    assert table.time.tolist() == points


def test_imbalance_multiplies_and_its_sources_are_as_published():
    """Poisson noise: 1.016 for training, 1.09 for decoding on 64 ranks."""
    assert sampling_imbalance(4096, 64, 7.47) == pytest.approx(1.016, abs=1e-3)
    assert sampling_imbalance(128, 64, 7.47) == pytest.approx(1.09, abs=5e-3)
    assert sampling_imbalance(128, 1, 1.0) == 1
    even, skewed = (
        exchange(
            H800.span(64), moe_library(), tokens=4096, top_k=8, vector=FP8, imbalance=each
        ).time
        for each in (1.0, 1.5)
    )
    assert skewed == pytest.approx(1.5 * even)
    assert histogram_imbalance(np.arange(1, 9), 4) == pytest.approx(15 / 9)
    with pytest.raises(InputError, match="do not spread over 3 ranks"):
        histogram_imbalance([1, 2, 3, 4], 3)


def test_compute_beside_it_leaves_seven_tenths_of_the_bandwidth():
    alone, beside = (
        exchange(
            H800.span(64), moe_library(), tokens=4096, top_k=8, vector=FP8, overlapped=each
        ).time
        for each in (False, True)
    )
    assert alone / beside == pytest.approx(0.7)


def test_an_unknown_library_offers_those_that_have_a_record():
    with pytest.raises(InputError, match="Did you mean deepep"):
        moe_library("deepeep")
    with pytest.raises(InputError, match="no kernel is named"):
        moe_library("deepep", "fast")
