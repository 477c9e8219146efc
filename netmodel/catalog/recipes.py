"""What a framework's published recipe does for one model on one accelerator."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from netmodel.catalog import table
from netmodel.catalog.models import model_aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecipe:
    """One published recipe; an empty text stands for all.

    Attributes
    ----------
    framework, model : str
    since : tuple of int
        The release from which it holds.
    accelerator, precision : str
        Those that the recipe is for.
    zero : int or None
        The ZeRO stage that it is for.
    recompute : str
        Modules that run again in the backward pass, as ``--strategy`` takes them.
    offload_layers : int
        Layers whose activations wait in the host's memory.
    dispatcher : str
        How tokens reach experts: ``deepep`` or ``alltoall``.
    overlap_ep : bool or None
        Whether expert messages run beside other micro-batches.
    source : str
        Who published it.
    """

    framework: str
    since: tuple[int, ...]
    model: str
    accelerator: str
    precision: str
    zero: int | None
    recompute: str
    offload_layers: int
    dispatcher: str
    overlap_ep: bool | None
    source: str


@cache
def published_recipes() -> tuple[PublishedRecipe, ...]:
    """Return every recipe, in the order of the file."""
    with (table.DATA / "training_recipes.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            PublishedRecipe(
                framework=row["framework"],
                since=table.release(row["since"]),
                model=row["model"],
                accelerator=row["accelerator"],
                precision=row["precision"],
                zero=int(row["zero"]) if row["zero"] else None,
                recompute=row["recompute"],
                offload_layers=int(row["offload_layers"]),
                dispatcher=row["dispatcher"],
                overlap_ep=row["overlap_ep"] == "yes" if row["overlap_ep"] else None,
                source=row["source"],
            )
            for row in csv.DictReader(lines)
        )


def published_recipe(
    framework: str, version: str, model: str, accelerator: str, precision: str, zero: int
) -> PublishedRecipe | None:
    """Return the first recipe that is for all of these, None where none was published.

    >>> published_recipe("megatron-bridge", "25.11", "llama3-70b", "GB200", "fp8", 3).offload_layers
    40
    """
    asked = table.release(version)
    name = model_aliases().get(table.key(model), model)
    for each in published_recipes():
        if (
            (each.framework, each.model) == (framework, name)
            and (not asked or each.since <= asked)
            and each.accelerator in ("", accelerator)
            and each.precision in ("", precision)
            and each.zero in (None, zero)
        ):
            return each
    return None
