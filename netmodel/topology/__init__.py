"""Which cable joins what: cluster specifications, wiring rules, importers.

A family is one wiring rule in one file; a spec sized for N GPUs becomes a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netmodel.topology.cluster import Cluster
    from netmodel.topology.family import FAMILIES
    from netmodel.topology.load import cluster_names, load_cluster, make_cluster
    from netmodel.topology.reference import cluster_from_graph, reference_cluster

__all__ = [
    "FAMILIES",
    "Cluster",
    "cluster_from_graph",
    "cluster_names",
    "load_cluster",
    "make_cluster",
    "reference_cluster",
]

_HOMES = {
    "Cluster": "cluster",
    "FAMILIES": "family",
    "cluster_from_graph": "reference",
    "cluster_names": "load",
    "load_cluster": "load",
    "make_cluster": "load",
    "reference_cluster": "reference",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: pydantic and YAML cost 0.1 s."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"netmodel.topology.{_HOMES[name]}"), name)
