"""Figures from results: functions take data and return a ``Figure``.

matplotlib is imported when the first figure is drawn, not with this room.
"""

from __future__ import annotations

from netmodel.plots.breakdown import plot_memory, plot_waterfall, step_figure
from netmodel.plots.fabric import fabric_figure
from netmodel.plots.scaling import plot_efficiency, plot_time_per_token, scaling_figure
from netmodel.plots.style import picture
from netmodel.plots.waterfall import explain_figure

__all__ = [
    "explain_figure",
    "fabric_figure",
    "picture",
    "plot_efficiency",
    "plot_memory",
    "plot_time_per_token",
    "plot_waterfall",
    "scaling_figure",
    "step_figure",
]
