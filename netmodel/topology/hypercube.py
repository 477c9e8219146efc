"""Hypercube of accelerators: cables between ranks that differ in one bit.

A count that is no power of two gives an incomplete cube: the ranks that exist, joined alike.
"""

from __future__ import annotations

import numpy as np

from netmodel.topology.family import Fabric, FabricSpec
from netmodel.topology.host import Ends, bundle

JOINS = "gpus"


class Spec(FabricSpec):
    """Fields of a hypercube."""


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Join rank r and r xor 2**k for every bit k."""
    count = len(ends.index)
    rank = np.arange(count)
    bits = 1 << np.arange(max(1, (count - 1).bit_length()))
    other = rank[None, :] ^ bits[:, None]
    kept = (other > rank) & (other < count)
    a, b = np.broadcast_to(rank, other.shape)[kept], other[kept]
    cables = (bundle(ends.index[a], ends.index[b], spec.link.part, "ici"),) if len(a) else ()
    return Fabric((), cables, ends.index)


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """No limit but ``max_gpus``."""
    return None
