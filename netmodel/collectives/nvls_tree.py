"""NVLS inside each domain, a double binary tree between domains."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.nvls import multicast_bytes
from netmodel.collectives.traffic import Traffic
from netmodel.collectives.tree import tree_egress, tree_hops

NAME = "nvls_tree"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("simple",)


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count the hops and bytes: the domain's multicast and the tree between domains overlap."""
    return Traffic(
        steps=0,
        hops=tree_hops(group, 2),
        port=multicast_bytes(size, group.local),
        egress=tuple(
            tree_egress(size, branches) / below
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / group.ranks,
    )
