"""The figure of ``netmodel compare``: one row a cluster, one column a quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netmodel.plots.style import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    caption,
    headline,
    new_figure,
    styled,
)
from netmodel.units import format_bandwidth, format_money, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from netmodel.studies.compare import Comparison, Entry

Quantity = tuple[str, str, Callable[["Entry"], float | None], Callable[[float], str], bool]
"""Title, colour, value of an entry, how it is written, and whether more is better."""


def _step(each: Entry) -> float | None:
    return float(each.step.step_time) if each.step else None


def _tokens_a_dollar(each: Entry) -> float | None:
    value = each.tokens_per_dollar_rented
    return value.typical if value else None


def _tokens_a_joule(each: Entry) -> float | None:
    value = each.tokens_per_joule
    return value.typical if value else None


def _network(each: Entry) -> float | None:
    value = each.cost.bill.network_purchase
    return value.typical / each.gpus if value else None


def _load(each: Entry) -> float | None:
    value = each.cost.figure("load")
    return value.typical / each.gpus if value else None


TRAINED: tuple[Quantity, ...] = (
    ("Step time", BLUE, _step, format_time, False),
    ("Tokens per $ of rent", GREEN, _tokens_a_dollar, "{:,.0f}".format, True),
    ("Tokens per joule", SKY, _tokens_a_joule, "{:.3g}".format, True),
)
FABRIC: tuple[Quantity, ...] = (
    ("Network price per GPU", ORANGE, _network, format_money, False),
    ("Bisection per GPU", PURPLE, lambda each: each.bisection, format_bandwidth, True),
)
ALONE: Quantity = ("Power per GPU", SKY, _load, lambda watts: f"{watts:,.0f} W", False)


@styled
def compare_figure(found: Comparison) -> Figure:
    """Return bars of every quantity, the best of each column marked.

    Parameters
    ----------
    found : Comparison
        From :func:`netmodel.studies.compare.compare`.
    """
    trained = any(each.step for each in found.entries)
    columns = (*TRAINED, *FABRIC) if trained else (*FABRIC, ALONE)
    rows = [_name(each, found.entries) for each in found.entries]
    bars = 0.36 * len(rows)
    height = bars + 1.85
    figure = new_figure(13, height)
    left = 0.02 + 0.0062 * max(map(len, rows))
    wide = (0.985 - left) / len(columns)
    for number, column in enumerate(columns):
        ax = figure.add_axes((left + number * wide, 0.62 / height, 0.84 * wide, bars / height))
        plot_column(found.entries, column, ax)
        ax.set_yticks(range(len(rows)), rows if number == 0 else [])
    first = found.entries[0]
    models = ", ".join(dict.fromkeys(each.model for each in found.entries if each.model))
    headline(
        figure,
        f"{len(rows)} clusters side by side",
        f"{models or 'fabrics alone'}; "
        + (f"each for at most ${found.budget:,.0f}" if found.budget else _sizes(found.entries)),
        left=0.02,
        top=1 - 0.16 / height,
        step=0.34 / height,
    )
    rent = next((term.source for term in first.cost.terms if term.name == "rent"), "")
    caption(
        figure,
        "Darker: the best of a column; a dash: no published figure."
        + (f" Rent of {first.cluster}: {rent}." if trained and rent else ""),
        left=0.02,
        width=190,
    )
    return figure


def _sizes(entries: Sequence[Entry]) -> str:
    counts = sorted({each.gpus for each in entries})
    return f"{', '.join(f'{count:,}' for count in counts)} GPUs"


def _name(each: Entry, entries: Sequence[Entry]) -> str:
    """Write what tells a row from the others."""
    words = [each.label]
    if len({other.model for other in entries}) > 1:
        words.append(each.model)
    if len({other.gpus for other in entries}) > 1:
        words.append(f"{each.gpus:,}")
    return " · ".join(words)


@styled
def plot_column(entries: Sequence[Entry], column: Quantity, ax: Axes | None = None) -> Axes:
    """Draw one quantity of every entry as bars."""
    ax = ax if ax is not None else new_figure(4, 4).add_subplot()
    title, color, value_of, write, more = column
    values = [value_of(each) for each in entries]
    known = [value for value in values if value is not None]
    best = (max(known) if more else min(known)) if known else None
    for row, value in enumerate(values):
        if value is not None:
            alpha = 1.0 if value == best else 0.45
            ax.barh(row, value, height=0.64, color=color, alpha=alpha, zorder=2)
        text = "–" if value is None else write(value)
        ax.text(value or 0.0, row, f" {text}", va="center", fontsize=8.5, color=SOFT)
    ax.set_title(title, fontsize=9.5, color=SOFT, loc="left", pad=5)
    ax.set_ylim(len(entries) - 0.45, -0.55)
    ax.set_xlim(0, 1.55 * max([*known, 1e-12]))
    ax.set_xticks([])
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.spines["left"].set_color(FAINT)
    ax.tick_params(axis="y", length=0)
    return ax
