"""Dual-ToR, dual-plane fabric (Alibaba HPN 7.0): the two ports of a NIC go to two leaves.

Port p of every NIC is in plane p; inside a plane, NIC r of each host of a segment meets on the
segment's leaf for rail r. A failed leaf halves a NIC's bandwidth and cuts no host off.
"""

from __future__ import annotations

from netmodel.topology.clos import Leaves, wire_clos
from netmodel.topology.family import Fabric
from netmodel.topology.host import Ends
from netmodel.topology.rail_optimized import Spec as RailSpec
from netmodel.topology.rail_optimized import unit_hosts, units_limit, whole_units


class Spec(RailSpec):
    """Fields of a dual-ToR fabric; nodes need ``nic_ports: 2``."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Put port p of NIC r of host h on leaf r of segment h // unit_hosts in plane p."""
    rails = int(ends.rail.max(initial=0)) + 1
    leaf = ends.node // unit_hosts(spec, 1) * rails + ends.rail
    return wire_clos(whole_units(spec, rails), ends, Leaves(ends.port, leaf, rails), "dual-tor")


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts that fit in every plane."""
    return units_limit(spec, nics) * unit_hosts(spec, 1)
