"""A simulated pipeline in Chrome's trace format, which https://ui.perfetto.dev opens.

One process a rank; in it a thread for computing, one for sending, and one for each further lane.
Arrows lead from a message to the task that it starts, a counter shows the activations held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.training.orders import FORWARD, INPUT, LETTERS
from netmodel.training.simulator import Timeline

COMPUTE, SEND = "compute", "send"
CATEGORIES = ("forward", "backward", "input gradient", "weight gradient")
"""What the kinds of tasks are called, in the order of their numbers."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something else that a rank does, to be shown on a lane of its own: ``dp``, ``optimizer``.

    Attributes
    ----------
    rank : int
        Pipeline rank.
    lane, name : str
        Lane, and what stands on it; activities of one lane do not overlap.
    start, end : float
        [s].
    """

    rank: int
    lane: str
    name: str
    start: float
    end: float


def chrome_trace(timeline: Timeline, activities: Iterable[Activity] = ()) -> dict[str, Any]:
    """Return the trace as a JSON object; the same timeline gives the same object.

    Parameters
    ----------
    timeline : Timeline
        From :func:`netmodel.training.simulator.simulate`.
    activities : iterable of Activity
        More lanes; those named ``compute`` or ``send`` join the simulated ones.

    References
    ----------
    .. [1] Google, *Trace Event Format*: complete (X), flow (s, f), counter (C), metadata (M)
       events; times in microseconds.
    """
    more = sorted(activities, key=lambda each: (each.rank, each.lane, each.start))
    lanes = list(dict.fromkeys([COMPUTE, SEND, *sorted({each.lane for each in more})]))
    events = [
        *_names(timeline.order.ranks, lanes),
        *_tasks(timeline),
        *_messages(timeline),
        *_held(timeline),
        *(
            _slice(each.name, each.lane, each.rank, lanes.index(each.lane), each.start, each.end)
            for each in more
        ),
    ]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def trace_json(timeline: Timeline, activities: Iterable[Activity] = ()) -> str:
    """Return the text of the trace file; the same timeline gives the same bytes."""
    return json.dumps(chrome_trace(timeline, activities), separators=(",", ":")) + "\n"


def task_name(timeline: Timeline, task: int) -> str:
    """What a task is called: kind and micro-batch, both of a pair.

    >>> from netmodel.training.orders import pipeline_order
    >>> from netmodel.training.simulator import Durations, simulate
    >>> order = pipeline_order("1f1b", ranks=2, micro_batches=4)
    >>> task_name(simulate(order, Durations(forward=1.0, backward=2.0)), 2)
    'B 0'
    """
    order = timeline.order
    name = f"{LETTERS[order.kind[task]]} {order.micro_batch[task]}"
    return f"{name} + {task_name(timeline, task + 1)}" if order.paired[task] else name


def _micro(seconds: float) -> float:
    """Microseconds, cut to whole nanoseconds so that neighbours share their border exactly."""
    return round(seconds * 1e9) / 1e3


def _slice(
    name: str, category: str, rank: int, lane: int, start: float, end: float, **args: Any
) -> Event:
    """A complete event."""
    begin = round(start * 1e9)
    event: Event = {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": begin / 1e3,
        "dur": (round(end * 1e9) - begin) / 1e3,
        "pid": rank,
        "tid": lane,
    }
    return event | {"args": args} if args else event


def _names(ranks: int, lanes: list[str]) -> Iterator[Event]:
    """Names and places of processes and threads."""
    for rank in range(ranks):
        yield {
            "name": "process_name",
            "ph": "M",
            "pid": rank,
            "args": {"name": f"pipeline rank {rank}"},
        }
        yield {"name": "process_sort_index", "ph": "M", "pid": rank, "args": {"sort_index": rank}}
        for tid, lane in enumerate(lanes):
            thread = {"ph": "M", "pid": rank, "tid": tid}
            yield {"name": "thread_name", **thread, "args": {"name": lane}}
            yield {"name": "thread_sort_index", **thread, "args": {"sort_index": tid}}


def _tasks(timeline: Timeline) -> Iterator[Event]:
    """Tasks on the computing lane, a pair as one."""
    order = timeline.order
    second = np.concatenate([[False], order.paired[:-1]])
    for task in np.flatnonzero(~second).tolist():
        args = {"micro_batch": int(order.micro_batch[task]), "stage": int(order.stage[task])}
        category = CATEGORIES[order.kind[task]]
        if order.paired[task]:
            category = "overlapped pair"
            args |= {
                "backward_micro_batch": int(order.micro_batch[task + 1]),
                "backward_stage": int(order.stage[task + 1]),
            }
        yield _slice(
            task_name(timeline, task),
            category,
            int(order.rank[task]),
            0,
            float(timeline.start[task]),
            float(timeline.end[task]),
            **args,
        )


def _messages(timeline: Timeline) -> Iterator[Event]:
    """Messages that take time, on the sending lane, with an arrow to the task that needs each."""
    order = timeline.order
    heard = np.full(order.tasks, -1)
    heard[order.needs[order.needs >= 0]] = np.flatnonzero(order.needs >= 0)
    for task in np.flatnonzero(timeline.send_end > timeline.send_start).tolist():
        rank, to = int(order.rank[task]), int(order.receiver[task])
        start = float(timeline.send_start[task])
        what = "activations" if order.kind[task] == FORWARD else "gradients"
        yield _slice(
            f"{LETTERS[order.kind[task]]} {order.micro_batch[task]} to rank {to}",
            what,
            rank,
            1,
            start,
            float(timeline.send_end[task]),
            micro_batch=int(order.micro_batch[task]),
        )
        arrow = {"name": what, "cat": "message", "id": task}
        yield {**arrow, "ph": "s", "ts": _micro(start), "pid": rank, "tid": 1}
        then = _micro(float(timeline.start[heard[task]]))
        yield {**arrow, "ph": "f", "bp": "e", "ts": then, "pid": to, "tid": 0}


def _held(timeline: Timeline) -> Iterator[Event]:
    """Activations held by each rank, in whole ranks' worth, wherever they change."""
    order = timeline.order
    taken = order.kind == FORWARD
    given = ~taken & (order.kind != INPUT)
    share = 1 / order.chunks
    for rank in range(order.ranks):
        inside = slice(int(order.first[rank]), int(order.first[rank + 1]))
        times = np.concatenate(
            [timeline.start[inside][taken[inside]], timeline.end[inside][given[inside]]]
        )
        steps = np.concatenate(
            [np.ones(np.count_nonzero(taken[inside])), -np.ones(np.count_nonzero(given[inside]))]
        )
        moments, place = np.unique(times, return_inverse=True)
        held = np.cumsum(np.bincount(place, steps)) * share
        for moment, value in zip(moments.tolist(), held.tolist(), strict=True):
            yield {
                "name": "micro-batches held",
                "ph": "C",
                "ts": _micro(moment),
                "pid": rank,
                "args": {"held": round(value, 9)},
            }
