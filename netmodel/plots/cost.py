"""The cost figure: what the purchase is made of, and what a GPU-hour costs owned and rented."""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING

from netmodel.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    caption,
    headline,
    new_figure,
    spread,
    styled,
)
from netmodel.units import format_money, format_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.amounts import Range
    from netmodel.studies.cost import Cost

HOURS_A_YEAR = 8760
INKS = {"host": BLUE, "switch": VERMILION, "cable": ORANGE}
HATCHES = {"host": "", "switch": "////", "cable": "...."}
PARTS = {
    "write_off": ("write-off", BLUE, ""),
    "facility": ("facility", SKY, "////"),
    "electricity": ("electricity", ORANGE, "...."),
    "space": ("space", GREEN, "\\\\\\\\"),
    "staff": ("staff", PURPLE, "xx"),
}
"""Label, ink and hatch of what owning costs, in stacking order."""


@styled
def cost_figure(cost: Cost) -> Figure:
    """Return the purchase by part beside the price of one GPU-hour.

    Parameters
    ----------
    cost : Cost
        From :func:`netmodel.studies.cost.cost`.
    """
    figure = new_figure(10, 5.4)
    grid = figure.add_gridspec(
        1, 2, width_ratios=[1.35, 1], wspace=0.28, left=0.19, right=0.965, top=0.8, bottom=0.27
    )
    plot_purchase(cost, figure.add_subplot(grid[0]))
    plot_gpu_hour(cost, figure.add_subplot(grid[1]))
    made = cost.bill
    share = made.network_share
    title = f"{cost.cluster}, {cost.gpus:,} GPUs: "
    if made.purchase and share:
        title += (
            f"{format_money(made.purchase.typical)}, the network {format_percent(share.typical)}"
        )
    else:
        title += f"{format_money(made.known_price)} for the parts with a published price"
    sources = dict.fromkeys(cited(line.source) for line in made.lines if line.source)
    terms = dict.fromkeys(f"{each.name} {cited(each.source)}" for each in cost.terms)
    headline(figure, title, "Bars are typical prices, lines reach from low to high", step=0.06)
    caption(figure, f"Prices: {'; '.join(sources)}. Terms: {'; '.join(terms)}.", width=165)
    return figure


def cited(source: str) -> str:
    """Return who a source is, and its month, without what was read there.

    >>> cited("gpu-hour-a100: https://www.mercatus-ai.com/blog/prices (middle, derived) (2026-05)")
    'mercatus-ai.com (2026-05)'
    >>> cited("arXiv:2408.14158 Table III (derived: 9 over 15.2 of a DGX A100) (2024-08)")
    'arXiv:2408.14158 Table III (2024-08)'
    """
    found = []
    for each in re.split(r"; (?=gpu-hour-)", source):
        text = re.sub(r"^[\w-]+: ", "", each)
        month = re.search(r" \(20\d\d-\d\d\)$", text)
        text = re.sub(r"https?://(?:www\.)?([^/\s]+)\S*", r"\1", text)
        who = re.split(r" \(|: |; ", text)[0]
        found.append(who + (month[0] if month else ""))
    return ", ".join(dict.fromkeys(found))


@styled
def plot_purchase(cost: Cost, ax: Axes | None = None) -> Axes:
    """Draw the price of each kind of part [M$], with its range."""
    ax = ax if ax is not None else new_figure(7, 4).add_subplot()
    lines = cost.bill.lines[::-1]
    for place, line in enumerate(lines):
        if line.sum is None:
            words = " no published price" if line.counted else " not counted"
            ax.text(0, place, words, va="center", fontsize=8, color=SOFT)
            continue
        price = line.sum
        ax.barh(
            place,
            price.typical / 1e6,
            height=0.62,
            color=INKS[line.kind],
            hatch=HATCHES[line.kind],
            edgecolor="white",
            linewidth=0.6,
            zorder=2,
        )
        ax.plot([price.low / 1e6, price.high / 1e6], [place, place], color=INK, lw=1.6, zorder=3)
        ax.annotate(
            price.words(format_money),
            (price.high / 1e6, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    names = [fill(f"{line.count:,} x {line.item}", 22) for line in lines]
    ax.set_yticks(range(len(lines)), names, fontsize=8.5)
    ax.tick_params(axis="y", length=0)
    widest = max((line.sum.high for line in lines if line.sum), default=1e6)
    ax.set_xlim(0, 1.6 * widest / 1e6)
    ax.set_ylim(-0.6, len(lines) - 0.4)
    ax.set_xlabel("Purchase (million USD)")
    ax.grid(axis="x", visible=True)
    ax.grid(axis="y", visible=False)
    return ax


@styled
def plot_gpu_hour(cost: Cost, ax: Axes | None = None) -> Axes:
    """Stack what owning a GPU costs an hour [USD] beside what renting one does."""
    ax = ax if ax is not None else new_figure(4, 4).add_subplot()
    rent, owned = cost.figure("rent"), cost.per_gpu_hour
    hour = rent * 3600.0 if rent else None
    parts = [(each.name, each.value.typical) for each in cost.yearly if each.value]
    heights = [yearly / HOURS_A_YEAR / cost.gpus for _, yearly in parts]
    top = 1.15 * max(sum(heights), *(each.high for each in (owned, hour) if each), 0.01)
    ax.set_ylim(0, top)
    ax.set_xlim(-0.5, 3.4)
    base, middles = 0.0, []
    for (name, _), height in zip(parts, heights, strict=True):
        _, color, hatch = PARTS[name]
        ax.bar(0, height, 0.6, bottom=base, color=color, hatch=hatch, edgecolor="white", zorder=2)
        middles.append(base + height / 2)
        base += height
    for (name, _), height, at in zip(
        parts, heights, spread(middles, 0.055 * top, 0.0, top), strict=True
    ):
        ax.text(0.38, at, f"{PARTS[name][0]} ${height:.2f}", va="center", fontsize=8, color=INK)
    _range(ax, 0.0, owned)
    if owned is None:
        words = "write-off not known:\nsome parts have\nno published price"
        ax.text(0, base + 0.02 * top, words, ha="left", va="bottom", fontsize=8, color=SOFT)
    if hour is not None:
        ax.bar(2.4, hour.typical, 0.6, color=GREY, edgecolor="white", zorder=2)
        ax.text(2.78, hour.typical, f"${hour.typical:.2f}", va="center", fontsize=8, color=INK)
    else:
        ax.text(2.4, 0, "no published\nrent", ha="center", va="bottom", fontsize=8, color=SOFT)
    _range(ax, 2.4, hour)
    ax.set_xticks([0, 2.4], ["owned", "rented"])
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("Price of a GPU-hour (USD)")
    return ax


def _range(ax: Axes, at: float, value: Range | None) -> None:
    """Draw a line from low to high."""
    if value is not None:
        ax.plot([at, at], [value.low, value.high], color=INK, lw=1.6, zorder=3)
