"""Kinds of host in a cluster: what each is, how many there are, and what of theirs can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from netmodel import catalog
from netmodel.catalog.table import aliases, key
from netmodel.errors import InputError

if TYPE_CHECKING:
    from netmodel.graph import Block, Wiring
    from netmodel.topology import Cluster

FABRIC_TIERS = ("host-leaf", "local", "leaf-spine", "spine-core", "global")
"""Tiers whose cables are bought with the network; those inside a host come with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All hosts of one kind.

    Attributes
    ----------
    host, accelerator : str
        Catalog rows; ``host`` is empty in a graph that the user made.
    gpus, hosts, gpus_per_host : int
    """

    host: str
    accelerator: str
    gpus: int
    hosts: int
    gpus_per_host: int

    @property
    def item(self) -> str:
        """What a bill calls one of them; it says so where the GPUs are not the row's own."""
        return f"{self.host or self.accelerator} host{self._other}"

    @property
    def names(self) -> tuple[str, ...]:
        """What its price may be called, the most exact first."""
        return self.rows or (f"{self.host or self.accelerator}{self._other}",)

    @property
    def _other(self) -> str:
        """GPUs that are not those of the host's own row."""
        if key(self.host) not in aliases("nodes"):
            return ""
        own = catalog.node(self.host)
        if own.gpus != self.gpus_per_host:
            return f" with {self.gpus_per_host} {self.accelerator}"
        return f" with {self.accelerator}" if own.accelerator != self.accelerator else ""

    @property
    def rows(self) -> tuple[str, ...]:
        """Catalog nodes that stand for one of them, the nearest first.

        Its own row where that has these GPUs, else (after ``--swap-gpu``) those that hold as many
        of the same accelerator.
        """
        if key(self.host) in aliases("nodes"):
            own = catalog.node(self.host)
            if (own.accelerator, own.gpus) == (self.accelerator, self.gpus_per_host):
                return (self.host,)
        nodes = [catalog.node(name) for name in catalog.names("nodes")]
        return tuple(
            node.name
            for node in nodes
            if (node.accelerator, node.gpus) == (self.accelerator, self.gpus_per_host)
        )


def groups(cluster: Cluster, wiring: Wiring) -> tuple[Group, ...]:
    """Return the kinds of host in the order of their GPUs.

    Parameters
    ----------
    wiring : Wiring
        Of the size that is asked for; of a graph that the user made it says everything.
    """
    if not hasattr(cluster, "groups"):
        return tuple(
            Group(
                host="",
                accelerator=name,
                gpus=round(held["gpu"]),
                hosts=round(held["node"]),
                gpus_per_host=round(held["gpu"] / held["node"]),
            )
            for name, held in census(wiring).items()
        )
    found = []
    for kind, gpus in cluster.groups(len(wiring.gpus)):
        host = cluster.hosts[kind]
        found.append(
            Group(
                host=host.name,
                accelerator=host.accelerator,
                gpus=gpus,
                hosts=-(-gpus // host.gpus),
                gpus_per_host=host.gpus,
            )
        )
    return tuple(found)


def components(wiring: Wiring) -> dict[str, float]:
    """Count what can fail: GPUs, hosts, cables between hosts and switches."""
    from netmodel.network.metrics import host_count  # what a bill alone does without

    cables = [group for group in wiring.cables if group.tier in FABRIC_TIERS]
    return {
        "gpu": len(wiring.gpus),
        "node": host_count(wiring),
        "cable": sum(int(np.broadcast_to(each.cables, each.a.shape).sum()) for each in cables),
    }


def census(wiring: Wiring) -> dict[str, dict[str, float]]:
    """Count what can fail by accelerator, in the order of the GPUs.

    GPUs and hosts are each accelerator's own, and so are the cables of its NICs; the cables between
    switches serve all, and are shared out by GPUs.
    """
    whole = components(wiring)
    kinds, first, kind, held = np.unique(
        accelerators(wiring), return_index=True, return_inverse=True, return_counts=True
    )
    if len(kinds) == 1:
        return {str(kinds[0]): whole}
    node = wiring.attribute("node", -1.0).astype(int)
    owner = np.full(node.max() + 2, -1)  # the last stands for what is in no host
    owner[node[wiring.gpus]] = kind
    owner[-1] = -1
    hosts = np.bincount(owner[owner >= 0], minlength=len(kinds))
    hosts = hosts if hosts.any() else held  # a graph that does not number its hosts
    own = np.zeros(len(kinds))
    for group in wiring.cables:
        if group.tier == "host-leaf":
            ends = owner[np.maximum(node[group.a], node[group.b])]
            number = np.broadcast_to(group.cables, group.a.shape)
            own += np.bincount(ends[ends >= 0], number[ends >= 0], len(kinds))
    cables = own + (whole["cable"] - own.sum()) * held / whole["gpu"]
    return {
        str(kinds[i]): {
            "gpu": int(held[i]),
            "node": float(hosts[i] * whole["node"] / hosts.sum()),
            "cable": float(cables[i]),
        }
        for i in np.argsort(first)
    }


def accelerators(wiring: Wiring) -> npt.NDArray[np.str_]:
    """Return the accelerator of every GPU, as the catalog names it, in rank order.

    Raises
    ------
    InputError
        When a GPU of the graph names none.
    """
    blocks = [block for block in wiring.blocks if block.kind == "gpu"]
    named = [name for block in blocks for name in values(block, "accelerator")]
    if "" in named:
        raise InputError(
            "its GPUs carry no attribute accelerator",
            where=f"graph {wiring.name!r}",
            remedy="Give each GPU node accelerator='H100' or another catalog name.",
        )
    row = {name: catalog.accelerator(name).name for name in set(named)}
    return np.array([row[name] for name in named])


def values(block: Block, attribute: str) -> list[str]:
    """Return a word that every node of a block carries; empty where it has none."""
    named = block.attributes.get(attribute, "")
    return [named] * block.size if isinstance(named, str) else [str(each) for each in named]
