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

import importlib.util
import sys
from dataclasses import dataclass, replace

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.network import flow_kernel, maxmin
from netmodel.network.maxmin import TIE, Paths

CROWD = 512
"""Active flows above which arrays are tried, and half of which hands back to the kernel."""
CREDIT = 4096
"""Flows that a burst may rate anew in the kernel beyond what it does on average."""
PATIENCE = 1_000_000
"""Flows to rate anew after which arrays give way to the compiled kernel, where it is installed."""
MANY = 20_000
"""Flows that are worth loading the compiler for."""


def simulate_flows(
    capacity: FloatArray,
    latency: FloatArray,
    indptr: IntArray,
    links: IntArray,
    size: FloatArray | float,
    start: FloatArray | float,
    parts: FloatArray | None = None,
    weights: FloatArray | None = None,
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
    parts : array [entries], optional
        Share of a flow's bytes that takes the link, 1 by default. A sprayed flow names the links
        of all its paths, keeps one rate over them, and waits for the latency of the mean path.
    weights : array [flows], optional
        How many equal flows a row stands for, 1 by default.

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

    >>> simulate_flows([10.0], [0.0], [0, 1, 2], [0, 0], [100.0, 100.0], [0.0, 5.0]).tolist()
    [15.0, 20.0]
    """
    flows = len(indptr) - 1
    capacity, paths = maxmin.checked(capacity, indptr, links, parts)
    latency = _column(latency, len(capacity), "latency")
    size, start = _column(size, flows, "size"), _column(start, flows, "start")
    weights = _column(1.0 if weights is None else weights, flows, "weights")
    if not np.all(capacity > 0):
        raise InputError("a link's bandwidth is zero, its flows would never end", where="capacity")
    if np.any(latency < 0) or np.any(size < 0):
        raise InputError("a latency or size is negative", where="latency, size")
    if not np.all(weights > 0):
        raise InputError("a row stands for no flow", where="weights")
    clock = start.min(initial=np.inf) if flows else 0.0  # late starts must not cost digits
    waits = np.bincount(paths.owner, latency[paths.links] * paths.parts, minlength=flows)
    joins = (start - clock + waits).astype(float, copy=False)
    ends = joins.copy()
    busy = np.flatnonzero((paths.lengths > 0) & (size > 0))
    with np.errstate(over="ignore"):
        slowest = weights.sum() * size.max(initial=0.0) / capacity.min(initial=1)
        longest = joins.max(initial=0.0) + slowest
    if not np.isfinite(longest):
        raise InputError("flows could last longer than numbers reach", where="size, capacity")
    load = _Load(capacity, paths.take(busy), weights[busy], size[busy], joins[busy])
    merged, row = _merge(load)
    ends[busy] = _drain(merged)[row]
    return ends + clock


def _column(values: FloatArray | float, n: int, name: str) -> FloatArray:
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
    paths: Paths
    weight: FloatArray
    left: FloatArray
    joins: FloatArray

    def select(self, rows: IntArray) -> _Load:
        """Return the load of some rows."""
        return _Load(
            self.capacity,
            self.paths.take(rows),
            self.weight[rows],
            self.left[rows],
            self.joins[rows],
        )


def _merge(load: _Load) -> tuple[_Load, IntArray]:
    """Make one row of all flows with equal path, bytes and time; return each flow's row too."""
    flows = len(load.left)
    columns = load.paths.padded(-1)
    keys = np.vstack([columns.links, load.left, load.joins])
    if columns.parts is not None:
        keys = np.vstack([keys, columns.parts])
    order = np.lexsort(keys)
    new = np.ones(flows, bool)
    new[1:] = (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0)
    group = np.empty(flows, np.int64)
    group[order] = np.cumsum(new) - 1
    merged = load.select(order[new])
    return replace(merged, weight=np.bincount(group, load.weight).astype(float)), group


def _drain(load: _Load) -> FloatArray:
    """Return the end of every row, handing the load from engine to engine [s]."""
    ends = np.empty(len(load.left))
    rows = np.arange(len(ends))
    first = load.joins.min(initial=0.0)
    crowded = int(np.count_nonzero(load.joins <= first + TIE * abs(first))) > CROWD
    fast = has_numba()
    credit = float(CREDIT)
    while len(rows):
        if crowded:
            due, left, now = _dense(load, float(PATIENCE) if fast else np.inf)
        else:
            due, left, now = _sparse(load, credit, compiled=fast)
        over = due < np.inf
        ends[rows[over]] = due[over]
        rows = rows[~over]
        rest = load.select(np.flatnonzero(~over))
        load = replace(rest, left=left[~over], joins=np.maximum(rest.joins, now))
        crowded = not crowded
        if fast:
            credit = np.inf
    return ends


def has_numba() -> bool:
    """Whether the extra `fast` is installed."""
    return importlib.util.find_spec("numba") is not None


def _sparse(load: _Load, credit: float, *, compiled: bool) -> tuple[FloatArray, FloatArray, float]:
    """Run the kernel until each event concerns many flows; see :func:`_dense`.

    Compiled or not, the kernel gives the same bits; importing the compiler takes half a second,
    so a load that is small or may be quick is left to plain Python unless it is there already.
    """
    paths = load.paths
    flows, hops, links = len(load.left), len(paths.links), len(load.capacity)
    case = flow_kernel.Case(
        capacity=load.capacity,
        indptr=paths.indptr,
        links=paths.links,
        part=paths.parts * load.weight[paths.owner],
        owner=paths.owner,
        shelf=np.append(0, np.cumsum(np.bincount(paths.links, minlength=links))),
        joins=load.joins,
        order=np.argsort(load.joins, kind="stable"),
    )
    sizes = {"flows": flows, "hops": hops, "links": links, "links + 1": links + 1, "5": 5}
    state = flow_kernel.State(
        **{
            name: np.zeros(sizes[extent], kind)
            for name, (extent, kind) in flow_kernel.STATE.items()
        }
    )
    state.left[:], state.due[:] = load.left, np.inf
    worth = "numba" in sys.modules or credit == np.inf or flows > MANY
    if compiled and worth:
        advance = flow_kernel.compiled()
    else:
        advance = flow_kernel.advance
        case = flow_kernel.Case(*(column.tolist() for column in case))
        state = flow_kernel.State(*(column.tolist() for column in state))
    now, _, active = advance(case, state, credit, TIE)
    due, left = np.asarray(state.due), np.asarray(state.left)
    rows = np.asarray(state.active[:active], np.int64)
    left[rows] -= np.asarray(state.rate)[rows] * (now - np.asarray(state.since)[rows])
    due[rows] = np.inf
    return due, np.maximum(left, 0.0), now


def _dense(load: _Load, patience: float) -> tuple[FloatArray, FloatArray, float]:
    """Run events by whole arrays until few flows are active, or so many were rated anew.

    Returns
    -------
    tuple of array, array, float
        End of each row, infinite where it is not over [s]; bytes left in it [B]; until when [s].
    """
    order = np.argsort(load.joins, kind="stable")
    joins = load.joins[order]
    links = len(load.capacity)
    paths = load.paths.padded(links)
    left, since = load.left.copy(), load.joins.copy()
    rate, due = np.zeros_like(left), np.full_like(left, np.inf)
    ends = np.full_like(left, np.inf)
    capacity = np.append(load.capacity, np.inf)  # the last link pads routes
    taken, sharing = np.zeros(links + 1), np.zeros(links + 1)  # bandwidth given, flows that ask
    active = np.zeros(len(left), bool)
    joined, now = 0, 0.0

    def laid(rows: IntArray, each: FloatArray) -> FloatArray:
        return paths.take(rows).laid(load.weight[rows] * each, links + 1)

    while joined < len(order) or np.any(active):
        now = float(due.min())
        if joined < len(order):
            now = min(now, float(joins[joined]))
        limit = now + TIE * abs(now)
        floor = np.inf
        gone = np.flatnonzero(due <= limit)
        if len(gone):
            floor = float(rate[gone].min())
            ends[gone] = due[gone]
            taken -= laid(gone, rate[gone])
            sharing -= laid(gone, np.ones(len(gone)))
            active[gone], due[gone], rate[gone] = False, np.inf, 0.0
        upto = int(np.searchsorted(joins, limit, side="right"))
        new, joined = order[joined:upto], upto
        if len(new):
            sharing += laid(new, np.ones(len(new)))
            crossed = paths.take(new).links
            sharing[links] = 1.0  # whatever padding counted
            floor = min(floor, float((capacity[crossed] / sharing[crossed]).min()))
            active[new], since[new] = True, now
        above = rate >= floor * (1 - flow_kernel.MARGIN)
        above[new] = True
        flows = np.flatnonzero(active & above)
        free = np.maximum(capacity - taken + laid(flows, rate[flows]), 0.0)
        fresh = maxmin.fill(free[:links], paths.take(flows), load.weight[flows])
        taken += laid(flows, fresh - rate[flows])
        left[flows] -= rate[flows] * (now - since[flows])
        since[flows], rate[flows] = now, fresh
        due[flows] = now + np.maximum(left[flows], 0.0) / fresh
        patience -= len(flows)
        if patience < 0 or np.count_nonzero(active) <= CROWD // 2:
            break
    left[active] -= rate[active] * (now - since[active])
    return ends, np.maximum(left, 0.0), now
