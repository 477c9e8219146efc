"""The scaling figure: efficiency against GPUs, and under it where the time of a token goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netmodel.plots.parts import by_family, ink
from netmodel.plots.style import (
    BLUE,
    FAINT,
    INK,
    SOFT,
    VERMILION,
    caption,
    end_labels,
    gpu_axis,
    headline,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.scale import Scaling

BAR = 0.62
"""Width of a bar, in doublings of GPUs."""


@styled
def scaling_figure(scaling: Scaling) -> Figure:
    """Return the curve with the ideal line and measured points, above the stacked breakdown.

    Parameters
    ----------
    scaling : Scaling
        From :func:`netmodel.studies.scale`.
    """
    figure = new_figure(10, 7.4)
    grid = figure.add_gridspec(
        2, 1, height_ratios=[1, 1.15], hspace=0.14, left=0.07, right=0.84, top=0.865, bottom=0.165
    )
    top = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=top)
    plot_efficiency(scaling, top)
    plot_time_per_token(scaling, below)
    top.set_xlabel("")
    top.tick_params(labelbottom=False)
    last = scaling.points[-1]
    figure.align_ylabels()
    headline(
        figure,
        f"{scaling.model}: {last.gpus:,} GPUs work at {100 * scaling.efficiency[-1]:.0f} % of the "
        f"efficiency of {scaling.points[0].gpus:,}",
        scaling.setting,
    )
    caption(figure, scaling.caption)
    return figure


@styled
def plot_efficiency(scaling: Scaling, ax: Axes | None = None) -> Axes:
    """Draw efficiency [%] against GPUs; measured points are markers, the model is a line."""
    ax = ax if ax is not None else new_figure(7, 4).add_subplot()
    gpus = [int(point.gpus) for point in scaling.points]
    percent = [100 * each for each in scaling.efficiency]
    _frame(ax, gpus)
    ax.axhline(100, color=FAINT, ls="--", lw=1.2)
    ax.plot(gpus, percent, color=BLUE, marker="o", ms=4, zorder=3)
    for count, value in zip(gpus, percent, strict=True):
        ax.annotate(
            f"{value:.0f} %",
            (count, value),
            xytext=(0, -8 if value <= 100 else 8),
            textcoords="offset points",
            ha="center",
            va="top" if value <= 100 else "bottom",
            fontsize=8,
            color=BLUE,
        )
    measured = [100 * each.efficiency for each in scaling.measured]
    ax.plot(
        [each.gpus for each in scaling.measured],
        measured,
        ls="",
        marker="D",
        ms=7,
        mfc="white",
        mec=VERMILION,
        mew=1.8,
        zorder=4,
    )
    ax.set_ylim(0, max(112.0, 1.1 * max([*percent, *measured])))
    ax.set_ylabel("Efficiency (%)")
    if scaling.measured:
        last = scaling.measured[-1]
        ax.annotate(
            "published",
            (last.gpus, measured[-1]),
            xytext=(0, -46),
            textcoords="offset points",
            ha="center",
            arrowprops={"arrowstyle": "-", "color": VERMILION, "lw": 0.8, "shrinkB": 6},
            fontsize=9,
            color=VERMILION,
        )
    end_labels(ax, ["ideal", "netmodel"], [100.0, percent[-1]], [SOFT, BLUE], gap=0.085)
    return ax


@styled
def plot_time_per_token(scaling: Scaling, ax: Axes | None = None) -> Axes:
    """Stack the GPU time that one token costs [µs] by family, naming what limits each size."""
    ax = ax if ax is not None else new_figure(7, 4).add_subplot()
    gpus = [int(point.gpus) for point in scaling.points]
    _frame(ax, gpus)
    stacks: list[dict[str, float]] = []
    for point in scaling.points:
        scale = 1e6 / (point.tokens_per_s_per_gpu * point.step_time)
        parts = by_family(point.breakdown)
        stacks.append({label: seconds * scale for label, seconds in parts.items()})
    left = [count * 2 ** (-BAR / 2) for count in gpus]
    widths = [count * (2 ** (BAR / 2) - 2 ** (-BAR / 2)) for count in gpus]
    base = [0.0] * len(gpus)
    tallest = max(sum(stack.values()) for stack in stacks)
    seen = list(dict.fromkeys(label for stack in stacks for label in stack))
    order = sorted(seen, key=_stacking)
    for label in order:
        family = ink(label)
        heights = [stack.get(label, 0.0) for stack in stacks]
        ax.bar(
            left,
            heights,
            widths,
            bottom=base,
            align="edge",
            color=family.color,
            hatch=family.hatch,
            edgecolor="white",
            linewidth=0.6,
            zorder=2,
        )
        base = [low + height for low, height in zip(base, heights, strict=True)]
    ax.set_ylim(0, 1.2 * tallest)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.text(
        0.012,
        0.965,
        "above each bar: the tier whose messages it waits for most",
        transform=ax.transAxes,
        fontsize=8,
        color=SOFT,
        va="top",
    )
    for count, height, point in zip(gpus, base, scaling.points, strict=True):
        ax.annotate(
            limit_of(point),
            (count, height),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    ax.set_ylabel("GPU time per token (µs)")
    middles, at = [], 0.0
    for label in order:
        height = stacks[-1].get(label, 0.0)
        middles.append(at + height / 2)
        at += height
    shown = [
        i for i, label in enumerate(order) if max(s.get(label, 0) for s in stacks) > 0.004 * at
    ]
    end_labels(
        ax,
        [order[i] for i in shown],
        [middles[i] for i in shown],
        [ink(order[i]).text for i in shown],
        gap=0.065,
        leaders=True,
    )
    return ax


def _stacking(label: str) -> int:
    """Place of a family in the stack."""
    from netmodel.plots.parts import FAMILIES

    return FAMILIES.index(ink(label))


def limit_of(point: Any) -> str:
    """Name what limits a step: the tier that it waits for most."""
    return str(point.bottleneck["tier"])


def _frame(ax: Axes, gpus: list[int]) -> None:
    """Set the GPU axis and half a doubling of room at both ends."""
    gpu_axis(ax, gpus)
    ax.set_xlim(gpus[0] / 2**0.5, gpus[-1] * 2**0.5)
    ax.tick_params(axis="x", length=0)
