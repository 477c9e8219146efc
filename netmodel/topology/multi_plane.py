"""Multi-plane fabric: NIC (or NIC port) p of every host is on a fabric of its own.

Planes never meet outside the hosts; traffic between planes is forwarded inside a host. DeepSeek's
multi-plane fat tree (arXiv:2505.09343 section 5.1) has one plane for each of the eight NICs.
"""

from __future__ import annotations

import numpy as np

from netmodel.graph import IntArray
from netmodel.topology.clos import ClosSpec, Leaves, leaf_down, leaf_fill, leaves_limit, wire_clos
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
    leaf = place // leaf_fill(spec, int(place.max(initial=0)) + 1)
    one_rail = ports == 1 and plane is wanted
    return wire_clos(spec, ends, Leaves(plane, leaf, rail_of_plane=one_rail), "multi-plane")


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
    return leaves_limit(spec) * leaf_down(spec) // each
