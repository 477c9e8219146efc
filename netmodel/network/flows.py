"""Event-driven flows: when each of many messages ends that share links max-min fairly.

A flow becomes active at its start plus the latencies along its route; at every instant all active
flows drain at their max-min fair rates (see :mod:`netmodel.network.maxmin`); a flow ends when its
bytes are drained, and its end is the end of the message: no latency is added again.

Two engines run the same events. `flow_kernel` follows each event link by link, which is best
where an event touches a few flows (staggered traffic); here, `_dense` rates flows anew by whole
arrays, which is best where it touches hundreds (an all-to-all). The work goes back and forth
between them as the load changes. Both leave alone the flows that an event cannot concern.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.network import flow_kernel, maxmin
from netmodel.network.maxmin import TIE

CROWD = 512
"""Active flows above which arrays are tried, and half of which hands back to the kernel."""
CREDIT = 4096
"""Flows that a burst may rate anew in the kernel beyond what it does on average."""


def simulate(
    capacity: FloatArray,
    latency: FloatArray,
    indptr: IntArray,
    links: IntArray,
    size: FloatArray,
    start: FloatArray,
) -> FloatArray:
    """Return when each flow ends.

    Parameters
    ----------
    capacity, latency : array [links]
        Of each directed link [B/s], [s].
    indptr, links : int array [flows + 1], [entries]
        Flow ``f`` crosses ``links[indptr[f]:indptr[f + 1]]``; a flow that crosses none, or has no
        bytes, ends when it would become active.
    size, start : array [flows]
        Bytes of each flow [B]; when it is sent [s]. Scalars hold for all.

    Returns
    -------
    array [flows]
        End of each flow [s], on the clock of ``start``.

    Raises
    ------
    InputError
        When an array has the wrong length or holds an impossible value.

    Examples
    --------
    Two flows of 100 B share a link of 10 B/s; the second starts 5 s later:

    >>> simulate([10.0], [0.0], [0, 1, 2], [0, 0], [100.0, 100.0], [0.0, 5.0]).tolist()
    [15.0, 20.0]
    """
    flows = len(indptr) - 1
    capacity, indptr, links, _ = maxmin.checked(capacity, indptr, links)
    latency = _column(latency, len(capacity), "latency")
    size, start = _column(size, flows, "size"), _column(start, flows, "start")
    if not np.all(capacity > 0):
        raise InputError("a link's bandwidth is zero, its flows would never end", where="capacity")
    if np.any(latency < 0) or np.any(size < 0):
        raise InputError("a latency or size is negative", where="latency, size")
    lengths = np.diff(indptr)
    waits = np.bincount(np.repeat(np.arange(flows), lengths), latency[links], minlength=flows)
    joins = start + waits
    ends = joins.copy()
    busy = np.flatnonzero((lengths > 0) & (size > 0))
    load = _Load(capacity, *take(indptr, links, busy), np.ones(len(busy)), size[busy], joins[busy])
    merged, row = _merge(load)
    ends[busy] = _drain(merged)[row]
    return ends


def _column(values: FloatArray, n: int, name: str) -> FloatArray:
    """Return n finite floats."""
    column = np.asarray(values, float)
    if column.ndim and column.shape != (n,):
        raise InputError(f"has the shape {column.shape}, not ({n},)", where=name)
    if not np.all(np.isfinite(column)):
        raise InputError("holds a value that is not finite", where=name)
    return np.broadcast_to(column, n)


@dataclass(frozen=True, slots=True, eq=False)
class _Load:
    """Flows still to drain: each row stands for ``weight`` equal flows of ``left`` bytes [B]."""

    capacity: FloatArray
    indptr: IntArray
    links: IntArray
    weight: FloatArray
    left: FloatArray
    joins: FloatArray

    def select(self, rows: IntArray) -> _Load:
        """Return the load of some rows."""
        return _Load(
            self.capacity,
            *take(self.indptr, self.links, rows),
            self.weight[rows],
            self.left[rows],
            self.joins[rows],
        )


def take(indptr: IntArray, links: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return ``indptr`` and ``links`` of some rows, in the order asked."""
    lengths = indptr[rows + 1] - indptr[rows]
    out = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    hops = np.arange(out[-1]) + np.repeat(indptr[rows] - out[:-1], lengths)
    return out, links[hops]


def _merge(load: _Load) -> tuple[_Load, IntArray]:
    """Make one row of all flows with equal path, bytes and time; return each flow's row too."""
    flows = len(load.left)
    lengths = np.diff(load.indptr)
    width = int(lengths.max(initial=0))
    keys = np.full((width + 2, flows), -1.0)
    hop = np.arange(len(load.links)) - np.repeat(load.indptr[:-1], lengths)
    keys[hop, np.repeat(np.arange(flows), lengths)] = load.links
    keys[width], keys[width + 1] = load.left, load.joins
    order = np.lexsort(keys)
    new = np.ones(flows, bool)
    new[1:] = (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0)
    group = np.empty(flows, np.int64)
    group[order] = np.cumsum(new) - 1
    merged = load.select(order[new])
    return (
        _Load(
            merged.capacity,
            merged.indptr,
            merged.links,
            np.bincount(group).astype(float),
            merged.left,
            merged.joins,
        ),
        group,
    )


def _drain(load: _Load) -> FloatArray:
    """Return the end of every row, handing the load from engine to engine [s]."""
    ends = np.empty(len(load.left))
    rows = np.arange(len(ends))
    first = load.joins.min(initial=0.0)
    crowded = np.count_nonzero(load.joins <= first + TIE * abs(first)) > CROWD
    while len(rows):
        due, left, now = (_dense if crowded else _sparse)(load)
        over = due < np.inf
        ends[rows[over]] = due[over]
        rows = rows[~over]
        rest = load.select(np.flatnonzero(~over))
        load = _Load(
            rest.capacity,
            rest.indptr,
            rest.links,
            rest.weight,
            left[~over],
            np.maximum(rest.joins, now),
        )
        crowded = not crowded
    return ends


def _sparse(load: _Load) -> tuple[FloatArray, FloatArray, float]:
    """Run the kernel until each event concerns many flows; see :func:`_dense`."""
    flows, hops, links = len(load.left), len(load.links), len(load.capacity)
    crossing = np.bincount(load.links, minlength=links)
    case = flow_kernel.Case(
        capacity=load.capacity.tolist(),
        indptr=load.indptr.tolist(),
        links=load.links.tolist(),
        owner=np.repeat(np.arange(flows), np.diff(load.indptr)).tolist(),
        shelf=[0, *np.cumsum(crossing).tolist()],
        weight=load.weight.tolist(),
        joins=load.joins.tolist(),
        order=np.argsort(load.joins, kind="stable").tolist(),
    )
    state = flow_kernel.State(
        left=load.left.tolist(),
        since=load.joins.tolist(),
        rate=[0.0] * flows,
        due=[np.inf] * flows,
        active=[0] * flows,
        member=[0] * hops,
        place=[0] * hops,
        count=[0] * links,
        load=[0.0] * links,
        sharing=[0.0] * links,
        full=[False] * links,
        rerated=[0] * flows,
        reached=[0] * links,
        met=[0] * links,
        flows=[0] * flows,
        queue=[0] * links,
        touched=[0] * links,
        chase=[0] * (links + 1),
        fresh=[0.0] * flows,
        free=[0.0] * links,
        open=[0.0] * links,
        closed=[False] * links,
        sizes=[0] * 5,
    )
    now, _, active = flow_kernel.advance(case, state, float(CREDIT), TIE)
    due, left = np.array(state.due), np.array(state.left)
    rows = np.array(state.active[:active], np.int64)
    left[rows] -= np.array(state.rate)[rows] * (now - np.array(state.since)[rows])
    due[rows] = np.inf
    return due, np.maximum(left, 0.0), now


def _dense(load: _Load) -> tuple[FloatArray, FloatArray, float]:
    """Run events by whole arrays until few flows are active.

    Returns
    -------
    tuple of array, array, float
        End of each row, infinite where it is not over [s]; bytes left in it [B]; until when [s].
    """
    order = np.argsort(load.joins, kind="stable")
    joins = load.joins[order]
    left, since = load.left.copy(), load.joins.copy()
    rate, due = np.zeros_like(left), np.full_like(left, np.inf)
    ends = np.full_like(left, np.inf)
    taken = np.zeros_like(load.capacity)  # bandwidth given to active flows
    sharing = np.zeros_like(taken)  # active flows
    joined, now = 0, 0.0
    active = np.zeros(len(left), bool)
    while joined < len(order) or np.any(active):
        soonest = due.min()
        if joined < len(order):
            soonest = min(soonest, joins[joined])
        now = soonest
        limit = now + TIE * abs(now)
        gone = np.flatnonzero(due <= limit)
        upto = int(np.searchsorted(joins, limit, side="right"))
        new, joined = order[joined:upto], max(upto, joined)
        floor = np.inf
        if len(gone):
            floor = float(rate[gone].min())
            ends[gone] = due[gone]
            active[gone] = False
            taken -= _laid(load, gone, rate[gone])
            sharing -= _laid(load, gone)
            due[gone], rate[gone] = np.inf, 0.0
        if len(new):
            active[new] = True
            sharing += _laid(load, new)
            crossed = take(load.indptr, load.links, new)[1]
            floor = min(floor, float((load.capacity[crossed] / sharing[crossed]).min()))
            rate[new] = np.inf
        if len(gone) or len(new):
            flows = np.flatnonzero(active & (rate >= floor * (1 - flow_kernel.MARGIN)))
            rate[new] = 0.0
            now = float(now)
            indptr, links = take(load.indptr, load.links, flows)
            free = load.capacity - taken + _laid(load, flows, rate[flows])
            fresh = maxmin.fill(np.maximum(free, 0.0), indptr, links, load.weight[flows])
            taken += _laid(load, flows, fresh - rate[flows])
            left[flows] -= rate[flows] * (now - since[flows])
            since[flows], since[new] = now, now
            rate[flows] = fresh
            due[flows] = now + np.maximum(left[flows], 0.0) / fresh
        if np.count_nonzero(active) <= CROWD // 2:
            break
    left[active] -= rate[active] * (now - since[active])
    return ends, np.maximum(left, 0.0), now


def _laid(load: _Load, rows: IntArray, rate: FloatArray | None = None) -> FloatArray:
    """Sum rates (or just count flows) of some rows over every link."""
    indptr, links = take(load.indptr, load.links, rows)
    each = load.weight[rows] if rate is None else load.weight[rows] * rate
    return np.bincount(links, np.repeat(each, np.diff(indptr)), minlength=len(load.capacity))
