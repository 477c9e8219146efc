"""How a framework's published recipe for one model on one accelerator saves memory."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from netmodel.catalog import table
from netmodel.catalog.models import model_aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecipe:
    """One published recipe; an empty text stands for all.

    Attributes
    ----------
    framework, model : str
    accelerator, precision : str
        Those that the recipe is for.
    zero : int or None
        The ZeRO stage that it is for.
    recompute : str
        Modules that run again in the backward pass, as ``--strategy`` takes them.
    offload_layers : int
        Layers whose activations wait in the host's memory.
    source : str
        Who published it.
    """

    framework: str
    model: str
    accelerator: str
    precision: str
    zero: int | None
    recompute: str
    offload_layers: int
    source: str


@cache
def memory_recipes() -> tuple[MemoryRecipe, ...]:
    """Return every recipe, in the order of the file."""
    with (table.DATA / "training_recipes.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            MemoryRecipe(
                framework=row["framework"],
                model=row["model"],
                accelerator=row["accelerator"],
                precision=row["precision"],
                zero=int(row["zero"]) if row["zero"] else None,
                recompute=row["recompute"],
                offload_layers=int(row["offload_layers"]),
                source=row["source"],
            )
            for row in csv.DictReader(lines)
        )


def memory_recipe(
    framework: str, model: str, accelerator: str, precision: str, zero: int
) -> MemoryRecipe | None:
    """Return the first recipe that is for all of these, None where none was published.

    >>> memory_recipe("megatron-bridge", "llama3-70b", "GB200", "fp8", 3).offload_layers
    40
    """
    name = model_aliases().get(table.key(model), model)
    for each in memory_recipes():
        if (
            (each.framework, each.model) == (framework, name)
            and each.accelerator in ("", accelerator)
            and each.precision in ("", precision)
            and each.zero in (None, zero)
        ):
            return each
    return None
