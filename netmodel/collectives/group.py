"""A group of ranks as its algorithms see it: one scale-up domain, then tiers of network.

Everything here is read off a :class:`netmodel.network.tiers.Span`; no number is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.network.tiers import Span
from netmodel.numeric import choose, plain, smaller

SCALE_UP = frozenset({"nvlink", "xgmi", "ici", "pcie", "host", "node"})
"""Tiers that lie inside a scale-up domain: GPUs reach each other without a NIC."""


@dataclass(frozen=True, slots=True)
class Group:
    """Ranks on tiers, with the counts that closed forms need.

    Attributes
    ----------
    ranks, local, units : int, float or array
        Members; members of one scale-up domain; domains that the group touches.
    port : float or array
        Line rate of one GPU into its scale-up domain, one direction [B/s]; infinite when no two
        members share a domain.
    port_latency : float
        One way inside the domain [s].
    port_link : str
        Catalog row of the domain's links; empty without a domain.
    port_name : str
        Tier name of the domain.
    tiers : tuple of str
        Names of the network tiers, innermost first.
    below : tuple
        Members in one unit of the tier below each network tier.
    branches : tuple
        Units of the tier below that the whole group touches, for each network tier.
    bandwidth, latency : tuple of float
        Of each network tier, for one GPU [B/s], [s].
    uniform : tuple of float
        Bandwidth of each network tier when every GPU sends evenly to all others [B/s].
    """

    ranks: Any
    local: Any
    units: Any
    port: Any
    port_latency: float
    port_link: str
    port_name: str
    tiers: tuple[str, ...]
    below: tuple[Any, ...]
    branches: tuple[Any, ...]
    bandwidth: tuple[Any, ...]
    latency: tuple[Any, ...]
    uniform: tuple[Any, ...]

    def tier_name(self, index: Any) -> Any:
        """Name of the domain (0) or of a network tier (1, ...); arrays give arrays."""
        names = (self.port_name or (self.tiers[0] if self.tiers else ""), *self.tiers)
        return names[index] if isinstance(index, int) else np.asarray(names)[index]


def group_of(span: Span, ranks: Any = None) -> Group:
    """Read a group off a span.

    Parameters
    ----------
    span : Span
        Where the members lie.
    ranks : int or array, optional
        Members, when they differ from the span's own count.
    """
    n = plain(span.ranks if ranks is None else ranks)
    inner = 0
    while inner < len(span.names) and span.names[inner] in SCALE_UP:
        inner += 1
    members = [plain(each) for each in span.members]
    port: Any = float("inf")
    below: Any = 1
    for tier in range(inner):
        crossing = below * plain(span.bandwidth[tier])
        port = choose(members[tier] > below, smaller(port, crossing), port)
        below = members[tier]
    local = below
    belows, branches = [], []
    for tier in range(inner, len(span.names)):
        belows.append(below)
        branches.append(_units(n, below))
        below = members[tier]
    return Group(
        ranks=n,
        local=local,
        units=_units(n, local),
        port=port,
        port_latency=span.latency[0] if inner else 0.0,
        port_link=span.links[0] if inner else "",
        port_name=span.names[0] if inner else "",
        tiers=tuple(span.names[inner:]),
        below=tuple(belows),
        branches=tuple(branches),
        bandwidth=tuple(plain(each) for each in span.bandwidth[inner:]),
        latency=tuple(plain(each) for each in span.latency[inner:]),
        uniform=tuple(plain(each) for each in span.uniform_bandwidth[inner:]),
    )


def _units(ranks: Any, members: Any) -> Any:
    """Units that hold the ranks, the last one perhaps not full."""
    return -(-ranks // members)


def counted(ranks: Any, local: Any, units: Any) -> Group:
    """Return a group of which only the counts are known."""
    return Group(
        ranks=ranks,
        local=local,
        units=units,
        port=float("inf"),
        port_latency=0.0,
        port_link="",
        port_name="",
        tiers=(),
        below=(),
        branches=(),
        bandwidth=(),
        latency=(),
        uniform=(),
    )
