"""Bubbles of pipeline schedules against their papers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.training.orders import Order, pipeline_order
from netmodel.training.pipeline import bubble, uneven_wait
from netmodel.training.simulator import Durations, simulate

F, B, W = 1.0, 2.0, 1.0


def others(stages: int) -> float:
    return (stages - 1) * (F + B)


@pytest.mark.parametrize(
    ("stages", "chunks", "micro_batches", "ratio"),
    [(8, 1, 64, 0.109375), (8, 3, 64, 0.0364583), (35, 1, 280, 0.1214286), (35, 3, 280, 0.0404762)],
)
def test_bubble_over_ideal_time_of_2104_04473(stages, chunks, micro_batches, ratio):
    """(p-1)/m, and (p-1)/(v m) when interleaved."""
    schedule = "interleaved" if chunks > 1 else "1f1b"
    idle = bubble(schedule, stages=stages, others=others(stages), chunks=chunks)
    assert idle / (micro_batches * (F + B)) == pytest.approx(ratio, abs=1e-6)


def test_zero_bubble_h1_is_a_third_of_1f1b_when_all_parts_are_equal():
    """arXiv:2401.10241, section 2.1."""
    assert bubble("zb-h1", stages=8, others=others(8), weight=W) == pytest.approx(
        bubble("1f1b", stages=8, others=others(8)) / 3
    )


def test_zero_bubble_v_has_none_when_all_parts_are_equal():
    """arXiv:2401.10241."""
    assert bubble("zb-v", stages=8, others=others(8), weight=W, forward=F) == 0.0


def test_dualpipe_beside_1f1b_and_zb1p():
    """deepseek-ai/DualPipe README with p 16, f 1, b 2, w 1, f&b 3: 14 against 45 and 15."""
    assert bubble("dualpipe", stages=16, others=45.0, weight=W, pair=3.0, backward=B) == 14.0
    assert bubble("1f1b", stages=16, others=others(16)) == 45.0
    assert bubble("zb-h1", stages=16, others=others(16), weight=W) == 15.0


def period(order: Order, parts: Durations, steps: int = 3) -> float:
    """Time of one step more, when each rank begins a step as it has ended the one before."""
    many = [_steps(order, steps), _steps(order, 2 * steps)]
    once, twice = (simulate(each, parts).makespan for each in many)
    return (twice - once) / steps


def _steps(order: Order, steps: int) -> Order:
    """Several steps of an order, one after the other on each rank."""
    inside = [np.arange(*order.first[rank : rank + 2]) for rank in range(order.ranks)]
    at = np.concatenate([np.tile(tasks, steps) for tasks in inside])
    step = np.concatenate([np.repeat(np.arange(steps), len(tasks)) for tasks in inside])
    return Order(
        schedule=order.schedule,
        ranks=order.ranks,
        stages=order.stages,
        micro_batches=steps * order.micro_batches,
        rank=order.rank[at],
        kind=order.kind[at],
        stage=order.stage[at],
        micro_batch=order.micro_batch[at] + step * order.micro_batches,
        paired=order.paired[at],
    )


@pytest.mark.parametrize("micro_batches", [1, 2, 3, 7, 8, 9, 12, 16, 31, 64])
@pytest.mark.parametrize("stages", [2, 8, 16])
@pytest.mark.parametrize(
    ("schedule", "chunks"),
    [("gpipe", 1), ("1f1b", 1), ("interleaved", 2), ("interleaved", 6), ("zb-h1", 1), ("zb-v", 1)],
)
@pytest.mark.parametrize(("backward", "weight"), [(2.0, 1.0), (2.25, 0.875), (2.0, 0.75)])
def test_few_micro_batches_leave_what_the_simulator_finds(
    schedule, chunks, stages, micro_batches, backward, weight
):
    """What each step of a run takes more than its work."""
    if schedule == "interleaved" and micro_batches > stages and micro_batches % stages:
        micro_batches = stages * (micro_batches // stages)
    order = pipeline_order(schedule, ranks=stages, micro_batches=micro_batches, chunks=chunks)
    held = 2 if schedule == "zb-v" else chunks
    parts = Durations(forward=F / held, backward=backward / held, weight=weight / held)
    idle = bubble(
        schedule,
        stages=stages,
        others=(stages - 1) * (F + backward),
        weight=weight,
        chunks=chunks,
        micro_batches=micro_batches,
        forward=F,
    )
    found = period(order, parts) - micro_batches * (F + backward)
    assert idle == pytest.approx(found, rel=1e-9, abs=1e-9)
    if schedule != "zb-v":  # all its ranks end together: one step alone takes as long
        assert idle == pytest.approx(
            simulate(order, parts).makespan - micro_batches * (F + backward)
        )


@given(
    p=st.integers(1, 9),
    m=st.integers(1, 28),
    parts=st.tuples(*[st.integers(0, 8)] * 2),
)
@settings(max_examples=60, deadline=None)
def test_zb_v_waits_as_the_simulator_finds_for_any_micro_batches(p, m, parts):
    """Weight gradients are the shortest of the three parts, input gradients the longest."""
    less, more = parts
    weight, inputs = 1 - less / 8, 1 + more / 8
    order = pipeline_order("zb-v", ranks=p, micro_batches=m)
    each = Durations(forward=0.5, backward=(inputs + weight) / 2, weight=weight / 2)
    idle = bubble(
        "zb-v",
        stages=p,
        others=(p - 1) * (1 + inputs + weight),
        weight=weight,
        micro_batches=m,
        forward=1.0,
    )
    found = period(order, each) - m * (1 + inputs + weight)
    assert idle == pytest.approx(found, rel=1e-9, abs=1e-9)
    assert order.peak().max() <= 2 * min(p, m)


@given(
    schedule=st.sampled_from(["gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe"]),
    weight=st.floats(0, 100),
)
def test_no_bubble_is_negative(schedule, weight):
    idle = bubble(schedule, stages=4, others=9.0, weight=weight, pair=3.0, backward=2.0, chunks=2)
    assert idle >= 0


def test_an_unknown_schedule_offers_the_near_one():
    with pytest.raises(InputError, match="1f1b"):
        bubble("1f1", stages=2, others=1.0)


times = st.floats(0.4, 2.5)


@given(
    p=st.integers(2, 9),
    more=st.integers(0, 12),
    scale=st.tuples(times, times, times),
    ratio=st.floats(1.5, 3.5),
)
def test_uneven_1f1b_waits_as_the_simulator_finds(p, more, scale, ratio):
    """A lower bound within 10 % for any three kinds of ranks, from m = p on."""
    m = p + more
    ahead = np.array([scale[0], *[scale[1]] * (p - 2), scale[2]])
    order = pipeline_order("1f1b", ranks=p, micro_batches=m)
    found = simulate(order, Durations(forward=ahead, backward=ratio * ahead)).makespan
    backward = (ratio * scale[0], ratio * scale[1], ratio * scale[2])
    wait = uneven_wait(stages=p, micro_batches=m, forward=scale, backward=backward)
    closed = m * (1 + ratio) * ahead.max() + wait
    assert 0.9 * found <= closed <= (1 + 1e-9) * found


@given(p=st.integers(1, 9), m=st.integers(1, 30), f=times, b=times)
def test_equal_ranks_wait_as_1f1b_says(p, m, f, b):
    wait = uneven_wait(stages=p, micro_batches=m, forward=(f,) * 3, backward=(b,) * 3)
    assert wait == pytest.approx((p - 1) * (f + b) if p > 1 else 0.0, abs=1e-9)
