"""HyperX (flattened butterfly): switches in a grid, a full mesh along every line of it.

Switches prod(S), radix T + sum(S - 1), cables prod(S) sum(S - 1) / 2, diameter the number of
dimensions.
"""

from __future__ import annotations

import math

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block
from netmodel.topology.family import Fabric, SwitchedSpec, host_cables, too_large
from netmodel.topology.fields import Count
from netmodel.topology.host import Ends, bundle
from netmodel.topology.lattice import all_pairs_along


class Spec(SwitchedSpec):
    """Fields of a HyperX."""

    shape: tuple[Count, ...]
    """Switches along each dimension."""
    hosts_per_router: Count
    cables_per_pair: Count = 1


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Build the whole grid and fill its switches in host order."""
    count = math.prod(spec.shape)
    place = np.arange(len(ends.index)) // spec.hosts_per_router
    if len(place) and place[-1] >= count:
        most = count * spec.hosts_per_router
        raise too_large("hyperx", len(place), most, f"it has {count} switches")
    block = Block(
        kind="router",
        shape=spec.shape,
        label="router-" + "-".join(f"{{{i}}}" for i in range(len(spec.shape))),
        attributes=spec.device(),
    )
    a, b = all_pairs_along(spec.shape)
    cables = [host_cables(ends, ends.first + place, spec)]
    if len(a):
        link = spec.link.part
        cables.append(bundle(ends.first + a, ends.first + b, link, "local", spec.cables_per_pair))
    return Fabric((block,), tuple(cables), ends.first + np.arange(count))


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` NICs with ``ports`` ports each that fit.

    Raises
    ------
    InputError
        When a switch has too few ports.
    """
    need = spec.hosts_per_router + spec.cables_per_pair * sum(s - 1 for s in spec.shape)
    if spec.ports is not None and need > spec.ports:
        raise InputError(f"a switch needs {need} ports and has {spec.ports}", where="fabric.shape")
    return math.prod(spec.shape) * spec.hosts_per_router // (nics * ports)
