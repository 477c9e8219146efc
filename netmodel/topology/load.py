"""Find, read and check cluster specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netmodel.errors import InputError, unknown_name
from netmodel.topology.cluster import Cluster
from netmodel.topology.document import Document, override, read_yaml
from netmodel.topology.family import family
from netmodel.topology.schema import validate

_NAMES_A_ROW = (
    "link",
    "host_link",
    "uplink",
    "switch",
    "nodes",
    "scaleup_link",
    "pcie_link",
    "cpu_link",
    "nic_link",
)


def topologies() -> Path:
    """Folder of the specifications that ship with netmodel: in a wheel, or beside the package."""
    beside = Path(__file__).parents[2] / "topologies"
    if beside.is_dir():
        return beside
    found = find_spec("netmodel.topologies")
    assert found is not None
    assert found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations)))


def cluster_names() -> list[str]:
    """Names of the clusters that ship with netmodel."""
    return sorted(path.stem for path in topologies().glob("*.yaml"))


def load_cluster(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Cluster:
    """Load a cluster by name or from a YAML file.

    Parameters
    ----------
    name_or_path : str or Path
        One of :func:`cluster_names`, or a path to a file.
    overrides : sequence of str
        ``PATH=VALUE`` texts, as ``--set`` takes them: ``"fabric.oversubscription=2"``.

    Raises
    ------
    InputError
        When there is no such cluster, or a field of it is wrong (all wrong fields at once).
    """
    return build_cluster(override(load_document(name_or_path), overrides, _NAMES_A_ROW))


def make_cluster(data: Mapping[str, Any], overrides: Sequence[str] = ()) -> Cluster:
    """Make a cluster from a mapping with the fields of a YAML file."""
    document = Document(dict(data), f"cluster {data.get('name', '')!r}")
    return build_cluster(override(document, overrides, _NAMES_A_ROW))


def build_cluster(document: Document) -> Cluster:
    """Validate a document and settle its hosts and fabric."""
    spec, fabric = validate(document)
    hosts = tuple(group.host() for group in spec.nodes)
    cluster = Cluster(spec=spec, fabric=fabric, hosts=hosts, gpus=spec.gpus)
    try:
        family(fabric.family)
        limit = cluster.max_gpus
    except InputError as error:
        path = tuple(error.where.split("."))
        raise InputError(error.found, where=document.where(path), remedy=error.remedy) from error
    if spec.sites:
        _check_site(cluster, document)
    if limit is not None and spec.gpus > limit:
        raise InputError(
            f"{spec.gpus:,} GPUs, but this design ends at {limit:,}",
            where=document.where(("gpus",)),
        )
    return cluster


def _check_site(cluster: Cluster, document: Document) -> None:
    """Refuse sites of more GPUs than the fabric of one can join."""
    assert cluster.spec.sites is not None
    one = replace(cluster, spec=cluster.spec.model_copy(update={"sites": None, "max_gpus": None}))
    most, wanted = one.max_gpus, cluster.spec.sites.gpus
    if most is not None and wanted > most:
        raise InputError(
            f"{wanted:,} GPUs a site, but the fabric of one ends at {most:,}",
            where=document.where(("sites", "gpus")),
        )


def load_document(name_or_path: str | Path) -> Document:
    """Read a specification by name or path, unchecked."""
    text = str(name_or_path)
    shipped = topologies() / f"{text}.yaml"
    if "/" not in text and shipped.is_file():
        return read_yaml(shipped, f"topologies/{shipped.name}")
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if path.is_dir():
            raise InputError("this is a folder, not a YAML file", where=text)
        if not path.exists():
            raise InputError("there is no such file", where=text)
        return read_yaml(path, text)
    raise unknown_name("cluster", text, cluster_names())
