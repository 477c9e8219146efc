"""Flows that nothing tells apart, so that one of them is followed for all.

Colour refinement finds the coarsest equitable partition of flows and links: flows of one class
cross equally much of every class of links, and links of one class carry equally much of every
class of flows. All of a class then have one max-min fair rate at every instant, and end together;
the event simulation on classes is exact. A million messages of an all-to-all on a fat tree are a
few classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.flows import simulate_flows
from netmodel.network.legs import Legs
from netmodel.network.lumping import Hash, scramble

NOISE = np.uint64(12)
"""Last bits of a float in which sums of equal parts may differ: one of 2**40 is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Flows and links of which those of one class are alike.

    Attributes
    ----------
    flows : Legs
        All flows.
    member : int array [flows]
        Class of each flow.
    chosen : int array [classes]
        A flow that stands for each class.
    weight, size, start : float array [classes]
        Flows of each class; bytes of one [B]; when it becomes active [s].
    link_class : int array [links]
        Class of each link, -1 for those that no flow crosses.
    capacity : float array [classes of links]
        Bandwidth of one link [B/s].
    """

    flows: Legs
    member: IntArray
    chosen: IntArray
    weight: FloatArray
    size: FloatArray
    start: FloatArray
    link_class: IntArray
    capacity: FloatArray

    def ends(self) -> FloatArray:
        """Return when each class of flows ends [s].

        One link of each class is simulated: it carries the mean part of what a flow has on all.
        """
        row, link, part = self.flows.of_flows(self.chosen)
        count = len(self.capacity)
        both, spot = np.unique(row * count + self.link_class[link], return_inverse=True)
        crossed = both % count if count else both
        total = np.bincount(spot, part, len(both)).astype(float)
        return simulate_flows(
            self.capacity,
            np.zeros(count),
            np.searchsorted(both, np.arange(len(self.chosen) + 1) * count),
            crossed,
            self.size,
            self.start,
            parts=total / np.bincount(self.link_class[self.link_class >= 0])[crossed],
            weights=self.weight,
        )


def classes(capacity: FloatArray, latency: FloatArray, flows: Legs, size: FloatArray) -> Classes:
    """Put flows that are sent together into as few classes as the refinement can tell.

    Parameters
    ----------
    capacity, latency : float array [links]
        Of each directed link [B/s], [s].
    flows : Legs
        The flows.
    size : float array [flows]
        Bytes of each [B].
    """
    used, entry = np.unique(flows.links, return_inverse=True)
    waits = np.bincount(flows.leg_of, latency[flows.links] * flows.parts, flows.count)
    start = _along(flows, waits.astype(float))
    apart = _float_bits(size) ^ scramble(_float_bits(start))
    colour, flow = _refined(flows, entry, _float_bits(capacity[used]), apart)
    _, alike, number = np.unique(colour, return_index=True, return_inverse=True)
    _, chosen, member, weight = np.unique(
        flow, return_index=True, return_inverse=True, return_counts=True
    )
    link_class = np.full(len(capacity), -1)
    link_class[used] = number
    return Classes(
        flows=flows,
        member=member,
        chosen=chosen,
        weight=weight.astype(float),
        size=size[chosen],
        start=start[chosen],
        link_class=link_class,
        capacity=capacity[used][alike],
    )


def _refined(found: Legs, entry: IntArray, link: Hash, flow: Hash) -> tuple[Hash, Hash]:
    """Refine the colours of links until no flow tells two of one colour apart.

    Parameters
    ----------
    found : Legs
        The flows.
    entry : int array [entries]
        Link of each entry, numbered from 0.
    link : Hash [links]
        First colour of each link.
    flow : Hash [flows]
        What tells flows apart from the start.

    Returns
    -------
    Hash, Hash
        Colours of links and of flows.
    """
    part = scramble(_float_bits(found.parts))
    leg_of = found.leg_of
    seen = len(np.unique(link))
    while True:
        leg = _sums(leg_of, scramble(scramble(link)[entry] ^ part), found.count + 1)
        leg[:-1] = scramble(leg[:-1])  # the last is that of flows with fewer legs
        colour = flow.copy()
        for slot in found.legs:
            colour += leg[slot]
        colour = scramble(colour)
        crossing = np.zeros(found.count + 1, np.uint64)
        for slot in found.legs:
            np.add.at(crossing, slot, colour)
        leg = scramble(leg ^ scramble(crossing))
        refined = scramble(_sums(entry, scramble(leg[leg_of] ^ part), len(link)) ^ scramble(link))
        now = len(np.unique(refined))
        if now == seen:
            return link, colour
        link, seen = refined, now


def _sums(row: IntArray, value: Hash, rows: int) -> Hash:
    """Sum whole numbers by row, modulo 2**64."""
    found = np.zeros(rows, np.uint64)
    np.add.at(found, row, value)
    return found


def _along(found: Legs, value: FloatArray) -> FloatArray:
    """Sum a value of each leg over the legs of each flow."""
    padded = np.append(value, 0.0)
    total = np.zeros(len(found.message))
    for slot in found.legs:
        total += padded[slot]
    return total


def _float_bits(values: FloatArray) -> Hash:
    """Return the bits of floats, less the last few, in which equal sums may differ."""
    bits = np.ascontiguousarray(values, float).view(np.uint64)
    return (bits + (np.uint64(1) << (NOISE - np.uint64(1)))) >> NOISE
