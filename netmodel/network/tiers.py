"""The closed form's coefficients: what each tier of a fabric offers one GPU.

Tiers are nested: all GPUs joined by NVLink form a unit of the first tier, all joined by NVLink
and leaves a unit of the second, and so on up to the whole cluster. A message between two GPUs
climbs to the first tier in which both lie in one unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.errors import ModelError
from netmodel.graph import TIERS, IntArray, Wiring
from netmodel.network.components import join
from netmodel.network.cuts import Edges, edges_by_layer, egress, merge
from netmodel.network.meeting import nearest_meeting
from netmodel.network.uniform import straight_cut_rate, uniform_rate

NAMES = {"host-leaf": "leaf", "leaf-spine": "spine", "spine-core": "core"}
"""What a tier is called, where it is not by its cables: by the switches in which its GPUs meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How a group of ranks lies across the tiers while all its sister groups run too.

    Every field but ``names`` and ``links`` is a tuple with one entry a tier, innermost first;
    ``ranks`` and the entries of ``members`` may be arrays that broadcast together, and so may
    those bandwidths that depend on the number of members.

    Attributes
    ----------
    ranks : int or array
        Members of the group.
    names : tuple of str
        Tier names: ``("nvlink", "leaf", "spine", "core")``.
    members : tuple of int or array
        Members that share one unit of the tier; the last equals ``ranks``.
    bandwidth : tuple of float or array
        What each GPU may send to partners beyond the tier below, with every GPU of the unit
        sending at once, one direction [B/s].
    latency : tuple of float
        One way between two GPUs that meet at this tier: cables and switches [s].
    links : tuple of str
        Catalog row of the cables that a byte newly meets at this tier.
    uniform_bandwidth : tuple of float or array
        The same as ``bandwidth`` when every GPU sends evenly to all others: less than it where
        traffic passes through other units (torus, dragonfly, shared PCIe ports).
    """

    ranks: Any
    names: tuple[str, ...]
    members: tuple[Any, ...]
    bandwidth: tuple[Any, ...]
    latency: tuple[float, ...]
    links: tuple[str, ...]
    uniform_bandwidth: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not self.uniform_bandwidth:
            object.__setattr__(self, "uniform_bandwidth", self.bandwidth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The tiers of a fabric; see :class:`Span` for the columns that both have.

    Attributes
    ----------
    unit : tuple of int
        GPUs in one unit of each tier, growing; the last is the number of GPUs. The largest unit
        counts where they differ, and the least bandwidth.
    peer : tuple of float
        What one GPU may send to one single partner where partners have cables of their own
        (xGMI mesh, NVLink bridges, torus); infinite where switches join them [B/s].
    """

    names: tuple[str, ...]
    unit: tuple[int, ...]
    bandwidth: tuple[float, ...]
    latency: tuple[float, ...]
    links: tuple[str, ...]
    uniform_bandwidth: tuple[float, ...] = ()
    peer: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.uniform_bandwidth:
            object.__setattr__(self, "uniform_bandwidth", self.bandwidth)
        if not self.peer:
            object.__setattr__(self, "peer", (float("inf"),) * len(self.names))

    @property
    def gpus(self) -> int:
        """GPUs of the whole cluster."""
        return self.unit[-1]

    def span(self, ranks: Any, stride: Any = 1) -> Span:
        """Lay groups of ``ranks`` GPUs, ``stride`` apart, on the tiers; both may be arrays.

        In a mesh of direct cables a group of m uses m - 1 of each member's.

        Examples
        --------
        >>> tiers = Tiers(names=("nvlink", "leaf"), unit=(8, 256), bandwidth=(450e9, 50e9),
        ...               latency=(1e-6, 3e-6), links=("nvlink4", "ndr"))
        >>> [int(members) for members in tiers.span(16, 4).members]
        [2, 16]
        """
        inner = [
            np.minimum(ranks, np.maximum(1, unit // np.asarray(stride))) for unit in self.unit[:-1]
        ]
        members = (*inner, ranks)
        return Span(
            ranks=ranks,
            names=self.names,
            members=members,
            bandwidth=_met(self.bandwidth, self.peer, members),
            latency=self.latency,
            links=self.links,
            uniform_bandwidth=_met(self.uniform_bandwidth, self.peer, members),
        )


def _met(
    bandwidth: tuple[float, ...], peer: tuple[float, ...], members: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Limit each bandwidth to the cables towards the other members."""
    return tuple(
        b
        if isinstance(p, float) and p == float("inf")
        else np.minimum(b, p * (np.maximum(m, 2) - 1))
        for b, p, m in zip(bandwidth, peer, members, strict=True)
    )


def tiers(wiring: Wiring) -> Tiers:
    """Read the tiers off a fabric.

    The cables above each layer of :data:`netmodel.graph.TIERS` are removed in turn; GPUs that
    stay connected are a unit. Layers at which no unit grows make no tier.

    Parameters
    ----------
    wiring : Wiring
        Any connected fabric.

    Returns
    -------
    Tiers
        Units, bandwidths and latencies; milliseconds for 65,536 GPUs.

    Raises
    ------
    ModelError
        When some GPUs cannot reach the others.
    """
    gpus, layers = wiring.gpus, edges_by_layer(wiring)
    delay = wiring.attribute("latency", 0.0)
    delay[gpus] = 0.0
    reach = np.full(wiring.n_nodes, np.inf)
    reach[gpus] = 0.0
    below = np.arange(wiring.n_nodes)
    made: list[_Tier] = []
    for layer, edges in enumerate(layers):
        if not len(edges.a):
            continue
        latency = nearest_meeting(edges, delay, _owners(below, gpus), reach)
        here = join(below, edges.a, edges.b)
        if _units(here, gpus) < _units(below, gpus):
            made.append(_read(wiring, layers, layer, (below, here), latency, made))
        below = here
    _check_joined(wiring, below)
    if not made:  # one single GPU
        made.append(
            _Tier("gpu", 1, float("inf"), float("inf"), float("inf"), 0.0, "", 0, False, below)
        )
    return Tiers(
        names=tuple(tier.name for tier in made),
        unit=tuple(tier.unit for tier in made),
        bandwidth=tuple(tier.bandwidth for tier in made),
        latency=tuple(tier.latency for tier in made),
        links=tuple(tier.link for tier in made),
        uniform_bandwidth=tuple(tier.uniform for tier in made),
        peer=tuple(tier.peer for tier in made),
    )


@dataclass(frozen=True, slots=True)
class _Tier:
    """One tier while it is being read."""

    name: str
    unit: int
    bandwidth: float
    uniform: float
    peer: float
    latency: float
    link: str
    layer: int
    direct: bool  # units are cabled to each other
    below: IntArray  # unit of the tier below, for each node


def _owners(component: IntArray, gpus: IntArray) -> IntArray:
    """Return the component of nodes whose component holds a GPU, -1 for the others."""
    held = np.zeros(int(component.max()) + 1, bool)
    held[component[gpus]] = True
    return np.where(held[component], component, -1)


def _units(component: IntArray, gpus: IntArray) -> int:
    """Count the components that hold a GPU."""
    return int(np.count_nonzero(np.bincount(component[gpus])))


def _read(
    wiring: Wiring,
    layers: list[Edges],
    layer: int,
    components: tuple[IntArray, IntArray],
    latency: float,
    made: list[_Tier],
) -> _Tier:
    """Measure the tier at which units ``below`` first meet in units ``here``."""
    gpus, (below, here) = wiring.gpus, components
    bandwidth = _egress(gpus, layers, layer, below, made[-1] if made else None)
    if made and made[-1].layer >= TIERS["host-leaf"]:
        bandwidth = min(bandwidth, made[-1].bandwidth)
    uniform, peer = bandwidth, float("inf")
    if layer == TIERS["pcie"]:
        bandwidth, uniform = _shared_ports(wiring, layers, below, here, bandwidth)
    direct = _direct(below, gpus, layers[layer])
    if direct.any() and (layer == 0 or layer >= TIERS["local"]):
        start = next((t.layer for t in made if t.direct and t.layer >= TIERS["local"]), layer)
        base = below if start == layer else _component(wiring, layers, start - 1)
        classes = [edges for edges in layers[start : layer + 1] if len(edges.a)]
        uniform = min(uniform, uniform_rate(base, gpus, classes))
        if _units(here, gpus) == 1:
            uniform = min(uniform, straight_cut_rate(wiring, base, classes))
        if layer == 0:
            peer = float(layers[0].bandwidth[direct].min())
    if layer == TIERS["host-leaf"] and made and made[-1].direct and _on(gpus, layers[layer]):
        every = np.arange(wiring.n_nodes)  # GPUs with cables to switches pass on for neighbours
        uniform = min(uniform, uniform_rate(every, gpus, [layers[0], layers[layer]]))
    return _Tier(
        name=_name(wiring, layer),
        unit=int(np.bincount(here[gpus]).max()),
        bandwidth=bandwidth,
        uniform=uniform,
        peer=peer,
        latency=latency,
        link=_commonest(wiring, layer, "link"),
        layer=layer,
        direct=bool(direct.any()),
        below=below,
    )


def _egress(
    gpus: IntArray, layers: list[Edges], layer: int, below: IntArray, last: _Tier | None
) -> float:
    """Return what a GPU may send over the cables of a layer; units of tiers before are points."""
    if last is None:
        return float(egress(below, gpus, merge([]), layers[layer]).min())
    inside = merge(layers[max(TIERS["pcie"], last.layer) : layer])
    point = last.below
    unit = np.zeros(int(point.max()) + 1, int)
    unit[point] = below
    return float(egress(unit, point[gpus], inside.on(point), layers[layer].on(point)).min())


def _on(nodes: IntArray, edges: Edges) -> bool:
    """Say whether any of the cables ends on one of the nodes."""
    return bool(np.isin(nodes, edges.a).any() or np.isin(nodes, edges.b).any())


def _direct(unit: IntArray, gpus: IntArray, edges: Edges) -> IntArray:
    """Say which cables join two units that both hold GPUs."""
    owner = _owners(unit, gpus)
    a, b = owner[edges.a], owner[edges.b]
    met: IntArray = (a >= 0) & (b >= 0) & (a != b)
    return met


def _component(wiring: Wiring, layers: list[Edges], top: int) -> IntArray:
    """Return the components that remain when all cables above a layer are removed."""
    below = merge(layers[: top + 1])
    return join(np.arange(wiring.n_nodes), below.a, below.b)


def _shared_ports(
    wiring: Wiring, layers: list[Edges], below: IntArray, here: IntArray, bandwidth: float
) -> tuple[float, float]:
    """Return ring and all-to-all rate of GPUs that meet over PCIe.

    What hangs below one root port, or on one CPU, shares the way out of it: a ring passes there
    once for each of the units inside, an all-to-all with every message that leaves.
    """
    edges, gpus = layers[TIERS["pcie"]], wiring.gpus
    is_cpu = np.zeros(wiring.n_nodes, bool)
    is_cpu[wiring.of_kind("cpu")] = True
    ends = is_cpu[edges.a].astype(int) + is_cpu[edges.b]
    ring, uniform = bandwidth, bandwidth
    per_unit = np.bincount(below[gpus]).max()
    host = np.bincount(here[gpus])
    for cpus in (0, 1):  # below root ports; sockets
        kept = ends <= cpus
        part = join(below, edges.a[kept], edges.b[kept])
        held = np.bincount(part[gpus], minlength=int(part.max()) + 1)
        total = np.zeros(len(held), int)
        total[part[gpus]] = host[here[gpus]]
        leaving = part[edges.a] != part[edges.b]
        cut = np.zeros(len(held))
        for end in (edges.a[leaving], edges.b[leaving]):
            cut += np.bincount(part[end], edges.bandwidth[leaving], len(held))
        shared = (held > 0) & (total > held) & (cut > 0)
        held, total, cut = held[shared], total[shared], cut[shared]
        ring = min(ring, float((cut / np.minimum(held, per_unit)).min(initial=np.inf)))
        met = cut * (total - per_unit) / (held * (total - held))
        uniform = min(uniform, float(met.min(initial=np.inf)))
    return ring, uniform


def _commonest(wiring: Wiring, layer: int, field: str) -> str:
    """Return the link or tier name that most edges of a layer bear."""
    counts: dict[str, int] = {}
    for group in wiring.cables:
        if TIERS[group.tier] == layer:
            name = getattr(group, field)
            counts[name] = counts.get(name, 0) + len(group.a)
    return max(counts, key=counts.__getitem__)


def _name(wiring: Wiring, layer: int) -> str:
    tier = _commonest(wiring, layer, "tier")
    return NAMES.get(tier, tier)


def _check_joined(wiring: Wiring, component: IntArray) -> None:
    """Refuse a fabric that falls apart, saying who lost whom."""
    where = component[wiring.gpus]
    if len(wiring.gpus) == 0:
        raise ModelError("the fabric holds no GPU", where=f"fabric {wiring.name!r}")
    main = int(np.bincount(where).argmax())
    lost = wiring.gpus[where != main]
    if len(lost):
        reached = wiring.gpus[where == main]
        names = wiring.names([lost[0], reached[0]])
        others = f" and {len(lost) - 1} other GPUs" if len(lost) > 1 else ""
        raise ModelError(
            f"{names[0]}{others} cannot reach {names[1]} and the {len(reached)} GPUs with it",
            where=f"fabric {wiring.name!r}",
            remedy="Cable them together, or take the lost GPUs out of the job.",
        )
