"""Rail-optimized fat tree: NIC r of every host of a unit meets on one leaf.

A unit (scalable unit) has as many hosts as a leaf has ports down, and one leaf per rail; all
leaves share the spines. This is the compute fabric of DGX SuperPOD and of DeepSeek's multi-rail
variant.
"""

from __future__ import annotations

import numpy as np

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


def unit_hosts(spec: Spec) -> int:
    """Hosts of one scalable unit."""
    return min(spec.unit_hosts or leaf_down(spec), leaf_down(spec))


def whole_units(spec: Spec, rails: int) -> Spec:
    """Return the spec with pods of whole units, so that no unit lies in two pods."""
    if spec.tier_range[1] < 3:
        return spec
    leaves = pod_leaves(spec, layer(spec, "spine"))
    return spec.model_copy(update={"pod_leaves": max(rails, leaves // rails * rails)})


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Put NIC r of host h on leaf r of unit h // unit_hosts."""
    rails = int(ends.rail.max(initial=0)) + 1
    leaf = ends.node // unit_hosts(spec) * rails + ends.rail
    full = Leaves(np.zeros(len(leaf), int), leaf, rails)
    return wire_clos(whole_units(spec, rails), ends, full, "rail-optimized")


def limit(spec: Spec, ports: int) -> int | None:
    """Hosts of ``ports`` rails that fit."""
    units = leaves_limit(whole_units(spec, ports)) // ports
    return max(1, units) * unit_hosts(spec)
