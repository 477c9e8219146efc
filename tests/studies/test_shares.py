"""Shares of unequal ranks are the best there are."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import ModelError
from netmodel.studies.shares import batch_shares, given_shares, layer_shares

SPEEDS = st.floats(0.1, 10.0)


@st.composite
def batches(draw):
    """Two or three groups: what a micro-batch and the rest of a step take, and replicas."""
    groups = draw(st.integers(2, 3))
    each = [draw(st.tuples(SPEEDS, st.floats(0.0, 5.0), st.integers(1, 3))) for _ in range(groups)]
    replicas = [n for _, _, n in each]
    total = draw(st.integers(sum(replicas), 14))
    return [fixed + one * np.arange(1.0, total + 1) for one, fixed, _ in each], replicas, total


def finish(times, replicas, shares):
    """When the busiest replica of the slowest group is done."""
    return max(
        float(time[-(-share // n) - 1])
        for time, n, share in zip(times, replicas, shares, strict=True)
    )


@settings(max_examples=100)
@given(batches())
def test_no_other_batch_shares_are_done_earlier(case):
    times, replicas, total = case
    shares = batch_shares(times, replicas, total)
    assert sum(shares) == total
    assert all(share >= 1 for share in shares)
    others = [
        finish(times, replicas, split)
        for split in product(*(range(n, total + 1) for n in replicas))
        if sum(split) == total
    ]
    assert finish(times, replicas, shares) == pytest.approx(min(others), rel=1e-12)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 12), SPEEDS)
def test_equal_groups_get_as_much_per_replica(first, second, each, one):
    times = one * np.arange(1.0, (first + second) * each + 1)
    shares = batch_shares([times, times], [first, second], (first + second) * each)
    assert shares == [first * each, second * each]


def test_every_replica_needs_a_micro_batch():
    times = np.arange(1.0, 4.0)
    with pytest.raises(ModelError, match="3 micro-batches for 4 replicas"):
        batch_shares([times, times], [2, 2], 3)


@st.composite
def pipelines(draw):
    """Two to four stages of two speeds for five to eight layers, some of them heavier."""
    stages, layers = draw(st.integers(2, 4)), draw(st.integers(5, 8))
    pace = np.array([draw(st.sampled_from([1.0, 1.7, 3.1])) for _ in range(stages)])
    weight = np.array([draw(st.sampled_from([1.0, 1.0, 2.5])) for _ in range(layers)])
    fixed = np.zeros(stages)
    fixed[0], fixed[-1] = draw(st.floats(0.0, 1.0)), draw(st.floats(0.0, 3.0))
    most = [draw(st.integers(2, layers)) for _ in range(stages)]
    return fixed * pace, pace[:, None] * weight, most, draw(st.integers(1, 64))


def dealings(layers, stages):
    """Every way to cut so many layers into stages of at least one."""
    for cuts in product(range(1, layers), repeat=stages - 1):
        ends = (0, *cuts, layers)
        if all(a < b for a, b in pairwise(ends)):
            yield ends


@settings(max_examples=100)
@given(pipelines())
def test_no_other_dealing_of_layers_is_faster(case):
    fixed, layers, most, batches = case

    def seconds(ends):
        each = [fixed[s] + layers[s, a:b].sum() for s, (a, b) in enumerate(pairwise(ends))]
        return (batches - 1) * max(each) + sum(each)

    fits = [
        seconds(ends)
        for ends in dealings(layers.shape[1], len(fixed))
        if all(b - a <= m for (a, b), m in zip(pairwise(ends), most, strict=True))
    ]
    if not fits:
        with pytest.raises(ModelError, match="do not fit"):
            layer_shares(fixed, layers, most, micro_batches=batches)
        return
    counts = layer_shares(fixed, layers, most, micro_batches=batches)
    assert sum(counts) == layers.shape[1]
    assert all(1 <= n <= m for n, m in zip(counts, most, strict=True))
    assert seconds((0, *np.cumsum(counts))) == pytest.approx(min(fits), rel=1e-12)


def test_many_layers_on_many_stages_are_dealt_at_once():
    pace = np.repeat([3.0, 1.0], 8)
    layers = np.broadcast_to(pace[:, None], (16, 126))
    counts = layer_shares(np.zeros(16), layers, [126] * 16, micro_batches=64)
    assert sum(counts[8:]) == pytest.approx(3 * sum(counts[:8]), abs=8)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=6), st.integers(0, 500))
def test_given_shares_add_up_and_miss_their_proportion_by_less_than_one(weights, total):
    shares = given_shares(weights, total)
    assert sum(shares) == total
    exact = np.array(weights) / sum(weights) * total
    assert (np.abs(np.array(shares) - exact) < 1.0 + 1e-9).all()
