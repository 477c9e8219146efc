"""The picture of a search: step time against memory, all layouts, and the front of the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netmodel.plots.style import (
    BLUE,
    FAINT,
    INK,
    SOFT,
    VERMILION,
    caption,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.search_ranked import Ranked

DOTS = 20_000
"""Layouts that are drawn as dots, evenly spread over all."""
SLOWEST = 4.0
"""Step times over that of the best that the picture reaches to."""


STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
"""Step times with a label, in each decade."""


@styled
def search_figure(ranked: Ranked) -> Figure:
    """Return the picture of a search.

    Parameters
    ----------
    ranked : Ranked
        From :func:`netmodel.studies.search_ranked.rank`.
    """
    from netmodel.studies.layouts import layout_text

    found = ranked.found
    best = found.best[0]
    figure = new_figure(9, 5.6)
    ax = figure.add_axes((0.09, 0.19, 0.86, 0.64))
    plot_front(ranked, ax)
    headline(
        figure,
        f"{ranked.model}: the best of {found.evaluated:,} layouts takes "
        f"{format_time(best.step_time)} a step",
        ranked.setting,
        step=0.055,
    )
    text = (
        f"Model {ranked.model}. Fabric {ranked.cluster}. Best layout {layout_text(best.strategy)}."
    )
    if ranked.published is not None:
        text += (
            f" Published layout {layout_text(ranked.published.step.strategy)}: "
            f"{ranked.published.source}."
        )
    caption(figure, text, width=132)
    return figure


@styled
def plot_front(ranked: Ranked, ax: Axes | None = None) -> Axes:
    """Draw every layout as a dot, the front as a line, the best and the published as markers."""
    ax = ax if ax is not None else new_figure(7, 4.5).add_subplot()
    found = ranked.found
    best = found.best[0]
    near = np.flatnonzero(found.times <= SLOWEST * best.step_time)
    shown = near[np.linspace(0, len(near) - 1, min(DOTS, len(near))).astype(int)]
    ax.plot(
        found.needs[shown] / 1e9,
        found.times[shown],
        ls="",
        marker=".",
        ms=2.4,
        mec="none",
        mfc=FAINT,
        alpha=0.5,
        rasterized=True,
    )
    front = [each for each in found.pareto if each.step_time <= SLOWEST * best.step_time]
    ax.plot(
        [each.memory / 1e9 for each in front],
        [each.step_time for each in front],
        color=BLUE,
        drawstyle="steps-pre",
        zorder=3,
    )
    _mark(ax, best.memory["total"], best.step_time, "best", BLUE, "o", -14)
    if ranked.published is not None:
        step = ranked.published.step
        _mark(ax, step.memory["total"], step.step_time, "published", VERMILION, "D", 6)
    capacity = float(best.memory["capacity"]) / 1e9
    ax.axvline(capacity, color=SOFT, ls="--", lw=1.2)
    ax.annotate(
        "memory of a GPU",
        (capacity, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=SOFT,
    )
    published = ranked.published.step.memory["total"] / 1e9 if ranked.published else 0.0
    ax.set_xlim(0, 1.05 * max(capacity, published))
    ax.set_yscale("log", base=2)
    low, high = 0.88 * best.step_time, 1.08 * float(found.times[shown].max())
    ax.set_ylim(low, high)
    decade = 10.0 ** np.floor(np.log10(low))
    ticks = [step * scale for scale in (decade, 10 * decade) for step in STEPS]
    ticks = [each for each in ticks if low <= each <= high]
    ax.set_yticks(ticks, [f"{each:.3g}" for each in ticks])
    ax.minorticks_off()
    ax.set_xlabel("Memory of the fullest GPU (GB)")
    ax.set_ylabel("Step time (s)")
    return ax


def _mark(
    ax: Axes, need: float, seconds: float, text: str, color: str, marker: str, above: float
) -> None:
    """Mark one layout and name it, so many points above the mark."""
    ax.plot([need / 1e9], [seconds], ls="", marker=marker, ms=8, mfc="white", mec=color, mew=1.8)
    ax.annotate(
        text,
        (need / 1e9, seconds),
        xytext=(-8, above),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=color if color != BLUE else INK,
    )
