"""A fabric compiled once: directed links as arrays, ready to route on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.graph import NODE_KINDS, TIERS, FloatArray, IntArray, Wiring, from_networkx

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Directed links of a fabric: link e runs along edge e, link ``edges + e`` back.

    Attributes
    ----------
    wiring : Wiring
        The fabric, whose node numbers and edge order hold here.
    source, target : int array [links]
        Nodes.
    capacity : float array [links]
        One direction [B/s].
    latency : float array [links]
        Of the cable and of the device it leads into [s]; GPUs add none. A path's latency is the
        sum over its links.
    cables : int array [links]
        Parallel cables in the link.
    layer : int array [links]
        Layer of the cable's tier, see :data:`netmodel.graph.TIERS`.
    kind : int array [nodes]
        Index into :data:`netmodel.graph.NODE_KINDS`.
    """

    wiring: Wiring
    source: IntArray
    target: IntArray
    capacity: FloatArray
    latency: FloatArray
    cables: IntArray
    layer: IntArray
    kind: IntArray

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.kind)

    @property
    def n_links(self) -> int:
        """Number of directed links, twice the edges."""
        return len(self.source)

    @property
    def gpus(self) -> IntArray:
        """Nodes of the GPUs, in rank order."""
        return self.wiring.gpus

    def reverse(self, links: IntArray) -> IntArray:
        """Return the links of the same edges in the other direction."""
        return (links + self.n_links // 2) % self.n_links

    def of_kind(self, *kinds: str) -> IntArray:
        """Node numbers of all nodes of these kinds."""
        return self.wiring.of_kind(*kinds)

    @cached_property
    def outgoing(self) -> tuple[IntArray, IntArray]:
        """Links ordered by source, and where each node's begin (CSR)."""
        return sorted_by(self.source, self.n_nodes)

    def link_names(self, links: Iterable[int]) -> list[str]:
        """Names of links: ``leaf-03:spine-07``, from source to target."""
        chosen = np.asarray(list(links), int)
        sources = self.wiring.names(self.source[chosen])
        targets = self.wiring.names(self.target[chosen])
        return [f"{a}:{b}" for a, b in zip(sources, targets, strict=True)]

    def tier_of(self, link: int) -> str:
        """Tier name of a link's cable."""
        return self._tiers[link % (self.n_links // 2)]

    @cached_property
    def _tiers(self) -> list[str]:
        return [group.tier for group in self.wiring.cables for _ in range(len(group.a))]


def sorted_by(key: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Return the order that sorts small integers, and where each of 0..n begins in it.

    Examples
    --------
    >>> order, first = sorted_by(np.array([2, 0, 2]), 3)
    >>> order.tolist(), first.tolist()
    ([1, 0, 2], [0, 1, 1, 3])
    """
    order = np.argsort(key, kind="stable")
    first = np.zeros(n + 1, int)
    np.cumsum(np.bincount(key, minlength=n), out=first[1:])
    return order, first


def compile_network(fabric: Wiring | nx.Graph) -> Network:
    """Return the links of a wiring or of any checked networkx graph.

    Raises
    ------
    InputErrors
        When a networkx graph breaks :func:`netmodel.graph.check_graph`.
    """
    wiring = fabric if isinstance(fabric, Wiring) else from_networkx(fabric)
    groups = wiring.cables

    def column(values: Iterable[Any], dtype: type) -> npt.NDArray[Any]:
        spread: list[npt.NDArray[Any]] = [
            np.broadcast_to(np.asarray(value, dtype), len(group.a))
            for value, group in zip(values, groups, strict=True)
        ]
        return np.concatenate([np.zeros(0, dtype), *spread])

    a, b = column((g.a for g in groups), int), column((g.b for g in groups), int)
    both = np.concatenate
    kind = np.repeat(
        [NODE_KINDS.index(block.kind) for block in wiring.blocks],
        [block.size for block in wiring.blocks],
    )
    delay = wiring.attribute("latency", 0.0)
    delay[wiring.gpus] = 0.0
    wire = column((g.latency for g in groups), float)
    return Network(
        wiring=wiring,
        source=both([a, b]),
        target=both([b, a]),
        capacity=np.tile(column((g.bandwidth for g in groups), float), 2),
        latency=both([wire + delay[b], wire + delay[a]]),
        cables=np.tile(column((g.cables for g in groups), int), 2),
        layer=np.tile(column((TIERS[g.tier] for g in groups), int), 2),
        kind=kind,
    )
