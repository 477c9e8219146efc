"""Published collective measurements as cases that the model can answer.

A case is made from ``gpu, n_nodes, gpus_per_node, nic_GBps_per_gpu, intra_link, inter_link,
collective, algo_hint, bytes``, and of ``notes`` the words alone that tell what started the ranks
(``nccl-tests -g 8``, a torch script). Nothing else of a row reaches a prediction; :func:`unstated`
is the same case without those words.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from netmodel import catalog
from netmodel.collectives.kinds import link_kind
from netmodel.collectives.library import constants
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers

MEASURED = catalog.DATA / "measured" / "collectives_measured.csv"
COLUMNS = (
    "id",
    "gpu",
    "n_nodes",
    "gpus_per_node",
    "nic_GBps_per_gpu",
    "intra_link",
    "inter_link",
    "collective",
    "algo_hint",
    "bytes",
    "time_us",
)
KIND_OF = {
    "all_reduce": "all_reduce",
    "allreduce": "all_reduce",
    "all_gather": "all_gather",
    "allgather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "reducescatter": "reduce_scatter",
    "alltoall": "all_to_all",
    "all_to_all": "all_to_all",
    "broadcast": "broadcast",
    "reduce": "reduce",
    "sendrecv": "send_recv",
    "send_recv": "send_recv",
}
"""Names that logs and papers use, to ours."""
RING_KINDS = frozenset({"all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce"})
SINGLE_PROCESS_BY_DEFAULT = frozenset({"pascal", "volta"})
"""Generations whose nccl-tests instructions ran ``-g N`` (README before NCCL 2.8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measured time with all that its prediction may know.

    Attributes
    ----------
    id, series, system : str
        Row; curve that it belongs to; who measured (for weights and groups only).
    kind, algorithm : str
        Operation; ``"auto"`` or ``"ring"`` where the run forced it.
    size, measured : float
        Buffer as nccl-tests counts it [B]; time [s].
    generation, intra_link, inter_link, launcher : str
        What :func:`netmodel.collectives.library` is asked for.
    in_network : bool
        Whether SHARP was on.
    tiers : Tiers
        The scale-up domain and, across domains, the NICs.
    ranks, nodes : int
        Members; operating-system images.
    flagged : bool
        Whether the publisher or the collector marked the row as degraded or jitter.
    """

    id: str
    series: str
    system: str
    kind: str
    algorithm: str
    size: float
    measured: float
    generation: str
    intra_link: str
    inter_link: str
    launcher: str
    in_network: bool
    tiers: Tiers
    ranks: int
    nodes: int
    flagged: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that cannot be predicted, and why."""

    id: str
    series: str
    measured: float
    reason: str


def read_cases(path: Path | str | None = None) -> tuple[list[Case], list[Skipped]]:
    """Read a CSV in the schema of ``collectives_measured.csv``.

    Raises
    ------
    InputError
        When the file cannot be read or lacks a column.
    """
    path = Path(MEASURED if path is None else path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"lacks the column {missing[0]!r}",
                    where=str(path),
                    remedy=f"The header must name {', '.join(COLUMNS)}.",
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read as CSV ({error})", where=str(path)) from None
    cases: list[Case] = []
    skipped: list[Skipped] = []
    for row in rows:
        series = row["id"].rpartition("-")[0] or row["id"]
        try:
            cases.append(_case(row, series))
        except (InputError, ValueError, KeyError) as error:
            skipped.append(Skipped(row["id"], series, _seconds(row), str(error)))
    return cases, skipped


def _seconds(row: Mapping[str, str]) -> float:
    """Measured time [s]; not a number where the row has none."""
    try:
        return float(row["time_us"]) * 1e-6
    except (TypeError, ValueError):
        return math.nan


def _case(row: Mapping[str, str], series: str) -> Case:
    accelerator = catalog.accelerator(row["gpu"])
    kind = KIND_OF.get(row["collective"].strip().lower())
    if kind is None:
        raise InputError(f"no collective is named {row['collective']!r}", where="collective")
    nodes, per_node = int(float(row["n_nodes"])), int(float(row["gpus_per_node"]))
    size, micros = float(row["bytes"]), float(row["time_us"])
    if not (nodes > 0 and per_node > 0 and size > 0 and micros > 0):
        raise InputError("nodes, GPUs, bytes and time must be above zero", where=row["id"])
    notes = (row.get("notes") or "").lower()
    hint = row["algo_hint"].strip().lower()
    nic = nic_bandwidth(
        row["nic_GBps_per_gpu"], row["inter_link"], per_node, accelerator.generation
    )
    return Case(
        id=row["id"],
        series=series,
        system=row.get("system", series),
        kind=kind,
        algorithm="ring" if hint == "ring" and kind in RING_KINDS else "auto",
        size=size,
        measured=micros * 1e-6,
        generation=accelerator.generation,
        intra_link=row["intra_link"],
        inter_link=row["inter_link"],
        launcher=launcher(notes, accelerator.generation),
        in_network="sharp" in hint,
        tiers=_tiers(row["gpu"], row["intra_link"], nodes, per_node, nic),
        ranks=nodes * per_node,
        nodes=nodes,
        flagged="degraded" in notes or "jitter" in notes,
    )


def unstated(case: Case) -> Case:
    """Return a case as its columns tell it, where nobody says how the ranks were started."""
    return replace(case, launcher=launcher("", case.generation))


def launcher(notes: str, generation: str) -> str:
    """How the software started its ranks, from the words that name it.

    >>> launcher("single process -g 8 (about 20 us extra launch latency)", "ampere")
    'single_process'
    >>> launcher("nccl-tests single process, threads=gpus", "hopper")
    'processes'
    """
    if "torch" in notes and "all_reduce" in notes:
        return "torch"
    if re.search(r"(^|\s)-g \d+", notes) or generation in SINGLE_PROCESS_BY_DEFAULT:
        return "single_process"
    return "processes"


def _rack_size(intra_link: str) -> int:
    """GPUs that one NVLink domain of several hosts joins, 0 where a host is a domain."""
    found = re.search(r"nvl(?:ink)?[^\d]?(\d{2,3})\b", intra_link.lower())
    return int(found.group(1)) if found else 0


USUAL_NIC = {"pascal": "InfiniBand-EDR", "volta": "InfiniBand-EDR", "ampere": "InfiniBand-HDR"}
"""NIC of one GPU where a row tells no rate: what DGX systems of that generation have."""


def nic_bandwidth(stated: str, inter_link: str, per_node: int, generation: str) -> float:
    """NIC rate of one GPU [B/s]: its column, else the link's words, else the usual one.

    >>> nic_bandwidth("", "8x2x400G RoCE per node", 8, "blackwell") / 1e9
    100.0
    >>> nic_bandwidth("12.5", "4x200G TCPX", 8, "hopper") / 1e9
    12.5
    """
    if stated.strip():
        return float(stated) * 1e9
    words = re.search(r"((?:\d+\s?x\s?)*)(\d{2,4})\s?g", inter_link.lower())
    if words:
        count = math.prod(int(each) for each in re.findall(r"\d+", words.group(1)))
        shared = per_node if words.group(1) else 1
        return count * int(words.group(2)) * 1e9 / 8 / shared
    return catalog.link(USUAL_NIC.get(generation, "InfiniBand-NDR")).bandwidth


@lru_cache(maxsize=1024)
def _tiers(gpu: str, intra_link: str, nodes: int, per_node: int, nic: float) -> Tiers:
    """Lay a published run on tiers: the scale-up domain, then one network tier."""
    accelerator = catalog.accelerator(gpu)
    port = accelerator.scaleup_bandwidth
    if port is None:
        raise InputError("has no known scale-up bandwidth", where=f"gpu {gpu!r}")
    ranks = nodes * per_node
    rack = _rack_size(intra_link)
    domain = math.ceil(ranks / math.ceil(ranks / rack)) if rack else per_node
    name = link_kind(intra_link)
    peer = math.inf
    if name == "xgmi":
        peer = catalog.link(accelerator.scaleup_link or intra_link).bandwidth
    across = ranks > domain
    return Tiers(
        names=(name, "leaf") if across else (name,),
        unit=(domain, ranks) if across else (domain,),
        bandwidth=(port, nic) if across else (port,),
        latency=(0.0, constants()["network", "default", "path"])[: 1 + across],
        links=(accelerator.scaleup_link or name, "nic") if across else (name,),
        peer=(peer, math.inf) if across else (peer,),
    )
