"""All-to-all rate where units are cabled to each other directly: torus, dragonfly, HyperX, ...

There a message passes through other units, so what a unit can send to its neighbours is more
than what it can send to everybody at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netmodel.graph import FloatArray, IntArray, Wiring
from netmodel.network.cuts import Edges
from netmodel.network.lattice import grids

SOURCES = 4  # units whose shortest paths are followed, evenly spaced; one is exact by symmetry


def uniform_rate(unit: IntArray, gpus: IntArray, layers: Sequence[Edges]) -> float:
    r"""Return the rate at which every GPU may send evenly to all units it can reach.

    Traffic is spread over all shortest paths between units. With L_c the mean number of cables of
    layer c on such a path, N GPUs and C_c the sum of those cables over both directions,

    .. math:: r = \min_c C_c / (N L_c)

    which is exact where the cables of one layer are alike by symmetry, and an upper bound else.

    Parameters
    ----------
    unit : int array [nodes]
        Unit of each node; units without GPUs only pass traffic on.
    gpus : int array
        Nodes that send.
    layers : sequence of Edges
        Cables between units, one entry a class of cables that are alike.

    Returns
    -------
    float
        Rate of one GPU [B/s].
    """
    units = int(unit.max()) + 1
    ends = [(unit[edges.a], unit[edges.b], edges.bandwidth) for edges in layers]
    ends = [_between(*each) for each in ends]
    held = np.bincount(unit[gpus], minlength=units).astype(float)
    holders = np.flatnonzero(held)
    chosen = holders[:: max(1, len(holders) // SOURCES)]
    hops = np.mean([_hops(units, ends, held, source) for source in chosen], axis=0)
    capacity = np.array([2 * bandwidth.sum() for _, _, bandwidth in ends])
    used = hops > 0
    return float(np.min(capacity[used] / (len(gpus) * hops[used]), initial=np.inf))


def _between(
    a: IntArray, b: IntArray, bandwidth: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Keep the cables whose ends lie in two units."""
    keep = a != b
    return a[keep], b[keep], bandwidth[keep]


def _hops(
    units: int,
    ends: Sequence[tuple[IntArray, IntArray, FloatArray]],
    held: FloatArray,
    source: int,
) -> FloatArray:
    """Return the mean cables of each class on the paths from one unit to all others.

    Paths are counted outwards, weighted by bandwidth; the traffic of all targets then flows back
    along them (Brandes' accumulation).
    """
    a = np.concatenate([each[0] for each in ends] + [each[1] for each in ends])
    b = np.concatenate([each[1] for each in ends] + [each[0] for each in ends])
    weight = np.concatenate([each[2] for each in ends] * 2)
    weight /= weight.max(initial=0.0) or 1.0
    kind = np.tile(np.repeat(np.arange(len(ends)), [len(each[0]) for each in ends]), 2)
    distance = np.full(units, -1)
    distance[source] = 0
    paths = np.zeros(units)
    paths[source] = 1.0
    steps: list[IntArray] = []
    while True:
        frontier = np.flatnonzero((distance[a] == len(steps)) & (distance[b] < 0))
        if not len(frontier):
            break
        steps.append(frontier)
        distance[b[frontier]] = len(steps)
        paths += np.bincount(b[frontier], paths[a[frontier]] * weight[frontier], units)
    traffic = np.where(distance > 0, held, 0.0)
    total = traffic.sum()
    hops = np.zeros(len(ends))
    for step in reversed(steps):
        share = paths[a[step]] * weight[step] / paths[b[step]] * traffic[b[step]]
        hops += np.bincount(kind[step], share, len(ends))
        traffic += np.bincount(a[step], share, units)
    hops /= max(total, 1.0)
    return hops


def straight_cut_rate(wiring: Wiring, unit: IntArray, layers: Sequence[Edges]) -> float:
    r"""Return the all-to-all rate that the narrowest straight cut through the middle allows.

    A block of GPUs or routers with several indices is cut in half along each of them, which is
    the bisection of a torus or mesh. With B the cables cut, N = n_1 + n_2 GPUs and u of them in
    a unit, :math:`r = B (N - u) / (n_1 n_2)`.

    Returns
    -------
    float
        Rate of one GPU [B/s]; infinite where no block has several indices.
    """
    units = int(unit.max()) + 1
    held = np.bincount(unit[wiring.gpus], minlength=units).astype(float)
    ends = [(unit[edges.a], unit[edges.b], edges.bandwidth) for edges in layers]
    best = np.inf
    for start, shape in grids(wiring):
        nodes = unit[start : start + int(np.prod(shape))]
        for axis, extent in enumerate(shape):
            side = np.full(units, -1)
            side[nodes] = np.unravel_index(np.arange(len(nodes)), shape)[axis] < extent // 2
            halves = held[side == 0].sum(), held[side == 1].sum()
            if (side < 0).any() or min(halves) == 0:
                continue
            cut = sum(float(width[side[a] + side[b] == 1].sum()) for a, b, width in ends)
            best = min(best, cut * (held.sum() - held.max()) / (halves[0] * halves[1]))
    return float(best)
