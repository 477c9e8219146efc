"""Rail-only network: GPU r of every NVLink domain meets on rail r, and rails never meet.

Traffic between rails is forwarded inside the domain (Wang et al., arXiv:2307.12169). A rail is one
switch while that has ports enough, else a fat tree of its own.
"""

from __future__ import annotations

from netmodel.topology.clos import ClosSpec, Leaves, leaf_down, leaves_limit, one_switch, wire_clos
from netmodel.topology.family import Fabric
from netmodel.topology.fields import Count
from netmodel.topology.host import Ends
from netmodel.topology.multi_plane import rank_within


class Spec(ClosSpec):
    """Fields of a rail-only network."""

    domain_hosts: Count = 1
    """Hosts in one NVLink domain; each of its GPUs has a rail of its own."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Give each NIC of a domain its own plane."""
    rails = int(ends.rail.max(initial=0)) + 1
    rail = ends.node % spec.domain_hosts * rails + ends.rail
    place = rank_within(rail)
    leaf = place // (one_switch(spec, int(place.max(initial=0)) + 1) or leaf_down(spec))
    return wire_clos(spec, ends, Leaves(rail, leaf, rail_of_plane=True), "rail-only")


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts that fit: a rail takes one NIC of each domain."""
    most = max(one_switch(spec, 1) or 0, leaves_limit(spec) * leaf_down(spec))
    return most // ports * spec.domain_hosts
