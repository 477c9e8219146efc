"""Sharing work out among unequal ranks so that the slowest is done as early as possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from netmodel.errors import ModelError

FloatArray = npt.NDArray[np.float64]


def batch_shares(times: Sequence[FloatArray], replicas: Sequence[int], total: int) -> list[int]:
    r"""Deal micro-batches to groups of replicas; the slowest replica decides.

    Minimises :math:`\max_i t_i(n_i)` where :math:`\sum_i d_i n_i \ge M`: whichever replica would be
    done first with one more gets one more, and with it all others of its group. Since more work
    never takes less time, no other shares are better.

    Parameters
    ----------
    times : sequence of array [M]
        For each group, time of a step whose busiest replica runs 1, 2, ... micro-batches,
        never falling [s].
    replicas : sequence of int
        Data-parallel replicas of each group, :math:`d_i`.
    total : int
        Micro-batches of all, M; every replica gets at least one.

    Returns
    -------
    list of int
        Micro-batches of each group, which sum up to ``total``.

    Examples
    --------
    >>> slow, fast = 3.0 * np.arange(1, 33), 1.0 * np.arange(1, 33)
    >>> batch_shares([slow, fast], [2, 2], 32)
    [8, 24]
    """
    if total < sum(replicas):
        raise ModelError(
            f"{total:,} micro-batches for {sum(replicas):,} replicas, each runs at least one",
            where="mixed cluster",
            remedy="Use a larger global batch or fewer replicas.",
        )
    busiest = [1] * len(replicas)
    left = total - sum(replicas)
    group = 0
    while left > 0:
        group = min(range(len(times)), key=lambda i: times[i][busiest[i]])
        busiest[group] += 1
        left -= replicas[group]
    shares = [n * d for n, d in zip(busiest, replicas, strict=True)]
    shares[group] += left
    return shares


def layer_shares(
    fixed: FloatArray, layers: FloatArray, most: Sequence[int], *, micro_batches: int
) -> tuple[int, ...]:
    r"""Deal a model's layers, in their order, to the stages of a pipeline.

    Minimises :math:`(m - 1) \max_s t_s + \sum_s t_s`, GPipe's and 1F1B's time of m micro-batches.
    For every possible slowest stage, dynamic programming finds the least sum; slower ones than can
    pay are not tried, so the answer is exact.

    Parameters
    ----------
    fixed : array [stages]
        What a stage does besides its layers: embedding, head [s].
    layers : array [stages, layers]
        Time of each layer on each stage, both passes of one micro-batch [s].
    most : sequence of int
        Layers that a stage can hold.
    micro_batches : int
        m.

    Returns
    -------
    tuple of int
        Layers of each stage, at least one.

    Raises
    ------
    ModelError
        When the stages cannot hold all layers, or there are more stages than layers.

    Examples
    --------
    >>> layer_shares(np.zeros(2), np.array([[3.0] * 8, [1.0] * 8]), [8, 8], micro_batches=16)
    (2, 6)
    """
    stages, count = layers.shape
    sums = np.concatenate([np.zeros((stages, 1)), np.cumsum(layers, axis=1)], axis=1)
    held = np.arange(count + 1)[None, :] - np.arange(count + 1)[:, None]
    allowed = (held >= 1) & (held <= np.asarray(most)[:, None, None])
    cost = fixed[:, None, None] + sums[:, None, :] - sums[:, :, None]
    cost = np.where(allowed, cost, np.inf)
    least, dealt = _least_sum(cost)
    if not np.isfinite(least):
        raise ModelError(
            f"{count} layers do not fit {stages} stages that hold {sum(most)} at most",
            where="mixed cluster",
            remedy="Use more stages, more tensor parallelism or recompute=full.",
        )
    best = np.inf
    for slowest in _bottlenecks(cost):
        if (micro_batches - 1) * slowest + least >= best:
            break
        whole, found = _least_sum(np.where(cost <= slowest, cost, np.inf))
        if np.isfinite(whole) and (micro_batches - 1) * slowest + whole < best:
            best, dealt = (micro_batches - 1) * slowest + whole, found
    return dealt


def _bottlenecks(cost: FloatArray) -> FloatArray:
    """Times that the slowest stage may have, from the least possible on."""
    reach = np.full(cost.shape[1], np.inf)
    reach[0] = -np.inf
    for stage in cost:
        reach = np.maximum(reach[:, None], stage).min(axis=0)
    times: FloatArray = np.unique(cost[np.isfinite(cost) & (cost >= reach[-1])])
    return times


def _least_sum(cost: FloatArray) -> tuple[float, tuple[int, ...]]:
    """Return the least sum of stage times, and the layers of each stage."""
    count = cost.shape[1]
    best = np.full(count, np.inf)
    best[0] = 0.0
    came: list[npt.NDArray[np.intp]] = []
    for stage in cost:
        table = best[:, None] + stage
        came.append(table.argmin(axis=0))
        best = table.min(axis=0)
    ends = [count - 1]
    for origin in reversed(came):
        ends.append(int(origin[ends[-1]]))
    return float(best[-1]), tuple(int(n) for n in -np.diff(ends)[::-1])


def given_shares(weights: Sequence[float], total: int) -> list[int]:
    """Divide a whole number in proportion to weights; the largest remainders are rounded up.

    >>> given_shares([1, 2, 1], 10)
    [3, 5, 2]
    """
    exact = np.asarray(weights, float) / float(np.sum(weights)) * total
    shares = np.floor(exact).astype(int)
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: total - int(shares.sum())]] += 1
    return [int(n) for n in shares]
