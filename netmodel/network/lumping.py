"""Which nodes a fabric cannot tell apart, so that one stands for all of them.

Colour refinement finds the coarsest equitable partition: any two nodes of one class have equal
bandwidth to every other class. Shortest paths that end in nodes of a class of their own, and
flows split evenly over them, are then the same for all nodes of a class; routing on the classes
is exact, and the 5,120 switches of a fat tree become a few.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netmodel.graph import FloatArray, IntArray

Hash = npt.NDArray[np.uint64]


def scramble(values: npt.NDArray[np.generic]) -> Hash:
    """Return 64 well-mixed bits of each 64-bit value (the finalizer of SplitMix64).

    References
    ----------
    Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    mixed = np.asarray(values).astype(np.uint64, copy=True)
    mixed += np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def colours(start: IntArray, source: IntArray, target: IntArray, capacity: FloatArray) -> IntArray:
    """Return the coarsest equitable partition that is finer than the start.

    Parameters
    ----------
    start : int array [nodes]
        Nodes of different values are never put together.
    source, target : int array [links]
        Directed links, both directions of every cable.
    capacity : float array [links]
        Bandwidth of each [B/s].

    Returns
    -------
    int array [nodes]
        Class of each node, numbered from 0 without gaps.

    Examples
    --------
    Two hosts below two switches: the switches are alike.

    >>> a, b = np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3])
    >>> ends = np.concatenate([a, b]), np.concatenate([b, a])
    >>> colours(np.array([1, 2, 0, 0]), *ends, np.ones(8)).tolist()
    [1, 2, 0, 0]
    """
    width = scramble(np.ascontiguousarray(capacity).view(np.uint64))
    colour = _numbered(start)
    count = int(colour.max(initial=-1)) + 1
    while True:
        seen = np.zeros(len(colour), np.uint64)
        np.add.at(seen, source, scramble(scramble(colour)[target] ^ width))
        refined = _numbered(scramble(seen) ^ scramble(colour))
        if int(refined.max(initial=-1)) + 1 == count:
            return colour
        colour, count = refined, int(refined.max()) + 1


def _numbered(values: npt.NDArray[np.generic]) -> IntArray:
    """Number the distinct values from 0."""
    found: IntArray = np.unique(values, return_inverse=True)[1].astype(int)
    return found
