"""What every figure shares: style sheet, colours, axes of GPUs, labels, bytes of the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import resources
from textwrap import fill
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

INK = "#222222"
SOFT = "#666666"
FAINT = "#9a9a9a"
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, BLACK = "#E69F00", "#56B4E9", "#F0E442", "#000000"
GREY, PALE = "#B8B8B8", "#DDDDDD"

DPI = 160
"""Dots per inch of a PNG."""


@contextmanager
def style() -> Iterator[None]:
    """Hold the style sheet of this package while a figure is made or written."""
    import matplotlib as mpl

    sheet = resources.files("netmodel.plots") / "netmodel.mplstyle"
    with mpl.rc_context(), resources.as_file(sheet) as path:
        mpl.rcParams.update(mpl.rc_params_from_file(path, use_default_template=False))
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw in the style of this package."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that many inches, never tied to a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def picture(figure: Figure, suffix: str) -> bytes:
    """Return the bytes of a .png, .svg or .pdf; the same figure gives the same bytes."""
    kind = suffix.lstrip(".").lower()
    metadata: dict[str, None] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }[kind]
    with style():
        stream = io.BytesIO()
        options: dict[str, Any] = {"format": kind, "dpi": DPI, "metadata": metadata}
        if kind == "png":
            options["pil_kwargs"] = {"compress_level": 3}  # as small, in half the time
        figure.savefig(stream, **options)
    return stream.getvalue()


def gpu_axis(ax: Axes, gpus: Sequence[int]) -> None:
    """Make x a log2 axis of GPU counts with plain labels at the given sizes."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(gpus), [f"{count:,}" for count in gpus])
    ax.minorticks_off()
    ax.set_xlabel("GPUs")


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart by at least ``gap`` inside [low, high], keeping their order.

    The gap shrinks when they would not fit.

    >>> spread([0.1, 0.1, 0.9], 0.2, 0, 1)
    [0.0, 0.2, 0.9]
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = np.argsort(np.asarray(wanted, float), kind="stable")
    # Labels that touch move as one block, centred on what its members want.
    blocks: list[list[float]] = []  # sum of (wanted - offset), members
    for i in order:
        blocks.append([float(wanted[i]), 1.0])
        while len(blocks) > 1 and _start(blocks[-2], gap, low, high) + blocks[-2][1] * gap > (
            _start(blocks[-1], gap, low, high)
        ):
            total, count = blocks.pop()
            blocks[-1][0] += total - count * gap * blocks[-1][1]
            blocks[-1][1] += count
    placed = [
        _start(block, gap, low, high) + gap * k for block in blocks for k in range(int(block[1]))
    ]
    result = [0.0] * len(wanted)
    for where, i in zip(placed, order, strict=True):
        result[int(i)] = round(where, 12)
    return result


def _start(block: list[float], gap: float, low: float, high: float) -> float:
    """Where the first label of a block goes."""
    total, count = block
    return min(max(total / count, low), high - gap * (count - 1))


def end_labels(
    ax: Axes,
    texts: Sequence[str],
    heights: Sequence[float],
    colors: Sequence[str],
    *,
    x: float = 1.01,
    gap: float = 0.06,
    leaders: bool = False,
) -> None:
    """Write series names beside the right end of their lines, moved apart where they collide.

    Parameters
    ----------
    heights : sequence of float
        Where each line ends, in data.
    x, gap : float
        Left edge of the texts and their least distance, in axes fractions.
    leaders : bool
        Draw a thin line from the height to the text.
    """
    low, high = ax.get_ylim()
    wanted = [(height - low) / (high - low) for height in heights]
    for text, at, y, color in zip(
        texts, wanted, spread(wanted, gap, 0.0, 1.0), colors, strict=True
    ):
        start = x + 0.035 if leaders else x
        if leaders:
            ax.plot(
                [x, x + 0.03], [at, y], transform=ax.transAxes, color=color, lw=1, clip_on=False
            )
        ax.text(
            start, y, text, transform=ax.transAxes, va="center", ha="left", color=color, fontsize=9
        )


def headline(
    figure: Figure,
    title: str,
    subtitle: str,
    *,
    left: float = 0.07,
    top: float = 0.965,
    step: float = 0.047,
) -> None:
    """Write what the figure shows, and under it of what; places are figure fractions."""
    figure.text(
        left, top, title, fontsize=14, fontweight="bold", color=INK, va="top", parse_math=False
    )
    figure.text(
        left,
        top - step,
        fill(subtitle, 118),
        fontsize=9.5,
        color=SOFT,
        va="top",
        linespacing=1.35,
        parse_math=False,  # two dollar signs are no formula
    )


def caption(figure: Figure, text: str, *, left: float = 0.07, width: int = 150) -> None:
    """Write model, fabric, layout and source at the foot, broken into lines."""
    figure.text(
        left,
        0.015,
        fill(text, width),
        fontsize=7.5,
        color=FAINT,
        va="bottom",
        linespacing=1.4,
        parse_math=False,
    )
