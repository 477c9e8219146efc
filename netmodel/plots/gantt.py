"""The pipeline picture: who computes what when, and where the ranks wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netmodel.plots.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SOFT,
    VERMILION,
    caption,
    new_figure,
    styled,
)
from netmodel.training.orders import BACKWARD, FORWARD, INPUT, WEIGHT, Order
from netmodel.training.simulator import Timeline
from netmodel.units import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {FORWARD: BLUE, BACKWARD: VERMILION, INPUT: ORANGE, WEIGHT: GREEN}
NAMES = {
    FORWARD: "forward",
    BACKWARD: "backward",
    INPUT: "input gradient",
    WEIGHT: "weight gradient",
}
SENDING, IDLE = "#8c510a", "#ececec"
HEIGHT, LANE = 0.70, 0.12
"""Of the computing lane, and of the sending lane under it, in rows."""

LEGIBLE = (0.0045, 0.0043)
"""Share of the width that a task needs to carry a number, and more for each of its digits."""

LABELS = {
    "gpipe": "GPipe",
    "1f1b": "1F1B",
    "interleaved": "Interleaved 1F1B",
    "zb-h1": "ZB-H1",
    "zb-v": "ZB-V",
    "dualpipe": "DualPipe",
    "dualpipe-v": "DualPipe-V",
}

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

Window = tuple[float, float]
Floats = NDArray[np.floating[Any]]


@styled
def gantt_figure(
    timeline: Timeline, *, title: str = "", setting: str = "", window: Window | None = None
) -> Figure:
    """Return the picture of one step of a pipeline: a row a rank, a box a task.

    Parameters
    ----------
    timeline : Timeline
        From :func:`netmodel.training.simulator.simulate`.
    title : str
        Headline; by default how busy the schedule keeps its ranks.
    setting : str
        Model, cluster and layout, for the caption.
    window : tuple of float, optional
        Draw only from here to there [s].
    """
    order = timeline.order
    height = min(12.0, 2.0 + 0.42 * order.ranks)
    figure = new_figure(12, height)
    low, high = 0.75 / height, 1 - 1.1 / height
    ax = figure.add_axes((0.055, low, 0.855, high - low))
    plot_gantt(timeline, ax, window=window)
    busy = timeline.busy.sum() / (order.ranks * timeline.makespan)
    name = LABELS.get(order.schedule, order.schedule)
    words = title or f"{name} keeps {order.ranks} pipeline ranks busy {busy:.0%} of a step"
    figure.text(
        0.055, 1 - 0.12 / height, words, fontsize=14, fontweight="bold", color=INK, va="top"
    )
    figure.text(
        0.055,
        1 - 0.42 / height,
        f"{order.micro_batches} micro-batches in {format_time(timeline.makespan)}, at most "
        f"{float(timeline.peak.max()):.4g} held at once by one rank",
        fontsize=10,
        color=SOFT,
        va="top",
    )
    _key(figure, timeline, 1 - 0.82 / height, height)
    caption(figure, setting, left=0.055)
    return figure


@styled
def plot_gantt(timeline: Timeline, ax: Axes | None = None, *, window: Window | None = None) -> Axes:
    """Draw a row a rank, the first on top, with its idle share at the end.

    A rank's later stages are lighter; overlapped pairs stand one half on the other; a thin brown
    line under a row is a message being sent. The number is that of the micro-batch.
    """
    from matplotlib.collections import PolyCollection

    ax = ax if ax is not None else new_figure(12, 5).add_subplot()
    order = timeline.order
    begin, end = window or (0.0, timeline.makespan)
    unit, name = next((each for each in UNITS if end >= each[0]), UNITS[-1])
    seen = np.flatnonzero((timeline.end > begin) & (timeline.start < end))
    top, height = _rows(order)
    chunk = _chunk(order)
    left, right = timeline.start / unit, timeline.end / unit
    for rank in range(order.ranks):
        ax.barh(rank, (end - begin) / unit, HEIGHT, left=begin / unit, color=IDLE, zorder=1)
    fine = float((timeline.end - timeline.start)[seen].max()) < 0.002 * (end - begin)
    for kind, shade in sorted({(int(order.kind[i]), int(chunk[i])) for i in seen}):
        mine = seen[(order.kind[seen] == kind) & (chunk[seen] == shade)]
        ax.add_collection(
            PolyCollection(
                _boxes(left[mine], right[mine], top[mine], height[mine]),
                facecolors=_shade(COLORS[kind], shade, int(chunk.max())),
                edgecolors="none" if fine else "white",
                linewidths=0.5,
                zorder=2,
            )
        )
    _draw_sends(ax, timeline, unit)
    _draw_numbers(ax, timeline, seen, (end - begin) / unit, unit)
    step = -(-order.ranks // 32)
    shown = range(0, order.ranks, step)
    ax.set_yticks(list(shown), [f"rank {rank}" for rank in shown])
    ax.set_ylim(order.ranks - 0.42, -0.5)
    ax.set_xlim(begin / unit, end / unit)
    ax.set_xlabel(f"Time ({name})")
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    for rank in shown:
        ax.annotate(
            f"idle {timeline.bubble[rank] / timeline.makespan:.0%}",
            (1.0, rank),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=SOFT,
            annotation_clip=False,
        )
    return ax


def _rows(order: Order) -> tuple[Floats, Floats]:
    """Upper edge and height of each task's box, in rows; a pair shares the lane half and half."""
    second = np.concatenate([[False], order.paired[:-1]])
    half = order.paired | second
    top = order.rank - HEIGHT / 2 + np.where(second, HEIGHT / 2, 0.0)
    return top, np.where(half, HEIGHT / 2, HEIGHT)


def _chunk(order: Order) -> NDArray[np.int64]:
    """Which of its rank's stages each task is on, the earliest being 0."""
    held = np.zeros((order.ranks, order.stages), dtype=np.int64)
    held[order.rank, order.stage] = 1
    return (np.cumsum(held, axis=1) - 1)[order.rank, order.stage]


def _boxes(left: Floats, right: Floats, top: Floats, height: Floats) -> list[Floats]:
    """Corners of boxes, each of shape (4, 2)."""
    x = np.stack([left, right, right, left], axis=1)
    y = np.stack([top, top, top + height, top + height], axis=1)
    return list(np.stack([x, y], axis=2))


def _shade(color: str, chunk: int, last: int) -> tuple[float, float, float]:
    """A colour, up to half way to white for a rank's last stage."""
    from matplotlib.colors import to_rgb

    light = 0.5 * chunk / last if last else 0.0
    red, green, blue = (part + (1 - part) * light for part in to_rgb(color))
    return red, green, blue


def _draw_sends(ax: Axes, timeline: Timeline, unit: float) -> None:
    """Draw the messages that take time, under their sender's row."""
    from matplotlib.collections import PolyCollection

    sent = np.flatnonzero(timeline.send_end > timeline.send_start)
    edge = timeline.order.rank[sent] + HEIGHT / 2 + 0.02
    boxes = _boxes(
        timeline.send_start[sent] / unit,
        timeline.send_end[sent] / unit,
        edge,
        np.full(len(sent), LANE),
    )
    ax.add_collection(PolyCollection(boxes, facecolors=SENDING, edgecolors="none", zorder=2))


def _draw_numbers(
    ax: Axes, timeline: Timeline, seen: NDArray[np.int64], width: float, unit: float
) -> None:
    """Write the micro-batch into each box that is wide enough for any of them."""
    order = timeline.order
    top, height = _rows(order)
    chunk = _chunk(order)
    last = int(chunk.max())
    # Boxes of one width carry all of their numbers or none, as the longest must fit.
    least = width * (LEGIBLE[0] + LEGIBLE[1] * len(str(order.micro_batches - 1)))
    for task in seen.tolist():
        start, end = timeline.start[task] / unit, timeline.end[task] / unit
        if end - start < least:
            continue
        pale = 2 * chunk[task] > last or order.kind[task] == INPUT
        ax.text(
            (start + end) / 2,
            top[task] + 0.54 * height[task],
            str(order.micro_batch[task]),
            ha="center",
            va="center",
            fontsize=6 if height[task] < HEIGHT else 7.5,
            color=INK if pale else "white",
            clip_on=True,
        )


def _key(figure: Figure, timeline: Timeline, y: float, height: float) -> None:
    """Name the colours in one line above the rows."""
    from matplotlib.patches import Rectangle

    order = timeline.order
    marks = [(COLORS[kind], NAMES[kind]) for kind in COLORS if (order.kind == kind).any()]
    marks += [(IDLE, "idle")]
    if (timeline.send_end > timeline.send_start).any():
        marks.append((SENDING, "sending"))
    x = 0.055
    for color, name in marks:
        figure.add_artist(Rectangle((x, y), 0.011, 0.13 / height, color=color, lw=0))
        figure.text(x + 0.015, y - 0.005 / height, name, fontsize=9, color=SOFT, va="bottom")
        x += 0.031 + 0.0062 * len(name)
    if _chunk(order).max():
        figure.text(x, y, "lighter: the rank's later stages", fontsize=9, color=SOFT, va="bottom")
