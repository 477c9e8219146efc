"""The flow simulator's inner loop: one event at a time, touching only what the event changes.

One source, two ways to run it: on plain lists as it stands, or on arrays compiled by numba. It
therefore knows no array operation, only indices and loops.

When flows leave or join, the new rates differ from the old ones only
- for flows at least as fast as the slowest that left or could join (filling the links from empty,
  nothing differs before that level is reached), and
- within reach of the event over *full* links; a link with room to spare passes nothing on.
These flows are rated anew, all others being held. If that makes a formerly roomy link the
bottleneck of a flow while a held flow on it is faster, that link's flows join and the rating is
repeated: in the end every flow has a bottleneck, which is what max-min fairness means.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

INFINITY = float("inf")
STEADY = 64
"""Flows that an event may rate anew, on average, before whole arrays at a time are faster."""
MARGIN = 1e-9
"""Fraction below the theoretical floor from which rates are reconsidered, for rounding."""


class Case(NamedTuple):
    """What does not change: flows ``F``, hops (route entries) ``H``, links ``L``; lists or arrays.

    Attributes
    ----------
    capacity : [L]
        Bandwidth of each directed link [B/s].
    indptr, links : [F + 1], [H]
        Routes in compressed rows.
    part, owner : [H]
        Share of the flow's bytes that takes the hop, times the equal flows that the row stands
        for; the row.
    shelf : [L + 1]
        Where each link's hops begin when all hops are sorted by link.
    joins, order : [F]
        When each flow becomes active [s], and the flows sorted by it.
    """

    capacity: Any
    indptr: Any
    links: Any
    part: Any
    owner: Any
    shelf: Any
    joins: Any
    order: Any


class State(NamedTuple):
    """What an event changes, and scratch space; lists or arrays.

    Attributes
    ----------
    left, since, rate, due : [F]
        Bytes left [B] at the time ``since`` [s], draining at ``rate`` [B/s] until ``due`` [s];
        ``due`` is the answer for a flow that has finished.
    active : [F]
        The active flows, in its first places.
    member, place, count : [H], [H], [L]
        The hops of active flows on link ``l`` are ``member[shelf[l]:shelf[l] + count[l]]``, and
        ``place`` says where in there each hop is.
    load, sharing : [L]
        Sum of the rates [B/s], and of the parts of active flows.
    full : [L]
        Whether the link is the bottleneck of a flow.
    rerated, reached, met : [F], [L], [L]
        Number of the last event that rated the flow anew, that followed the link, and of the last
        trial (an event may need several) that touched the link.
    flows, queue, touched, chase : [F], [L], [L], [L + 1]
        This event's flows to rate, links to follow, links they cross; a stack.
    fresh : [F]
        New rate, negative while open.
    free, open, waiting, closed : [L], [L], [L], [L]
        Bandwidth not yet given away (then: the share); parts and number of hops that have no new
        rate; whether the link was a bottleneck.
    sizes : [5]
        How many of this event's flows, links queued, links followed, links touched; all trials.
    """

    left: Any
    since: Any
    rate: Any
    due: Any
    active: Any
    member: Any
    place: Any
    count: Any
    load: Any
    sharing: Any
    full: Any
    rerated: Any
    reached: Any
    met: Any
    flows: Any
    queue: Any
    touched: Any
    chase: Any
    fresh: Any
    free: Any
    open: Any
    waiting: Any
    closed: Any
    sizes: Any


STATE: dict[str, tuple[str, type]] = {
    "left": ("flows", float),
    "since": ("flows", float),
    "rate": ("flows", float),
    "due": ("flows", float),
    "active": ("flows", int),
    "member": ("hops", int),
    "place": ("hops", int),
    "count": ("links", int),
    "load": ("links", float),
    "sharing": ("links", float),
    "full": ("links", bool),
    "rerated": ("flows", int),
    "reached": ("links", int),
    "met": ("links", int),
    "flows": ("flows", int),
    "queue": ("links", int),
    "touched": ("links", int),
    "chase": ("links + 1", int),
    "fresh": ("flows", float),
    "free": ("links", float),
    "open": ("links", float),
    "waiting": ("links", int),
    "closed": ("links", bool),
    "sizes": ("5", int),
}
"""Extent and type of each field of :class:`State`; all start at zero, but for ``due``, at infinity,
and ``left``, at the bytes of each flow."""


def _seek(case: Case, state: State, link: int, share: float) -> int:
    """Return a link on which an open flow of ``link`` gets less than ``share``, or -1."""
    first = case.shelf[link]
    for at in range(first, first + state.count[link]):
        flow = case.owner[state.member[at]]
        if state.fresh[flow] < 0.0:
            for hop in range(case.indptr[flow], case.indptr[flow + 1]):
                other = case.links[hop]
                if state.free[other] / state.open[other] < share:
                    return int(other)
    return -1


def _close(case: Case, state: State, link: int, share: float) -> int:
    """Give every open flow of a link its ``share``; return how many there were."""
    indptr, links, free, open_ = case.indptr, case.links, state.free, state.open
    given = 0
    first = case.shelf[link]
    for at in range(first, first + state.count[link]):
        flow = case.owner[state.member[at]]
        if state.fresh[flow] < 0.0:
            state.fresh[flow] = share
            given += 1
            for hop in range(indptr[flow], indptr[flow + 1]):
                other, part = links[hop], case.part[hop]
                open_[other] -= part
                state.waiting[other] -= 1
                free[other] = max(0.0, free[other] - share * part)
    state.closed[link] = True
    state.free[link] = share
    return given


def _rate(case: Case, state: State) -> None:
    """Give this event's flows their max-min fair rates in what the held ones leave free.

    From any link, going on to one that gives a flow less must end at a link that gives all its
    flows the least they can get: a bottleneck, which is closed before going back.
    """
    open_, chase, flows = state.open, state.chase, state.sizes[0]
    for i in range(flows):
        state.fresh[state.flows[i]] = -1.0
    for i in range(state.sizes[3]):  # held flows may seem to take more than all, by rounding
        state.free[state.touched[i]] = max(0.0, state.free[state.touched[i]])
    for i in range(state.sizes[3]):
        if flows == 0:
            break
        depth = 1
        chase[0] = state.touched[i]
        while depth > 0:
            link = chase[depth - 1]
            if state.waiting[link] == 0:
                depth -= 1
                continue
            share = state.free[link] / open_[link]
            smaller = _seek(case, state, link, share)
            if smaller >= 0:
                chase[depth] = smaller
                depth += 1
            else:
                flows -= _close(case, state, link, share)
                depth -= 1


def _meet(case: Case, state: State, flow: int, trial: int) -> None:
    """Count a flow in, as open, on its links."""
    touched = state.sizes[3]
    rate = state.rate[flow]
    for hop in range(case.indptr[flow], case.indptr[flow + 1]):
        link = case.links[hop]
        if state.met[link] != trial:
            state.met[link] = trial
            state.touched[touched] = link
            touched += 1
            state.closed[link] = False
            state.open[link] = 0.0
            state.waiting[link] = 0
            state.free[link] = case.capacity[link] - state.load[link]
        state.open[link] += case.part[hop]
        state.waiting[link] += 1
        state.free[link] += rate * case.part[hop]
    state.sizes[3] = touched


def _queue(state: State, link: int, event: int) -> None:
    """Let the event spread over a link, unless it did."""
    if state.reached[link] != event:
        state.reached[link] = event
        state.queue[state.sizes[1]] = link
        state.sizes[1] += 1


def _follow(case: Case, state: State, event: int, trial: int, floor: float) -> None:
    """Gather the flows of at least rate ``floor`` that full links join to the event."""
    indptr, links, owner, sizes = case.indptr, case.links, case.owner, state.sizes
    rerated, rate = state.rerated, state.rate
    while sizes[2] < sizes[1]:
        link = state.queue[sizes[2]]
        sizes[2] += 1
        first = case.shelf[link]
        for at in range(first, first + state.count[link]):
            flow = owner[state.member[at]]
            if rerated[flow] != event and rate[flow] >= floor:
                rerated[flow] = event
                state.flows[sizes[0]] = flow
                sizes[0] += 1
                _meet(case, state, flow, trial)
                for hop in range(indptr[flow], indptr[flow + 1]):
                    if state.full[links[hop]]:
                        _queue(state, links[hop], event)


def _reconsider(case: Case, state: State, event: int, tie: float) -> bool:
    """Queue the new bottlenecks on which a held flow is faster; say whether there are any."""
    before = state.sizes[1]
    for i in range(state.sizes[3]):
        link = state.touched[i]
        if state.closed[link] and state.reached[link] != event:
            share = state.free[link] * (1.0 + tie)
            first = case.shelf[link]
            for at in range(first, first + state.count[link]):
                flow = case.owner[state.member[at]]
                if state.rerated[flow] != event and state.rate[flow] > share:
                    _queue(state, link, event)
                    break
    return bool(state.sizes[1] > before)


def _leave(case: Case, state: State, flow: int, event: int) -> None:
    """Take a finished flow off its links; the event spreads over those that were full."""
    for hop in range(case.indptr[flow], case.indptr[flow + 1]):
        link = case.links[hop]
        state.count[link] -= 1
        last = case.shelf[link] + state.count[link]
        moved = state.member[last]
        state.member[state.place[hop]] = moved
        state.place[moved] = state.place[hop]
        state.sharing[link] -= case.part[hop]
        state.load[link] -= state.rate[flow] * case.part[hop]
        if state.count[link] == 0:
            state.load[link] = state.sharing[link] = 0.0  # forget what rounding left
        if state.full[link]:
            _queue(state, link, event)


def _join(case: Case, state: State, flow: int, event: int) -> None:
    """Put a new flow on its links and among those to rate."""
    for hop in range(case.indptr[flow], case.indptr[flow + 1]):
        link = case.links[hop]
        last = case.shelf[link] + state.count[link]
        state.member[last] = hop
        state.place[hop] = last
        state.count[link] += 1
        state.sharing[link] += case.part[hop]
    state.rerated[flow] = event
    state.flows[state.sizes[0]] = flow
    state.sizes[0] += 1


def _settle(case: Case, state: State, event: int, floor: float, tie: float) -> None:
    """Rate anew all flows that the event concerns."""
    sizes = state.sizes
    while True:
        sizes[3] = 0
        sizes[4] += 1
        for i in range(sizes[0]):
            _meet(case, state, state.flows[i], sizes[4])
        _follow(case, state, event, sizes[4], floor)
        _rate(case, state)
        if not _reconsider(case, state, event, tie):
            break
    for i in range(sizes[3]):
        state.full[state.touched[i]] = state.closed[state.touched[i]]


def _apply(case: Case, state: State, now: float) -> None:
    """Let the flows that were rated anew drain at their new rates."""
    for i in range(state.sizes[0]):
        flow = state.flows[i]
        change = state.fresh[flow] - state.rate[flow]
        if change != 0.0:
            state.left[flow] -= state.rate[flow] * (now - state.since[flow])
            state.since[flow] = now
            state.rate[flow] = state.fresh[flow]
            state.due[flow] = now + max(0.0, state.left[flow]) / state.rate[flow]
            for hop in range(case.indptr[flow], case.indptr[flow + 1]):
                state.load[case.links[hop]] += change * case.part[hop]


def advance(case: Case, state: State, credit: float, tie: float) -> tuple[float, int, int]:
    """Run events until all flows have finished, or each touches many flows for long.

    Parameters
    ----------
    case, state : Case, State
        The state is changed; at the start no flow is active.
    credit : float
        Flows that events may rate anew beyond `STEADY` each, before the call returns early.
    tie : float
        Events within this fraction of the time are one event, see `maxmin.TIE`.

    Returns
    -------
    tuple of float, int, int
        Time of the last event [s], flows that have joined, flows active.
    """
    joins, order, due, actives = case.joins, case.order, state.due, state.active
    total = len(joins)
    now, joined, active, event, balance = 0.0, 0, 0, 0, credit
    while balance >= 0 and (active > 0 or joined < total):
        now = INFINITY
        for i in range(active):
            end = due[actives[i]]
            if end < now:
                now = end
        if joined < total:
            now = min(now, joins[order[joined]])
        limit = now + tie * abs(now)
        event += 1
        state.sizes[0] = state.sizes[1] = state.sizes[2] = 0
        floor = INFINITY
        i = 0
        while i < active:
            flow = actives[i]
            if due[flow] <= limit:
                floor = min(floor, state.rate[flow])
                _leave(case, state, flow, event)
                active -= 1
                actives[i] = actives[active]
            else:
                i += 1
        while joined < total and joins[order[joined]] <= limit:
            flow = order[joined]
            joined += 1
            actives[active] = flow
            active += 1
            state.since[flow] = now
            _join(case, state, flow, event)
        for i in range(state.sizes[0]):  # only those that joined, so far
            flow = state.flows[i]
            for hop in range(case.indptr[flow], case.indptr[flow + 1]):
                link = case.links[hop]
                floor = min(floor, case.capacity[link] / state.sharing[link])
                if state.full[link]:
                    _queue(state, link, event)
        if state.sizes[0] > 0 or state.sizes[1] > 0:
            _settle(case, state, event, floor * (1.0 - MARGIN), tie)
            _apply(case, state, now)
        balance = min(credit, balance + STEADY - state.sizes[0])
    return now, joined, active


KERNEL = (
    *(_seek, _close, _rate, _meet, _queue, _follow, _reconsider),
    *(_leave, _join, _settle, _apply, advance),
)


@cache
def compiled() -> Callable[[Case, State, float, float], tuple[float, int, int]]:
    """Return :func:`advance` for arrays, compiled by numba; later runs find it on disk.

    The functions above stay as they are: their twins live in a namespace of their own, in which
    each name stands for the compiled function.
    """
    import numba

    namespace = dict(globals())
    for function in KERNEL:
        twin = FunctionType(function.__code__, namespace, function.__name__)
        twin.__module__ = __name__
        try:
            namespace[function.__name__] = numba.njit(twin, cache=True)
        except RuntimeError:  # no folder in which to keep it
            namespace[function.__name__] = numba.njit(twin)
    advance_twin: Callable[[Case, State, float, float], tuple[float, int, int]]
    advance_twin = namespace["advance"]
    return advance_twin
