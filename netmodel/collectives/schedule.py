"""Who sends what to whom: an algorithm as messages, for the rungs that look at single links.

A schedule is a list of :class:`Step`; a step's messages go out together, the next step follows.
Sizes are shares of the message as nccl-tests counts it, so one schedule serves every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Messages that go out together.

    Attributes
    ----------
    src, dst : int array
        Sender and receiver, as ranks of the group.
    share : float array
        Bytes of each message over the operation's size.
    repeat : int
        How often the step runs, one after the other (a ring repeats one step).
    """

    src: IntArray
    dst: IntArray
    share: FloatArray
    repeat: int = 1


def step(src: object, dst: object, share: object, repeat: int = 1) -> Step:
    """Make a step; ``share`` broadcasts over the messages."""
    sources = np.asarray(src, np.int64).ravel()
    targets = np.asarray(dst, np.int64).ravel()
    shares = np.broadcast_to(np.asarray(share, float), sources.shape)
    return Step(sources, targets, shares, repeat)


def traffic_matrix(schedule: list[Step], ranks: int) -> FloatArray:
    """Bytes from each rank (row) to each other (column), over the operation's size."""
    matrix = np.zeros((ranks, ranks))
    for each in schedule:
        np.add.at(matrix, (each.src, each.dst), each.share * each.repeat)
    return matrix


def egress(schedule: list[Step], ranks: int) -> FloatArray:
    """Bytes that each rank sends in all, over the operation's size."""
    sent = np.zeros(ranks)
    for each in schedule:
        np.add.at(sent, each.src, each.share * each.repeat)
    return sent


def pairs(schedule: list[Step]) -> tuple[IntArray, IntArray, FloatArray]:
    """All messages of a schedule added up by sender and receiver, without a matrix.

    Returns
    -------
    tuple of arrays
        Senders, receivers, and bytes over the operation's size.
    """
    src = np.concatenate([each.src for each in schedule])
    dst = np.concatenate([each.dst for each in schedule])
    share = np.concatenate([each.share * each.repeat for each in schedule])
    both, place = np.unique(np.stack([src, dst]), axis=1, return_inverse=True)
    total: FloatArray = np.bincount(place.ravel(), weights=share).astype(float)
    return both[0], both[1], total
