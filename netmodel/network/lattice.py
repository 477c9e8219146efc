"""Coordinates of nodes that a wiring rule laid out on a grid: torus, mesh, HyperX, hypercube."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from netmodel.graph import FloatArray, IntArray, Wiring
from netmodel.network.stage import Stage


def grids(wiring: Wiring) -> list[tuple[int, tuple[int, ...]]]:
    """Return the first node and the extents of every grid of GPUs, routers or leaves.

    A block is a grid by its own indices where each cable inside it runs along one of them;
    otherwise by the extents that the distances between cabled numbers betray.
    """
    found = []
    for start, block in zip(wiring.starts.tolist(), wiring.blocks, strict=False):
        if block.kind not in ("gpu", "router", "leaf"):
            continue
        a, b = _inside(wiring, start, start + block.size)
        shape = block.shape
        if len(a) and not _runs_along_axes(shape, a, b):
            shape = extents(block.size, a, b) or shape
        found.append((start, shape))
    return found


def _inside(wiring: Wiring, start: int, stop: int) -> tuple[IntArray, IntArray]:
    """Return the cables with both ends among some nodes, numbered from the first."""
    none = np.zeros(0, int)
    a = np.concatenate([none, *(group.a for group in wiring.cables)])
    b = np.concatenate([none, *(group.b for group in wiring.cables)])
    both = (a >= start) & (a < stop) & (b >= start) & (b < stop)
    return a[both] - start, b[both] - start


def _runs_along_axes(shape: tuple[int, ...], a: IntArray, b: IntArray) -> bool:
    """Say whether each cable joins nodes that differ in one index only."""
    first, second = np.unravel_index(a, shape), np.unravel_index(b, shape)
    apart = sum((x != y).astype(int) for x, y in zip(first, second, strict=True))
    return len(shape) > 1 and bool((apart == 1).all())


def extents(n: int, a: IntArray, b: IntArray) -> tuple[int, ...] | None:
    """Return the extents of a torus or mesh of n nodes in row order, None if it is neither.

    A cable along an axis joins numbers a stride apart, and one that wraps joins numbers
    (extent - 1) strides apart: the next stride less this one.

    Examples
    --------
    A ring of 3 by a mesh of 4:

    >>> grid = np.arange(12).reshape(3, 4)
    >>> a = np.concatenate([grid.ravel(), grid[:, :-1].ravel()])
    >>> b = np.concatenate([np.roll(grid, -1, 0).ravel(), grid[:, 1:].ravel()])
    >>> extents(12, a, b)
    (3, 4)
    """
    gaps = set(np.unique(np.abs(a - b)).tolist())
    strides = [1]
    while strides[-1] < n:
        here = strides[-1]
        wider = [gap for gap in sorted(gaps | {n}) if gap > here and gap % here == 0]
        if not wider:
            return None
        closing = [gap for gap in wider if gap - here in gaps and gap > 2 * here]
        strides.append((closing or wider)[0])
    shape = tuple(wide // narrow for narrow, wide in pairwise(strides))[::-1]
    return shape if np.prod(shape) == n and _runs_along_axes(shape, a, b) else None


def torus_all_to_all(stage: Stage, traffic: FloatArray) -> FloatArray | None:
    r"""Return the link loads when all nodes of a torus send evenly to all others.

    All links of an axis of extent k are alike, and carry
    :math:`\frac{N}{k} \sum_j \min(j, k - j)` messages of each node over two links; whether bytes
    spread over all shortest paths or go axis by axis is the same.

    Parameters
    ----------
    stage : Stage
        Any stage.
    traffic : float array [groups, width]
        As :meth:`Stage.spray` takes it.

    Returns
    -------
    float array [links] or None
        Bytes on every link of the network; None where the stage is no full torus with equal
        cables along each axis, or its traffic is not even.
    """
    n, network = len(stage.endpoints), stage.network
    size = traffic[0, 1] if traffic.shape == (n, n) and n > 1 else 0.0
    if (
        not size
        or np.count_nonzero(traffic != size) > n
        or traffic[np.arange(n), stage.column].any()
    ):
        return None
    for start, shape in grids(network.wiring):
        a, b = network.source[stage.links] - start, network.target[stage.links] - start
        if np.prod(shape) != n or min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= n:
            continue
        if not _runs_along_axes(shape, a, b):
            continue
        ends = np.array(np.unravel_index(a, shape)), np.array(np.unravel_index(b, shape))
        axis = np.argmax(ends[0] != ends[1], axis=0)
        found = np.zeros(network.n_links)
        for along, extent in enumerate(shape):
            here = axis == along
            step = np.abs(ends[0] - ends[1])[along, here]
            rates = np.unique(stage.capacity[here])
            if extent == 1:
                continue
            if (np.minimum(step, extent - step) != 1).any() or len(rates) != 1:
                return None
            if len(step) != n * min(extent - 1, 2):
                return None
            ways = np.arange(extent)
            hops = n / extent * np.minimum(ways, extent - ways).sum()
            found[stage.links[here]] = size * hops * n / len(step)
        return found
    return None
