"""A large fabric as layers: boxes that stand for many, bands as wide as their bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from netmodel.graph import HOST_KINDS, Wiring
from netmodel.plots.layers import (
    NODE_COLORS,
    ROWS,
    TEXT_COLORS,
    TIER_COLORS,
    Bundle,
    bundles,
    counted,
    counts,
)
from netmodel.plots.style import INK, PALE, SOFT, VERMILION
from netmodel.units import format_bandwidth

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_layers(ax: Axes, wiring: Wiring, failed: frozenset[str]) -> None:
    """Draw one row of boxes a layer; the band between two rows is as wide as its bandwidth."""
    count = counts(wiring)
    joined = bundles(wiring)
    inside = [each for each in joined if {each.low, each.high} <= set(HOST_KINDS)]
    between = [each for each in joined if each not in inside and each.low != each.high]
    rows = ["gpu", *(kind for kind in ROWS if kind in count and kind not in HOST_KINDS)]
    level = {kind: 1.6 * i for i, kind in enumerate(rows)}
    level["nic"] = level["gpu"]
    widest = max(each.bandwidth for each in between)
    for each in between:
        _draw_band(ax, each, level, widest)
    for kind in rows[1:]:
        _draw_row(ax, kind, count[kind], level[kind])
    _draw_host_row(ax, wiring, count, inside)
    if failed:
        ax.text(
            0.03,
            level[rows[-1]] + 0.42,
            "down: " + ", ".join(sorted(failed)[:6]) + (", ..." if len(failed) > 6 else ""),
            fontsize=9,
            color=VERMILION,
        )
    ax.set_xlim(0, 1.32)
    ax.set_ylim(-0.75, level[rows[-1]] + 0.55)


def _draw_band(ax: Axes, bundle: Bundle, level: Mapping[str, float], widest: float) -> None:
    """Draw the cables between two rows, as wide as their bandwidth, and write what they are."""
    from matplotlib.patches import Rectangle

    low, high = level[bundle.low] + 0.24, level[bundle.high] - 0.24
    half = 0.42 * bundle.bandwidth / widest
    color = TIER_COLORS[bundle.tier]
    ax.add_patch(
        Rectangle((0.45 - half, low), 2 * half, high - low, fc=color, ec="none", alpha=0.16)
    )
    for at in np.linspace(0.45 - half, 0.45 + half, max(2, round(1 + 60 * half))):
        ax.plot([at, at], [low, high], color=color, lw=0.8, alpha=0.6, zorder=1)
    each = bundle.bandwidth / bundle.cables
    share = round(100 * bundle.bandwidth / widest)
    beside = f", {share} % of the widest" if share < 100 else ""
    ax.text(
        0.92,
        (low + high) / 2,
        f"{bundle.cables:,} cables {bundle.tier} ({bundle.link})\n"
        f"{format_bandwidth(each, bits=True)} each\n"
        f"{format_bandwidth(bundle.bandwidth)} in all{beside}",
        va="center",
        fontsize=8.5,
        color=TEXT_COLORS.get(color, color),
        linespacing=1.5,
    )


def _draw_row(ax: Axes, kind: str, count: int, level: float) -> None:
    """Draw a row of boxes that stands for all switches of a kind, and write how many there are."""
    shown = min(count, 20)
    for place in range(shown):
        middle = 0.03 + 0.84 * (place + 0.5) / shown
        if count > shown and place == shown // 2:
            ax.text(middle, level, "…", ha="center", va="center", fontsize=15, color=SOFT)
        else:
            _box(ax, middle, level, 0.03, 0.34, NODE_COLORS[kind])
    ax.text(
        0.92,
        level,
        counted(kind, count),
        va="center",
        fontsize=10.5,
        fontweight="bold",
        color=NODE_COLORS[kind],
    )


def _draw_host_row(
    ax: Axes, wiring: Wiring, count: Mapping[str, int], inside: list[Bundle]
) -> None:
    """Draw hosts with their GPUs, and write what is inside of one."""
    hosts = max(1, len(np.unique(wiring.attribute("node", -1.0)[wiring.gpus])))
    per_host = round(count["gpu"] / hosts)
    shown = min(hosts, 10)
    width = 0.84 / shown
    columns = min(per_host, 8)
    for place in range(shown):
        middle = 0.03 + width * (place + 0.5)
        if hosts > shown and place == shown // 2:
            ax.text(middle, 0, "…", ha="center", va="center", fontsize=15, color=SOFT)
            continue
        _box(ax, middle, 0.0, 0.9 * width, 0.42, "#f0f0f0", edge=PALE)
        for gpu in range(min(per_host, 16)):
            across = (gpu % columns + 0.5) / columns - 0.5
            _box(
                ax,
                middle + 0.82 * width * across,
                0.09 - 0.18 * (gpu // columns) if per_host > columns else 0.0,
                0.55 * 0.82 * width / columns,
                0.13,
                INK,
            )
    words = [counted("gpu", count["gpu"])]
    words += [f"in {hosts:,} hosts, {counted('nic', count['nic'])}"] if "nic" in count else []
    ax.text(0.92, 0.1, words[0], va="center", fontsize=10.5, fontweight="bold", color=INK)
    links = {each.tier: each for each in inside if each.low == "gpu" or each.high == "gpu"}
    lines = [
        *words[1:],
        *(
            f"{tier} {format_bandwidth(_ends(each) * each.bandwidth / count['gpu'])} a GPU, one way"
            for tier, each in links.items()
        ),
    ]
    ax.text(0.92, -0.06, "\n".join(lines), va="top", fontsize=8.5, color=SOFT, linespacing=1.5)


def _ends(bundle: Bundle) -> int:
    """How many of the ends of each cable are GPUs: both, where no switch joins them."""
    return 2 if bundle.low == bundle.high == "gpu" else 1


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, color: str, *, edge: str = "none"
) -> None:
    """Draw a box with soft corners around a middle."""
    from matplotlib.patches import FancyBboxPatch

    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={min(0.006, width / 4)}",
            mutation_aspect=6,
            fc=color,
            ec=edge,
            lw=0.8,
            zorder=2,
        )
    )
