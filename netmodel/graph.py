"""What a fabric graph is: node kinds, edge attributes, and the same thing as arrays.

A cluster is an undirected :class:`networkx.Graph`. Its nodes carry ``kind``; its edges are
full-duplex cables. ``topology`` writes such graphs, ``network`` reads them, and any graph that
passes :func:`check_graph` is a cluster to everything downstream, whoever made it.

Node attributes
---------------
kind : str
    One of :data:`NODE_KINDS`. GPUs are ranked in the order in which the graph holds them.
latency : float, optional
    Time a byte spends inside the device [s]; switches have one, 0 when absent.
node : int, optional
    The host (chassis or compute tray) that a part belongs to.
rail, plane, pod, site, accelerator, model : optional
    Rail of a NIC or leaf, plane of a switch, pod (scalable unit, dragonfly group), site; the
    catalog row of a GPU (``accelerator``) or of a switch or NIC (``model``).

Edge attributes
---------------
bandwidth : float
    Of all its parallel cables together, one direction [B/s].
latency : float
    First byte in to first byte out, switches not included [s].
cables : int
    How many in parallel.
link : str
    Catalog row of one cable.
tier : str
    One of :data:`TIERS`: which layer of the fabric the cable belongs to.

:class:`Wiring` holds the same facts as arrays: a family's wiring rule makes it, a 65,536-GPU
fabric in milliseconds, and :func:`to_networkx` and :func:`from_networkx` go between the two
without loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.errors import InputError, InputErrors

if TYPE_CHECKING:
    import networkx as nx

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ROOT_PORT = "root port"
"""Model of a ``pcie_switch`` that is a port of its CPU, over which several GPUs are reached."""

HOST_KINDS = ("gpu", "nvswitch", "pcie_switch", "cpu", "nic")
SWITCH_KINDS = ("leaf", "spine", "core", "router", "ocs")
NODE_KINDS = (*HOST_KINDS, *SWITCH_KINDS)

TIERS: Mapping[str, int] = {
    "nvlink": 0,  # GPU to NVSwitch, or GPU to GPU by bridge or cube mesh
    "xgmi": 0,  # GPU to GPU, AMD
    "ici": 0,  # TPU to TPU, Trainium to Trainium
    "pcie": 1,  # GPU, NIC and CPU inside a host
    "host-leaf": 2,  # NIC to its first switch
    "local": 3,  # router to router inside a dragonfly group, HyperX dimension, ...
    "leaf-spine": 3,
    "spine-core": 4,
    "global": 4,  # between dragonfly groups or pods
    "wan": 5,  # between sites
}
"""Layer of each tier, innermost first. Traffic climbs no higher than the first layer at which its
two ends are connected by cables of that layer and below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Nodes of one kind that a wiring rule numbers together.

    Attributes
    ----------
    kind : str
        One of :data:`NODE_KINDS`.
    shape : tuple of int
        Extent of each index; the block holds ``prod(shape)`` nodes, the last index fastest.
    label : str or tuple of str
        Name of a node from its indices, ``"node{0:04d}-gpu{1}"``, or every node's own name.
    attributes : mapping
        Node attributes; a scalar holds for all, an array (or list) gives one value a node.
    """

    kind: str
    shape: tuple[int, ...]
    label: str | tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(np.prod(self.shape))

    def names(self, positions: Iterable[int] | None = None) -> list[str]:
        """Names of all nodes, or of those at the given positions inside the block."""
        where = np.arange(self.size) if positions is None else np.asarray(list(positions), int)
        if isinstance(self.label, tuple):
            return [self.label[i] for i in where]
        index = [axis.tolist() for axis in np.unravel_index(where, self.shape)]
        return [self.label.format(*each) for each in zip(*index, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cables:
    """Edges of one tier and link: arrays that broadcast against ``a``.

    Attributes
    ----------
    a, b : int array [n]
        Ends, as indices into the wiring's nodes; each pair of nodes appears once.
    bandwidth, latency : float or array
        See the module's edge attributes [B/s], [s].
    cables : int or array
        Parallel cables in each edge.
    link, tier : str
        Catalog row; one of :data:`TIERS`.
    """

    a: IntArray
    b: IntArray
    bandwidth: float | FloatArray
    latency: float | FloatArray
    cables: int | IntArray
    link: str
    tier: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """A fabric graph as arrays: blocks of nodes, in node order, and groups of cables."""

    name: str
    blocks: tuple[Block, ...]
    cables: tuple[Cables, ...]

    @cached_property
    def starts(self) -> IntArray:
        """Index of each block's first node, and the node count at the end."""
        return np.cumsum([0, *(block.size for block in self.blocks)])

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.starts[-1])

    @cached_property
    def gpus(self) -> IntArray:
        """Node indices of the GPUs, in rank order."""
        return self.of_kind("gpu")

    def of_kind(self, *kinds: str) -> IntArray:
        """Node indices of all nodes of these kinds, in node order."""
        spans = [
            np.arange(start, start + block.size)
            for start, block in zip(self.starts, self.blocks, strict=False)
            if block.kind in kinds
        ]
        return np.concatenate(spans) if spans else np.zeros(0, int)

    def names(self, nodes: Iterable[int] | None = None) -> list[str]:
        """Names of all nodes, or of the given ones, in the order asked."""
        if nodes is None:
            return list(self._every_name)
        wanted = np.asarray(list(nodes), int)
        block_of = np.searchsorted(self.starts, wanted, side="right") - 1
        return [
            self.blocks[which].names([node - self.starts[which]])[0]
            for node, which in zip(wanted, block_of, strict=True)
        ]

    @cached_property
    def _every_name(self) -> list[str]:
        return [name for block in self.blocks for name in block.names()]

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Index of each node by its name."""
        return {name: node for node, name in enumerate(self._every_name)}

    def attribute(self, name: str, default: float) -> FloatArray:
        """One numeric node attribute over all nodes, with ``default`` where a block has none."""
        return np.concatenate(
            [
                np.broadcast_to(np.asarray(block.attributes.get(name, default), float), block.size)
                for block in self.blocks
            ]
        )


def to_networkx(wiring: Wiring) -> nx.Graph:
    """Return the wiring as a :class:`networkx.Graph`; nodes keep their order and name.

    The garbage collector rests meanwhile: a million small dictionaries and no cycle among them.
    """
    import gc

    import networkx as nx

    collecting = gc.isenabled()
    gc.disable()
    try:
        graph = nx.Graph(name=wiring.name)
        names: list[str] = []
        for block in wiring.blocks:
            labels = block.names()
            columns = {key: _column(value, block.size) for key, value in block.attributes.items()}
            rows = _records({"kind": [block.kind] * block.size, **columns})
            graph.add_nodes_from(zip(labels, rows, strict=True))
            names += labels
        for group in wiring.cables:
            n = len(group.a)
            rows = _records(
                {
                    "bandwidth": _column(group.bandwidth, n),
                    "latency": _column(group.latency, n),
                    "cables": _column(group.cables, n),
                    "link": [group.link] * n,
                    "tier": [group.tier] * n,
                }
            )
            left = [names[i] for i in group.a.tolist()]
            right = [names[i] for i in group.b.tolist()]
            graph.add_edges_from(zip(left, right, rows, strict=True))
    finally:
        if collecting:
            gc.enable()
    return graph


def _records(columns: Mapping[str, list[Any]]) -> Iterable[dict[str, Any]]:
    """Turn columns into one dictionary a row."""
    keys = tuple(columns)
    return (dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _column(value: Any, n: int) -> list[Any]:
    """Spread a scalar over n rows, or turn an array into plain Python values."""
    if isinstance(value, np.ndarray):
        return list(np.broadcast_to(value, n).tolist())
    return list(value) if isinstance(value, list | tuple) else [value] * n


def from_networkx(graph: nx.Graph) -> Wiring:
    """Return any checked fabric graph as a wiring of the same nodes in the same order.

    Raises
    ------
    InputErrors
        When the graph breaks :func:`check_graph`.
    """
    check_graph(graph)
    index = {node: i for i, node in enumerate(graph)}
    blocks: list[Block] = []
    run: list[tuple[str, dict[str, Any]]] = []
    for node, data in graph.nodes(data=True):
        if run and not _same_block(run[-1][1], data):
            blocks.append(_block_of(run))
            run = []
        run.append((str(node), data))
    blocks.append(_block_of(run))
    by_label: dict[tuple[str, str], list[tuple[int, int, dict[str, Any]]]] = {}
    for u, v, data in graph.edges(data=True):
        by_label.setdefault((data["link"], data["tier"]), []).append((index[u], index[v], data))
    cables = tuple(
        Cables(
            a=np.array([row[0] for row in rows], int),
            b=np.array([row[1] for row in rows], int),
            bandwidth=np.array([row[2]["bandwidth"] for row in rows], float),
            latency=np.array([row[2]["latency"] for row in rows], float),
            cables=np.array([row[2]["cables"] for row in rows], int),
            link=link,
            tier=tier,
        )
        for (link, tier), rows in by_label.items()
    )
    return Wiring(name=str(graph.name), blocks=tuple(blocks), cables=cables)


def _same_block(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return left["kind"] == right["kind"] and left.keys() == right.keys()


def _block_of(run: list[tuple[str, dict[str, Any]]]) -> Block:
    """Make a block of consecutive nodes that carry the same attributes."""
    first = run[0][1]
    keys = [key for key in first if key != "kind"]
    return Block(
        kind=first["kind"],
        shape=(len(run),),
        label=tuple(name for name, _ in run),
        attributes={key: [data[key] for _, data in run] for key in keys},
    )


def check_graph(graph: nx.Graph) -> None:
    """Refuse a graph that is no fabric, naming every fault at once.

    Raises
    ------
    InputErrors
        One line for each node or edge whose attributes are missing or impossible.
    """
    faults: list[InputError] = []
    for node, data in graph.nodes(data=True):
        if data.get("kind") not in NODE_KINDS:
            faults.append(
                InputError(
                    f"kind is {data.get('kind')!r}",
                    where=f"node {node!r}",
                    remedy=f"Use one of {', '.join(NODE_KINDS)}.",
                )
            )
    for u, v, data in graph.edges(data=True):
        where = f"edge {u!r} - {v!r}"
        missing = [
            key for key in ("bandwidth", "latency", "cables", "link", "tier") if key not in data
        ]
        if missing:
            faults.append(InputError(f"lacks {', '.join(missing)}", where=where))
        elif not data["bandwidth"] > 0:
            faults.append(
                InputError(
                    f"bandwidth is {data['bandwidth']!r} B/s, it must be above zero", where=where
                )
            )
        elif not data["latency"] >= 0:
            faults.append(
                InputError(
                    f"latency is {data['latency']!r} s, it must not be negative", where=where
                )
            )
        elif data["tier"] not in TIERS:
            faults.append(
                InputError(
                    f"tier is {data['tier']!r}",
                    where=where,
                    remedy=f"Use one of {', '.join(TIERS)}.",
                )
            )
    if not any(data.get("kind") == "gpu" for _, data in graph.nodes(data=True)):
        faults.append(
            InputError("the graph has no node of kind 'gpu'", where=f"graph {graph.name!r}")
        )
    if faults:
        raise InputErrors(faults)
