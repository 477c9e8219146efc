"""Max-min fair rates: what every flow gets when all of them share the links at once.

An allocation is max-min fair when no rate can grow without shrinking one that is no larger.
Equivalently every flow crosses a *bottleneck*: a full link on which no flow is faster [1]_.

References
----------
.. [1] D. Bertsekas, R. Gallager, "Data Networks", 2nd ed. (1992), section 6.5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    parts: FloatArray | None = None,
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
    parts : array [entries], optional
        Share of a flow's bytes that takes the link, 1 by default; less where it is sprayed.

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
    capacity, paths = checked(capacity, indptr, links, parts)
    flows = len(paths.indptr) - 1
    weights = np.ones(flows) if weights is None else np.asarray(weights, float)
    if weights.shape != (flows,) or not np.all(weights > 0):
        raise InputError("every flow needs one weight above zero", where="weights")
    return fill(capacity, paths.padded(len(capacity)), weights)


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Links of each flow in compressed rows, and the part of its bytes that takes each."""

    indptr: IntArray
    links: IntArray
    parts: FloatArray

    @property
    def lengths(self) -> IntArray:
        """Links of each flow."""
        return np.diff(self.indptr)

    @property
    def owner(self) -> IntArray:
        """Flow of each entry."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.lengths)

    def take(self, rows: IntArray) -> Paths:
        """Return the paths of some flows, in the order asked."""
        lengths = self.lengths[rows]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        hops = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Paths(indptr, self.links[hops], self.parts[hops])

    def padded(self, nothing: int) -> Padded:
        """Return columns of equal length, filled up with the link ``nothing``."""
        shape = (max(1, int(self.lengths.max(initial=0))), len(self.lengths))
        hop, owner = np.arange(len(self.links)) - self.indptr[self.owner], self.owner
        links = np.full(shape, nothing, np.int64)
        links[hop, owner] = self.links
        if np.all(self.parts == 1.0):
            return Padded(links, None)
        parts = np.zeros(shape)
        parts[hop, owner] = self.parts
        return Padded(links, parts)


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Links [longest, flows] and parts of the bytes, None where each link takes all of them."""

    links: IntArray
    parts: FloatArray | None

    def take(self, flows: IntArray) -> Padded:
        """Return the columns of some flows."""
        parts = None if self.parts is None else self.parts.take(flows, axis=1)
        return Padded(self.links.take(flows, axis=1), parts)

    def laid(self, amounts: FloatArray, links: int) -> FloatArray:
        """Sum an amount of every flow over each link that it crosses."""
        if self.parts is None:
            spread = np.tile(amounts, len(self.links))
        else:
            spread = (self.parts * amounts).ravel()
        return np.bincount(self.links.ravel(), spread, minlength=links).astype(float, copy=False)


def checked(
    capacity: FloatArray, indptr: IntArray, links: IntArray, parts: FloatArray | None = None
) -> tuple[FloatArray, Paths]:
    """Return arrays of the right types, or refuse them."""
    capacity = np.asarray(capacity, float)
    indptr, links = np.asarray(indptr, np.int64), np.asarray(links, np.int64)
    parts = np.ones(len(links)) if parts is None else np.asarray(parts, float)
    if not (np.all(capacity >= 0) and np.all(np.isfinite(capacity))):
        raise InputError("a link's bandwidth is negative or not finite", where="capacity")
    if not len(indptr) or indptr[0] != 0 or indptr[-1] != len(links) or np.any(np.diff(indptr) < 0):
        raise InputError("does not rise from 0 to the number of route entries", where="indptr")
    if len(links) and not (links.min() >= 0 and links.max() < len(capacity)):
        raise InputError(f"a route names a link outside 0..{len(capacity) - 1}", where="links")
    if parts.shape != links.shape or not np.all(parts > 0) or np.any(parts > 1 + TIE):
        raise InputError("every route entry needs one part above 0, at most 1", where="parts")
    return capacity, Paths(indptr, links, parts)


def fill(free: FloatArray, paths: Padded, weights: FloatArray) -> FloatArray:
    """Share out ``free`` [B/s per link] as :func:`maxmin_rates` does."""
    links = len(free)
    rates = np.full(paths.links.shape[1], np.inf)
    flows = np.flatnonzero((paths.links < links).any(axis=0))  # those still open
    paths, weights = paths.take(flows), weights[flows]
    free = np.append(free, np.inf)
    asked = paths.laid(weights, links + 1)
    least = weights.min(initial=np.inf)
    if paths.parts is not None:
        least *= paths.parts.min(where=paths.parts > 0, initial=1.0)
    while len(flows):
        share = np.full(links + 1, np.inf)
        np.divide(free, asked, out=share, where=asked > 0.5 * least)  # below is only rounding
        hop_share = share.take(paths.links)
        smallest = hop_share.min(axis=0)
        # A link closes when none of its flows sees a smaller share elsewhere.
        waits = np.flatnonzero(hop_share > smallest * (1 + TIE))
        closing = np.ones(links + 1, bool)
        closing[paths.links.take(waits)] = False
        closing[links] = False
        closes = closing.take(paths.links).any(axis=0)
        done, stay = np.flatnonzero(closes), np.flatnonzero(~closes)
        rates[flows[done]] = smallest[done]
        gone, spent = paths.take(done), weights[done]
        asked -= gone.laid(spent, links + 1)
        free -= gone.laid(spent * smallest[done], links + 1)
        np.maximum(free, 0.0, out=free)
        flows, weights, paths = flows[stay], weights[stay], paths.take(stay)
    return rates
