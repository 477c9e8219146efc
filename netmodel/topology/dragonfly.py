"""Dragonfly: groups of routers, each group a full mesh, every pair of groups joined.

With a routers a group, p hosts and h global ports a router: radix p + h + a - 1, at most a h + 1
groups, local cables g a (a - 1) / 2, global cables g a h / 2 (Kim et al., ISCA 2008).
"""

from __future__ import annotations

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block
from netmodel.topology.between_groups import between_groups, merged
from netmodel.topology.family import Fabric, SwitchedSpec, host_cables, too_large
from netmodel.topology.fields import Count, LinkField
from netmodel.topology.host import Ends, bundle


class Spec(SwitchedSpec):
    """Fields of a dragonfly."""

    routers: Count
    """Routers of one group, a."""
    hosts_per_router: Count
    """NIC ports of one router, p."""
    global_ports: Count
    """Ports of one router for other groups, h."""
    groups: Count | None = None
    """Groups at full size; a h + 1 if left out."""
    cables_per_pair: Count | None = None
    """Cables between two groups; if left out all global ports are used."""
    global_link: LinkField | None = None

    @property
    def most_groups(self) -> int:
        """Groups at full size."""
        return self.groups or self.routers * self.global_ports + 1


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Fill routers and groups in host order; at least as many groups as the hosts need."""
    place = np.arange(len(ends.index)) // spec.hosts_per_router
    groups = -(-len(ends.index) // (spec.hosts_per_router * spec.routers))
    if groups > spec.most_groups:
        most = spec.most_groups * spec.routers * spec.hosts_per_router
        raise too_large("dragonfly", len(ends.index), most, f"it has {spec.most_groups} groups")
    n = groups * spec.routers
    block = Block(
        kind="router",
        shape=(groups, spec.routers),
        label="group{0:03d}-router-{1:02d}",
        attributes={**spec.device(), "pod": np.arange(n) // spec.routers},
    )
    a, b = np.triu_indices(spec.routers, 1)
    first = ends.first + spec.routers * np.arange(groups)[:, None]
    cables = [host_cables(ends, ends.first + place, spec)]
    if len(a):
        local = (first + a).reshape(-1), (first + b).reshape(-1)
        cables.append(bundle(*local, spec.link.part, "local"))
    if groups > 1:
        ports = spec.routers * spec.global_ports
        joint = between_groups(groups, ports, spec.cables_per_pair)
        low = ends.first + joint.low * spec.routers + joint.low_port % spec.routers
        high = ends.first + joint.high * spec.routers + joint.high_port % spec.routers
        link = (spec.global_link or spec.link).part
        pairs_a, pairs_b, count = merged(low, high)
        cables.append(bundle(pairs_a, pairs_b, link, "global", count))
    return Fabric((block,), tuple(cables), ends.first + np.arange(n))


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` NICs with ``ports`` ports each that fit.

    Raises
    ------
    InputError
        When a router has too few ports, or a group too few for the other groups.
    """
    need = spec.hosts_per_router + spec.routers - 1 + spec.global_ports
    if spec.ports is not None and need > spec.ports:
        raise InputError(
            f"a router needs {spec.hosts_per_router} + {spec.routers - 1} + {spec.global_ports}"
            f" ports and has {spec.ports}",
            where="fabric.global_ports",
        )
    each = (spec.cables_per_pair or 1) * (spec.most_groups - 1)
    if each > spec.routers * spec.global_ports:
        raise InputError(
            f"{spec.most_groups} groups need {each} global ports a group, there are"
            f" {spec.routers * spec.global_ports}",
            where="fabric.groups",
        )
    return spec.most_groups * spec.routers * spec.hosts_per_router // (nics * ports)
