"""Torus or mesh of accelerators: each has a cable to both neighbours in every dimension.

A dimension of size k >= 3 closes to a ring where it wraps; one of size 2 has one cable a pair.
"""

from __future__ import annotations

import math

from pydantic import Field

from netmodel.topology.family import Fabric, FabricSpec
from netmodel.topology.fields import Count
from netmodel.topology.host import Ends, bundle
from netmodel.topology.lattice import lattice_pairs, near_cube

JOINS = "gpus"


class Spec(FabricSpec):
    """Fields of a torus; without ``shape`` it is sized as near to a cube as the count allows."""

    dimensions: Count = Field(default=3, le=6)
    shape: tuple[Count, ...] | None = None
    """Extents at the size whose product they are."""
    wrap: bool = True
    wrap_from: Count = 3
    """Extent from which a dimension wraps: slices of a TPU pod smaller than this are meshes."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Lay the accelerators out in rank order, the last index fastest."""
    count = len(ends.index)
    own = spec.shape
    shape = own if own and math.prod(own) == count else near_cube(count, spec.dimensions)
    wraps = [spec.wrap and extent >= spec.wrap_from for extent in shape]
    a, b, _ = lattice_pairs(shape, wraps)
    cables = (bundle(ends.index[a], ends.index[b], spec.link.part, "ici"),) if len(a) else ()
    return Fabric((), cables, ends.index)


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """No limit but ``max_gpus``."""
    return None
