"""Orders of work: whole, causal, and as small in memory as their papers say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.training.orders import (
    BACKWARD,
    FORWARD,
    INPUT,
    TABLES,
    WEIGHT,
    Order,
    pipeline_order,
    words,
)


@st.composite
def orders(draw):
    """Any order that exists."""
    schedule = draw(st.sampled_from(sorted(TABLES)))
    ranks = draw(st.integers(1, 9))
    chunks = draw(st.integers(1, 5)) if schedule == "interleaved" else 1
    if schedule == "dualpipe":
        ranks += ranks % 2
    least = 2 * ranks if schedule.startswith("dualpipe") else 1
    batches = draw(st.integers(least, least + 25))
    if schedule == "dualpipe":
        batches += batches % 2
    return pipeline_order(schedule, ranks=ranks, micro_batches=batches, chunks=chunks)


def tasks(order, *kinds):
    """Pairs (micro-batch, stage) of the tasks of these kinds, in the order of the rows."""
    found = np.isin(order.kind, kinds)
    return list(zip(order.micro_batch[found].tolist(), order.stage[found].tolist(), strict=True))


@given(orders())
@settings(max_examples=80, deadline=None)
def test_each_micro_batch_passes_each_stage_once_each_way(order):
    everything = sorted(
        (i, stage) for i in range(order.micro_batches) for stage in range(order.stages)
    )
    assert sorted(tasks(order, FORWARD)) == everything
    assert sorted(tasks(order, BACKWARD, INPUT)) == everything
    assert sorted(tasks(order, WEIGHT)) == sorted(tasks(order, INPUT))


@given(orders())
@settings(max_examples=80, deadline=None)
def test_both_ways_of_a_micro_batch_on_a_stage_are_one_ranks(order):
    place = {}
    for task in range(order.tasks):
        where = (int(order.micro_batch[task]), int(order.stage[task]))
        assert place.setdefault(where, order.rank[task]) == order.rank[task]


@given(orders())
@settings(max_examples=80, deadline=None)
def test_messages_join_neighbouring_stages(order):
    heard = np.flatnonzero(order.needs >= 0)
    origin = order.needs[heard]
    assert (order.micro_batch[origin] == order.micro_batch[heard]).all()
    step = order.stage[heard] - order.stage[origin]
    forward = order.kind[heard] == FORWARD
    turn = ~forward & (order.stage[heard] == order.stages - 1)
    assert (step[forward] == 1).all()
    assert (step[turn] == 0).all()
    assert (step[~forward & ~turn] == -1).all()
    assert (order.receiver[origin] == np.where(
        order.rank[origin] == order.rank[heard], -1, order.rank[heard]
    )).all()  # fmt: skip


@given(orders())
@settings(max_examples=80, deadline=None)
def test_a_pair_is_a_forward_and_the_backward_after_it(order):
    lead = np.flatnonzero(order.paired)
    assert (order.kind[lead] == FORWARD).all()
    assert (order.kind[lead + 1] == BACKWARD).all()
    assert (order.rank[lead] == order.rank[lead + 1]).all()


@given(orders())
@settings(max_examples=80, deadline=None)
def test_no_rank_holds_more_than_all_micro_batches_or_less_than_one_stage(order):
    own = np.array([len(set(order.stage[order.rank == rank])) for rank in range(order.ranks)])
    assert (order.peak() >= 1).all()
    assert (order.peak() <= order.micro_batches * own).all()


@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("per_rank", [2, 3, 5])
def test_activations_held_are_those_of_the_papers(ranks, per_rank):
    """2104.04473 (GPipe, 1F1B), 2205.05198 (interleaved), 2401.10241 (ZB); DualPipe README."""
    p, m = ranks, ranks * per_rank

    def peak(schedule, chunks=1):
        order = pipeline_order(schedule, ranks=p, micro_batches=m, chunks=chunks)
        return (order.peak() / order.chunks).tolist()

    assert peak("gpipe") == [m] * p
    assert peak("1f1b") == [p - i for i in range(p)]
    assert peak("zb-h1") == [p] * p
    assert peak("zb-v") == [p] * p
    for v in (2, 3, 4):
        assert peak("interleaved", v)[0] == pytest.approx(p * (1 + (p - 1) / (p * v)), rel=1e-12)
    if p % 2 == 0 and m % 2 == 0:
        assert peak("dualpipe") == [p + 1] * p
    assert peak("dualpipe-v") == [(2 * p + 1) / 2] * p  # PP + 1 stages, PP = 2p, on PP/2 ranks


@given(st.integers(1, 12), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_few_micro_batches_hold_no_more_than_there_are(p, m):
    held = pipeline_order("1f1b", ranks=p, micro_batches=m).peak()
    assert held.tolist() == [min(m, p - i) for i in range(p)]


def test_activations_are_weighed_by_stage():
    order = pipeline_order("1f1b", ranks=3, micro_batches=6)
    assert order.peak([5.0, 7.0, 11.0]).tolist() == [15.0, 14.0, 11.0]


def test_orders_read_like_the_figures_of_their_papers():
    """arXiv:2104.04473 Fig. 4 (1F1B, interleaved), arXiv:2401.10241 Fig. 2 (ZB-H1)."""
    one = pipeline_order("1f1b", ranks=4, micro_batches=8)
    assert words(one, 3).startswith("F3.0 B3.0 F3.1 B3.1 F3.2 B3.2")
    assert words(one, 2).startswith("F2.0 F2.1 B2.0 F2.2 B2.1")
    two = pipeline_order("interleaved", ranks=4, micro_batches=8, chunks=2)
    assert words(two, 0).startswith(
        "F0.0 F0.1 F0.2 F0.3 F4.0 F4.1 F4.2 F4.3 F0.4 F0.5 F0.6 B4.0 F0.7 B4.1 F4.4 B4.2"
    )
    assert words(two, 3).startswith("F3.0 F3.1 F3.2 F3.3 F7.0 B7.0 F7.1 B7.1")
    zero = pipeline_order("zb-h1", ranks=4, micro_batches=8)
    assert words(zero, 0).startswith("F0.0 F0.1 F0.2 F0.3 I0.0 W0.0 F0.4 I0.1 W0.1")
    assert words(zero, 3).startswith("F3.0 I3.0 F3.1 I3.1 F3.2 I3.2 F3.3 I3.3 W3.0 F3.4 I3.4 W3.1")


def test_dualpipe_of_eight_ranks_is_that_of_the_report():
    """arXiv:2412.19437 Fig. 5: 8 ranks and 20 micro-batches, of which 10 enter at either end."""
    order = pipeline_order("dualpipe", ranks=8, micro_batches=20)
    assert words(order, 0).startswith(
        "F0.0 F0.1 F0.2 F0.3 F0.4 F0.5 F0.6 F7.10 I7.10 W7.10 F7.11 I7.11 W7.11 F7.12 "
        "I7.12 W7.12 F7.13 F0.7&B7.13 F7.14&B0.0"
    )
    assert words(order, 0).endswith("B7.19 I0.6 W0.6 I0.7 W0.7 I0.8 W0.8 I0.9 W0.9")
    assert words(order, 3).startswith(
        "F3.0 F4.10 F3.1 F4.11 F3.2 F4.12 F3.3 F4.13 F3.4 B4.10 F4.14&B3.0"
    )


@pytest.mark.parametrize(
    ("schedule", "ranks", "batches", "chunks", "words"),
    [
        ("dualpipe", 3, 12, 1, "even"),
        ("dualpipe", 4, 9, 1, "even"),
        ("dualpipe", 4, 6, 1, "at least 8"),
        ("dualpipe-v", 4, 7, 1, "at least 8"),
        ("1f1b", 4, 8, 2, "interleaved"),
        ("1f1b", 0, 8, 1, "0 ranks"),
        ("gpipe", 4, 0, 1, "0 micro-batches"),
        ("1f1", 4, 8, 1, "1f1b"),
    ],
)
def test_counts_without_a_table_are_refused(schedule, ranks, batches, chunks, words):
    with pytest.raises(InputError, match=words):
        pipeline_order(schedule, ranks=ranks, micro_batches=batches, chunks=chunks)


def by_hand(kinds, *, ranks=1, batches=1):
    """An order of one rank and one stage."""
    n = len(kinds)
    zero = np.zeros(n, dtype=np.int64)
    return Order("mine", ranks, 1, batches, zero, np.array(kinds), zero, zero, zero.astype(bool))


@pytest.mark.parametrize(
    "kinds",
    [
        [FORWARD],
        [BACKWARD],
        [FORWARD, FORWARD, BACKWARD],
        [FORWARD, BACKWARD, INPUT],
        [FORWARD, INPUT],
        [FORWARD, WEIGHT, INPUT],
        [FORWARD, BACKWARD, WEIGHT],
        [FORWARD, INPUT, WEIGHT, WEIGHT],
    ],
)
def test_an_order_with_missing_or_doubled_work_is_refused(kinds):
    assert by_hand([FORWARD, INPUT, WEIGHT]).tasks == 3
    with pytest.raises(InputError, match="order 'mine'"):
        by_hand(kinds)
