"""Pairs of neighbours in rings, meshes, tori, hypercubes and HyperX dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netmodel.graph import IntArray


def lattice_pairs(
    shape: Sequence[int], wrap: bool | Sequence[bool]
) -> tuple[IntArray, IntArray, IntArray]:
    """Return neighbours in a grid, and the number of cables between them.

    Parameters
    ----------
    shape : sequence of int
        Extent of each dimension; nodes are numbered with the last index fastest.
    wrap : bool or sequence of bool
        Whether the two ends of a dimension are joined. A dimension of size 2 has one cable a
        pair either way, one of size 1 has none.

    Returns
    -------
    a, b, cables : int arrays
        Every pair once.
    """
    wraps = [wrap] * len(shape) if isinstance(wrap, bool) else list(wrap)
    index = np.arange(int(np.prod(shape))).reshape(tuple(shape))
    a: list[IntArray] = []
    b: list[IntArray] = []
    for axis, (extent, closed) in enumerate(zip(shape, wraps, strict=True)):
        if extent < 2:
            continue
        low = np.take(index, np.arange(extent - 1), axis)
        high = np.take(index, np.arange(1, extent), axis)
        a.append(low.reshape(-1))
        b.append(high.reshape(-1))
        if closed and extent > 2:
            a.append(np.take(index, extent - 1, axis).reshape(-1))
            b.append(np.take(index, 0, axis).reshape(-1))
    if not a:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0, int)
    ends = np.concatenate(a), np.concatenate(b)
    return *ends, np.ones(len(ends[0]), int)


def all_pairs_along(shape: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Return the pairs of grid nodes that differ in exactly one index (HyperX)."""
    index = np.arange(int(np.prod(shape))).reshape(tuple(shape))
    a: list[IntArray] = [np.zeros(0, int)]
    b: list[IntArray] = [np.zeros(0, int)]
    for axis, extent in enumerate(shape):
        low, high = np.triu_indices(extent, 1)
        a.append(np.take(index, low, axis).reshape(-1))
        b.append(np.take(index, high, axis).reshape(-1))
    return np.concatenate(a), np.concatenate(b)


def near_cube(count: int, dimensions: int) -> tuple[int, ...]:
    """Factor a count into extents as equal as they get, smallest first.

    >>> near_cube(4096, 3), near_cube(6144, 3), near_cube(16, 2), near_cube(7, 2)
    ((16, 16, 16), (16, 16, 24), (4, 4), (1, 7))
    """
    if dimensions == 1:
        return (count,)
    root = int(round(count ** (1 / dimensions), 9))
    low = next(k for k in range(max(1, root), 0, -1) if count % k == 0)
    return (low, *near_cube(count // low, dimensions - 1))
