"""Double binary tree between domains, a chain inside each: few hops, full bandwidth."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.real import choose, floor_log2
from netmodel.collectives.traffic import Traffic

NAME = "tree"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "ll128", "simple")


def tree_egress(size: Any, branches: Any) -> Any:
    r"""Bytes that the busiest unit sends (and receives) in a double binary tree.

    Each of the two trees carries half of the buffer. A rank inside one tree is a leaf of the
    other, so it sends :math:`S/2` up and :math:`2 S/2` down in the one and :math:`S/2` up in the
    other: 2S.
    With two units, each is the other's only neighbour: :math:`S/2` up in one tree, :math:`S/2`
    down in the other, S in all, which is why two nodes may beat the NIC rate in bus bandwidth.
    """
    return choose(branches > 2, 2.0 * size, choose(branches > 1, 1.0 * size, 0.0 * size))


def tree_hops(group: Group, rounds: Any) -> tuple[Any, ...]:
    """Network hops up (and down) a tree over each tier's units, one after the other."""
    depth = [floor_log2(branches) for branches in group.branches]
    depth.append(0)
    return tuple(rounds * (depth[tier] - depth[tier + 1]) for tier in range(len(group.tiers)))


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count the steps and bytes of a tree all-reduce.

    Inside a domain of g members the tree is a chain, :math:`2(g-1)` steps, whose inner members send
    S up and S down; between N domains it is :math:`2 \lfloor\log_2 N\rfloor` hops.

    References
    ----------
    .. [1] P. Sanders, J. Speck, J. L. Träff, "Two-tree algorithms for full bandwidth broadcast,
       reduction and scan", Parallel Computing 35, 2009.
    """
    hops = tree_hops(group, 2)
    return Traffic(
        steps=2 * (group.local - 1),
        hops=hops,
        port=choose(group.local > 1, 2.0 * size, 0.0 * size),
        egress=tuple(
            tree_egress(size, branches) / below
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / group.ranks,
        stages=2 * (group.local - 1) + sum(hops),
    )
