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
    return fill(capacity.copy(), indptr, links, weights)


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


def fill(
    free: FloatArray, indptr: IntArray, links: IntArray, weights: FloatArray
) -> FloatArray:
    """Share out ``free`` [B/s per link] as :func:`maxmin_rates` does; ``free`` is used up."""
    rates = np.full(len(indptr) - 1, np.inf)
    lengths = np.diff(indptr)
    flows = np.flatnonzero(lengths)  # rows that are still open
    lengths, weights = lengths[flows], weights[flows]
    weight = np.repeat(weights, lengths)  # one entry a hop, like `links`
    open_weight = np.bincount(links, weight, minlength=len(free))
    share = np.empty_like(free)
    while len(flows):
        share.fill(np.inf)
        np.divide(free, open_weight, out=share, where=open_weight > 0.5 * weights.min())
        starts = np.cumsum(lengths) - lengths
        hop_share = share[links]
        smallest = np.minimum.reduceat(hop_share, starts)
        # A link closes when none of its flows sees a smaller share elsewhere.
        waits = np.repeat(smallest * (1 + TIE), lengths) < hop_share
        closing = np.ones(len(free), bool)
        closing[links[waits]] = False
        done = np.logical_or.reduceat(closing[links], starts)
        rates[flows[done]] = smallest[done]
        hop_done = np.repeat(done, lengths)
        gone = links[hop_done]
        spent = weight[hop_done]
        open_weight -= np.bincount(gone, spent, minlength=len(free))
        spent *= np.repeat(smallest[done], lengths[done])
        free -= np.bincount(gone, spent, minlength=len(free))
        np.maximum(free, 0.0, out=free)
        keep = ~done
        flows, lengths, weights = flows[keep], lengths[keep], weights[keep]
        links, weight = links[~hop_done], weight[~hop_done]
    return rates
