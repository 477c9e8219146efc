"""What a set of GPUs can send out together: the narrowest of the cuts between them and outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netmodel.graph import TIERS, FloatArray, IntArray, Wiring

LAYERS = max(TIERS.values()) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Cables of some layers as flat arrays.

    Attributes
    ----------
    a, b : int array [edges]
        Ends.
    bandwidth, latency : float array [edges]
        One direction [B/s]; [s].
    """

    a: IntArray
    b: IntArray
    bandwidth: FloatArray
    latency: FloatArray

    def where(self, keep: IntArray) -> Edges:
        """Return some of the edges."""
        return Edges(self.a[keep], self.b[keep], self.bandwidth[keep], self.latency[keep])

    def on(self, number: IntArray) -> Edges:
        """Return the same cables between nodes that are numbered otherwise."""
        return Edges(number[self.a], number[self.b], self.bandwidth, self.latency)


def edges_by_layer(wiring: Wiring) -> list[Edges]:
    """Return the cables of each layer of :data:`netmodel.graph.TIERS`, innermost first."""
    return [
        merge(
            [
                Edges(
                    group.a,
                    group.b,
                    np.broadcast_to(np.asarray(group.bandwidth, float), len(group.a)),
                    np.broadcast_to(np.asarray(group.latency, float), len(group.a)),
                )
                for group in wiring.cables
                if TIERS[group.tier] == layer
            ]
        )
        for layer in range(LAYERS)
    ]


def merge(parts: Sequence[Edges]) -> Edges:
    """Return several lists of edges as one."""
    if len(parts) == 1:
        return parts[0]
    none = np.zeros(0)
    return Edges(
        *(np.concatenate([none.astype(int), *(getattr(p, end) for p in parts)]) for end in "ab"),
        *(
            np.concatenate([none, *(getattr(p, column) for p in parts)])
            for column in ("bandwidth", "latency")
        ),
    )


def egress(unit: IntArray, gpus: IntArray, inside: Edges, out: Edges) -> FloatArray:
    r"""Return what each GPU of each unit may send out of its unit while all its GPUs do so.

    Nodes are ranked by their distance from outside: ports (leaves, NICs, ...) that hold a cable
    which leaves the unit are at 1, what is joined to them at 2, and so on. All bytes of the GPUs
    behind level d cross the cables between d and d + 1, so that

    .. math:: r = \min_d \frac{\sum_{e: d \to d+1} B_e}{\#\{\text{GPUs beyond } d\}}

    Parameters
    ----------
    unit : int array [nodes]
        Unit of each node.
    gpus : int array
        Nodes that send.
    inside : Edges
        Cables on the way from GPU to port; those that leave a unit are ignored.
    out : Edges
        Cables that may leave units; those that do not are ignored.

    Returns
    -------
    float array [units]
        Rate of one GPU [B/s]; infinite where a unit has no GPU, or none of its cables leaves.
    """
    units = int(unit.max()) + 1
    out = out.where(unit[out.a] != unit[out.b])
    inside = inside.where(unit[inside.a] == unit[inside.b])
    held = np.bincount(unit[gpus], minlength=units).astype(float)
    leaving = _total(unit[out.a], out.bandwidth, units) + _total(unit[out.b], out.bandwidth, units)
    rate = _share(leaving, held)
    level = np.full(len(unit), np.iinfo(np.int64).max)
    level[out.a] = level[out.b] = 1
    depth = 1
    while len(inside.a):
        near, far = level[inside.a], level[inside.b]
        down, up = (near == depth) & (far > depth), (far == depth) & (near > depth)
        if not (down.any() or up.any()):
            break
        level[inside.b[down]] = level[inside.a[up]] = depth + 1
        crossing = down | up
        cut = _total(unit[inside.a[crossing]], inside.bandwidth[crossing], units)
        held = np.bincount(unit[gpus[level[gpus] > depth]], minlength=units).astype(float)
        rate = np.minimum(rate, _share(cut, held))
        depth += 1
    return rate


def _total(where: IntArray, what: FloatArray, bins: int) -> FloatArray:
    """Add up values by bin."""
    return np.bincount(where, what, bins).astype(float, copy=False)


def _share(cut: FloatArray, held: FloatArray) -> FloatArray:
    """Divide a cut among the GPUs behind it; nothing to divide bounds nothing."""
    shared = (cut > 0) & (held > 0)
    return np.where(shared, cut / np.maximum(held, 1), np.inf)
