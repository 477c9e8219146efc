"""Clusters that no file describes: the usual node of a GPU, or a graph that a user made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netmodel import catalog
from netmodel.errors import InputError, ModelError
from netmodel.graph import Wiring, from_networkx
from netmodel.topology.cluster import Cluster
from netmodel.topology.load import load_document, make_cluster

if TYPE_CHECKING:
    import networkx as nx


def reference_cluster(
    accelerator: str,
    *,
    gpus: int,
    gpus_per_node: int | None = None,
    nic_bandwidth: float | None = None,
) -> Cluster:
    """Return the usual node of a GPU on a non-blocking fat tree (``topologies/reference.yaml``).

    For published runs whose source names the GPU and little else.

    Parameters
    ----------
    accelerator : str
        Catalog name, family or alias: ``"H100"``.
    gpus : int
        Size of the cluster.
    gpus_per_node : int, optional
        Where it differs from the usual node's; in a rack-scale NVLink domain this is the domain.
    nic_bandwidth : float, optional
        Network bandwidth of one GPU, one direction [B/s], where it differs.

    Raises
    ------
    InputError
        When the catalog has no such accelerator.
    """
    row = catalog.accelerator(accelerator)
    node = _usual_node(row)
    group = _group(row, node, gpus_per_node)
    nic = catalog.nic(node.nic) if node.nic else None
    if nic is None:
        design, link = "reference-torus", {"name": row.scaleup_link}
        extra = {"dimensions": node.torus_dimensions}
    else:
        rate = nic.bandwidth
        if nic_bandwidth:
            rate = nic_bandwidth * group.get("gpus", node.gpus) / group.get("nics", node.nics)
            group["nic_bandwidth"] = f"{rate!r} B/s"
        design, brand = _DESIGNS.get(nic.protocol, ("reference-ethernet", "Ethernet"))
        link = {"name": _link(brand, rate), "bandwidth": f"{rate!r} B/s"}
        extra = {}
    data = dict(load_document(design).data)
    data |= {"name": f"{row.name.lower()}-reference", "gpus": gpus, "nodes": group}
    data["fabric"] = data["fabric"] | {"link": link} | extra
    return make_cluster(data)


_DESIGNS = {
    "infiniband": ("reference", "InfiniBand"),
    "efa": ("reference-ethernet", "EFA"),
}
"""Design and make of cable for a NIC's protocol; Ethernet for all others."""


def _group(row: catalog.Accelerator, node: catalog.Node, gpus: int | None) -> dict[str, Any]:
    """Describe the node of an accelerator with ``gpus`` of them, as a specification would."""
    group: dict[str, Any] = {"name": node.name, "accelerator": row.name}
    own = row.scaleup_link
    if node.accelerator != row.name and own and node.scaleup != "none":
        if own.startswith("PCIe"):
            group["scaleup"] = "none"
        else:
            group["scaleup_link"] = own
    if gpus is None:
        return group
    if node.scaleup_domain > node.gpus:
        group["scaleup_domain"] = max(gpus, node.gpus)
        gpus = min(gpus, node.gpus)
    if gpus != node.gpus:
        group["gpus"] = gpus
        group.setdefault("scaleup_domain", gpus)
        if node.nics:
            group["nics"] = max(1, round(node.nics * gpus / node.gpus))
    return group


def _link(brand: str, rate: float) -> str:
    """Name the catalog link of a make whose rate is nearest."""
    rows = [catalog.link(name) for name in catalog.names("links") if name.startswith(brand + "-")]
    return min(rows, key=lambda row: abs(row.bandwidth - rate)).name


def _usual_node(row: catalog.Accelerator) -> catalog.Node:
    """Find the first catalog node with this accelerator, or with one of its generation."""
    nodes = [catalog.node(name) for name in catalog.names("nodes")]
    same = [node for node in nodes if node.accelerator == row.name]
    family = row.name.split("-")[0]
    kin = [node for node in nodes if node.accelerator.split("-")[0] == family]
    generation = [
        node for node in nodes if catalog.accelerator(node.accelerator).generation == row.generation
    ]
    found = [*same, *kin, *generation]
    if not found:
        raise InputError(
            f"the catalog has no node with {row.name}, nor with another {row.generation} GPU",
            remedy="Describe the node in a cluster file.",
        )
    return found[0]


@dataclass(frozen=True)
class GraphCluster:
    """A cluster that is one given graph: it cannot grow, only be used in part."""

    whole: Wiring
    name: str
    description: str = "a graph made or imported by the user"
    sources: tuple[str, ...] = ("the user's graph",)
    software: dict[str, Any] = field(default_factory=dict)
    used: int | None = None

    @property
    def max_gpus(self) -> int:
        """GPUs of the graph."""
        return len(self.whole.gpus)

    @property
    def gpus(self) -> int:
        """GPUs in use: all, or those :meth:`resize` left."""
        return self.used or self.max_gpus

    @property
    def accelerator(self) -> catalog.Accelerator:
        """Catalog row that the first GPU names.

        Raises
        ------
        InputError
            When the graph's GPUs carry no ``accelerator``.
        """
        first = next(block for block in self.whole.blocks if block.kind == "gpu")
        named = first.attributes.get("accelerator")
        name = named if isinstance(named, str) or named is None else named[0]
        if name is None:
            raise InputError(
                "its GPUs carry no attribute accelerator",
                where=f"graph {self.name!r}",
                remedy="Give each GPU node accelerator='H100' or another catalog name.",
            )
        return catalog.accelerator(name)

    def accelerators(self, gpus: int | None = None) -> tuple[str, ...]:
        """Names of the accelerators that the first ``gpus`` GPUs carry."""
        left = self.gpus if gpus is None else gpus
        found: dict[str, None] = {}
        for block in self.whole.blocks:
            if block.kind == "gpu" and left > 0:
                named = block.attributes.get("accelerator")
                names = [named] if isinstance(named, str) else list(named or ())[:left]
                found |= dict.fromkeys(catalog.accelerator(str(each)).name for each in names)
                left -= block.size
        return tuple(found)

    def resize(self, gpus: int) -> GraphCluster:
        """Return the cluster with only its first GPUs in use."""
        self._check(gpus)
        return GraphCluster(
            self.whole, self.name, self.description, self.sources, self.software, gpus
        )

    def wiring(self, gpus: int | None = None) -> Wiring:
        """Return the graph as arrays; the GPUs after the first ``gpus`` are left out."""
        n = self.gpus if gpus is None else gpus
        self._check(n)
        if n == self.max_gpus:
            return self.whole
        return from_networkx(self.graph(n))

    def graph(self, gpus: int | None = None) -> nx.Graph:
        """Return the graph; the GPUs after the first ``gpus`` are left out."""
        from netmodel.graph import to_networkx

        n = self.gpus if gpus is None else gpus
        self._check(n)
        graph = to_networkx(self.whole)
        graph.remove_nodes_from(self.whole.names(self.whole.gpus[n:]))
        return graph

    def notes(self, gpus: int | None = None) -> tuple[str, ...]:
        """Say that only part of the graph is used, where that is so."""
        n = self.gpus if gpus is None else gpus
        return (f"{n:,} of the graph's {self.max_gpus:,} GPUs",) if n < self.max_gpus else ()

    def _check(self, gpus: int) -> None:
        if gpus < 1:
            raise InputError(f"{gpus} GPUs asked for, a cluster has at least 1", where="--gpus")
        if gpus > self.max_gpus:
            raise ModelError(
                f"{gpus:,} GPUs asked for, the graph has {self.max_gpus:,}",
                where=f"graph {self.name!r}",
            )


def cluster_from_graph(graph: nx.Graph) -> GraphCluster:
    """Take any graph with the attributes of :mod:`netmodel.graph` as a cluster.

    Raises
    ------
    InputErrors
        When the graph is no fabric; one line for each fault.
    """
    return GraphCluster(from_networkx(graph), str(graph.name) or "graph")
