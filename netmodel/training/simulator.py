"""Run an order of work: when each task of each pipeline rank starts and ends, and who waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netmodel.errors import InputError, ModelError
from netmodel.training.orders import FORWARD, LETTERS, Order

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Seconds of the tasks; each broadcasts to (micro-batches, ranks, stages).

    So a number is for all, an array of S is by stage (uneven layers, embedding, head), an array
    (p, 1) is by rank (a straggler), (m, 1, 1) by micro-batch, and (m, p, S) is every task (jitter).

    Attributes
    ----------
    forward, backward : float or array
        One micro-batch on one stage; ``backward`` is the whole of it [s].
    weight : float or array
        Part of ``backward`` that is the weight gradient [s]; only schedules that split use it.
    pair : float, array or None
        A forward and a backward that overlap each other, by the forward's place [s]; None: no gain,
        the sum of the two.
    send : float or array
        One message between neighbouring stages, either way, by the sender's rank [s]; broadcasts to
        (micro-batches, ranks, stages - 1). Stages on one rank send nothing.
    """

    forward: Any
    backward: Any
    weight: Any = 0.0
    pair: Any = None
    send: Any = 0.0

    def __post_init__(self) -> None:
        for name in ("forward", "backward", "weight", "pair", "send"):
            value = getattr(self, name)
            if value is not None and not (np.asarray(value, float) >= 0).all():
                raise InputError(
                    f"{name} is {value!r} s, it must be at least zero",
                    where="durations",
                    remedy="Give seconds.",
                )
        if not (np.asarray(self.weight, float) <= np.asarray(self.backward, float)).all():
            raise InputError(
                f"weight is {self.weight!r} s of {self.backward!r} s backward",
                where="durations",
                remedy="The weight gradient is a part of the whole backward.",
            )


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Timeline:
    """What became of an order of work.

    Attributes
    ----------
    order : Order
        What was run; arrays of shape (tasks,) below are in its order.
    start, end : array, shape (tasks,)
        Of each task; the two of a pair share theirs [s].
    send_start, send_end : array, shape (tasks,)
        Of the message that the task sends to another rank; NaN when there is none [s].
    makespan : float
        End of the last task [s].
    busy : array, shape (ranks,)
        Time each rank computes [s].
    """

    order: Order
    start: Floats
    end: Floats
    send_start: Floats
    send_end: Floats
    makespan: float
    busy: Floats

    @property
    def finish(self) -> Floats:
        """End of each rank's last task [s], shape (ranks,)."""
        return self.end[self.order.first[1:] - 1]

    @property
    def bubble(self) -> Floats:
        """Time each rank does not compute until the last one is done [s], shape (ranks,)."""
        return self.makespan - self.busy

    @property
    def waiting(self) -> Floats:
        """Part of ``bubble`` between a rank's own first and last task [s], shape (ranks,).

        The idle time of zero-bubble papers, whose ranks begin and end one after the other.
        """
        return self.finish - self.start[self.order.first[:-1]] - self.busy

    @property
    def bubble_ratio(self) -> float:
        """Idle over computing time, all ranks together."""
        return float(self.bubble.sum() / self.busy.sum())

    @property
    def peak(self) -> Floats:
        """Most micro-batches a rank holds at once, in whole ranks' worth, shape (ranks,)."""
        return self.order.peak() / self.order.chunks


def simulate(order: Order, durations: Durations, *, blocking: bool = False) -> Timeline:
    """Run an order of work.

    A task starts when its rank is free and the message it needs has come. A rank sends one message
    after another (its NIC), each as soon as the task that made it is done, while it computes on.

    Parameters
    ----------
    order : Order
        From :func:`netmodel.training.orders.pipeline_order`, or made by hand.
    durations : Durations
        Seconds of the tasks and messages.
    blocking : bool
        Whether a rank waits for its message to leave before it computes on.

    Returns
    -------
    Timeline

    Raises
    ------
    ModelError
        When the ranks wait for each other for ever.

    Notes
    -----
    One pass over the tasks. Left out: messages that meet at the receiver, and the slow-down of
    compute while communicating (put it into the durations).

    Examples
    --------
    >>> from netmodel.training.orders import pipeline_order
    >>> order = pipeline_order("1f1b", ranks=4, micro_batches=8)
    >>> simulate(order, Durations(forward=1.0, backward=2.0)).makespan
    33.0
    """
    seconds, sending = _seconds(order, durations)
    needs, paired = order.needs.tolist(), order.paired.tolist()
    cost, message = seconds.tolist(), sending.tolist()
    place, stop = order.first[:-1].tolist(), order.first[1:].tolist()
    start = [0.0] * order.tasks
    sent = [0.0] * order.tasks
    ready = [-1.0] * order.tasks  # when the result is where it is needed; below zero: not yet
    waits = [-1] * order.tasks  # the rank that stopped for this task
    free = [0.0] * order.ranks
    lane = [0.0] * order.ranks
    runnable = list(range(order.ranks))
    while runnable:
        rank = runnable.pop()
        task, last, now, out = place[rank], stop[rank], free[rank], lane[rank]
        while task < last:
            width = 2 if paired[task] else 1
            missing = -1
            for each in range(task, task + width):
                need = needs[each]
                if need >= 0:
                    if ready[need] < 0:
                        missing = need
                        break
                    now = max(now, ready[need])
            if missing >= 0:
                waits[missing] = rank
                break
            done = now + cost[task]
            for each in range(task, task + width):
                start[each] = now
                came = done
                if message[each] >= 0:
                    sent[each] = max(done, out)
                    out = came = sent[each] + message[each]
                ready[each] = came
                if waits[each] >= 0:
                    runnable.append(waits[each])
            now = max(done, out) if blocking else done
            task += width
        place[rank], free[rank], lane[rank] = task, now, out
    if place != stop:
        raise _deadlock(order, place, stop)
    begin = np.array(start)
    end = begin + seconds
    leaves = sending >= 0
    second = np.concatenate([[False], order.paired[:-1]])
    return Timeline(
        order=order,
        start=begin,
        end=end,
        send_start=np.where(leaves, sent, np.nan),
        send_end=np.where(leaves, ready, np.nan),
        makespan=float(end.max()),
        busy=np.add.reduceat(np.where(second, 0.0, seconds), order.first[:-1]),
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the critical path: a task, or the message that it sends.

    Attributes
    ----------
    task : int
        Place in the order.
    message : bool
        Whether it is the message.
    start, end : float
        [s].
    """

    task: int
    message: bool
    start: float
    end: float


def critical_path(timeline: Timeline) -> list[Piece]:
    """Return what the step waits for, from its begin to its end without a gap.

    Each piece starts when the one before ends, so their times add up to the makespan. Where two
    things end at the same moment, the rank's own task counts before the message.

    Examples
    --------
    >>> from netmodel.training.orders import pipeline_order
    >>> order = pipeline_order("1f1b", ranks=2, micro_batches=1)
    >>> path = critical_path(simulate(order, Durations(forward=1.0, backward=2.0, send=0.5)))
    >>> [piece.end for piece in path if piece.message]
    [1.5, 5.0]
    """
    order = timeline.order
    start, end = timeline.start.tolist(), timeline.end.tolist()
    leaves, comes = timeline.send_start.tolist(), timeline.send_end.tolist()
    needs, paired, receiver = order.needs.tolist(), order.paired.tolist(), order.receiver.tolist()
    first = set(order.first.tolist())
    ahead = _sent_before(order)
    task, message = int(np.argmax(timeline.end)), False
    path = []
    while True:
        begin = leaves[task] if message else start[task]
        path.append(Piece(task, message, begin, comes[task] if message else end[task]))
        if begin == 0.0 and not message:
            return path[::-1]
        if message:
            # Right after the task that made it, or after the message before it on the lane.
            task, message = (task, False) if end[task] == begin else (ahead[task], True)
            continue
        lead = task - 1 if task not in first and paired[task - 1] else task
        before = lead - 1
        if lead not in first and end[before] == begin:
            task = before
            continue
        pair = (lead, lead + 1) if paired[lead] else (lead,)
        needed = [needs[each] for each in pair if needs[each] >= 0]
        came = [each for each in needed if begin == (end if receiver[each] < 0 else comes)[each]]
        # Without such a need, the rank waited for its own message to leave.
        task = came[0] if came else ahead[lead]
        message = receiver[task] >= 0


def _sent_before(order: Order) -> list[int]:
    """The task of the same rank whose message leaves before each task's own, or -1."""
    sends = np.where(order.receiver >= 0, np.arange(order.tasks), -1)
    latest = np.maximum.accumulate(sends)
    before = np.concatenate([[-1], latest[:-1]])
    own: list[int] = np.where(before >= order.first[order.rank], before, -1).tolist()
    return own


def _seconds(order: Order, durations: Durations) -> tuple[Floats, Floats]:
    """Seconds of each task, a pair's on both of its two; and of its message, or -1 for none."""
    where = (order.micro_batch, order.rank, order.stage)
    shape = (order.micro_batches, order.ranks, order.stages)
    forward = _spread("forward", durations.forward, shape)[where]
    backward = _spread("backward", durations.backward, shape)[where]
    weight = _spread("weight", durations.weight, shape)[where]
    seconds = np.choose(order.kind, [forward, backward, backward - weight, weight])
    lead = np.flatnonzero(order.paired)
    if durations.pair is None:
        together = seconds[lead] + seconds[lead + 1]
    else:
        together = _spread("pair", durations.pair, shape)[where][lead]
    seconds[lead] = seconds[lead + 1] = together
    sending = np.full(order.tasks, -1.0)
    leaves = order.receiver >= 0
    edge = order.stage - (order.kind != FORWARD)
    edges = _spread("send", durations.send, (*shape[:2], max(1, order.stages - 1)))
    sending[leaves] = edges[order.micro_batch[leaves], order.rank[leaves], edge[leaves]]
    return seconds, sending


def _spread(name: str, value: Any, shape: tuple[int, int, int]) -> Floats:
    """Broadcast to all places, or say what does not fit."""
    try:
        return np.broadcast_to(np.asarray(value, float), shape)
    except ValueError:
        raise InputError(
            f"{name} has shape {np.shape(value)}, it must broadcast to {shape}",
            where="durations",
            remedy="The axes are micro-batches, ranks and stages (edges, for send).",
        ) from None


def _deadlock(order: Order, place: list[int], stop: list[int]) -> ModelError:
    """Name the first rank that waits for ever, and what for."""
    task = next(at for at, last in zip(place, stop, strict=True) if at < last)
    what = f"{LETTERS[order.kind[task]]} of micro-batch {order.micro_batch[task]}"
    return ModelError(
        f"rank {order.rank[task]} waits for ever before {what} on stage {order.stage[task]}",
        where=f"order {order.schedule!r}",
        remedy="Run what it needs earlier on the rank that sends it.",
    )
