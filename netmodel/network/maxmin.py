"""Max-min fair rates: what every flow gets when all of them share the links at once.

An allocation is max-min fair when no rate can grow without shrinking one that is no larger.
Equivalently every flow crosses a *bottleneck*: a full link on which no flow is faster [1]_.

References
----------
.. [1] D. Bertsekas, R. Gallager, "Data Networks", 2nd ed. (1992), section 6.5.2.
"""

from __future__ import annotations

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray

TIE = 1e-12
"""Shares, and instants, that differ by less than this fraction count as equal; rounding makes
such differences where the fabric is symmetric, and one tie of a thousand links is one round."""


def maxmin_rates(
    capacity: FloatArray,
    indptr: IntArray,
    links: IntArray,
    weights: FloatArray | None = None,
) -> FloatArray:
    """Return the max-min fair rate of every flow.

    Each round gives every link an equal share for the flows that are still open on it, then closes
    *each* link whose share is the smallest that any of its flows sees, not only the globally
    smallest: such a link can gain nothing from what happens elsewhere, so the result is the same
    as filling one link at a time, in far fewer rounds.

    Parameters
    ----------
    capacity : array [links]
        Bandwidth of each directed link [B/s].
    indptr, links : int array [flows + 1], [entries]
        Flow ``f`` crosses ``links[indptr[f]:indptr[f + 1]]``. A flow that crosses none has an
        infinite rate; a link named twice is paid twice.
    weights : array [flows], optional
        How many equal flows a row stands for, 1 by default.

    Returns
    -------
    array [flows]
        Rate of one flow of each row [B/s].

    Examples
    --------
    Three flows on two links in a row; the long one shares both:

    >>> maxmin_rates(np.array([10.0, 4.0]), np.array([0, 2, 3, 4]), np.array([0, 1, 0, 1])).tolist()
    [2.0, 8.0, 2.0]
    """
    capacity, indptr, links, weights = checked(capacity, indptr, links, weights)
    return fill(capacity, padded(indptr, links, len(capacity)), weights)


def checked(
    capacity: FloatArray, indptr: IntArray, links: IntArray, weights: FloatArray | None = None
) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
    """Return the four arrays in the types that :func:`fill` takes, or refuse them."""
    capacity = np.asarray(capacity, float)
    indptr, links = np.asarray(indptr, np.int64), np.asarray(links, np.int64)
    flows = len(indptr) - 1
    weights = np.ones(flows) if weights is None else np.asarray(weights, float)
    if not (np.all(capacity >= 0) and np.all(np.isfinite(capacity))):
        raise InputError("a link's bandwidth is negative or not finite", where="capacity")
    if flows < 0 or indptr[0] != 0 or indptr[-1] != len(links) or np.any(np.diff(indptr) < 0):
        raise InputError("does not rise from 0 to the number of route entries", where="indptr")
    if len(links) and not (links.min() >= 0 and links.max() < len(capacity)):
        raise InputError(f"a route names a link outside 0..{len(capacity) - 1}", where="links")
    if weights.shape != (flows,) or not np.all(weights > 0):
        raise InputError("every flow needs one weight above zero", where="weights")
    return capacity, indptr, links, weights


def padded(indptr: IntArray, links: IntArray, nothing: int) -> IntArray:
    """Return routes as columns of equal length, filled up with the link ``nothing``."""
    lengths = np.diff(indptr)
    routes = np.full((max(1, int(lengths.max(initial=0))), len(lengths)), nothing, np.int64)
    hop = np.arange(len(links)) - np.repeat(indptr[:-1], lengths)
    routes[hop, np.repeat(np.arange(len(lengths)), lengths)] = links
    return routes


def fill(free: FloatArray, routes: IntArray, weights: FloatArray) -> FloatArray:
    """Share out ``free`` [B/s per link] as :func:`maxmin_rates` does, over padded routes."""
    links = len(free)
    rates = np.full(routes.shape[1], np.inf)
    flows = np.flatnonzero((routes < links).any(axis=0))  # those still open
    if len(flows) < len(rates):
        routes, weights = routes.take(flows, axis=1), weights[flows]
    free = np.append(free, np.inf)
    open_weight = over_links(routes, weights, links + 1)
    few = 0.5 * weights.min(initial=np.inf)  # less than this is what rounding left
    while len(flows):
        share = np.full(links + 1, np.inf)
        np.divide(free, open_weight, out=share, where=open_weight > few)
        hop_share = share.take(routes)
        smallest = hop_share.min(axis=0)
        # A link closes when none of its flows sees a smaller share elsewhere.
        waits = np.flatnonzero(hop_share > smallest * (1 + TIE))
        closing = np.ones(links + 1, bool)
        closing[routes.take(waits)] = False
        closing[links] = False
        closes = closing.take(routes).any(axis=0)
        done, stay = np.flatnonzero(closes), np.flatnonzero(~closes)
        rates[flows[done]] = smallest[done]
        gone, spent = routes.take(done, axis=1), weights[done]
        open_weight -= over_links(gone, spent, links + 1)
        free -= over_links(gone, spent * smallest[done], links + 1)
        np.maximum(free, 0.0, out=free)
        flows, weights, routes = flows[stay], weights[stay], routes.take(stay, axis=1)
    return rates


def over_links(routes: IntArray, amounts: FloatArray, links: int) -> FloatArray:
    """Sum an amount of every flow over each link that it crosses."""
    spread = np.tile(amounts, len(routes))
    return np.bincount(routes.ravel(), spread, minlength=links).astype(float, copy=False)
