"""``netmodel validate moe``: published dispatch and combine rows beside their predictions."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netmodel import catalog
from netmodel.collectives.kinds import link_kind
from netmodel.collectives.moe import MoeTiming, exchange, library_names, moe_library, vector_bytes
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers
from netmodel.studies.residuals import Residual, summary

MEASURED = catalog.DATA / "measured" / "moe_measured.csv"
COLUMNS = (
    "id",
    "gpu",
    "n_nodes",
    "gpus_per_node",
    "kernel",
    "op",
    "tokens_per_gpu",
    "hidden",
    "top_k",
    "dtype",
    "latency_us",
    "bw_GBps",
)
DEFAULT_EXPERTS = 256
"""Routed experts where a row does not say: DeepSeek-V3, whose shapes these benchmarks take."""
DEFAULT_NIC = "InfiniBand-NDR"
"""Link of one GPU's NIC where a row does not say: that of DeepSeek's clusters."""


def validate_moe(path: Path | str | None = None) -> dict[str, Any]:
    """Predict every row of a CSV in the schema of ``moe_measured.csv`` and summarise the errors.

    A row that states a bandwidth alone is compared in time: the bytes that its accounting counts,
    over that bandwidth.
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
    residuals = [_residual(row) for row in rows]
    return {"rows": [each.to_dict() for each in residuals], "summary": summary(residuals)}


def _residual(row: Mapping[str, str]) -> Residual:
    series = row["id"].rpartition("-")[0] or row["id"]
    micros, stated = _number(row["latency_us"]), _number(row["bw_GBps"])
    reason = _why_not(row, micros, stated)
    found = None
    if not reason:
        try:
            found = predict(row)
        except (InputError, ValueError) as error:
            reason = str(error)
    if found is None:
        return Residual(
            id=row["id"],
            series=series,
            measured=(micros or math.nan) * 1e-6,
            predicted=None,
            metric="time_s",
            groups={},
            reason=reason,
        )
    counted = float(found.logical_bytes) / ((stated or math.nan) * 1e9)
    return Residual(
        id=row["id"],
        series=series,
        measured=counted if micros is None else micros * 1e-6,
        predicted=float(found.time),
        metric="time_s",
        groups={
            "kernel": kernel_of(row["kernel"]),
            "op": row["op"],
            "gpu": row["gpu"],
            "nodes": row["n_nodes"],
            "bottleneck": str(found.bottleneck),
        },
        used_in_fit=True,
    )


def _why_not(row: Mapping[str, str], micros: float | None, stated: float | None) -> str:
    """Why a row has no prediction to compare; empty when it has."""
    if row["op"] not in ("dispatch", "combine"):
        return f"{row['op']!r} spans more than one dispatch or combine (compute and other calls)"
    if micros is None and stated is None:
        return "states neither a latency nor a bandwidth"
    return ""


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None


def kernel_of(text: str) -> str:
    """Which kind of kernel a name speaks of.

    >>> kernel_of("DeepEP V1 low-latency"), kernel_of("DeepSeek training EP combine kernel")
    ('low_latency', 'normal')
    """
    words = text.lower().replace("_", "-")
    return "low_latency" if "low-latency" in words or " ll" in words else "normal"


def library_of(text: str, notes: str) -> str:
    """Which library's record a kernel's name asks for, its first release told apart.

    >>> library_of("DeepEP V1 normal", "first public kernels, before the 2025-04 optimisation")
    'deepep-2025-02'
    """
    words = text.lower().replace(" ", "-")
    name = next((each for each in library_names() if each in words), "deepep")
    early = "first public kernels" in notes or "pure rdma: same-node" in notes
    return "deepep-2025-02" if name == "deepep" and early else name


def predict(row: Mapping[str, str]) -> MoeTiming:
    """Time a row from its columns and the words that name its software."""
    accelerator = catalog.accelerator(row["gpu"])
    nodes, per_node = int(float(row["n_nodes"])), int(float(row["gpus_per_node"]))
    tokens, hidden = float(row["tokens_per_gpu"]), float(row["hidden"])
    notes = (row.get("notes") or "").lower()
    kernel = kernel_of(row["kernel"])
    limit = _number(row.get("top_k_groups") or "")
    experts = _number(row.get("n_experts") or "") or DEFAULT_EXPERTS
    return exchange(
        _tiers(row, accelerator, nodes, per_node).span(nodes * per_node),
        moe_library(
            library_of(row["kernel"], notes),
            kernel,
            generation=accelerator.generation,
            inter_link=_fabric(row),
        ),
        tokens=tokens,
        top_k=int(float(row["top_k"])),
        vector=vector_bytes(hidden, row["dtype"].strip().lower(), kernel),
        experts=experts,
        group_limit=limit,
        overlapped="overlapped with compute" in notes,
    )


def _fabric(row: Mapping[str, str]) -> str:
    """Words of a row that name its NICs."""
    return row.get("inter_link") or row.get("system") or ""


def _nic_bandwidth(row: Mapping[str, str]) -> float:
    """NIC rate of one GPU [B/s]: its own column, or the Gb/s that the system's words state."""
    stated = _number(row.get("nic_GBps_per_gpu") or "")
    if stated is not None:
        return stated * 1e9
    rate = re.search(r"(?:(\d+)\s?x\s?)?(\d{2,4})\s?g(?:b(?:ps|/s|e)?)?\b", _fabric(row).lower())
    if not rate:
        return catalog.link(DEFAULT_NIC).bandwidth
    each = int(rate.group(2)) * 1e9 / 8
    count = int(rate.group(1) or 1)
    return each * max(1.0, count / float(row["gpus_per_node"]))


def _tiers(
    row: Mapping[str, str], accelerator: catalog.Accelerator, nodes: int, per_node: int
) -> Tiers:
    port = accelerator.scaleup_bandwidth
    if port is None:
        raise InputError("has no known scale-up bandwidth", where=f"gpu {row['gpu']!r}")
    nic = _nic_bandwidth(row)
    name = link_kind(accelerator.scaleup_link or "nvlink")
    ranks = nodes * per_node
    return Tiers(
        names=(name, "leaf"),
        unit=(per_node, ranks),
        bandwidth=(port, nic),
        latency=(0.0, 0.0),
        links=(accelerator.scaleup_link or name, "nic"),
    )
