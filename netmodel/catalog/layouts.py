"""Parallel layouts that someone published for a model, with the batch they trained."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache

from netmodel.catalog import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One published layout.

    Attributes
    ----------
    model, accelerator : str
        Catalog names.
    gpus : int or None
        GPUs of the published run, where stated.
    strategy : str
        As ``--strategy`` takes it, batch and precision included; ``dp`` follows from the size.
    seq_len : int
        Tokens in one sequence.
    software : str
        Framework and release of the published run: ``"hai-llm 2024.12"``.
    source : str
        Who published it.
    """

    model: str
    accelerator: str
    gpus: int | None
    strategy: str
    seq_len: int
    software: str
    source: str


@cache
def layouts() -> tuple[Layout, ...]:
    """Return every published layout, in the order of the file."""
    with (table.DATA / "layouts.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Layout(
                model=row["model"],
                accelerator=row["accelerator"],
                gpus=int(row["gpus"]) if row["gpus"] else None,
                strategy=row["strategy"],
                seq_len=int(row["seq_len"]),
                software=row["software"],
                source=row["source"],
            )
            for row in csv.DictReader(lines)
        )


def published_layout(
    model: str, accelerator: str, gpus: int | None = None, seq_len: int | None = None
) -> Layout | None:
    """Return the layout published for a model.

    One of the same accelerator comes first; of those, one whose sequences are nearest in length (by
    their ratio) where a length is asked for; then one of the same number of GPUs; then the first.

    >>> published_layout("deepseek-v3", "H800-SXM").gpus
    2048
    >>> published_layout("llama-3.1-405b", "H100-SXM", 16384, seq_len=100_000).seq_len
    131072
    """

    def distance(row: Layout) -> tuple[bool, float, bool]:
        apart = abs(math.log(row.seq_len / seq_len)) if seq_len else 0.0
        return row.accelerator != accelerator, apart, row.gpus != gpus

    return min((row for row in layouts() if row.model == model), key=distance, default=None)
