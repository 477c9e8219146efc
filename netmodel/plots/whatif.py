"""Figures of ``netmodel whatif``: what a change slows, and which single faults hurt most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netmodel.plots.style import (
    BLUE,
    FAINT,
    GREEN,
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

    from netmodel.studies.whatif import WhatIf
    from netmodel.studies.whatif_rank import Ranking

FEW = 14
"""Faults that are drawn."""


@styled
def change_figure(found: WhatIf) -> Figure:
    """Return step and collectives after a change, each over its time before."""
    rows = [("step", found.slowdown, float(found.after.step_time))]
    rows += [(each.name, each.slowdown, each.after) for each in found.collectives]
    height = 2.0 + 0.34 * len(rows)
    figure = new_figure(9, height)
    ax = figure.add_axes((0.2, 0.95 / height, 0.74, 0.34 * len(rows) / height))
    plot_times(rows, ax)
    percent = 100 * (found.slowdown - 1)
    more = f"{percent:.1f} % longer" if percent >= 0 else f"{-percent:.1f} % less time"
    headline(
        figure,
        f"A step takes {more}",
        f"{found.model} on {int(found.before.gpus):,} GPUs of {found.cluster}; {found.change}",
        top=1 - 0.22 / height,
        step=0.36 / height,
    )
    said = f" Price of a GPU: {found.rent.source} ({found.rent.date})." if found.rent.date else ""
    lost = f" Waiting costs ${found.lost.typical:,.0f} an hour." if found.lost else ""
    caption(figure, f"Each collective when nothing else runs.{lost}{said}")
    return figure


@styled
def plot_times(rows: list[tuple[str, float, float]], ax: Axes | None = None) -> Axes:
    """Draw ratios as bars from 1, with the seconds afterwards."""
    ax = ax if ax is not None else new_figure(8, 4).add_subplot()
    for row, (name, ratio, seconds) in enumerate(rows):
        color = INK if name == "step" else VERMILION if ratio >= 1 else GREEN
        ax.barh(row, ratio - 1, left=1, height=0.66, color=color, zorder=2)
        ax.text(
            max(ratio, 1.0),
            row,
            f" {ratio:.3f}x, {format_time(seconds)}",
            va="center",
            fontsize=8.5,
            color=SOFT,
        )
    ratios = [ratio for _, ratio, _ in rows]
    low, high = min(1.0, *ratios), max(1.0, *ratios)
    room = max(high - low, 0.02)
    ax.set_xlim(low - 0.05 * room, high + 0.35 * room)
    ax.axvline(1, color=FAINT, ls="--", lw=1.2, zorder=3)
    _named(ax, [name for name, _, _ in rows])
    ax.set_xlabel("Time after over time before")
    return ax


@styled
def ranking_figure(found: Ranking) -> Figure:
    """Return the single faults that hurt most."""
    shown = found.faults[:FEW]
    height = 2.0 + 0.34 * len(shown)
    figure = new_figure(11, height)
    ax = figure.add_axes((0.42, 0.95 / height, 0.53, 0.34 * len(shown) / height))
    plot_ranking(found, ax)
    stops = sum(each.count for each in found.faults if math.isinf(each.slowdown))
    worst = max(
        (each.slowdown for each in found.faults if not math.isinf(each.slowdown)), default=1
    )
    first = (
        f"{stops:,} of {found.count:,} single faults stop the job"
        if stops
        else (f"No single fault stops the job, the worst costs {100 * (worst - 1):.1f} %")
    )
    headline(
        figure,
        first,
        f"{found.model} on {found.gpus:,} GPUs of {found.cluster}: every cable, NIC and switch "
        "broken in turn",
        top=1 - 0.22 / height,
        step=0.36 / height,
    )
    said = f" Price of a GPU: {found.rent.source} ({found.rent.date})." if found.rent.date else ""
    caption(figure, f"Faults alike are counted together; routes heal around the fault.{said}")
    return figure


@styled
def plot_ranking(found: Ranking, ax: Axes | None = None) -> Axes:
    """Draw the step time that each fault adds [%]; those that stop the job over the full width."""
    ax = ax if ax is not None else new_figure(8, 4).add_subplot()
    shown = found.faults[:FEW]
    finite = [100 * (each.slowdown - 1) for each in shown if not math.isinf(each.slowdown)]
    most = max([*finite, 0.1])
    for row, each in enumerate(shown):
        stops = math.isinf(each.slowdown)
        percent = 1.25 * most if stops else 100 * (each.slowdown - 1)
        ax.barh(
            row,
            percent,
            height=0.66,
            color=VERMILION if stops else BLUE,
            hatch="//" if stops else "",
            edgecolor="white",
            lw=0.5,
            zorder=2,
        )
        text = "stops the job" if stops else f"{percent:.2g} %"
        ax.text(
            percent, row, f" {text}, {each.count:,} alike", va="center", fontsize=8.5, color=SOFT
        )
    _named(ax, [f"{each.what} {each.pattern.removeprefix('1 of ')}" for each in shown])
    ax.set_xlim(0, 2.0 * most)
    ax.set_xlabel("Added to the step time (%)")
    return ax


def _named(ax: Axes, names: list[str]) -> None:
    """Put names on the rows, and leave lines along x only."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.tick_params(axis="y", length=0)
