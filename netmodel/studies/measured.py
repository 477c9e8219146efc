"""Published training rates, for markers beside a curve."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache

from netmodel import catalog
from netmodel.catalog.models import model_aliases
from netmodel.catalog.table import DATA, key
from netmodel.errors import InputError

SECONDS_PER_HOUR = 3600.0
TOKENS = re.compile(r"([0-9.]+)T tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One published rate.

    Attributes
    ----------
    gpus : int
    tokens_per_s_per_gpu : float
        [1/s]
    source : str
        Who published it.
    """

    gpus: int
    tokens_per_s_per_gpu: float
    source: str


def measured_rates(
    model: str, accelerator: str, *, seq_len: int, precision: str
) -> tuple[Measured, ...]:
    """Return the published rates of a model on an accelerator at these settings, by size.

    Of several runs of one size in one series the first row counts.
    """
    found: dict[tuple[int, str], Measured] = {}
    for row in _rows():
        rate = _rate(row)
        if (
            rate is not None
            and _model(row["model"]) == model
            and _accelerator(row["gpu"]) == accelerator
            and row["seq_len"] == str(seq_len)
            and row["precision"] == precision
        ):
            gpus = int(row["n_gpus"])
            found.setdefault(
                (gpus, row["series"]),
                Measured(gpus=gpus, tokens_per_s_per_gpu=rate, source=row["source"]),
            )
    return tuple(found[each] for each in sorted(found))


@cache
def _rows() -> tuple[dict[str, str], ...]:
    """Every published row that states its size."""
    path = DATA / "measured" / "training_measured.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(row for row in csv.DictReader(lines) if row["n_gpus"])


def _rate(row: dict[str, str]) -> float | None:
    """Tokens a second and GPU, where the row's metric and columns give them."""
    value = float(row["value"])
    if row["metric"] == "tokens_per_s_per_gpu":
        return value
    if row["metric"] == "step_time_s" and row["global_batch"] and row["seq_len"]:
        tokens = float(row["global_batch"]) * float(row["seq_len"])
        return tokens / (value * float(row["n_gpus"]))
    if row["metric"] == "gpu_hours" and (tokens_stated := TOKENS.search(row["notes"])):
        return float(tokens_stated[1]) * 1e12 / (value * SECONDS_PER_HOUR)
    return None


@cache
def _model(name: str) -> str | None:
    """Catalog name of a model as the data set spells it."""
    return model_aliases().get(key(name))


@cache
def _accelerator(name: str) -> str | None:
    """Catalog name of an accelerator as the data set spells it."""
    try:
        return catalog.accelerator(name).name
    except InputError:
        return None
