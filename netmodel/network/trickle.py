"""Spreads traffic between few pairs of groups, looking only at the links that it reaches."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import sorted_by

if TYPE_CHECKING:
    from netmodel.network.stage import Stage

SPARSE = 20
"""Entries of a traffic matrix for each that is not zero, from which this is the cheaper way."""


def is_sparse(traffic: FloatArray) -> bool:
    """Whether few enough pairs of groups send."""
    return bool(np.count_nonzero(traffic) * SPARSE < traffic.size)


def trickle(stage: Stage, traffic: FloatArray) -> FloatArray:
    """Return the bytes on each arc, as :meth:`netmodel.network.stage.Stage.spray` does.

    Bytes for one group at one class of nodes are a cell; the farthest cells are emptied first.
    """
    arcs, width = stage.arcs, stage.width
    order, first = sorted_by(arcs.source, len(arcs.forwards))
    total = np.zeros(len(arcs.source))
    group, column = np.nonzero(traffic)
    node = stage.group_class[group]
    cells: dict[int, list[tuple[IntArray, FloatArray]]] = defaultdict(list)

    def add(left: IntArray, cell: IntArray, amount: FloatArray) -> None:
        for hops in np.unique(left[left > 0]).tolist():
            cells[hops].append((cell[left == hops], amount[left == hops]))

    add(stage.distance[node, column].astype(int), node * width + column, traffic[group, column])
    while cells:
        hops = max(cells)
        held = cells.pop(hops)
        cell, inverse = np.unique(np.concatenate([each[0] for each in held]), return_inverse=True)
        amount = np.bincount(inverse, np.concatenate([each[1] for each in held]), len(cell))
        node, column = cell // width, cell % width
        count = first[node + 1] - first[node]
        owner = np.repeat(np.arange(len(cell)), count)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        arc = order[first[node][owner] + offset]
        left, target = hops - arcs.length[arc], arcs.target[arc]
        nearer = (stage.distance[target, column[owner]] == left) & (left >= 0)
        nearer &= arcs.forwards[target] | (left == 0)
        arc, owner, left, target = (each[nearer] for each in (arc, owner, left, target))
        weight = arcs.capacity[arc]
        moved = amount[owner] * weight / np.bincount(owner, weight, len(cell))[owner]
        total += np.bincount(arc, moved, len(total))
        add(left, target * width + column[owner], moved)
    return total
