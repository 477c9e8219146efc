"""How soon a byte of one unit can be in another: the shortest path by latency."""

from __future__ import annotations

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.network.cuts import Edges


def nearest_meeting(edges: Edges, delay: FloatArray, owner: IntArray, reach: FloatArray) -> float:
    """Return the least latency between GPUs of two different units, over these cables.

    Every node that no unit owns falls to the unit that reaches it first (a Voronoi partition);
    the shortest path between two units then crosses a cable between two owners.

    Parameters
    ----------
    edges : Edges
        Cables that join the units.
    delay : float array [nodes]
        Time spent inside each device [s], 0 for GPUs.
    owner : int array [nodes]
        Unit of each node, -1 for switches that no unit holds; those reached are filled in.
    reach : float array [nodes]
        Latency from the nearest GPU of the owner up to the node's entrance [s], infinite where
        unknown; those reached are filled in.

    Returns
    -------
    float
        Latency [s], infinite when no two units meet.
    """
    free = owner < 0
    towards = [
        (source[keep], target[keep], edges.latency[keep])
        for source, target in ((edges.a, edges.b), (edges.b, edges.a))
        if (keep := free[target]).any()
    ]
    chained = any(free[source].any() for source, _, _ in towards)
    improved = True
    while improved:
        improved = False
        for source, target, latency in towards:
            offer = reach[source] + delay[source] + latency
            better = offer < reach[target]
            if better.any():
                improved = chained
                source, target, offer = source[better], target[better], offer[better]
                np.minimum.at(reach, target, offer)
                taken = offer == reach[target]
                owner[target[taken]] = owner[source[taken]]
    crossing = owner[edges.a] != owner[edges.b]
    crossing &= np.isfinite(reach[edges.a]) & np.isfinite(reach[edges.b])
    a, b = edges.a[crossing], edges.b[crossing]
    paths = reach[a] + delay[a] + edges.latency[crossing] + delay[b] + reach[b]
    return float(paths.min(initial=np.inf))
