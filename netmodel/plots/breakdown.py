"""The figure of one step: a waterfall of its parts, what is hidden, and the memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from netmodel.plots.parts import FAMILIES, family
from netmodel.plots.style import (
    FAINT,
    GREY,
    INK,
    PALE,
    SOFT,
    VERMILION,
    caption,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_size, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEGLIGIBLE = 0.0005
"""Share of a step below which a part is left out of the picture."""

MEMORY_COLORS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#D55E00", "#8c510a")


@styled
def step_figure(
    breakdown: Mapping[str, float],
    hidden: Mapping[str, float],
    memory: Mapping[str, float],
    capacity: float,
    *,
    title: str,
    subtitle: str = "",
    source: str = "",
) -> Figure:
    """Return the waterfall of a step above the memory of its fullest GPU.

    Parameters
    ----------
    breakdown, hidden : mapping of str to float
        Parts that add up to the step, and communication under compute [s].
    memory : mapping of str to float
        Parts that add up to what the fullest GPU holds [B].
    capacity : float
        Memory of one GPU [B].
    """
    total = sum(breakdown.values())
    shown = sum(each > NEGLIGIBLE * total for each in [*breakdown.values(), *hidden.values()])
    height = 3.4 + 0.34 * shown
    figure = new_figure(10, height)
    top, foot, bar = 1 - 1.15 / height, 0.62 / height, 0.62 / height
    ax = figure.add_axes((0.22, foot + bar + 0.95 / height, 0.7, top - foot - bar - 0.95 / height))
    plot_waterfall(breakdown, ax, hidden=hidden)
    below = figure.add_axes((0.22, foot + 0.42 / height, 0.7, bar))
    plot_memory(memory, capacity, below)
    headline(figure, title, subtitle, top=1 - 0.28 / height, step=0.36 / height)
    caption(figure, source)
    return figure


@styled
def plot_waterfall(
    breakdown: Mapping[str, float],
    ax: Axes | None = None,
    *,
    hidden: Mapping[str, float] | None = None,
) -> Axes:
    """Draw each part from where the one before it ends; the last bar is their sum [s]."""
    ax = ax if ax is not None else new_figure(7, 4).add_subplot()
    total = sum(breakdown.values())
    rows: list[str] = []
    start = 0.0
    for part in sorted(breakdown, key=lambda each: FAMILIES.index(family(each))):
        seconds = float(breakdown[part])
        if seconds > NEGLIGIBLE * total:
            look = family(part)
            _bar(ax, len(rows), start, seconds, look.color, look.hatch)
            _value(ax, len(rows), start + seconds, seconds, total, look.text)
            ax.plot([start + seconds] * 2, [len(rows), len(rows) + 1], color=PALE, lw=1, zorder=1)
            rows.append(words(part))
        start += seconds
    _bar(ax, len(rows), 0, total, INK, "")
    ax.text(
        total * 1.01,
        len(rows),
        format_time(total),
        va="center",
        fontsize=9,
        color=INK,
        fontweight="bold",
    )
    rows.append("step")
    for part, seconds in (hidden or {}).items():
        if seconds > NEGLIGIBLE * total:
            ax.barh(
                len(rows), seconds, height=0.5, color="none", edgecolor=GREY, hatch="////", lw=0.8
            )
            _value(ax, len(rows), float(seconds), float(seconds), total, SOFT)
            rows.append(f"hidden: {words(part)}")
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, total * 1.16)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.set_xlabel("Step time (s)")
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_color(INK if row == "step" else FAINT if row.startswith("hidden") else SOFT)
    ax.tick_params(axis="y", length=0)
    return ax


SPOKEN = {
    "gemm": "matrix products",
    "elementwise": "norms and activations",
    "tp": "tensor parallel (TP)",
    "cp": "context parallel (CP)",
    "ep": "expert parallel (EP)",
    "dp": "data parallel (DP)",
    "pp": "pipeline sends (PP)",
    "launch": "host launches",
    "interference": "slowed by overlap",
    "head": "output head",
}
"""What parts are called in pictures and tables, where their name is a short one."""


def words(part: str) -> str:
    """Write a part's name for people.

    >>> words("ep"), words("model_states")
    ('expert parallel (EP)', 'model states')
    """
    return SPOKEN.get(part, part.replace("_", " "))


def _bar(ax: Axes, row: int, start: float, length: float, color: str, hatch: str) -> None:
    """Draw one bar of the waterfall."""
    ax.barh(
        row,
        length,
        left=start,
        height=0.68,
        color=color,
        hatch=hatch,
        edgecolor="white",
        lw=0.5,
        zorder=2,
    )


def _value(ax: Axes, row: int, end: float, seconds: float, total: float, color: str) -> None:
    """Write seconds and share beside a bar."""
    text = f"{format_time(seconds)}   {100 * seconds / total:.1f} %"
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(end + 0.01 * total, row, text, va="center", fontsize=8.5, color=color, bbox=clear)


@styled
def plot_memory(memory: Mapping[str, float], capacity: float, ax: Axes | None = None) -> Axes:
    """Draw what the fullest GPU holds against its capacity [GB]."""
    ax = ax if ax is not None else new_figure(7, 1.5).add_subplot()
    start, unit = 0.0, 1e9
    for (part, held), color in zip(memory.items(), MEMORY_COLORS * 3, strict=False):
        if held <= 0:
            continue
        ax.barh(0, held / unit, left=start, height=0.9, color=color, edgecolor="white", lw=0.6)
        if held > 0.06 * capacity:
            ax.text(
                start + held / unit / 2,
                0,
                f"{words(part)}\n{format_size(held)}",
                ha="center",
                va="center",
                fontsize=7.5,
                color="white",
            )
        start += held / unit
    ax.axvline(capacity / unit, color=VERMILION if start * unit > capacity else INK, lw=1.5)
    ax.text(capacity / unit, 0.62, f" {format_size(capacity)}", fontsize=8, color=SOFT, va="bottom")
    ax.set_xlim(0, 1.16 * max(start, capacity / unit))
    ax.set_ylim(-0.6, 0.6)
    ax.set_yticks([0], ["memory of the\nfullest GPU (GB)"])
    ax.tick_params(axis="y", length=0, labelcolor=SOFT)
    ax.grid(visible=False)
    return ax
