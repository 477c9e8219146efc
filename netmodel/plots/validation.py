"""Predicted against measured: every published row as a point."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    caption,
    headline,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GROUPS = ("generation", "kernel", "framework", "gpu", "series")
BAND = 1.2
"""Points inside the band lie within 20 % of the measurement."""
SERIES = 12
"""Groups that get their own mark at most."""
PANELS = 6
"""Scaling series drawn at most: those that span the most GPUs."""


@styled
def validation_figure(subject: str, report: Mapping[str, Any]) -> Figure:
    """Return the scatter of all predicted rows, and their errors as a distribution.

    Where rows are of scaling series, the largest of those follow below.

    Parameters
    ----------
    subject : str
        ``"collectives"``, ``"moe"`` or ``"training"``.
    report : mapping
        What ``netmodel validate`` gives: ``rows``, ``summary`` and, of training, ``scaling``.
    """
    rows = [row for row in report["rows"] if row["status"] == "ok" and row.get("counted", True)]
    curves = report.get("scaling", {}).get("curves", ())
    tall = 9.4 if curves else 6.4
    figure = new_figure(10, tall)
    grid = figure.add_gridspec(
        1, 2, width_ratios=[1.25, 1], wspace=0.62, left=0.085, right=0.965,
        top=1 - (1.2 if curves else 1.02) / tall, bottom=(4.2 if curves else 1.02) / tall,
    )  # fmt: skip
    if curves:
        below = figure.add_gridspec(
            1, PANELS, wspace=0.12, left=0.085, right=0.965, top=3.1 / tall, bottom=1.3 / tall
        )
        largest = sorted(curves, key=lambda each: -max(each["gpus"]))[:PANELS]
        for at, curve in enumerate(largest):
            plot_efficiency_of(curve, figure.add_subplot(below[at]), first=at == 0)
    plot_scatter(rows, figure.add_subplot(grid[0]))
    plot_errors(rows, figure.add_subplot(grid[1]))
    summary = report["summary"]
    headline(
        figure,
        f"{subject.capitalize()}: median error {summary['median_abs_pct']:.1f} %, nine in ten "
        f"rows within {summary['p90_abs_pct']:.0f} %",
        f"{len(rows):,} of {summary['rows']:,} published rows are counted",
        left=0.085,
    )
    caption(
        figure,
        "Line: predicted equals measured; band: within 20 %. Rows that their publisher marks as "
        "degraded are not counted. Sources stand with the rows (netmodel validate --rows).",
        left=0.085,
    )
    return figure


@styled
def plot_scatter(rows: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw predicted against measured on two logarithmic axes, a mark for each group."""
    ax = ax if ax is not None else new_figure(6, 6).add_subplot()
    measured = np.array([float(row["measured"]) for row in rows])
    predicted = np.array([float(row["predicted"]) for row in rows])
    ends = np.array([min(measured.min(), predicted.min()), max(measured.max(), predicted.max())])
    ax.fill_between(ends, ends / BAND, ends * BAND, color=PALE, lw=0)
    ax.plot(ends, ends, color=FAINT, lw=1.2)
    key = next((name for name in GROUPS if rows and name in rows[0]), "metric")
    names = _largest([str(row.get(key, "")) for row in rows])
    groups = np.array([str(row.get(key, "")) for row in rows])
    for number, name in enumerate(names):
        own = groups == name
        ax.plot(
            measured[own],
            predicted[own],
            ls="",
            marker=MARKERS[number % len(MARKERS)],
            ms=3.5,
            mfc="none",
            mew=0.8,
            color=COLOURS[number % len(COLOURS)],
        )
    metrics = sorted({str(row["metric"]) for row in rows})
    unit = "s" if metrics == ["time_s"] else ", ".join(metrics)
    if len(metrics) > 1:
        unit = "each row in its own metric"
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(f"Measured ({unit})")
    ax.set_ylabel(f"Predicted ({unit})")
    _name_groups(ax, names)
    return ax


def _name_groups(ax: Axes, names: Sequence[str]) -> None:
    """Name each group beside the plot, with its mark."""
    for number, name in enumerate(names):
        at = 0.98 - 0.062 * number
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(
            [1.04],
            [at],
            transform=ax.transAxes,
            clip_on=False,
            marker=MARKERS[number % len(MARKERS)],
            mfc="none",
            color=colour,
            ms=5,
        )
        ax.text(1.075, at, name, transform=ax.transAxes, va="center", color=colour, fontsize=9)


def _largest(groups: Sequence[str]) -> list[str]:
    """Groups by size, the many first, at most :data:`SERIES`."""
    names, counts = np.unique(groups, return_counts=True)
    return [str(names[i]) for i in np.argsort(-counts, kind="stable")[:SERIES]]


@styled
def plot_errors(rows: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw the share of rows whose error is at most so large, all and by size where known."""
    ax = ax if ax is not None else new_figure(5, 5).add_subplot()
    curves = {"all": rows}
    for size in dict.fromkeys(str(row["size"]) for row in rows if "size" in row):
        curves[size] = [row for row in rows if row.get("size") == size]
    colours = []
    for number, (_, members) in enumerate(curves.items()):
        errors = np.sort(np.abs([float(row["error_pct"]) for row in members]))
        share = 100 * np.arange(1, errors.size + 1) / errors.size
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(errors, share, color=colour, lw=2.2 if number == 0 else 1.3)
        colours.append(colour)
    ax.set_xlim(0, LIMIT)
    ax.set_ylim(0, 100)
    ax.set_xlabel("Error at most (%)")
    ax.set_ylabel("Rows (%)")
    ax.axhline(90, color=FAINT, ls="--", lw=1)
    ax.axhline(50, color=FAINT, ls="--", lw=1)
    for number, name in enumerate(curves):
        ax.text(
            0.97,
            0.06 + 0.062 * (len(curves) - 1 - number),
            name,
            transform=ax.transAxes,
            ha="right",
            color=colours[number],
            fontsize=9,
        )
    return ax


@styled
def plot_efficiency_of(
    curve: Mapping[str, Any], ax: Axes | None = None, *, first: bool = True
) -> Axes:
    """Draw one published scaling series as points, the model over them as a line."""
    ax = ax if ax is not None else new_figure(4, 4).add_subplot()
    ax.plot(curve["gpus"], curve["predicted_pct"], color=BLUE, lw=1.6)
    ax.plot(
        curve["gpus"], curve["measured_pct"], ls="", marker="D", ms=4, mfc="none", color=VERMILION
    )
    ax.set_xscale("log", base=2)
    ends = [min(curve["gpus"]), max(curve["gpus"])]
    ax.set_xticks(ends, [f"{count:,}" for count in ends])
    ax.minorticks_off()
    ax.set_xlim(ends[0] / 1.5, ends[1] * 1.5)
    ax.set_ylim(0, 130)
    name = textwrap.fill(str(curve["series"]), 20)
    ax.set_title(name, fontsize=7, fontweight="normal", loc="left")
    ax.set_xlabel("GPUs")
    if first:
        ax.set_ylabel("Efficiency (%)")
        ax.text(0.06, 0.2, "netmodel", transform=ax.transAxes, color=BLUE, fontsize=8)
        ax.text(0.06, 0.08, "published", transform=ax.transAxes, color=VERMILION, fontsize=8)
    else:
        ax.set_yticklabels([])
    return ax


LIMIT = 60.0
"""Right end of the error axis [%]."""
