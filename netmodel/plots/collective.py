"""One collective over message sizes: bus bandwidth and time, published points over the lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    caption,
    end_labels,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_bandwidth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.collectives_sweep import Sweep

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GIGA, MICRO = 1e9, 1e6
LABELS = 12
"""Sizes that the axis names at most."""


@styled
def collective_figure(sweeps: Sequence[Sweep]) -> Figure:
    """Return bus bandwidth above and time below, against size, one line a sweep.

    Parameters
    ----------
    sweeps : sequence of Sweep
        From :func:`netmodel.studies.collectives_sweep.sweep`; all of one operation.
    """
    figure = new_figure(10, 7.6)
    grid = figure.add_gridspec(
        2, 1, height_ratios=[1.2, 1], hspace=0.12, left=0.085, right=0.8, top=0.865, bottom=0.135
    )
    top = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=top)
    plot_busbw(sweeps, top)
    plot_time(sweeps, below)
    top.set_xlabel("")
    top.tick_params(labelbottom=False)
    best = max(sweeps, key=lambda sweep: float(sweep.busbw.max()))
    headline(
        figure,
        f"{best.kind.replace('_', '-')} reaches {format_bandwidth(float(best.busbw.max()))} of bus "
        f"bandwidth at {binary_size(float(best.size[np.argmax(best.busbw)]))}",
        "; ".join(f"{sweep.label}: {sweep.setting}" for sweep in sweeps),
        left=0.085,
    )
    systems = sorted({each.system for sweep in sweeps for each in sweep.measured})
    points = f" Markers: published runs ({', '.join(systems)})." if systems else ""
    caption(
        figure,
        "Lines: netmodel; dotted grey: the least time that bytes and latency allow at line rate. "
        f"Sizes as nccl-tests counts them; GB = 1e9 bytes.{points}",
        left=0.085,
    )
    return figure


@styled
def plot_busbw(sweeps: Sequence[Sweep], ax: Axes | None = None) -> Axes:
    """Draw bus bandwidth [GB/s] against size; published points are markers."""
    ax = ax if ax is not None else new_figure(8, 4).add_subplot()
    _size_axis(ax, sweeps)
    marker = 0
    for number, sweep in enumerate(sweeps):
        colour = COLOURS[number % len(COLOURS)]
        factor = float(sweep.busbw[0] / sweep.algbw[0])
        ax.plot(
            sweep.size, sweep.busbw / GIGA, color=colour, ls=DASHES[number % len(DASHES)], zorder=3
        )
        for each in sweep.measured:
            shown = (each.size >= sweep.size[0]) & (each.size <= sweep.size[-1])
            ax.plot(
                each.size[shown],
                factor * each.size[shown] / each.time[shown] / GIGA,
                ls="",
                marker=MARKERS[marker % len(MARKERS)],
                ms=4.5,
                mfc="none",
                color=colour,
            )
            marker += 1
    ax.set_ylabel("Bus bandwidth (GB/s)")
    ax.set_ylim(bottom=0)
    end_labels(
        ax,
        [sweep.label for sweep in sweeps],
        [float(sweep.busbw[-1]) / GIGA for sweep in sweeps],
        [COLOURS[number % len(COLOURS)] for number in range(len(sweeps))],
    )
    return ax


@styled
def plot_time(sweeps: Sequence[Sweep], ax: Axes | None = None) -> Axes:
    """Draw time [us] against size on two logarithmic axes, with the lower bound."""
    ax = ax if ax is not None else new_figure(8, 4).add_subplot()
    _size_axis(ax, sweeps)
    marker = 0
    for number, sweep in enumerate(sweeps):
        colour = COLOURS[number % len(COLOURS)]
        ax.plot(
            sweep.size, sweep.time * MICRO, color=colour, ls=DASHES[number % len(DASHES)], zorder=3
        )
        ax.plot(sweep.size, sweep.lower_bound * MICRO, color=FAINT, ls=":", lw=1.1)
        for each in sweep.measured:
            shown = (each.size >= sweep.size[0]) & (each.size <= sweep.size[-1])
            ax.plot(
                each.size[shown],
                each.time[shown] * MICRO,
                ls="",
                marker=MARKERS[marker % len(MARKERS)],
                ms=4.5,
                mfc="none",
                color=colour,
            )
            marker += 1
    ax.set_yscale("log")
    ax.set_ylabel("Time (us)")
    return ax


def binary_size(size: float) -> str:
    """Return a size in powers of 1,024, as nccl-tests' users write it.

    >>> binary_size(8), binary_size(65536), binary_size(1.5 * 2**30)
    ('8 B', '64 KiB', '1.5 GiB')
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size:g} B"


def _size_axis(ax: Any, sweeps: Sequence[Sweep]) -> None:
    """Make x a log2 axis of message sizes with plain labels."""
    low = min(float(sweep.size[0]) for sweep in sweeps)
    high = max(float(sweep.size[-1]) for sweep in sweeps)
    first, last = int(np.floor(np.log2(low))), int(np.ceil(np.log2(high)))
    step = max(1, -(-(last - first) // LABELS))
    ticks = [2.0**power for power in range(first, last + 1, step)]
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [binary_size(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("Message size")
