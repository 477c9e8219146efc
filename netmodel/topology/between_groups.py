"""Cables between the groups of a dragonfly: every pair alike, no port left over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.graph import IntArray


@dataclass(frozen=True, slots=True)
class GroupCables:
    """One row a cable: groups ``low`` and ``high``, and the port of each group that it uses."""

    low: IntArray
    low_port: IntArray
    high: IntArray
    high_port: IntArray


def between_groups(groups: int, ports: int, per_pair: int | None = None) -> GroupCables:
    """Join every pair of groups by equally many cables, then use up the ports that remain.

    Parameters
    ----------
    groups, ports : int
        Number of groups, and of ports that each has for other groups.
    per_pair : int, optional
        Cables between two groups. If left out, all ports are used: what does not divide evenly
        joins each group with its nearest neighbours by number once more.
    """
    if groups < 2:
        none = np.zeros(0, int)
        return GroupCables(none, none, none, none)
    each = per_pair or ports // (groups - 1)
    spare = 0 if per_pair else ports - each * (groups - 1)
    distances = [d for d in range(1, (groups - 1) // 2 + 1) for _ in range(each)]
    distances += list(range(1, min(spare // 2, (groups - 1) // 2) + 1))
    halves = each if groups % 2 == 0 else 0
    if groups % 2 == 0 and spare % 2:
        halves += 1
    group = np.arange(groups)
    low = [np.tile(group, len(distances)).reshape(-1)]
    high = [(np.asarray(distances, int)[:, None] + group[None, :]).reshape(-1) % groups]
    for _ in range(halves):
        low.append(np.arange(groups // 2))
        high.append(np.arange(groups // 2) + groups // 2)
    a, b = np.concatenate(low), np.concatenate(high)
    port = _number_in_group(np.concatenate([a, b]), np.concatenate([b, a]), groups)
    return GroupCables(a, port[: len(a)], b, port[len(a) :])


def _number_in_group(group: IntArray, peer: IntArray, groups: int) -> IntArray:
    """Number the cable ends of each group, in order of the distance to the peer."""
    order = np.lexsort(((peer - group) % groups, group))
    size = np.bincount(group, minlength=groups)
    start = np.cumsum(size) - size
    port = np.empty(len(group), int)
    port[order] = np.arange(len(group)) - np.repeat(start, size)
    return port


def merged(a: IntArray, b: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Merge parallel cables: each pair of nodes once, with the number of its cables."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    width = int(high.max(initial=0)) + 1
    pairs, cables = np.unique(low * width + high, return_counts=True)
    return pairs // width, pairs % width, cables
