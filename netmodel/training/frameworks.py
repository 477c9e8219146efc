"""What a framework does unless told otherwise: data, one record a framework and release.

``catalog/data/training_frameworks.csv`` says what each overlaps, shards, recomputes and keeps by
default, since which release, and where that is documented. A release that is not listed behaves
like the newest one before it; a framework that is not listed like ``default``. What one holds in
memory otherwise than it sends stands in ``training_memory.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from netmodel.catalog.table import release
from netmodel.training.factors import software_keys
from netmodel.workload.layout import Strategy
from netmodel.workload.recipe import GIB, Recipe

DATA = Path(__file__).parents[1] / "catalog" / "data"
TABLE = DATA / "training_frameworks.csv"
MEMORY = DATA / "training_memory.csv"
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A framework at one release.

    Attributes
    ----------
    framework, version : str
        As asked for; an empty version means the newest.
    family : str
        Frameworks of one family run the same kernels.
    spare_last : bool
        Whether layers that do not divide leave the last pipeline rank, which has the head, as
        many short as there are.
    recipe : Recipe
        What it keeps and sends.
    defaults : mapping
        Strategy fields that it sets when nobody does.
    source : str
        Where that is documented.
    measured : tuple of (str, value)
        Constants of collectives that a cluster measured of its own, as
        :func:`netmodel.collectives.library` takes them.
    """

    framework: str
    version: str = ""
    family: str = "megatron-core"
    spare_last: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: str = ""
    measured: tuple[tuple[str, Any], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys under which its factors are looked up, the most specific first."""
        return software_keys(self.framework, self.version, self.family)


@lru_cache(maxsize=2)
def _records(table: Path = TABLE) -> tuple[dict[str, str], ...]:
    with table.open(newline="", encoding="utf-8") as lines:
        return tuple(csv.DictReader(lines))


def _record(table: Path, framework: str, version: str) -> dict[str, str] | None:
    """Return the record of a release: the newest that is not after it, else the oldest."""
    rows = [row for row in _records(table) if row["framework"] == framework]
    rows.sort(key=lambda row: release(row["since"]))
    asked = release(version)
    older = [row for row in rows if not asked or release(row["since"]) <= asked]
    return (older or rows)[-1] if rows else None


def frameworks() -> tuple[str, ...]:
    """Names of all frameworks that are described."""
    return tuple(dict.fromkeys(row["framework"] for row in _records()))


@lru_cache(maxsize=256)
def software(framework: str = DEFAULT, version: str = "") -> Software:
    """Describe a framework at a release; unknown ones behave like ``default``.

    >>> software("llm-foundry").defaults["zero"], software("nobody-knows").defaults["zero"]
    (3, 1)
    """
    row = _record(TABLE, framework, version) or _record(TABLE, DEFAULT, "")
    assert row is not None
    return Software(
        framework=framework,
        version=version,
        family=row["family"],
        spare_last=row["spare_last"] == "yes",
        recipe=Recipe(
            flash=row["flash"] == "yes",
            dispatcher=row["dispatcher"],
            expert_cover="shared" if row["overlap_ep"] == "shared" else "layer",
            dropout=row["dropout"] == "yes",
            moments=float(row["moments_bytes"]),
            saved=float(row["saved_bytes"]),
            gradient_message=float(row["gradient_bytes"]),
            fp8_dispatch=row["fp8_dispatch"] == "yes",
            reshard=row["reshard"] == "yes",
            regather=row["regather"] == "yes",
            reduce_each=row["reduce_each"] == "yes",
            **{"gradient": float(row["gradient_bytes"]), **_stored(framework, version)},
        ),
        defaults={
            "zero": int(row["zero"]),
            "recompute": row["recompute"],
            "sequence_parallel": row["sequence_parallel"] == "yes",
            "overlap_dp": row["overlap_dp"] == "yes",
            "overlap_tp": row["overlap_tp"] == "yes",
            "overlap_ep": row["overlap_ep"] != "no",
            "balanced_stages": row["balanced_stages"] == "yes",
            "micro_batch": int(row["micro_batch"]),
            "context": row["context"],
            "layers_per_chunk": int(row["layers_per_chunk"]),
        },
        source=row["source"],
    )


def _stored(framework: str, version: str) -> dict[str, Any]:
    """Return what is known of a framework's memory beyond what it sends: fields of a recipe."""
    row = _record(MEMORY, framework, version)
    if row is None:
        return {}
    return {
        "gradient": float(row["gradient_bytes"]),
        "update": float(row["update_bytes"]),
        "logit": float(row["logit_bytes"]),
        "stage_outputs": row["stage_outputs"] == "yes",
        "reserve": float(row["reserve_GiB"]) * GIB,
        "fragmentation": float(row["fragmentation"]),
    }


def software_of(asked: Any, stated: Mapping[str, Any]) -> Software:
    """Return what the caller asked for, else what the cluster states, else the default.

    Parameters
    ----------
    asked : Software, str, tuple or None
        ``"nemo"``, ``"nemo 24.07"`` or ``("nemo", "24.07")``.
    stated : mapping
        A cluster's ``software``: ``framework``, ``version``, and under ``collectives`` what it
        measured of its own.
    """
    found = _asked(asked, stated)
    own = stated.get("collectives")
    return replace(found, measured=tuple(sorted(own.items()))) if own else found


def _asked(asked: Any, stated: Mapping[str, Any]) -> Software:
    if isinstance(asked, Software):
        return asked
    if asked is None:
        return software(str(stated.get("framework", DEFAULT)), str(stated.get("version", "")))
    if isinstance(asked, str):
        name, _, version = asked.replace("@", " ").partition(" ")
        return software(name, version.strip())
    return software(*asked)


def completed(strategy: Strategy, framework: Software, stated: frozenset[str]) -> Strategy:
    """Fill the fields of a strategy that nobody stated with the framework's defaults."""
    missing = {name: value for name, value in framework.defaults.items() if name not in stated}
    return replace(strategy, **missing)
