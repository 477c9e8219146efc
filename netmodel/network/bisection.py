"""The narrowest cut through the middle of a fabric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netmodel.graph import TIERS, FloatArray, IntArray, Wiring
from netmodel.network.components import join
from netmodel.network.cuts import Edges, edges_by_layer, egress, merge
from netmodel.network.lattice import grids

BoolArray = npt.NDArray[np.bool_]
SEARCHED = 512  # units up to which cuts are searched, beyond the straight ones


def bisection_bandwidth(wiring: Wiring) -> float:
    r"""Return the bandwidth between two halves of the GPUs, one direction [B/s].

    The cut goes through the last tier at which units meet. Where they meet in switches, each unit
    of the weaker half sends up what it can: exact for non-blocking and oversubscribed trees.
    Where units are cabled to each other, straight cuts along the axes of the wiring are tried,
    or else the slowest mode of the graph improved by exchanges: exact for tori, meshes,
    hypercubes and dragonflies of an even number of groups, an upper bound elsewhere. No half
    sends more than its NICs do.
    """
    gpus, (below, inside, across) = wiring.gpus, _top(wiring)
    if not len(across.a):
        return float("inf") if len(gpus) == 1 else 0.0
    unit = np.unique(below, return_inverse=True)[1]
    held = np.bincount(unit[gpus], minlength=int(unit.max()) + 1)
    rate = egress(unit, gpus, inside, across)
    weaker = np.argsort(rate, kind="stable")
    weaker = weaker[held[weaker] > 0]
    upto = np.minimum(np.cumsum(held[weaker]), len(gpus) / 2)
    sent = float((np.diff(upto, prepend=0.0) * np.minimum(rate[weaker], 1e300)).sum())
    holds = held > 0
    a, b = unit[across.a], unit[across.b]
    if not (holds[a] & holds[b] & (a != b)).any():
        return sent
    quotient = _Quotient(held, a, b, across.bandwidth)
    sides = [*_straight(wiring, unit, held)]
    if not sides and len(held) <= SEARCHED:
        sides.append(quotient.improved(quotient.slowest_mode()))
    return min(sent, *(quotient.cut(side) for side in sides)) if sides else sent


def _top(wiring: Wiring) -> tuple[IntArray, Edges, Edges]:
    """Return the units that meet last, the cables on the way out of them, those between them."""
    layers, gpus = edges_by_layer(wiring), wiring.gpus
    below = np.arange(wiring.n_nodes)
    top = below, merge([]), merge([])
    for layer, edges in enumerate(layers):
        here = join(below, edges.a, edges.b)
        if len(np.unique(here[gpus])) < len(np.unique(below[gpus])):
            top = below, merge(layers[TIERS["pcie"] : layer]), edges
        below = here
    return top


def _straight(wiring: Wiring, unit: IntArray, held: IntArray) -> Iterator[BoolArray]:
    """Yield the halves of each block of GPUs, routers or leaves along each of its indices."""
    for start, shape in grids(wiring):
        nodes = unit[start : start + int(np.prod(shape))]
        for axis, extent in enumerate(shape):
            side = np.full(len(held), -1)
            side[nodes] = np.unravel_index(np.arange(len(nodes)), shape)[axis] < extent // 2
            low, high = held[side == 0].sum(), held[side == 1].sum()
            if low and high and low + high == held.sum() and abs(low - high) <= held.sum() / extent:
                yield side == 1


@dataclass(frozen=True, eq=False)
class _Quotient:
    """Units and the cables between them."""

    held: IntArray
    a: IntArray
    b: IntArray
    bandwidth: FloatArray

    def cut(self, side: BoolArray) -> float:
        """Add up the cables between both sides."""
        return float(self.bandwidth[side[self.a] != side[self.b]].sum())

    def matrix(self) -> FloatArray:
        """Return the bandwidth between every two units."""
        n = len(self.held)
        found = np.bincount(self.a * n + self.b, self.bandwidth, n * n).reshape(n, n)
        found += found.T
        np.fill_diagonal(found, 0.0)
        return found.astype(float, copy=False)

    def slowest_mode(self) -> BoolArray:
        """Halve the GPUs by the second eigenvector of the graph's Laplacian (Fiedler)."""
        weight = self.matrix()
        laplacian = np.diag(weight.sum(axis=1)) - weight
        mode = np.linalg.eigh(laplacian)[1][:, min(1, len(weight) - 1)]
        order = np.argsort(mode, kind="stable")
        side = np.zeros(len(weight), bool)
        side[order[np.cumsum(self.held[order]) <= self.held.sum() / 2]] = True
        return side

    def improved(self, side: BoolArray) -> BoolArray:
        """Exchange pairs of equally large units as long as that narrows the cut."""
        weight, side = self.matrix(), side.copy()
        for _ in range(len(side)):
            across = np.where(side[:, None] != side, weight, -weight).sum(axis=1)
            gain = across[:, None] + across - 2 * weight
            allowed = (side[:, None] & ~side) & (self.held[:, None] == self.held)
            gain = np.where(allowed, gain, -np.inf)
            first, second = np.unravel_index(int(gain.argmax()), gain.shape)
            if not gain[first, second] > 1e-9 * weight.max(initial=0.0):
                break
            side[first], side[second] = False, True
        return side
