"""What is kept of many layouts: the fastest, and the front of step time against memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.studies.search_space import Space, Word
from netmodel.workload import Strategy

BINS = 4096
"""Steps of memory in which a layout is held against the fastest so far that needs less."""


@dataclass(slots=True)
class Ranking:
    """Collects step times and memory of layouts, in the order in which they come.

    Attributes
    ----------
    capacity : float
        Memory of a GPU [B]: the largest that comes.
    rooms, words : list of Space, list of Word
        Of each batch.
    zero, site : list of array
        ZeRO stage and site of each layout of a batch.
    times, needs : list of array
        Step time [s] and memory [B].
    """

    capacity: float
    rooms: list[Space] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    zero: list[IntArray] = field(default_factory=list)
    site: list[IntArray] = field(default_factory=list)
    times: list[FloatArray] = field(default_factory=list)
    needs: list[FloatArray] = field(default_factory=list)

    def add(
        self,
        room: Space,
        word: Word,
        zero: IntArray,
        site: IntArray,
        times: FloatArray,
        needs: FloatArray,
    ) -> None:
        """Take in a batch of one word of a space."""
        self.rooms.append(room)
        self.words.append(word)
        self.zero.append(zero)
        self.site.append(site)
        self.times.append(times)
        self.needs.append(needs)

    def __len__(self) -> int:
        """Return how many layouts came."""
        return sum(map(len, self.times))

    def layout(self, index: int) -> Strategy:
        """Return a layout in plain numbers."""
        for batch, times in enumerate(self.times):
            if index < len(times):
                zero, site = int(self.zero[batch][index]), int(self.site[batch][index])
                return self.rooms[batch].layout(self.words[batch], zero, site)
            index -= len(times)
        raise IndexError(index)

    def worst(self, count: int) -> float:
        """Return the step time of the last of the fastest so many, infinite if there are fewer."""
        if len(self) < count:
            return np.inf
        times = np.concatenate(self.times)
        return float(np.partition(times, count - 1)[count - 1])

    def all(self) -> tuple[FloatArray, FloatArray]:
        """Return step time [s] and memory [B] of every layout."""
        return np.concatenate(self.times), np.concatenate(self.needs)


def fastest(times: FloatArray, needs: FloatArray, count: int) -> IntArray:
    """Return the places of the fastest; of equal ones, that of less memory, then the earlier.

    >>> fastest(np.array([3.0, 1.0, 1.0, 2.0]), np.array([1.0, 9.0, 5.0, 1.0]), 3).tolist()
    [2, 1, 3]
    """
    count = min(count, len(times))
    limit = np.partition(times, count - 1)[count - 1]
    near = np.flatnonzero(times <= limit)
    order = np.lexsort((near, needs[near], times[near]))
    found: IntArray = near[order][:count]
    return found


def front(times: FloatArray, needs: FloatArray, capacity: float) -> IntArray:
    """Return the places on the Pareto front, the fastest first: no other needs less of both.

    Most are first ruled out by the fastest of all layouts in lower steps of memory.

    >>> front(np.array([3.0, 1.0, 2.0, 4.0]), np.array([1.0, 9.0, 5.0, 6.0]), 10.0).tolist()
    [1, 2, 0]
    """
    steps = np.minimum((needs * (BINS / capacity)).astype(np.int32), BINS - 1)
    least = np.full(BINS + 1, np.inf)
    np.minimum.at(least, steps + 1, times)
    least = np.minimum.accumulate(least)
    left = np.flatnonzero(times < least[steps])
    left = left[np.lexsort((left, times[left], needs[left]))]
    best = np.minimum.accumulate(np.concatenate(([np.inf], times[left])))
    found: IntArray = left[times[left] < best[:-1]][::-1]
    return found
