r"""The other two rungs: an operation timed on the links of a routed graph, all groups at once.

The closed form knows a few bandwidths; here the bytes of an algorithm lie on single cables, and
the most loaded one of each tier decides (*contention*), or flows share every cable max-min fairly
(*flow*). All else, the library's latencies, efficiencies, launch, ramp and its choice of algorithm
and protocol, is the closed form's own: its egress is replaced by the bytes that take as long at
its rate,

.. math:: V_i = B_i \max_{l \in i} \frac{b_l}{c_l}

so that the rungs agree wherever cables are shared evenly. Steps of an algorithm overlap chunk by
chunk, in all three. Bytes through a GPU's own port count as the closed form counts them, unless a
link of the domain takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netmodel.collectives import Timing
from netmodel.collectives.bounds import lower_bound
from netmodel.collectives.group import Group
from netmodel.collectives.laid import Laid, lay
from netmodel.collectives.library import Library
from netmodel.collectives.ops import Operation
from netmodel.collectives.placed import Fabric, check_groups, placed_group
from netmodel.collectives.select import ALGORITHMS, select
from netmodel.collectives.traffic import Price, price, wire_shares
from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.numeric import choose, larger, plain

RUNGS = ("contention", "flow")
PARTS = ("time", "launch", "latency", "bandwidth", "ramp")


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A cable that an operation waits for.

    Attributes
    ----------
    name, tier : str
        ``leaf-03:spine-07``; tier of the cable.
    bytes : float
        What crosses it, of all groups [B].
    utilisation : float
        Part of the time on wires for which it is busy, at the rate that the library reaches.
    groups : tuple of int
        Whose bytes cross it.
    """

    name: str
    tier: str
    bytes: float
    utilisation: float
    groups: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the link as JSON: SI, units in the keys."""
        return {
            "name": self.name,
            "tier": self.tier,
            "bytes_B": self.bytes,
            "utilisation": self.utilisation,
            "groups": list(self.groups),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphTiming(Timing):
    """How long an operation takes on a graph; see :class:`netmodel.collectives.Timing`.

    Attributes
    ----------
    fidelity : str
        ``contention`` or ``flow``.
    group : Group
        How the groups lie on the tiers.
    on_wires : Wires
        What lies on which link, of the (largest) size.
    """

    fidelity: str
    group: Group
    on_wires: Wires

    def links(self, count: int = 3) -> tuple[SharedLink, ...]:
        """Return the links that the largest size waits for, busiest first."""
        return self.on_wires.hottest(count)


@dataclass(frozen=True, slots=True, eq=False)
class Wires:
    """Times of the links under one algorithm and protocol.

    Attributes
    ----------
    laid : Laid
        Bytes on links, over the size.
    shares : float array [tiers]
        Part of line rate that the library leaves, by tier.
    stretch : float
        Flow time over contention time, 1 or more.
    size : float
        Of the operation [B].
    """

    laid: Laid
    shares: FloatArray
    stretch: float
    size: float

    @property
    def seconds(self) -> FloatArray:
        """How long each tier is busy for every byte of size, at line rate [s/B]."""
        return self.laid.fabric.busiest(self.times) * self.stretch

    @property
    def times(self) -> FloatArray:
        """How long each link is busy for every byte of size, at line rate [s/B].

        Where GPUs of a domain have cables of their own to each other, libraries lay their rings
        and trees along all of these, which one schedule cannot show: there the closed form's
        count of the port stands, apart from exchanges of all with all.
        """
        times = self.laid.loads.times
        if self.laid.fabric.is_switched or self.laid.traffic.exchanges:
            return times
        return np.where(self.laid.fabric.tier_of_links == 0, 0.0, times)

    def hottest(self, count: int) -> tuple[SharedLink, ...]:
        """Return the busiest links at the library's rate, busiest first."""
        loads, fabric = self.laid.loads, self.laid.fabric
        times = self.times / self.shares[fabric.tier_of_links]
        order = np.argsort(-times, kind="stable")[:count]
        order = order[times[order] > 0]
        whole = float(times.max(initial=0.0)) * self.stretch
        return tuple(
            SharedLink(
                name=name,
                tier=loads.network.tier_of(int(link)),
                bytes=float(loads.bytes[link] * self.size),
                utilisation=float(times[link] / whole),
                groups=tuple(self.laid.groups_on(int(link)).tolist()),
            )
            for link, name in zip(order, loads.network.link_names(order), strict=True)
        )


def time_on_graph(
    operation: Operation,
    fabric: Fabric,
    library: Library,
    *,
    stride: int = 1,
    groups: IntArray | None = None,
    fidelity: str = "contention",
    algorithm: str = "auto",
    protocol: str = "auto",
    group: Group | None = None,
) -> GraphTiming:
    """Time one operation that all groups run at the same time on a routed graph.

    Parameters
    ----------
    operation : Operation
        What, how large (sizes may be an array), among how many.
    fabric : Fabric
        Graph, routing and placement.
    library : Library
        Latencies and efficiencies.
    stride : int
        Ranks of a group lie so far apart; its sister groups fill the job.
    groups : int array [groups, members], optional
        GPUs of each group instead.
    fidelity : str
        ``contention`` or ``flow``.
    algorithm, protocol : str
        Force one, or let the closed form choose, which does not see what others send.
    group : Group, optional
        How the groups lie on the sound fabric, when this one is damaged: rated rates then stay.

    Raises
    ------
    InputError
        For an unknown fidelity, groups that do not fit, or an algorithm that cannot serve.
    ModelError
        When a pair has no way; it names the two ends.
    """
    if fidelity not in RUNGS:
        raise InputError(f"fidelity is {fidelity!r}", remedy=f"Use {' or '.join(RUNGS)}.")
    members = members_of(int(operation.ranks), fabric, stride, groups)
    counted = placed_group(fabric, members) if group is None else group
    size = plain(operation.size)
    best, names, protocols = select(operation.kind, size, counted, library, algorithm, protocol)
    values = {part: getattr(best, part) for part in PARTS}
    tier, largest = best.bottleneck, None
    for name, proto in _distinct(names, protocols):
        here = _plain((names == name) & (protocols == proto))
        wires = _wires(operation.kind, members, fabric, counted, library, name, proto, fidelity)
        asked = (operation.kind, size, counted, library, name, proto)
        known, found = _priced(*asked, None), _priced(*asked, wires)
        for part in PARTS:  # the choice may have been priced as a larger message
            more = getattr(best, part) + (getattr(found, part) - getattr(known, part))
            values[part] = choose(here, more, values[part])
        tier = choose(here, found.bottleneck, tier)
        most = float(np.max(np.where(here, size, -1.0)))
        if largest is None or most > largest.size:
            largest = replace(wires, size=most)
    assert largest is not None
    idle = _plain((np.asarray(size) <= 0) | (members.shape[1] < 2))
    values["bound"] = lower_bound(operation.kind, size, counted, library)
    values = {part: choose(idle, 0.0 * value, value) for part, value in values.items()}
    return GraphTiming(
        time=values.pop("time"),
        algorithm=names,
        protocol=protocols,
        bottleneck=counted.tier_name(tier),
        lower_bound=values.pop("bound"),
        parts=values,
        fidelity=fidelity,
        group=counted,
        on_wires=largest,
    )


def _distinct(names: Any, protocols: Any) -> list[tuple[str, str]]:
    """Return the pairs of algorithm and protocol that some size chose."""
    both = np.broadcast_arrays(names, protocols)
    return sorted({(str(a), str(b)) for a, b in zip(*(each.flat for each in both), strict=True)})


def _plain(claim: Any) -> Any:
    """Turn a single truth value into a Python one."""
    return bool(claim) if np.ndim(claim) == 0 else claim


def members_of(ranks: int, fabric: Fabric, stride: int, groups: IntArray | None) -> IntArray:
    """Return the GPUs of all groups [groups, members].

    Raises
    ------
    InputError
        When they do not fit the fabric or one another.
    """
    if groups is None:
        return fabric.groups(ranks, int(stride))
    found = np.atleast_2d(np.asarray(groups, int))
    if found.shape[1] != ranks:
        raise InputError(f"groups have {found.shape[1]} members, the operation {ranks}")
    check_groups(fabric, found)
    return found


def _wires(
    kind: str,
    members: IntArray,
    fabric: Fabric,
    group: Group,
    library: Library,
    name: str,
    proto: str,
    fidelity: str,
) -> Wires:
    """Lay an algorithm on the links and let its flows share them, if asked."""
    laid = lay(fabric, members, name, kind)
    shares = np.array(wire_shares(kind, group, library, name, proto), float)
    stretch = 1.0
    if fidelity == "flow":
        stretch = stretch_of(laid, shares)
    return Wires(laid, shares, stretch, 0.0)


def stretch_of(laid: Laid, shares: FloatArray) -> float:
    """Return flow time over contention time, with links as fast as the library drives them."""
    fabric = laid.fabric
    least = float((fabric.busiest(laid.loads.times) / shares).max(initial=0.0))
    if least == 0.0:
        return 1.0
    key = (id(laid), shares.tobytes())
    if key not in fabric.memory:
        capacity = laid.loads.network.capacity * shares[fabric.tier_of_links]
        fabric.memory[key] = max(1.0, laid.drained(capacity) / least)
    found: float = fabric.memory[key]
    return found


def _priced(
    kind: str,
    size: Any,
    group: Group,
    library: Library,
    name: str,
    proto: str,
    wires: Wires | None,
) -> Price:
    """Price an algorithm by the closed form's counts, or by what its links carry."""
    counts = ALGORITHMS[name].traffic(kind, size, group)
    if wires is not None:
        rates: Sequence[Any] = group.uniform if kind == "all_to_all" else group.bandwidth
        inside, *outside = wires.seconds.tolist()
        port = counts.port
        if group.port < float("inf"):
            port = larger(port, inside * group.port * size)
        counts = replace(
            counts,
            port=port,
            egress=tuple(busy * rate * size for busy, rate in zip(outside, rates, strict=True)),
        )
    return price(kind, size, counts, group, library, name, proto)
