"""An all-to-all by matrix: equal messages cost what the closed form says, skew costs more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.collectives import Operation, library, time
from netmodel.collectives.uneven import uneven_all_to_all
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers

TIERS = Tiers(
    names=("nvlink", "leaf"),
    unit=(8, 64),
    bandwidth=(450e9, 50e9),
    latency=(0.6e-6, 4.8e-6),
    links=("NVLink4", "InfiniBand-NDR"),
)
LIB = library("hopper", "NVLink4", "InfiniBand-NDR")


@pytest.mark.parametrize("ranks", [2, 8, 16, 64])
@pytest.mark.parametrize("size", [2.0**14, 2.0**24, 2.0**30])
def test_equal_messages_are_the_usual_all_to_all(ranks, size):
    usual = time(Operation(kind="all_to_all", size=size, ranks=ranks), TIERS.span(ranks), LIB)
    equal = uneven_all_to_all(np.full((ranks, ranks), size / ranks), TIERS.span(ranks), LIB)
    assert equal.time == pytest.approx(usual.time, rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16, 32]))
@settings(max_examples=40, deadline=None)
def test_no_skew_is_faster_than_the_even_split_of_its_bytes(seed, ranks):
    matrix = np.random.default_rng(seed).gamma(1.0, 4e6, (ranks, ranks))
    even = np.full((ranks, ranks), matrix.mean())
    span = TIERS.span(ranks)
    skewed = uneven_all_to_all(matrix, span, LIB)
    assert skewed.bandwidth >= uneven_all_to_all(even, span, LIB).bandwidth * (1 - 0.12)
    busiest = np.where(np.arange(ranks)[:, None] // 8 != np.arange(ranks) // 8, matrix, 0)
    assert skewed.time >= busiest.sum(axis=1).max() / 50e9


def test_one_hot_expert_is_bound_by_its_own_nic():
    """All ranks send a megabyte to rank 0: seven eighths arrive over its one NIC."""
    matrix = np.zeros((64, 64))
    matrix[:, 0] = 1e6
    found = uneven_all_to_all(matrix, TIERS.span(64), LIB)
    assert found.time > 56e6 / 50e9


def test_a_wrong_matrix_is_refused():
    with pytest.raises(InputError, match=r"a matrix of \(2, 3\) for 8 ranks"):
        uneven_all_to_all(np.ones((2, 3)), TIERS.span(8), LIB)
    with pytest.raises(InputError, match="below zero or not finite"):
        uneven_all_to_all(np.full((8, 8), -1.0), TIERS.span(8), LIB)
