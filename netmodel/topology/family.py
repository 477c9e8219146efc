"""What every fabric family offers, and where to find it.

A family is one file with a ``Spec`` (its fields) and two functions of one signature::

    wire(spec, ends) -> Fabric                switches and cables that join the ends
    limit(spec, nics, ports) -> int | None    hosts it can hold, of that many NICs and ports on each

and, where it joins accelerators directly, ``JOINS = "gpus"``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from netmodel.errors import ModelError, unknown_name
from netmodel.graph import Block, Cables, IntArray
from netmodel.topology.fields import Count, LinkField, Strict, SwitchField
from netmodel.topology.host import Ends

FAMILIES = {
    "fat-tree": "fat_tree",
    "rail-optimized": "rail_optimized",
    "rail-only": "rail_only",
    "multi-plane": "multi_plane",
    "dual-tor": "dual_tor",
    "dragonfly": "dragonfly",
    "dragonfly-plus": "dragonfly_plus",
    "torus": "torus",
    "hypercube": "hypercube",
    "hyperx": "hyperx",
    "slim-fly": "slim_fly",
    "hamming-mesh": "hamming_mesh",
}


@dataclass(frozen=True, slots=True)
class Fabric:
    """Switches and cables between hosts.

    Attributes
    ----------
    blocks : tuple of Block
        Switches, numbered from ``ends.first`` on.
    cables : tuple of Cables
        From ends to switches and between switches.
    top : int array
        Switches from which cables to other sites leave.
    """

    blocks: tuple[Block, ...]
    cables: tuple[Cables, ...]
    top: IntArray


class FabricSpec(Strict):
    """Fields that all families share."""

    family: str
    link: LinkField
    host_link: LinkField | None = None
    """Cable of a host where it differs from those between switches."""

    @property
    def edge(self) -> LinkField:
        """Cable from a host to its first switch."""
        return self.host_link or self.link


class SwitchedSpec(FabricSpec):
    """Fields of a family made of one kind of switch."""

    switch: SwitchField | None = None
    radix: Count | None = None
    """Ports of a switch, where no catalog row says it."""

    @property
    def ports(self) -> int | None:
        """Ports of a switch, if limited."""
        return self.radix or (self.switch.ports if self.switch else None)

    def device(self) -> dict[str, Any]:
        """Node attributes of a switch."""
        if self.switch is None:
            return {"latency": 0.0}
        return {"latency": self.switch.latency, "model": self.switch.name}


class Family(Protocol):
    """A module of this room; see the top of this file."""

    Spec: type[FabricSpec]
    wire: Callable[[Any, Ends], Fabric]
    limit: Callable[[Any, int, int], int | None]


def family(name: str, where: str = "") -> Any:
    """Import the module of a family.

    Raises
    ------
    InputError
        When there is no such family, offering near names.
    """
    module = FAMILIES.get(name.replace("_", "-").lower())
    if module is None:
        raise unknown_name("fabric family", name, FAMILIES, where=where)
    return import_module(f"netmodel.topology.{module}")


def host_cables(ends: Ends, switch: IntArray, spec: FabricSpec) -> Cables:
    """Cable each end to a switch, at the slower of its port and the cable."""
    edge = spec.edge
    rate = np.minimum(ends.bandwidth, edge.bandwidth)
    same = len(rate) and (rate == rate[0]).all()
    return Cables(
        a=ends.index,
        b=switch,
        bandwidth=float(rate[0]) if same else rate,
        latency=edge.latency,
        cables=1,
        link=edge.name,
        tier="host-leaf",
    )


def smallest_divisor(whole: int, at_least: float) -> int:
    """Return the smallest divisor of ``whole`` not below a bound, so that cables spread evenly.

    >>> smallest_divisor(72, 32 * 72 / 144), smallest_divisor(32, 5)
    (18, 8)
    """
    return next((k for k in range(1, whole + 1) if whole % k == 0 and k >= at_least - 1e-9), whole)


def too_large(name: str, ends: int, limit: int, why: str) -> ModelError:
    """Return the error for a fabric that cannot hold so many ports."""
    return ModelError(
        f"{ends:,} NIC ports do not fit in this {name} fabric, which ends at {limit:,}: {why}",
        remedy="Use fewer GPUs, switches of more ports, or another tier.",
    )
