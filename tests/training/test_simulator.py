"""The simulated pipeline: laws of any schedule, and the closed forms of the papers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.training.orders import BACKWARD, FORWARD, TABLES, WEIGHT, Order, pipeline_order
from netmodel.training.simulator import Durations, critical_path, simulate

SPANS = st.integers(0, 40).map(lambda k: k / 8)  # eighths add up without rounding
POSITIVE = st.integers(1, 40).map(lambda k: k / 8)


@st.composite
def cases(draw):
    """An order with durations that differ by stage, by rank and by micro-batch."""
    schedule = draw(st.sampled_from(sorted(TABLES)))
    ranks = draw(st.integers(1, 6))
    chunks = draw(st.integers(1, 4)) if schedule == "interleaved" else 1
    if schedule == "dualpipe":
        ranks += ranks % 2
    least = 2 * ranks if schedule.startswith("dualpipe") else 1
    batches = draw(st.integers(least, least + 12))
    if schedule == "dualpipe":
        batches += batches % 2
    order = pipeline_order(schedule, ranks=ranks, micro_batches=batches, chunks=chunks)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (batches, ranks, order.stages)
    axes = draw(st.sampled_from([(1, 1, 1), (1, 1, 0), (1, 0, 0), (0, 0, 0)]))
    shape = tuple(1 if one else size for one, size in zip(axes, shape, strict=True))

    def eighths(low, high):
        return rng.integers(low, high, shape) / 8

    weight = eighths(1, 20)
    edges = max(1, order.stages - 1)
    return order, Durations(
        forward=eighths(1, 30),
        backward=weight + eighths(1, 30),
        weight=weight,
        pair=draw(st.sampled_from([None, 3.0])),
        send=rng.integers(0, 9, edges) / 8 * draw(st.sampled_from([0.0, 1.0])),
    )


def slots(timeline):
    """Tasks without the second of each pair, which shares its lane's time."""
    second = np.concatenate([[False], timeline.order.paired[:-1]])
    return np.flatnonzero(~second)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_no_rank_does_two_things_at_once(case):
    timeline = simulate(*case)
    order = timeline.order
    for rank in range(order.ranks):
        mine = [task for task in slots(timeline) if order.rank[task] == rank]
        assert (timeline.start[mine][1:] >= timeline.end[mine][:-1]).all()
        sent = np.flatnonzero((order.rank == rank) & (order.receiver >= 0))
        assert (timeline.send_start[sent] >= timeline.end[sent]).all()
        assert (timeline.send_start[sent][1:] >= timeline.send_end[sent][:-1]).all()


@given(cases(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_nothing_starts_before_its_message_has_come(case, blocking):
    timeline = simulate(*case, blocking=blocking)
    order = timeline.order
    heard = np.flatnonzero(order.needs >= 0)
    origin = order.needs[heard]
    came = np.where(order.receiver[origin] >= 0, timeline.send_end[origin], timeline.end[origin])
    assert (timeline.start[heard] >= came).all()


@given(cases())
@settings(max_examples=60, deadline=None)
def test_a_task_starts_as_soon_as_it_can(case):
    """Each start is zero, the end of the task before, or the coming of a message: no slack."""
    timeline = simulate(*case)
    order = timeline.order
    came = np.where(order.receiver >= 0, timeline.send_end, timeline.end)
    for task in slots(timeline):
        reasons = {0.0}
        if task > order.first[order.rank[task]]:
            reasons.add(timeline.end[task - 1])
        for each in (task, task + 1) if order.paired[task] else (task,):
            if order.needs[each] >= 0:
                reasons.add(came[order.needs[each]])
        assert timeline.start[task] in reasons


@given(cases())
@settings(max_examples=60, deadline=None)
def test_the_step_is_no_shorter_than_any_ranks_work_or_any_micro_batchs_way(case):
    order, durations = case
    timeline = simulate(order, replace(durations, pair=None))
    assert timeline.makespan >= timeline.busy.max()
    assert (timeline.bubble >= 0).all()
    assert (timeline.waiting >= 0).all()
    assert (timeline.waiting <= timeline.bubble).all()
    seconds = timeline.end - timeline.start
    alone = ~order.paired & ~np.concatenate([[False], order.paired[:-1]])
    message = np.where(order.receiver >= 0, timeline.send_end - timeline.send_start, 0.0)
    for i in range(order.micro_batches):
        way = (order.micro_batch == i) & (order.kind != WEIGHT)
        assert timeline.makespan >= seconds[way & alone].sum() + message[way].sum()


@given(cases())
@settings(max_examples=60, deadline=None)
def test_work_is_what_the_durations_say(case):
    order, durations = case
    timeline = simulate(order, replace(durations, pair=None))
    shape = (order.micro_batches, order.ranks, order.stages)
    each = np.broadcast_to(np.asarray(durations.forward + durations.backward), shape)
    ahead = order.kind == FORWARD
    total = each[order.micro_batch[ahead], order.rank[ahead], order.stage[ahead]]
    work = np.bincount(order.rank[ahead], total, order.ranks)
    assert timeline.busy.tolist() == pytest.approx(work.tolist(), rel=1e-12)
    assert timeline.makespan == timeline.end.max()


@given(cases(), st.sampled_from(["forward", "backward", "send", "pair"]), POSITIVE, st.booleans())
@settings(max_examples=80, deadline=None)
def test_longer_tasks_never_shorten_a_step(case, what, more, blocking):
    order, durations = case
    durations = replace(durations, pair=3.0)
    before = simulate(order, durations, blocking=blocking)
    longer = replace(durations, **{what: getattr(durations, what) + more})
    after = simulate(order, longer, blocking=blocking)
    assert (after.end >= before.end).all()


@given(cases(), st.integers(0, 10**6), POSITIVE)
@settings(max_examples=60, deadline=None)
def test_one_slow_task_never_helps_and_costs_no_more_than_itself(case, which, more):
    order, durations = case
    durations = replace(durations, pair=None)
    shape = (order.micro_batches, order.ranks, order.stages)
    forward = np.array(np.broadcast_to(durations.forward, shape))
    before = simulate(order, durations).makespan
    ahead = np.flatnonzero(order.kind == FORWARD)
    task = ahead[which % len(ahead)]
    forward[order.micro_batch[task], order.rank[task], order.stage[task]] += more
    after = simulate(order, replace(durations, forward=forward)).makespan
    assert before <= after <= before + more


@given(cases())
@settings(max_examples=40, deadline=None)
def test_waiting_for_messages_to_leave_never_helps(case):
    order, durations = case
    assert (simulate(order, durations, blocking=True).end >= simulate(order, durations).end).all()


@given(cases(), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_time_has_no_scale(case, power):
    order, durations = case
    scale = 2.0**power
    names = ("forward", "backward", "weight", "send")
    scaled = Durations(**{name: getattr(durations, name) * scale for name in names})
    once = simulate(order, replace(durations, pair=None))
    assert simulate(order, scaled).makespan == once.makespan * scale


@given(cases(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_the_critical_path_has_no_gap_and_is_as_long_as_the_step(case, blocking):
    order, durations = case
    timeline = simulate(order, durations, blocking=blocking)
    path = critical_path(timeline)
    assert path[0].start == 0.0
    assert path[-1].end == timeline.makespan
    assert all(one.end == two.start for one, two in pairwise(path))
    for one, two in pairwise(path):
        same_rank = order.rank[one.task] == order.rank[two.task]
        assert same_rank or (one.message and order.receiver[one.task] == order.rank[two.task])


@given(cases(), st.integers(0, 10**6), POSITIVE)
@settings(max_examples=60, deadline=None)
def test_a_longer_task_on_the_critical_path_lengthens_the_step_by_as_much(case, which, more):
    order, durations = case
    durations = replace(durations, pair=None)
    timeline = simulate(order, durations)
    path = [piece.task for piece in critical_path(timeline) if not piece.message]
    ahead = [task for task in path if order.kind[task] == FORWARD and not order.paired[task]]
    task = ahead[which % len(ahead)]
    shape = (order.micro_batches, order.ranks, order.stages)
    forward = np.array(np.broadcast_to(durations.forward, shape))
    forward[order.micro_batch[task], order.rank[task], order.stage[task]] += more
    assert simulate(order, replace(durations, forward=forward)).makespan == (
        timeline.makespan + more
    )


def makespan(schedule, p, m, *, chunks=1, **durations):
    order = pipeline_order(schedule, ranks=p, micro_batches=m, chunks=chunks)
    return simulate(order, Durations(**durations)).makespan


@given(st.integers(1, 12), st.integers(1, 40), SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_gpipe_and_1f1b_idle_as_their_closed_form(p, m, f, b):
    """(p-1)(f+b) for any number of micro-batches; arXiv:2104.04473 section 2.2."""
    for schedule in ("gpipe", "1f1b"):
        assert makespan(schedule, p, m, forward=f, backward=b) == (m + p - 1) * (f + b)


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 6), SPANS, SPANS)
@settings(max_examples=60, deadline=None)
def test_interleaved_idles_as_its_closed_form(p, groups, v, f, b):
    """(p-1)(f+b)/v with f, b of the whole rank; arXiv:2104.04473 section 2.2."""
    m = p * groups
    took = makespan("interleaved", p, m, chunks=v, forward=f, backward=b)
    assert took == (m * v + p - 1) * (f + b)


@given(st.integers(1, 8), st.integers(1, 40), st.integers(2, 5), SPANS, SPANS)
@settings(max_examples=80, deadline=None)
def test_interleaved_runs_any_number_of_micro_batches(p, m, v, f, b):
    """Idle as the closed form from m = p on; fewer micro-batches leave holes between chunks."""
    took = makespan("interleaved", p, m, chunks=v, forward=f, backward=b)
    if m >= p:
        assert took == (m * v + p - 1) * (f + b)
    else:
        assert took == ((v * p) + m - 1) * (f + b)


@given(st.integers(1, 10), st.integers(1, 4), st.integers(0, 9), SPANS, SPANS, SPANS)
@settings(max_examples=80, deadline=None)
def test_zb_h1_idles_as_its_closed_form(p, groups, more, f, i, w):
    """(p-1)(f+i-w) where w is the smallest of the three, and as much as the paper bounds else."""
    m = p * groups + more
    took = makespan("zb-h1", p, m, forward=f, backward=i + w, weight=w)
    assert took == m * (f + i + w) + (p - 1) * max(f + i - w, f, i)


@pytest.mark.parametrize("p", [2, 4, 8, 16])
def test_zb_h1_idles_a_third_of_1f1b(p):
    """arXiv:2401.10241 section 2.1, t_f = t_bi = t_w."""
    m, same = 3 * p, {"forward": 1.0, "backward": 2.0, "weight": 1.0}
    idle = {name: makespan(name, p, m, **same) - 3 * m for name in ("1f1b", "zb-h1")}
    assert 3 * idle["zb-h1"] == idle["1f1b"] == 3 * (p - 1)


@given(st.integers(1, 10), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_zb_v_never_waits_when_its_parts_are_equal(p, more):
    """arXiv:2401.10241 section 6; ranks begin and end one chunk after the other."""
    order = pipeline_order("zb-v", ranks=p, micro_batches=2 * p - 1 + more)
    timeline = simulate(order, Durations(forward=1.0, backward=2.0, weight=1.0))
    assert timeline.waiting.tolist() == [0.0] * p
    assert timeline.bubble.tolist() == [p - 1.0] * p


@given(st.integers(1, 6), st.integers(0, 10), SPANS, st.data())
@settings(max_examples=60, deadline=None)
def test_dualpipe_idles_as_its_closed_form(half, more, f, data):
    """(p/2-1)(fb + b - 3w) for t_f = t_bi and f + i <= fb <= f + b; deepseek-ai/DualPipe README."""
    w = data.draw(st.integers(0, int(8 * f)).map(lambda k: k / 8))
    pair = 2 * f + data.draw(st.sampled_from([0.0, 0.5, 1.0])) * w
    p = 2 * half
    order = pipeline_order("dualpipe", ranks=p, micro_batches=2 * p + 2 * more)
    timeline = simulate(order, Durations(forward=f, backward=f + w, weight=w, pair=pair))
    assert timeline.bubble.max() == pytest.approx((half - 1) * (pair + f + w - 3 * w), abs=1e-9)


def test_sixteen_ranks_idle_14_45_and_15():
    """deepseek-ai/DualPipe README at F 1, B 2, W 1, F&B 3: DualPipe, 1F1B, ZB1P."""
    durations = Durations(forward=1.0, backward=2.0, weight=1.0, pair=3.0)
    idle = {}
    for schedule in ("dualpipe", "1f1b", "zb-h1"):
        timeline = simulate(pipeline_order(schedule, ranks=16, micro_batches=40), durations)
        idle[schedule] = set(timeline.bubble.tolist())
    assert idle == {"dualpipe": {14.0}, "1f1b": {45.0}, "zb-h1": {15.0}}


def test_dualpipe_v_idles_like_dualpipe_on_half_of_the_ranks():
    """deepseek-ai/DualPipe: (PP/2-1)(F&B + B - 3W) with PP = 16 stages on 8 ranks."""
    durations = Durations(forward=1.0, backward=2.0, weight=1.0, pair=3.0)
    timeline = simulate(pipeline_order("dualpipe-v", ranks=8, micro_batches=40), durations)
    assert set(timeline.bubble.tolist()) == {14.0}


@pytest.mark.parametrize(
    ("p", "m", "chunks", "ratio"),
    [(8, 64, 1, 0.109375), (8, 64, 3, 0.0364583), (35, 280, 1, 0.1214286), (35, 280, 3, 0.0404762)],
)
def test_bubble_ratios_of_published_layouts(p, m, chunks, ratio):
    """175B and 530B of arXiv:2205.05198."""
    order = pipeline_order("interleaved", ranks=p, micro_batches=m, chunks=chunks)
    timeline = simulate(order, Durations(forward=1.0, backward=2.0))
    assert timeline.bubble_ratio == pytest.approx(ratio, abs=5e-8)


@given(st.integers(2, 6), st.integers(0, 5), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_the_slowest_stage_sets_the_pace(p, which, slower):
    """1F1B with one slow stage: it works without a break, and the others' ways come on top."""
    m, which = 4 * p, which % p
    stage = np.ones(p)
    stage[which] = slower
    order = pipeline_order("1f1b", ranks=p, micro_batches=m)
    timeline = simulate(order, Durations(forward=stage, backward=2 * stage))
    assert timeline.waiting[which] <= 3 * (p - 1)
    assert m * 3 * slower <= timeline.makespan <= m * 3 * slower + 3 * (p - 1)
    assert timeline.makespan / (m * 3 * slower) - 1 <= (p - 1) / (m * slower) + 1e-12


def test_a_message_delays_the_first_micro_batch_once_an_edge():
    """One micro-batch alone: its way through all stages and back, and 2(p-1) messages."""
    order = pipeline_order("1f1b", ranks=5, micro_batches=1)
    timeline = simulate(order, Durations(forward=1.0, backward=2.0, send=0.25))
    assert timeline.makespan == 5 * 3.0 + 8 * 0.25


@given(st.integers(2, 8), st.integers(2, 5), st.integers(2, 4), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_what_short_messages_cost_each_schedule(p, groups, v, sixteenths):
    """Messages of c < t_f: hidden in steady state, but for 1F1B, which waits for each round trip.

    GPipe pays its way there and back, interleaved that of all virtual stages, ZB-H1 it twice; of
    1F1B's micro-batches p share 2(p-1) messages that nothing hides. Derived from the cycles of the
    orders of work; any other number would be a change of what the simulator means.
    """
    m, c = p * groups, sixteenths / 16
    spans = {"forward": 1.0, "backward": 2.0, "weight": 1.0}

    def cost(schedule, chunks=1):
        free = makespan(schedule, p, m, chunks=chunks, **spans)
        return makespan(schedule, p, m, chunks=chunks, send=c, **spans) - free

    assert cost("gpipe") == 2 * (p - 1) * c
    assert cost("interleaved", v) == 2 * (p * v - 1) * c
    assert cost("zb-h1") == 4 * (p - 1) * c
    assert cost("1f1b") == 2 * ((p - 1) * groups + p - 2) * c


@given(st.integers(2, 10), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_pipeline_with_one_slow_stage_takes_what_its_slow_stage_waits(p, groups, seed):
    """1F1B: the ways before stage j, and what its w warm-up tasks leave of the way behind it."""
    rng = np.random.default_rng(seed)
    m = p * groups
    f, b = np.ones(p), np.full(p, 2.0)
    slow = int(rng.integers(p))
    f[slow], b[slow] = rng.integers(8, 20) / 8, rng.integers(16, 40) / 8
    behind = (f + b)[slow + 1 :].sum()
    warm = p - 1 - slow
    expected = (
        m * (f + b)[slow]
        + (f + b)[:slow].sum()
        + max(0.0, behind - warm * f[slow])
        + max(0.0, behind - warm * b[slow])
    )
    assert makespan("1f1b", p, m, forward=f, backward=b) == expected


def test_messages_of_one_rank_queue_on_its_lane():
    """GPipe's forwards of 1 s with messages of 3 s: the link, not the GPU, sets the pace."""
    order = pipeline_order("gpipe", ranks=2, micro_batches=4)
    timeline = simulate(order, Durations(forward=1.0, backward=0.0, send=3.0))
    ahead = (order.rank == 0) & (order.kind == FORWARD)
    assert timeline.send_start[ahead].tolist() == [1.0, 4.0, 7.0, 10.0]
    assert timeline.start[(order.rank == 1) & (order.kind == FORWARD)].tolist() == [4, 7, 10, 13]


def test_a_blocking_rank_computes_on_when_its_message_has_left():
    order = pipeline_order("gpipe", ranks=2, micro_batches=3)
    timeline = simulate(order, Durations(forward=1.0, backward=2.0, send=3.0), blocking=True)
    ahead = (order.rank == 0) & (order.kind == FORWARD)
    assert timeline.start[ahead].tolist() == [0.0, 4.0, 8.0]
    assert timeline.start[(order.rank == 1) & (order.kind == FORWARD)].tolist() == [4.0, 8.0, 12.0]
    assert timeline.makespan == 13.0 + 3 * (2.0 + 3.0) + 2.0


def test_stages_of_one_rank_send_nothing():
    order = pipeline_order("zb-v", ranks=1, micro_batches=3)
    timeline = simulate(order, Durations(forward=1.0, backward=2.0, weight=1.0, send=5.0))
    assert np.isnan(timeline.send_start).all()
    assert timeline.makespan == 3 * 2 * 3.0


def test_a_straggling_rank_is_a_duration_by_rank():
    order = pipeline_order("dualpipe", ranks=4, micro_batches=12)
    factor = np.array([[1.0], [1.0], [1.5], [1.0]])
    timeline = simulate(order, Durations(forward=factor, backward=2 * factor, weight=factor))
    assert timeline.busy.tolist() == [36.0, 36.0, 54.0, 36.0]


def test_ranks_that_wait_for_each_other_are_named():
    """Rank 0 wants the gradient of its first micro-batch before it sends the second on."""
    rank = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    kind = np.array([FORWARD, BACKWARD, FORWARD, BACKWARD, FORWARD, FORWARD, BACKWARD, BACKWARD])
    batch = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    order = Order("mine", 2, 2, 2, rank, kind, rank, batch, np.zeros(8, dtype=bool))
    with pytest.raises(ModelError, match="rank 0 waits for ever before B of micro-batch 0"):
        simulate(order, Durations(forward=1.0, backward=2.0))


def test_wrong_durations_are_refused():
    order = pipeline_order("1f1b", ranks=4, micro_batches=8)
    with pytest.raises(InputError, match="at least zero"):
        Durations(forward=-1.0, backward=2.0)
    with pytest.raises(InputError, match="part of the whole"):
        Durations(forward=1.0, backward=2.0, weight=3.0)
    with pytest.raises(InputError, match="forward has shape"):
        simulate(order, Durations(forward=np.ones(3), backward=2.0))
