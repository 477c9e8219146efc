"""The goodput figure: where the time goes as clusters grow, and what interrupts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmodel.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    caption,
    end_labels,
    gpu_axis,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_percent, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.goodput import Goodput
    from netmodel.studies.interruptions import Interruption

DAY = 86400.0
INKS = {
    "training": (BLUE, ""),
    "checkpoints": (SKY, "////"),
    "lost work": (ORANGE, "...."),
    "restarts": (VERMILION, "\\\\\\\\"),
    "planned stops": (GREY, ""),
}
"""Ink and hatch of each share of time, from the ground up."""
TEXT = {"checkpoints": "#2b86bb", "lost work": "#b87f00", "planned stops": SOFT}
"""Darker ink where the fill is too pale to read."""
COMPONENT = {"gpu": (GREEN, ""), "node": (PURPLE, "////"), "cable": (ORANGE, "....")}
ROWS = 12
"""Room for so many causes, so that one alone is no wall."""
DOUBLINGS = 4
"""How far below and above the size that was asked for the curve reaches."""


@styled
def goodput_figure(found: Goodput) -> Figure:
    """Return the shares of time against size beside the causes of interruption.

    Parameters
    ----------
    found : Goodput
        From :func:`netmodel.studies.goodput.goodput`.
    """
    figure = new_figure(10, 6)
    wide, gap = (1.45, 0.86) if len(found.rates) == 1 else (1.3, 1.2)
    grid = figure.add_gridspec(
        1, 2, width_ratios=[wide, 1], wspace=gap, left=0.07, right=0.965, top=0.82, bottom=0.22
    )
    plot_shares(found, figure.add_subplot(grid[0]))
    plot_causes(found, figure.add_subplot(grid[1]))
    headline(
        figure,
        f"{found.cluster}: {found.gpus:,} GPUs train {format_percent(found.effective)} of the time",
        f"An interruption every {format_time(found.mean_time)}, a checkpoint every "
        f"{format_time(found.interval)}, {format_time(found.down)} from one to work again",
        step=0.06,
    )
    sources = "; ".join(found.notes[: len(found.rates) + len(found.sources)])
    caption(
        figure,
        f"Other sizes: same design, checkpoint and storage. {sources[0].upper()}{sources[1:]}.",
    )
    return figure


@styled
def plot_shares(found: Goodput, ax: Axes | None = None) -> Axes:
    """Stack the shares of time [%] against GPUs."""
    from netmodel.studies.goodput import effective_curve

    ax = ax if ax is not None else new_figure(6, 4).add_subplot()
    sizes = [found.gpus * 2.0**k for k in range(-DOUBLINGS, DOUBLINGS + 1)]
    sizes = [size for size in sizes if size >= 1]
    curve = effective_curve(found, sizes)
    base = [0.0] * len(sizes)
    middles = {}
    for name, (color, hatch) in INKS.items():
        top = [low + 100 * shares[name] for low, shares in zip(base, curve, strict=True)]
        ax.fill_between(
            sizes, base, top, color=color, hatch=hatch, edgecolor="white", linewidth=0.4, zorder=2
        )
        middles[name] = (base[-1] + top[-1]) / 2
        base = top
    ax.set_ylim(0, 100)
    gpu_axis(ax, [round(size) for size in sizes])
    ax.set_xlim(sizes[0], sizes[-1])
    ax.tick_params(axis="x", labelsize=8)
    for label in ax.get_xticklabels()[1::2]:
        label.set_visible(False)
    ax.set_ylabel("Share of time (%)")
    ax.axvline(found.gpus, color=INK, lw=0.9, ls=":", zorder=4)
    ax.plot(found.gpus, 100 * found.effective, marker="o", ms=6, color="white", mec=INK, zorder=5)
    ax.annotate(
        format_percent(found.effective),
        (found.gpus, 100 * found.effective),
        xytext=(8, 8),
        textcoords="offset points",
        fontsize=9,
        color=INK,
        zorder=5,
    )
    rates = found.rates[0]
    published, size = rates.effective, rates.gpus
    alone = len(found.rates) == 1
    if alone and published is not None and sizes[0] <= size <= sizes[-1]:
        ax.plot(
            size, 100 * published, marker="D", ms=7, mfc="white", mec=VERMILION, mew=1.8, zorder=6
        )
        ax.annotate(
            f"published for {rates.name}:\n{rates.bound} {format_percent(published)}",
            (size, 100 * published),
            xytext=(-6, -42),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color="white",
            arrowprops={"arrowstyle": "-", "color": "white", "lw": 0.8},
            zorder=6,
        )
    shown = [name for name in INKS if max(shares[name] for shares in curve) > 0.004]
    end_labels(
        ax,
        shown,
        [middles[name] for name in shown],
        [TEXT.get(name, INKS[name][0]) for name in shown],
        gap=0.06,
        leaders=True,
    )
    return ax


@styled
def plot_causes(found: Goodput, ax: Axes | None = None) -> Axes:
    """Draw interruptions a day by cause, the commonest on top."""
    ax = ax if ax is not None else new_figure(5, 4).add_subplot()
    causes = sorted(found.causes, key=lambda cause: cause.rate)
    for place, cause in enumerate(causes):
        color, hatch = COMPONENT[cause.per]
        ax.barh(
            place,
            cause.rate * DAY,
            height=0.7,
            color=color,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.4,
            zorder=2,
        )
        ax.annotate(
            f"{cause.rate * DAY:.2g}",
            (cause.rate * DAY, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=INK,
        )
    ax.set_yticks(range(len(causes)), [_named(cause) for cause in causes], fontsize=7.5)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(causes) - max(ROWS, len(causes)) - 0.6, len(causes) - 0.4)
    ax.set_xlim(0, 1.2 * causes[-1].rate * DAY)
    ax.set_xlabel("Interruptions a day")
    ax.grid(axis="x", visible=True, color=PALE)
    ax.grid(axis="y", visible=False)
    present = list(dict.fromkeys(cause.per for cause in causes[::-1]))
    for step, per in enumerate(present):
        ax.text(
            0.98,
            0.06 + 0.07 * step,
            f"counted per {'host' if per == 'node' else per.replace('gpu', 'GPU')}",
            transform=ax.transAxes,
            ha="right",
            fontsize=8,
            color=COMPONENT[per][0],
        )
    return ax


def _named(cause: Interruption) -> str:
    """Name a cause, and the families of GPUs that have it where others do not."""
    families = [name.partition("-")[0] for name in cause.of.split(" and ") if name]
    return f"{cause.what} ({', '.join(families)})" if families else cause.what
