"""The trace file holds the simulated step, in the form that Perfetto reads."""

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.training.orders import pipeline_order
from netmodel.training.simulator import Durations, simulate
from netmodel.training.timeline import Activity, chrome_trace, task_name, trace_json

MS = 1e-3


def run(schedule, *, ranks=4, micro_batches=8, chunks=1, send=0.0):
    order = pipeline_order(schedule, ranks=ranks, micro_batches=micro_batches, chunks=chunks)
    return simulate(
        order,
        Durations(forward=1 * MS, backward=2 * MS, weight=0.9 * MS, pair=2.7 * MS, send=send * MS),
    )


def of(trace, *phases):
    return [event for event in trace["traceEvents"] if event["ph"] in phases]


SCHEDULES = st.sampled_from(["gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe"])


@given(SCHEDULES, st.sampled_from([0.0, 0.3, 2.0]))
@settings(max_examples=20, deadline=None)
def test_slices_of_one_lane_do_not_overlap(schedule, send):
    """Perfetto drops slices that cross; neighbours share their border to the nanosecond."""
    lanes = defaultdict(list)
    for event in of(chrome_trace(run(schedule, send=send)), "X"):
        begin = round(event["ts"] * 1e3)
        lanes[event["pid"], event["tid"]].append((begin, begin + round(event["dur"] * 1e3)))
    for spans in lanes.values():
        assert all(one[1] <= two[0] for one, two in pairwise(spans))


@given(SCHEDULES, st.sampled_from([0.0, 0.3]))
@settings(max_examples=20, deadline=None)
def test_slices_add_up_to_busy_time(schedule, send):
    timeline = run(schedule, send=send)
    busy = np.zeros(timeline.order.ranks)
    for event in of(chrome_trace(timeline), "X"):
        if event["tid"] == 0:
            busy[event["pid"]] += event["dur"] * 1e-6
    assert busy.tolist() == pytest.approx(timeline.busy.tolist(), abs=1e-9 * timeline.order.tasks)


def test_every_message_that_takes_time_is_a_slice_and_an_arrow():
    trace = chrome_trace(run("1f1b", send=0.25))
    sent = [event for event in of(trace, "X") if event["tid"] == 1]
    assert len(sent) == 2 * 3 * 8  # both ways over three edges, eight micro-batches
    assert {event["dur"] for event in sent} == {250.0}
    tails, heads = of(trace, "s"), of(trace, "f")
    assert [event["id"] for event in tails] == [event["id"] for event in heads]
    for tail, head, event in zip(tails, heads, sent, strict=True):
        assert (tail["pid"], tail["ts"]) == (event["pid"], event["ts"])
        assert abs(head["pid"] - tail["pid"]) == 1
        assert head["ts"] >= event["ts"] + event["dur"]


def test_an_arrow_ends_in_the_task_of_its_micro_batch():
    trace = chrome_trace(run("1f1b", send=0.25))
    begun = {(e["pid"], e["ts"]): e for e in of(trace, "X") if e["tid"] == 0}
    sent = {(e["pid"], e["ts"]): e for e in of(trace, "X") if e["tid"] == 1}
    for tail, head in zip(of(trace, "s"), of(trace, "f"), strict=True):
        message, task = sent[tail["pid"], tail["ts"]], begun[head["pid"], head["ts"]]
        assert message["args"]["micro_batch"] == task["args"]["micro_batch"]
        assert task["cat"] == {"activations": "forward", "gradients": "backward"}[head["name"]]


def test_free_messages_leave_no_slices():
    trace = chrome_trace(run("1f1b"))
    assert {event["tid"] for event in of(trace, "X")} == {0}
    assert of(trace, "s", "f") == []


def test_an_overlapped_pair_is_one_slice_with_both_names():
    timeline = run("dualpipe")
    trace = chrome_trace(timeline)
    pairs = [event for event in of(trace, "X") if event["cat"] == "overlapped pair"]
    assert len(pairs) == np.count_nonzero(timeline.order.paired)
    assert {event["dur"] for event in pairs} == {2700.0}
    assert pairs[0]["name"] == "F 3 + B 5"
    assert pairs[0]["args"] == {
        "micro_batch": 3, "stage": 0, "backward_micro_batch": 5, "backward_stage": 3,
    }  # fmt: skip


def test_the_counter_peaks_at_the_activations_held():
    for schedule in ("1f1b", "zb-h1", "zb-v", "dualpipe"):
        timeline = run(schedule)
        held = defaultdict(list)
        for event in of(chrome_trace(timeline), "C"):
            held[event["pid"]].append(event["args"]["held"])
        assert [max(held[rank]) for rank in range(4)] == timeline.peak.tolist()
        assert [held[rank][-1] for rank in range(4)] == [0.0] * 4


def test_processes_and_threads_carry_names_in_their_order():
    trace = chrome_trace(run("1f1b", ranks=2))
    names = [e["args"]["name"] for e in of(trace, "M") if "name" in e["args"]]
    assert names == ["pipeline rank 0", "compute", "send", "pipeline rank 1", "compute", "send"]


def test_further_activities_get_lanes_of_their_own():
    more = [
        Activity(rank=1, lane="optimizer", name="Adam", start=0.030, end=0.031),
        Activity(rank=0, lane="dp", name="reduce-scatter", start=0.025, end=0.029),
    ]
    trace = chrome_trace(run("1f1b", ranks=2), more)
    named = {
        (e["pid"], e["tid"]): e["args"]["name"]
        for e in of(trace, "M")
        if e["name"] == "thread_name"
    }
    found = {e["name"]: e for e in of(trace, "X") if e["tid"] > 1}
    assert {name: named[e["pid"], e["tid"]] for name, e in found.items()} == {
        "Adam": "optimizer",
        "reduce-scatter": "dp",
    }
    assert (found["Adam"]["ts"], found["Adam"]["dur"]) == (30_000.0, 1_000.0)


def test_the_same_step_gives_the_same_bytes():
    texts = {trace_json(run("interleaved", chunks=2, send=0.1)) for _ in range(2)}
    assert len(texts) == 1
    trace = json.loads(texts.pop())
    assert set(trace) == {"traceEvents", "displayTimeUnit"}


def test_the_first_task_has_the_name_of_its_micro_batch():
    assert task_name(run("gpipe"), 0) == "F 0"
