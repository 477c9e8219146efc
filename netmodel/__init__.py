"""Model the communication of distributed training and find the interconnect bottleneck.

>>> import netmodel as nm
>>> nm.load_model("llama-3.1-8b").layers
32

Everything public is imported when it is first used, so ``import netmodel`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netmodel._version import __version__

if TYPE_CHECKING:
    from netmodel.api import (
        collective,
        cost,
        explain,
        goodput,
        load_cluster,
        load_model,
        mixed,
        scale,
        search,
        step,
    )
    from netmodel.errors import InputError, InputErrors, ModelError, NetmodelError
    from netmodel.plots import (
        cost_figure,
        explain_figure,
        fabric_figure,
        goodput_figure,
        plot_efficiency,
        plot_memory,
        plot_time_per_token,
        plot_waterfall,
        scaling_figure,
        step_figure,
    )
    from netmodel.workload import Model, Strategy

_HOMES = {
    "api": (
        "collective",
        "cost",
        "explain",
        "goodput",
        "load_cluster",
        "load_model",
        "mixed",
        "scale",
        "search",
        "step",
    ),
    "errors": ("InputError", "InputErrors", "ModelError", "NetmodelError"),
    "plots": (
        "cost_figure",
        "explain_figure",
        "fabric_figure",
        "goodput_figure",
        "plot_efficiency",
        "plot_memory",
        "plot_time_per_token",
        "plot_waterfall",
        "scaling_figure",
        "step_figure",
    ),
    "workload": ("Model", "Strategy"),
}

__all__ = [
    "InputError",
    "InputErrors",
    "Model",
    "ModelError",
    "NetmodelError",
    "Strategy",
    "__version__",
    "collective",
    "cost",
    "cost_figure",
    "explain",
    "explain_figure",
    "fabric_figure",
    "goodput",
    "goodput_figure",
    "load_cluster",
    "load_model",
    "mixed",
    "plot_efficiency",
    "plot_memory",
    "plot_time_per_token",
    "plot_waterfall",
    "scale",
    "scaling_figure",
    "search",
    "step",
    "step_figure",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"netmodel.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
