"""Figures from results: functions take data and return a ``Figure``.

matplotlib is imported when the first figure is drawn, not with this room.
"""

from __future__ import annotations

from netmodel.plots.breakdown import plot_memory, plot_waterfall, step_figure
from netmodel.plots.cost import cost_figure, plot_gpu_hour, plot_purchase
from netmodel.plots.fabric import fabric_figure
from netmodel.plots.goodput import goodput_figure, plot_causes, plot_shares
from netmodel.plots.scaling import plot_efficiency, plot_time_per_token, scaling_figure
from netmodel.plots.style import picture
from netmodel.plots.waterfall import explain_figure

__all__ = [
    "cost_figure",
    "explain_figure",
    "fabric_figure",
    "goodput_figure",
    "picture",
    "plot_causes",
    "plot_efficiency",
    "plot_gpu_hour",
    "plot_memory",
    "plot_purchase",
    "plot_shares",
    "plot_time_per_token",
    "plot_waterfall",
    "scaling_figure",
    "step_figure",
]
