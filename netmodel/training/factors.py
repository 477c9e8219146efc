"""Fitted factors, found by GPU generation and by software record.

The rows stand in ``catalog/data/training_factors.csv``: what each means, its unit, its value with
one standard deviation, and whether it was fitted or taken from published facts. A factor is looked
up from the most specific key to ``default``: a framework's release (the newest that is not newer
than the one asked for) before the framework and its family, a GPU's name before its generation.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from netmodel.catalog.accelerators import Accelerator
from netmodel.catalog.table import release
from netmodel.training.kernels import Rates

TABLE = Path(__file__).parents[1] / "catalog" / "data" / "training_factors.csv"
DEFAULT = "default"
BITS = {"fp4": 0.5, "fp8": 1.0}
TILE = 128 * 256
"""Outputs of the tile that the vendor's libraries prefer for large products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One row of the table.

    Attributes
    ----------
    name, key : str
        What it is; the generation, family or software record it holds for.
    value, sigma : float
        In SI units; one standard deviation of its logarithm (0 where it is not fitted).
    prior, prior_sigma : float
        What was believed before fitting, and how firmly (of the logarithm).
    unit, basis, meaning : str
        ``basis`` is ``fitted``, or who published it.
    """

    name: str
    key: str
    value: float
    sigma: float
    prior: float
    prior_sigma: float
    unit: str
    basis: str
    meaning: str


@lru_cache(maxsize=4)
def table(path: Path = TABLE) -> Mapping[tuple[str, str], Factor]:
    """Read the table; rows by (name, key)."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {
            (row["name"], row["key"]): Factor(
                name=row["name"],
                key=row["key"],
                value=float(row["value"]),
                sigma=float(row["sigma"] or 0),
                prior=float(row["prior"]),
                prior_sigma=float(row["prior_sigma"]),
                unit=row["unit"],
                basis=row["basis"],
                meaning=row["meaning"],
            )
            for row in csv.DictReader(lines)
        }


def names() -> tuple[str, ...]:
    """Names of all factors, in the order of the table."""
    return tuple(dict.fromkeys(name for name, _ in table()))


def gpu_keys(accelerator: Accelerator) -> tuple[str, ...]:
    """Keys of a GPU, from its full name over its family to its generation.

    >>> from netmodel.catalog import accelerator
    >>> gpu_keys(accelerator("A100"))
    ('A100-SXM-80GB', 'A100-SXM', 'A100', 'ampere')
    """
    parts = accelerator.name.split("-")
    names = tuple("-".join(parts[:n]) for n in range(len(parts), 0, -1))
    return (*names, accelerator.generation)


@lru_cache(maxsize=512)
def software_keys(framework: str, version: str, family: str) -> tuple[str, ...]:
    """Keys of a software record: its releases not after ``version``, its framework, its family.

    >>> software_keys("nothing-known", "1.0", "fsdp")
    ('nothing-known', 'fsdp')
    """
    releases = {key for _, key in table() if key.startswith(f"{framework}@")}
    asked = release(version)
    found = [each for each in releases if not asked or release(each.split("@")[1]) <= asked]
    found.sort(key=lambda each: release(each.split("@")[1]), reverse=True)
    named = () if framework == DEFAULT else (framework,)  # a row's default comes after its GPUs
    return (*found, *named, family)


def find(name: str, keys: Iterable[str]) -> tuple[str, str]:
    """Return the table key of the most specific row of a factor."""
    rows = table()
    for key in keys:
        if (name, key) in rows:
            return name, key
    return name, DEFAULT


@lru_cache(maxsize=1024)
def located(gpu: tuple[str, ...], software: tuple[str, ...]) -> Mapping[str, tuple[str, str]]:
    """Where each factor of a GPU under a software is found."""
    return {name: find(name, (*software, *gpu)) for name in names()}


@lru_cache(maxsize=256)
def factors(accelerator: Accelerator, software: tuple[str, ...]) -> Mapping[str, float]:
    """Every factor of one GPU under one software (its keys), by name."""
    rows = table()
    where = located(gpu_keys(accelerator), software)
    return {name: rows[key].value for name, key in where.items()}


def peaks(accelerator: Accelerator, precision: str) -> tuple[float, float]:
    """Rated dense peak in the step's precision and in 16 bits [FLOP/s]."""
    sixteen = accelerator.peak.get("bf16") or accelerator.rate("fp16")
    return (sixteen if precision in ("bf16", "fp16") else accelerator.rate(precision)), sixteen


def rates(
    accelerator: Accelerator, values: Mapping[str, Any], *, precision: str, flash: bool
) -> Rates:
    """Turn rated peaks and factors into what a GPU attains."""
    peak, sixteen = peaks(accelerator, precision)
    return attained(
        values,
        peak=peak,
        sixteen=sixteen,
        share=values[f"gemm_{precision if precision in BITS else 'bf16'}"],
        memory=accelerator.memory_bandwidth,
        units=accelerator.sms or 1,
        width=BITS.get(precision, 2.0),
        fused=1.0 if flash else 0.0,
    )


def attained(
    values: Mapping[str, Any],
    *,
    peak: Any,
    sixteen: Any,
    share: Any,
    memory: Any,
    units: Any,
    width: Any,
    fused: Any,
) -> Rates:
    """Return the attained rates; everything broadcasts (peaks [FLOP/s], memory [B/s])."""
    speed = values["speed"] * values["clock"]
    return Rates(
        gemm=peak * share * speed,
        precise=sixteen * values["gemm_bf16"] * speed,
        grouped=values["grouped"],
        attention=sixteen * values["attention"] * values["attention_speed"] * values["clock"],
        batched=sixteen * values["batched"] * values["clock"],
        fused=fused,
        memory=memory * values["memory"],
        element=values["element"],
        cast=values["cast"],
        softmax=values["softmax"],
        permute=values["permute"],
        loss=values["loss"],
        width=width,
        depth=values["depth"],
        wave=values["wave"] * units * TILE,
        row_padding=values["row_padding"],
        head_half=values["head_half"],
        block=values["block"],
        requantise=values["requantise"] * (width < 2),
        accumulate=values["accumulate"],
    )


def markdown() -> str:
    """Table of all factors as ``docs/models/factors.md`` shows it.

    One standard deviation is that of the logarithm, so of the relative error.
    """
    rows = [("factor", "of", "value", "±", "unit", "basis"), ("---",) * 6]
    for each in table().values():
        sigma = f"{100 * each.sigma:.0f} %" if each.sigma else ""
        rows.append((each.name, each.key, f"{each.value:.4g}", sigma, each.unit, each.basis))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
