"""Rail-optimized fat tree: NIC r of every host of a unit meets on one leaf.

A unit (scalable unit) has as many hosts as a leaf has ports down, and one leaf per rail; all
leaves share the spines. This is the compute fabric of DGX SuperPOD and of DeepSeek's multi-rail
variant.
"""

from __future__ import annotations

import numpy as np

from netmodel.errors import InputError
from netmodel.topology.clos import (
    ClosSpec,
    Leaves,
    layer,
    leaf_down,
    leaves_limit,
    pod_leaves,
    wire_clos,
)
from netmodel.topology.family import Fabric
from netmodel.topology.fields import Count
from netmodel.topology.host import Ends


class Spec(ClosSpec):
    """Fields of a rail-optimized fabric."""

    unit_hosts: Count | None = None
    """Hosts of one unit; as many as a leaf has ports down if left out."""


def unit_hosts(spec: Spec, ports: int) -> int:
    """Hosts of one scalable unit, whose NICs have ``ports`` ports on one leaf."""
    most = leaf_down(spec) // ports
    if most < 1:
        raise InputError(
            f"the {ports} ports of one NIC do not fit on a leaf of {leaf_down(spec)} cables down",
            where="fabric.leaf",
        )
    return min(spec.unit_hosts or most, most)


def whole_units(spec: Spec, rails: int) -> Spec:
    """Return the spec with pods of whole units where a pod can hold one."""
    if spec.tier_range[1] < 3:
        return spec
    leaves = pod_leaves(spec, layer(spec, "spine"))
    return spec.model_copy(update={"pod_leaves": leaves // rails * rails or leaves})


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Put NIC r of host h on leaf r of unit h // unit_hosts."""
    rails = int(ends.rail.max(initial=0)) + 1
    ports = int(ends.port.max(initial=0)) + 1
    leaf = ends.node // unit_hosts(spec, ports) * rails + ends.rail
    full = Leaves(np.zeros(len(leaf), int), leaf, rails)
    return wire_clos(whole_units(spec, rails), ends, full, "rail-optimized")


def units_limit(spec: Spec, rails: int) -> int:
    """Units of ``rails`` leaves that fit.

    Raises
    ------
    InputError
        When not even one fits.
    """
    leaves = leaves_limit(whole_units(spec, rails))
    if leaves < rails:
        raise InputError(
            f"{rails} rails need {rails} leaves, the tiers join {leaves}",
            where="fabric.tiers",
            remedy="Use more tiers, or family: rail-only.",
        )
    return leaves // rails


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` rails that fit."""
    return units_limit(spec, nics) * unit_hosts(spec, ports)
