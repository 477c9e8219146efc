"""General fat tree: hosts fill leaf after leaf, all NICs of a host side by side.

Any radix, one to three tiers, any oversubscription per tier; with equal switches and full size
it is the k-ary fat tree of k**3 / 4 hosts. With ``leaf.down: 16`` and pods of racks it is a
rack-switch fabric like Meta's.
"""

from __future__ import annotations

import numpy as np

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
    """Fields of a fat tree."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Give each leaf as many NIC ports, in host order, as it has ports down."""
    order = np.arange(len(ends.index))
    sized = whole_hosts(spec, int(np.bincount(ends.node).max(initial=1)))
    leaf = order // (one_switch(spec, len(order)) or leaf_down(sized))
    return wire_clos(sized, ends, Leaves(np.zeros(len(order), int), leaf), "fat-tree")


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` NICs with ``ports`` ports each that fit."""
    each = nics * ports
    sized = whole_hosts(spec, each)
    one = (one_switch(spec, 1) or 0) // each
    return max(one, leaves_limit(sized) * leaf_down(sized) // each)
