"""The figure of an explanation: from the ideal step to the real one, and what would shorten it."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from netmodel.plots.breakdown import words
from netmodel.plots.parts import family
from netmodel.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PALE,
    SOFT,
    caption,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 0.003
"""Share of a step below which entries are drawn together."""

BETTER = 1.1
"""How much better a resource is made in the lower picture."""

FEW = 10
"""Resources that the lower picture shows."""


@styled
def explain_figure(
    waterfall: Mapping[str, float],
    elasticity: Mapping[str, float],
    *,
    title: str,
    subtitle: str = "",
    source: str = "",
    start: str = "ideal: all model FLOPs at peak",
) -> Figure:
    """Return the waterfall above what a tenth more of each resource would save.

    Parameters
    ----------
    waterfall : mapping of str to float
        Entries that add up to the step, the first being the ideal [s].
    elasticity : mapping of str to float
        Percent of step time per percent of each field.
    start : str
        What the first entry is.
    """
    rows = _rows(waterfall, start)
    saved = _savings(elasticity)
    above, below = 0.3 * (len(rows) + 1), 0.26 * max(len(saved), 1)
    foot = 0.75 + 0.16 * len(wrap(source, 150))
    height = foot + below + 0.85 + above + 1.5
    figure = new_figure(10, height)
    low = figure.add_axes((0.33, foot / height, 0.6, below / height))
    top = figure.add_axes((0.33, (foot + below + 0.85) / height, 0.6, above / height))
    plot_causes(waterfall, top, start=start)
    plot_savings(elasticity, low)
    headline(figure, title, subtitle, top=1 - 0.25 / height, step=0.36 / height)
    caption(figure, source)
    return figure


@styled
def plot_causes(
    waterfall: Mapping[str, float],
    ax: Axes | None = None,
    *,
    start: str = "ideal: all model FLOPs at peak",
) -> Axes:
    """Draw each entry from where the one before it ends; those below zero go back [s]."""
    ax = ax if ax is not None else new_figure(8, 6).add_subplot()
    rows = _rows(waterfall, start)
    whole = sum(waterfall.values())
    at = most = 0.0
    for row, (name, _, seconds) in enumerate(rows):
        look = family(name)
        first = row == 0
        color = SOFT if first else GREY if name == OTHERS else look.color
        ax.barh(
            row,
            seconds,
            left=at,
            height=0.7,
            color=color,
            hatch="" if first else look.hatch,
            edgecolor="white",
            lw=0.5,
            zorder=2,
        )
        at += seconds
        most = max(most, at, at - seconds)
        ax.plot([at, at], [row, row + 1], color=PALE, lw=1, zorder=1)
        sign = "" if first else "+" if seconds >= 0 else "−"
        ax.text(
            max(at, at - seconds) + 0.008 * whole,
            row,
            f"{sign}{format_time(abs(seconds))}   {100 * seconds / whole:.1f} %".replace("-", "−"),
            va="center",
            fontsize=8.5,
            color=SOFT if first or name == OTHERS else look.text,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.barh(len(rows), whole, height=0.7, color=INK, zorder=2)
    ax.text(
        whole * 1.008,
        len(rows),
        format_time(whole),
        va="center",
        fontsize=9,
        color=INK,
        fontweight="bold",
    )
    ax.set_yticks(range(len(rows) + 1), [*(label for _, label, _ in rows), "the real step"])
    ax.set_ylim(len(rows) + 0.55, -0.55)
    ax.set_xlim(0, 1.2 * max(most, whole))
    ax.set_xlabel("Time (s)")
    _quiet(ax)
    return ax


@styled
def plot_savings(elasticity: Mapping[str, float], ax: Axes | None = None) -> Axes:
    """Draw the share of a step that a tenth more (of latency: less) of each field saves [%]."""
    ax = ax if ax is not None else new_figure(8, 3).add_subplot()
    saved = _savings(elasticity)
    for row, (name, percent) in enumerate(saved):
        color = BLUE if name.startswith("gpu.") else GREEN
        ax.barh(row, percent, height=0.7, color=color, edgecolor="white", lw=0.5, zorder=2)
        ax.text(percent, row, f" {percent:.2g} %", va="center", fontsize=8.5, color=SOFT)
    ax.set_yticks(range(len(saved)), [_resource(name) for name, _ in saved])
    ax.set_ylim(max(len(saved), 1) - 0.45, -0.55)
    ax.set_xlim(0, 1.2 * max([percent for _, percent in saved], default=1.0))
    ax.set_xlabel("Step time saved by 10 % more of it, all else equal (%)")
    _quiet(ax)
    return ax


def _quiet(ax: Axes) -> None:
    """Leave lines along x only."""
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.tick_params(axis="y", length=0)
    for label in ax.get_yticklabels():
        label.set_color(SOFT)


OTHERS = "all others"


def _rows(waterfall: Mapping[str, float], start: str) -> list[tuple[str, str, float]]:
    """Name, label and seconds of each bar; small entries together in one."""
    (ideal, at_peak), *rest = waterfall.items()
    limit = SMALL * sum(waterfall.values())
    rows = [(ideal, start, at_peak)]
    rows += [(name, entry(name), value) for name, value in rest if abs(value) >= limit]
    small = sum(value for _, value in rest if abs(value) < limit)
    if small:
        rows.append((OTHERS, OTHERS, small))
    return rows


def entry(name: str) -> str:
    """Write the name of an entry for people.

    >>> entry("dp:leaf:bandwidth"), entry("kernels:gemm"), entry("bubble")
    ('data parallel (DP), leaf bandwidth', 'matrix products below peak', 'bubble')
    """
    head, *rest = name.split(":")
    if head == "kernels":
        return f"{words(rest[0])} below peak"
    return f"{words(head)}, {' '.join(rest)}" if rest else words(head)


def _resource(name: str) -> str:
    """Write a field for people: ``leaf latency (less)``."""
    where, _, what = name.partition(".")
    text = f"{'GPU' if where == 'gpu' else where} {what.replace('_', ' ')}"
    text = text.replace("flops", "FLOP/s")
    return f"{text} (less)" if what == "latency" else text


def _savings(elasticity: Mapping[str, float]) -> list[tuple[str, float]]:
    """Percent of a step that each field saves when it is a tenth better, largest first."""
    found = []
    for name, slope in elasticity.items():
        if name == "global_batch":
            continue
        factor = 1 / BETTER if name.endswith("latency") else BETTER
        found.append((name, 100 * (1.0 - factor**slope)))
    found = [each for each in found if each[1] >= 0.005]
    return sorted(found, key=lambda each: -each[1])[:FEW]
