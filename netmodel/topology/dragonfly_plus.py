"""Dragonfly+: each group a two-tier fat tree whose spines also join the other groups.

Leonardo (HDR) and JUPITER (NDR) are built so.
"""

from __future__ import annotations

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block
from netmodel.topology.between_groups import between_groups, merged
from netmodel.topology.family import Fabric, SwitchedSpec, host_cables, too_large
from netmodel.topology.fields import Count, LinkField
from netmodel.topology.host import Ends, bundle


class Spec(SwitchedSpec):
    """Fields of a Dragonfly+."""

    leaves: Count
    spines: Count
    """Leaves and spines of one group; each leaf has one cable to each spine."""
    hosts_per_leaf: Count
    global_ports: Count
    """Ports of one spine for other groups."""
    groups: Count
    """Groups at full size."""
    cables_per_pair: Count | None = None
    """Cables between two groups; if left out all global ports are used."""
    global_link: LinkField | None = None


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Fill leaves and groups in host order."""
    groups = max(1, -(-len(ends.index) // (spec.leaves * spec.hosts_per_leaf)))
    if groups > spec.groups:
        most = spec.groups * spec.leaves * spec.hosts_per_leaf
        raise too_large("dragonfly-plus", len(ends.index), most, f"it has {spec.groups} groups")
    leaf = np.arange(len(ends.index)) // spec.hosts_per_leaf
    spine0 = ends.first + groups * spec.leaves
    blocks = (
        _block(spec, "leaf", groups, spec.leaves),
        _block(spec, "spine", groups, spec.spines),
    )
    group, low, high = np.ogrid[:groups, : spec.leaves, : spec.spines]
    shape = (groups, spec.leaves, spec.spines)
    a = np.broadcast_to(ends.first + group * spec.leaves + low, shape).reshape(-1)
    b = np.broadcast_to(spine0 + group * spec.spines + high, shape).reshape(-1)
    cables = [
        host_cables(ends, ends.first + leaf, spec),
        bundle(a, b, spec.link.part, "leaf-spine"),
    ]
    if groups > 1:
        joint = between_groups(groups, spec.spines * spec.global_ports, spec.cables_per_pair)
        near = spine0 + joint.low * spec.spines + joint.low_port % spec.spines
        far = spine0 + joint.high * spec.spines + joint.high_port % spec.spines
        x, y, count = merged(near, far)
        cables.append(bundle(x, y, (spec.global_link or spec.link).part, "global", count))
    return Fabric(blocks, tuple(cables), spine0 + np.arange(groups * spec.spines))


def _block(spec: Spec, kind: str, groups: int, each: int) -> Block:
    return Block(
        kind=kind,
        shape=(groups, each),
        label=f"group{{0:02d}}-{kind}-{{1:02d}}",
        attributes={**spec.device(), "pod": np.repeat(np.arange(groups), each)},
    )


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` NICs with ``ports`` ports each that fit.

    Raises
    ------
    InputError
        When switches have too few ports.
    """
    share = spec.edge.bandwidth / spec.link.bandwidth
    for name, need in (
        ("hosts_per_leaf", spec.hosts_per_leaf * share + spec.spines),
        ("global_ports", spec.leaves + spec.global_ports),
    ):
        if spec.ports is not None and need > spec.ports:
            raise InputError(
                f"a switch needs {need:g} ports and has {spec.ports}", where=f"fabric.{name}"
            )
    each = (spec.cables_per_pair or 1) * (spec.groups - 1)
    if each > spec.spines * spec.global_ports:
        raise InputError(
            f"{spec.groups} groups need {each} global ports a group, there are"
            f" {spec.spines * spec.global_ports}",
            where="fabric.groups",
        )
    return spec.groups * spec.leaves * spec.hosts_per_leaf // (nics * ports)
