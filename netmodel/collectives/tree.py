"""Double binary tree between domains, a chain inside each: few hops, full bandwidth."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import IntArray, Step, step
from netmodel.collectives.traffic import Traffic
from netmodel.numeric import choose, floor_log2

NAME = "tree"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "ll128", "simple")


def tree_egress(size: Any, branches: Any) -> Any:
    r"""Bytes that the busiest unit sends (and receives) in a double binary tree.

    Each of the two trees carries half of the buffer. A rank inside one tree is a leaf of the
    other, so it sends :math:`S/2` up and :math:`2 S/2` down in the one and :math:`S/2` up in the
    other: 2S.
    With two units, each is the other's only neighbour: :math:`S/2` up in one tree, :math:`S/2`
    down in the other, S in all, which is why two nodes may beat the NIC rate in bus bandwidth; of
    three, the busiest sends 1.5 S.
    """
    inner = choose(branches > 3, 2.0 * size, choose(branches > 2, 1.5 * size, 1.0 * size))
    return choose(branches > 1, inner, 0.0 * size)


def tree_hops(group: Group, rounds: Any) -> tuple[Any, ...]:
    """Network hops up (and down) a tree over each tier's units, one after the other."""
    depth = [floor_log2(branches) for branches in group.branches]
    depth.append(0)
    return tuple(rounds * (depth[tier] - depth[tier + 1]) for tier in range(len(group.tiers)))


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    r"""Count the steps and bytes of a tree all-reduce.

    Inside a domain of g members the tree is a chain, :math:`2(g-1)` steps; each channel's ends at
    another member, so one sends :math:`(g-1)S/g` up and as much down; between N domains it is
    :math:`2 \lfloor\log_2 N\rfloor` hops.

    References
    ----------
    .. [1] P. Sanders, J. Speck, J. L. Träff, "Two-tree algorithms for full bandwidth broadcast,
       reduction and scan", Parallel Computing 35, 2009.
    """
    hops = tree_hops(group, 2)
    return Traffic(
        steps=2 * (group.local - 1),
        hops=hops,
        port=2.0 * size * (1.0 - 1.0 / group.local),
        egress=tuple(
            tree_egress(size, branches) / below
            for branches, below in zip(group.branches, group.below, strict=True)
        ),
        copy=size / group.ranks,
        stages=2 * (group.local - 1) + sum(hops),
    )


def parents(nodes: int) -> IntArray:
    """Parent of every node in NCCL's binary tree, -1 for the root, which is node 0.

    A node whose lowest set bit is b hangs from the node that has this bit cleared and the next one
    set, or only cleared where that would be none: leaves are the odd nodes, and the tree of the
    next one's mirror image makes each node a leaf in one of the two.

    >>> parents(8).tolist()
    [-1, 2, 4, 2, 0, 6, 4, 6]

    References
    ----------
    .. [1] NVIDIA/nccl, ``src/graph/trees.cc``, ``ncclGetBtree``.
    """
    node = np.arange(nodes)
    low = node & -node
    cleared = node ^ low
    above = cleared | (low << 1)
    up = np.where(above < nodes, above, cleared)
    up[0] = -1
    return up


def double_tree(nodes: int) -> tuple[IntArray, IntArray]:
    """Parents in both trees: the second is the mirror (even counts) or a shift by one (odd)."""
    first = parents(nodes)
    node = np.arange(nodes)
    if nodes % 2 == 0:
        mirrored = first[nodes - 1 - node]
        second = np.where(mirrored < 0, -1, nodes - 1 - mirrored)
    else:
        shifted = first[(node - 1) % nodes]
        second = np.where(shifted < 0, -1, (shifted + 1) % nodes)
    return first, second


def levels(parent: IntArray) -> IntArray:
    """Steps between each node and the root."""
    depth = np.zeros(parent.size, np.int64)
    at = parent.copy()
    while (at >= 0).any():
        depth += at >= 0
        at = np.where(at >= 0, parent[at], -1)
    return depth


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out a double binary tree over domains with a chain inside each.

    Channel c's tree joins member c of every domain and carries 1/local of the message, half of it
    in each of the two trees, level by level from the leaves; the chain of the domain leads to that
    member and back.
    """
    domains = ranks // local
    channel = np.arange(local)
    base = np.arange(domains)[:, None] * local
    chain = [
        step(base + (channel + hop) % local, base + (channel + hop - 1) % local, 1.0 / local)
        for hop in range(local - 1, 0, -1)
    ]
    trees = [(parent, levels(parent)) for parent in double_tree(domains)]
    climb = []
    for level in range(max(int(depth.max()) for _, depth in trees), 0, -1):
        child = [np.flatnonzero(depth == level) for _, depth in trees]
        above = [parent[nodes] for (parent, _), nodes in zip(trees, child, strict=True)]
        src = np.concatenate(child)[:, None] * local + channel
        dst = np.concatenate(above)[:, None] * local + channel
        climb.append(step(src, dst, 0.5 / local))
    up = [*chain, *climb]
    return [*up, *(Step(each.dst, each.src, each.share) for each in reversed(up))]
