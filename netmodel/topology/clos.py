"""Folded Clos networks: leaves, spines and cores, in one plane or several.

All fat-tree-like families share this engine; they differ in which leaf a NIC port goes to.

Sizing. A leaf has ``down`` ports for hosts and ``up`` for spines; oversubscription is the
bandwidth down over the bandwidth up. In two tiers every leaf of a plane reaches every spine; the
number of spines is the smallest that holds all cables and divides ``up``, so that each leaf has
equally many cables to each spine. In three tiers ``pod_leaves`` leaves and their spines are a pod
wired like that, and spine j of every pod meets the others in core group j, sized by the same rule.
With 64-port switches these rules give NVIDIA's SuperPOD tables row by row (Q3400: 18 spines, not
16, for 32 leaves of 72 uplinks) and the k-ary fat tree at full size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block, Cables, IntArray
from netmodel.topology.family import (
    Fabric,
    SwitchedSpec,
    host_cables,
    smallest_divisor,
    too_large,
)
from netmodel.topology.fields import Count, LinkField, Ratios, Strict, SwitchField
from netmodel.topology.host import Ends, bundle


class LayerField(Strict):
    """One layer of switches where it differs from the others."""

    switch: SwitchField | None = None
    radix: Count | None = None
    down: Count | None = None
    up: Count | None = None
    uplink: LinkField | None = None


class ClosSpec(SwitchedSpec):
    """Fields of all fat-tree-like families."""

    tiers: Literal[1, 2, 3, "auto"] = "auto"
    """Tiers the fabric is designed with; ``auto``: as few as hold the hosts."""
    max_tiers: Literal[1, 2, 3] | None = None
    """Tiers it may grow to when ``tiers`` do not hold the hosts; none: it does not grow."""
    oversubscription: Ratios = (1.0,)
    """Bandwidth down over bandwidth up: of leaves, then of spines."""
    leaf: LayerField = LayerField()
    spine: LayerField = LayerField()
    core: LayerField = LayerField()
    pod_leaves: Count | None = None
    """Leaves of one pod (per plane) in three tiers; the spines' ports down if left out."""
    planes: Count | None = None

    @property
    def tier_range(self) -> tuple[int, int]:
        """Fewest and most tiers."""
        low = 1 if self.tiers == "auto" else self.tiers
        return low, max(low, self.max_tiers or (3 if self.tiers == "auto" else low))

    def ratio(self, name: str) -> float | None:
        """Oversubscription of a layer; None where nothing is above it."""
        depth = ("leaf", "spine", "core").index(name)
        if depth + 1 == self.tier_range[1] or depth == 2:
            return None
        return self.oversubscription[depth] if depth < len(self.oversubscription) else 1.0


AnyClos = TypeVar("AnyClos", bound=ClosSpec)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of switches with its figures settled; ``share`` ports hold one cable down."""

    name: str
    ports: int
    down: int
    up: int
    device: dict[str, Any]
    uplink: LinkField
    share: float

    @property
    def fits(self) -> int:
        """Cables down when no port is kept for cables up."""
        return int(self.ports / self.share + 1e-9)


def layer(spec: ClosSpec, name: str) -> Layer:
    """Settle one layer: ``leaf``, ``spine`` or ``core``.

    Raises
    ------
    InputError
        When no field says how many ports it has, or more are used than there are.
    """
    own: LayerField = getattr(spec, name)
    switch = own.switch or spec.switch
    device = {"latency": switch.latency, "model": switch.name} if switch else {"latency": 0.0}
    uplink = own.uplink or (spec.spine.uplink if name == "core" else None) or spec.link
    below = {"leaf": spec.edge, "spine": spec.leaf.uplink, "core": spec.spine.uplink}[name]
    share = (below or spec.link).bandwidth / uplink.bandwidth
    ratio = spec.ratio(name)
    ports = own.radix or (own.switch.ports if own.switch else spec.ports)
    if ports is None:
        if own.down is None:
            raise InputError(
                f"nothing says how many ports a {name} switch has",
                where="fabric.switch",
                remedy="Give switch: NAME, or radix: 64.",
            )
        ports = math.ceil(own.down * share + (own.up or round(own.down * share / (ratio or 1))))
    if ratio is None:
        down, up = own.down or int(ports / share + 1e-9), 0
    elif own.down:
        down, up = own.down, own.up or max(1, round(own.down * share / ratio))
    else:
        up = own.up or max(1, int(ports / (1 + ratio) + 1e-9))
        down = int(min(up * ratio, ports - up) / share + 1e-9)
    if down < 1 or down * share + up > ports + 1e-9:
        raise InputError(
            f"{down} cables down and {up} up need {down * share + up:g} of {ports} ports",
            where=f"fabric.{name}",
            remedy="Use fewer cables, or a switch of more ports.",
        )
    return Layer(name, ports, down, up, device, uplink, share)


def leaf_down(spec: ClosSpec) -> int:
    """Host ports of a leaf; all its ports when the design has no other tier."""
    return layer(spec, "leaf").down


def whole_hosts(spec: AnyClos, ports: int) -> AnyClos:
    """Return the spec with leaves for whole hosts of ``ports`` NIC ports, at the same ratio.

    A host on two leaves would make its NVLink a bypass of the spines.
    """
    made, ratio = layer(spec, "leaf"), spec.ratio("leaf")
    if ratio is None or spec.leaf.down or made.down < ports or made.down % ports == 0:
        return spec
    exact = (
        (round(up * ratio / made.share), up)
        for up in range(made.up, made.up // 2, -1)
        if up * ratio / made.share % ports < 1e-9
    )
    down, up = next(exact, (made.down // ports * ports, made.up))
    leaf = spec.leaf.model_copy(update={"down": down, "up": up})
    return spec.model_copy(update={"leaf": leaf})


def one_switch(spec: ClosSpec, ports: int) -> int | None:
    """Ports of a switch without uplinks, where ``tiers: auto`` lets ``ports`` meet on one."""
    leaf = layer(spec, "leaf")
    fits = spec.tiers == "auto" and not spec.leaf.down and ports <= leaf.fits
    return leaf.fits if fits else None


def leaves_limit(spec: ClosSpec) -> int:
    """Most leaves of one plane."""
    most = spec.tier_range[1]
    if most == 1:
        return 1
    spine = layer(spec, "spine")
    if most == 2:
        return spine.down
    core = layer(spec, "core")
    return pod_leaves(spec, spine) * core.down


def pod_leaves(spec: ClosSpec, spine: Layer) -> int:
    """Leaves of one pod of one plane."""
    return spec.pod_leaves or spine.down


@dataclass(frozen=True, slots=True)
class Leaves:
    """Which leaf each end goes to.

    Attributes
    ----------
    plane, leaf : int arrays
        Plane of each end, and number of its leaf inside the plane.
    rails : int
        Leaf n of a plane serves rail ``n % rails`` of unit ``n // rails``; 1 where rails mix.
    rail_of_plane : bool
        Whether plane p is rail p.
    """

    plane: IntArray
    leaf: IntArray
    rails: int = 1
    rail_of_plane: bool = False


def wire_clos(spec: ClosSpec, ends: Ends, leaves: Leaves, name: str) -> Fabric:
    """Wire the leaves of every plane, and spines and cores above them.

    Raises
    ------
    ModelError
        When the hosts need more leaves than the tiers can join.
    """
    planes = int(leaves.plane.max(initial=0)) + 1
    count = -(-(int(leaves.leaf.max(initial=0)) + 1) // leaves.rails) * leaves.rails
    limit = leaves_limit(spec)
    if count > limit:
        raise too_large(name, len(ends.index), limit * leaf_down(spec) * planes, _why(spec))
    slot = leaves.plane * count + leaves.leaf
    used = int(np.bincount(slot).max(initial=0))
    tiers = tiers_used(spec, count)
    blocks = [_leaf_block(spec, leaves, (planes, count, tiers))]
    cables = [host_cables(ends, ends.first + slot, spec)]
    first = ends.first + planes * count
    top = ends.first + np.arange(planes * count)
    if tiers > 1:
        up = _uplinks(spec, used, count, tiers)
        upper = _two_tiers if tiers == 2 else _three_tiers
        more, links, top = upper(spec, (planes, count, up), ends.first, first)
        blocks += more
        cables += links
    return Fabric(tuple(blocks), tuple(cables), top)


def tiers_used(spec: ClosSpec, leaves: int) -> int:
    """Tiers that a plane of so many leaves is wired with."""
    low, high = spec.tier_range
    if leaves <= 1 or high == 1:
        return 1
    return 2 if high == 2 or (low < 3 and leaves <= layer(spec, "spine").fits) else 3


def _why(spec: ClosSpec) -> str:
    most = spec.tier_range[1]
    ports = layer(spec, ("leaf", "spine", "core")[most - 1]).ports
    text = "one tier" if most == 1 else f"{most} tiers"
    return f"it has {text}, and the top switches {ports} ports"


def _uplinks(spec: ClosSpec, used: int, leaves: int, tiers: int) -> int:
    """Uplinks of a leaf: as many as its fullest needs, or a few more where that saves spines.

    Full leaves use all. Cables spread evenly only over a divisor of them, and 13 uplinks would
    ask for 13 spines where 14 are content with two.
    """
    made, spine = layer(spec, "leaf"), layer(spec, "spine")
    need = math.ceil(made.up * min(1.0, used / made.down) - 1e-9)
    reached, ports = (leaves * spine.share, spine.ports)
    if tiers == 3:
        reached, ports = pod_leaves(spec, spine), spine.down
    return min(
        range(max(1, need), made.up + 1),
        key=lambda up: (smallest_divisor(up, reached * up / ports), up),
    )


def _leaf_block(spec: ClosSpec, leaves: Leaves, size: tuple[int, int, int]) -> Block:
    """Number the leaves; their ``pod`` is that of the spines, or their unit in two tiers."""
    planes, count, tiers = size
    number = np.arange(planes * count) % count
    attributes = dict(layer(spec, "leaf").device)
    prefix = "plane{0}-" if planes > 1 else ""
    if leaves.rails > 1:
        attributes |= {"rail": number % leaves.rails, "pod": number // leaves.rails}
        label = prefix + "leaf-{1:03d}-rail{2}"
        shape: tuple[int, ...] = (planes, count // leaves.rails, leaves.rails)
    else:
        label, shape = prefix + "leaf-{1:03d}", (planes, count)
    if tiers == 3:
        attributes["pod"] = number // pod_leaves(spec, layer(spec, "spine"))
    if planes > 1:
        attributes["plane"] = np.arange(planes * count) // count
        if leaves.rail_of_plane:
            attributes["rail"] = attributes["plane"]
    return Block(kind="leaf", shape=shape, label=label, attributes=attributes)


def _plane_attributes(made: Layer, planes: int, each: int) -> dict[str, Any]:
    attributes = dict(made.device)
    if planes > 1:
        attributes["plane"] = np.repeat(np.arange(planes), each)
    return attributes


def _two_tiers(
    spec: ClosSpec, size: tuple[int, int, int], leaf0: int, first: int
) -> tuple[list[Block], list[Cables], IntArray]:
    """Join every leaf of a plane to every spine of it."""
    planes, leaves, up = size
    spine, link = layer(spec, "spine"), layer(spec, "leaf").uplink
    spines = smallest_divisor(up, leaves * up * spine.share / spine.ports)
    plane, leaf, over = np.ogrid[:planes, :leaves, :spines]
    a = np.broadcast_to(leaf0 + plane * leaves + leaf, (planes, leaves, spines)).reshape(-1)
    b = np.broadcast_to(first + plane * spines + over, (planes, leaves, spines)).reshape(-1)
    block = Block(
        kind="spine",
        shape=(planes, spines),
        label="plane{0}-spine-{1:03d}" if planes > 1 else "spine-{1:03d}",
        attributes=_plane_attributes(spine, planes, spines),
    )
    top = first + np.arange(planes * spines)
    return [block], [bundle(a, b, link.part, "leaf-spine", up // spines)], top


def _three_tiers(
    spec: ClosSpec, size: tuple[int, int, int], leaf0: int, first: int
) -> tuple[list[Block], list[Cables], IntArray]:
    """Join the leaves of a pod by spines, and spine j of all pods by core group j."""
    planes, leaves, up = size
    spine, core = layer(spec, "spine"), layer(spec, "core")
    link = layer(spec, "leaf").uplink
    per_pod = pod_leaves(spec, spine)
    pods = -(-leaves // per_pod)
    spines = smallest_divisor(up, per_pod * up / spine.down)
    plane, leaf, over = np.ogrid[:planes, :leaves, :spines]
    shape = (planes, leaves, spines)
    a = np.broadcast_to(leaf0 + plane * leaves + leaf, shape).reshape(-1)
    b = first + (plane * pods + leaf // per_pod) * spines + over
    cables = [bundle(a, b.reshape(-1), link.part, "leaf-spine", up // spines)]
    n_spines = planes * pods * spines
    attributes = _plane_attributes(spine, planes, pods * spines)
    attributes["pod"] = np.tile(np.repeat(np.arange(pods), spines), planes)
    blocks = [
        Block(
            kind="spine",
            shape=(planes, pods, spines),
            label=("plane{0}-" if planes > 1 else "") + "pod{1:02d}-spine-{2:02d}",
            attributes=attributes,
        )
    ]
    if pods == 1:
        return blocks, cables, first + np.arange(n_spines)
    cores = smallest_divisor(spine.up, pods * spine.up * core.share / core.ports)
    start = first + n_spines
    plane, pod, over, above = np.ogrid[:planes, :pods, :spines, :cores]
    full = (planes, pods, spines, cores)
    low = np.broadcast_to(first + (plane * pods + pod) * spines + over, full).reshape(-1)
    high = np.broadcast_to(start + (plane * spines + over) * cores + above, full).reshape(-1)
    cables.append(bundle(low, high, spine.uplink.part, "spine-core", spine.up // cores))
    n_cores = planes * spines * cores
    blocks.append(
        Block(
            kind="core",
            shape=(planes, spines, cores),
            label=("plane{0}-" if planes > 1 else "") + "core-{1:02d}-{2:02d}",
            attributes=_plane_attributes(core, planes, spines * cores),
        )
    )
    return blocks, cables, start + np.arange(n_cores)
