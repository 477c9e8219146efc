"""Several sites or zones: a fabric for each, and a few cables between their top switches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from netmodel.graph import Block, Cables, IntArray
from netmodel.topology.family import Fabric
from netmodel.topology.host import Ends, Part, bundle


def join_sites(
    wire: Callable[[Ends], Fabric], ends: Ends, *, per_site: int, cables: int, link: Part
) -> Fabric:
    """Wire each site on its own, then join every two sites.

    Parameters
    ----------
    wire : callable
        Wiring rule of one site.
    ends : Ends
        NIC ports of all sites.
    per_site : int
        Hosts of one site; sites fill up in turn.
    cables : int
        Cables between two sites, spread evenly over the top switches of both.
    link : Part
        One of these cables.
    """
    site = ends.node // per_site
    blocks: list[Block] = []
    joined: list[Cables] = []
    tops: list[IntArray] = []
    first = ends.first
    for number in range(int(site.max(initial=0)) + 1):
        fabric = wire(ends.take(site == number, first))
        for block in fabric.blocks:
            attributes = {**block.attributes, "site": number}
            label = f"site{number}-{block.label}"
            blocks.append(replace(block, label=label, attributes=attributes))
            first += block.size
        joined += fabric.cables
        for other in tops:
            joined.append(_trunk(other, fabric.top, cables, link))
        tops.append(fabric.top)
    return Fabric(tuple(blocks), tuple(joined), np.concatenate(tops))


def mark_sites(blocks: tuple[Block, ...], per_site: int) -> tuple[Block, ...]:
    """Return blocks of host parts with the site of each, where they know their host."""
    return tuple(
        replace(
            block,
            attributes={
                **block.attributes,
                "site": np.asarray(block.attributes["node"]) // per_site,
            },
        )
        if "node" in block.attributes
        else block
        for block in blocks
    )


def _trunk(left: IntArray, right: IntArray, cables: int, link: Part) -> Cables:
    """Spread the cables between two sites evenly over their top switches."""
    number = np.arange(cables)
    ends = np.stack([side[number * len(side) // cables % len(side)] for side in (left, right)])
    pairs, counts = np.unique(ends, axis=1, return_counts=True)
    return bundle(pairs[0], pairs[1], link, "wan", counts)
