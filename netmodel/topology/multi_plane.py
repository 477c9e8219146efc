"""Multi-plane fabric: NIC (or NIC port) p of every host is on a fabric of its own.

Planes never meet outside the hosts; traffic between planes is forwarded inside a host. DeepSeek's
multi-plane fat tree (arXiv:2505.09343 section 5.1) has one plane for each of the eight NICs.
"""

from __future__ import annotations

import numpy as np

from netmodel.graph import IntArray
from netmodel.topology.clos import (
    ClosSpec,
    Leaves,
    leaf_down,
    leaves_limit,
    one_switch,
    whole_hosts,
    wire_clos,
)
from netmodel.topology.family import Fabric
from netmodel.topology.host import Ends


class Spec(ClosSpec):
    """Fields of a multi-plane fabric; ``planes`` is the number of NIC ports if left out."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Fill the leaves of every plane in host order."""
    ports = int(ends.port.max(initial=0)) + 1
    wanted = ends.rail * ports + ends.port
    plane = wanted % spec.planes if spec.planes else wanted
    place = rank_within(plane)
    each = -(-int(wanted.max(initial=0) + 1) // int(plane.max(initial=0) + 1))
    sized = whole_hosts(spec, each)
    leaf = place // (one_switch(spec, int(place.max(initial=0)) + 1) or leaf_down(sized))
    one_rail = ports == 1 and plane is wanted
    return wire_clos(sized, ends, Leaves(plane, leaf, rail_of_plane=one_rail), "multi-plane")


def rank_within(group: IntArray) -> IntArray:
    """Number the members of each group in their order."""
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    start = np.cumsum(size) - size
    rank = np.empty(len(group), int)
    rank[order] = np.arange(len(group)) - np.repeat(start, size)
    return rank


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts that fit: each has ``nics * ports / planes`` ports in every plane."""
    each = -(-nics * ports // (spec.planes or nics * ports))
    sized = whole_hosts(spec, each)
    one = (one_switch(spec, 1) or 0) // each
    return max(one, leaves_limit(sized) * leaf_down(sized) // each)
