"""The picture of a fabric: a small one node by node, a large one as layers with their widths."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from netmodel.graph import HOST_KINDS, Wiring
from netmodel.plots.layers import (
    NODE_COLORS,
    ROWS,
    TEXT_COLORS,
    TIER_COLORS,
    counted,
    positions,
)
from netmodel.plots.schematic import draw_layers
from netmodel.plots.style import (
    PALE,
    VERMILION,
    caption,
    headline,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 700
"""Most nodes that are drawn one by one."""


@styled
def fabric_figure(
    wiring: Wiring,
    *,
    title: str,
    subtitle: str = "",
    source: str = "",
    failed: Collection[str] = (),
    load: Mapping[tuple[str, str], float] | None = None,
) -> Figure:
    """Return the fabric as a picture in layers.

    Parameters
    ----------
    failed : collection of str
        Names of nodes, or ``"a - b"`` for cables, that are down: drawn red and crossed.
    load : mapping, optional
        Share of its bandwidth that each cable ``(a, b)`` carries; hot cables are drawn thick.
    """
    figure = new_figure(10, 7)
    headline(figure, title, subtitle)
    caption(figure, source)
    ax = figure.add_axes((0.07, 0.08, 0.9, 0.79))
    ax.axis("off")
    if wiring.n_nodes <= SMALL:
        _draw_nodes(ax, wiring, frozenset(failed), load or {})
    else:
        draw_layers(ax, wiring, frozenset(failed))
    return figure


def _draw_nodes(
    ax: Axes, wiring: Wiring, failed: frozenset[str], load: Mapping[tuple[str, str], float]
) -> None:
    """Draw every node and cable; rows from the hosts up to the core."""
    from matplotlib.collections import LineCollection

    x, row = positions(wiring)
    used = sorted(set(row.tolist()))
    level = np.zeros(len(ROWS))
    for place, each in enumerate(used):
        fabric_row = ROWS[each] not in HOST_KINDS
        level[each] = (level[used[place - 1]] + (1.7 if fabric_row else 0.8)) if place else 0.0
    y = level[row]
    _draw_hosts(ax, wiring, x, y)
    names = wiring.names()
    for group in wiring.cables:
        ends = np.stack([np.stack([x[n], y[n]], axis=1) for n in (group.a, group.b)], axis=1)
        hot = np.array(
            [
                max(load.get((names[a], names[b]), 0.0), load.get((names[b], names[a]), 0.0))
                for a, b in zip(group.a, group.b, strict=True)
            ]
            if load
            else np.zeros(len(group.a))
        )
        alpha = min(0.8, max(0.18, 60 / max(1, len(group.a))))
        ax.add_collection(
            LineCollection(
                list(ends),
                colors=TIER_COLORS[group.tier],
                linewidths=0.7 + 3.3 * np.minimum(hot, 1.0),
                alpha=alpha,
                zorder=1,
            )
        )
        down = [
            f"{names[a]} - {names[b]}" in failed
            or f"{names[b]} - {names[a]}" in failed
            or names[a] in failed
            or names[b] in failed
            for a, b in zip(group.a, group.b, strict=True)
        ]
        broken = ends[np.array(down, bool)]
        ax.add_collection(
            LineCollection(list(broken), colors=VERMILION, linewidths=1.6, linestyles=":", zorder=2)
        )
        middle = broken.mean(axis=1) if len(broken) else np.zeros((0, 2))
        ax.plot(middle[:, 0], middle[:, 1], "x", color=VERMILION, ms=7, mew=2, zorder=5)
    for each in used:
        here = np.flatnonzero(row == each)
        kind = ROWS[each]
        size = float(np.clip(360 / len(here), 2.2, 11))
        ax.plot(
            x[here],
            y[here],
            "o" if kind in ("gpu", "nic") else "s",
            ms=size if kind not in ("nic", "pcie_switch", "cpu") else 0.8 * size,
            color=NODE_COLORS[kind],
            mec="white",
            mew=0.5,
            zorder=3,
        )
        dead = [n for n in here if names[n] in failed]
        ax.plot(x[dead], y[dead], "x", color=VERMILION, ms=size + 4, mew=2.2, zorder=6)
        ax.text(
            1.02,
            level[each],
            counted(kind, len(here)),
            va="center",
            fontsize=9,
            color=TEXT_COLORS.get(NODE_COLORS[kind], NODE_COLORS[kind]),
        )
    ax.set_xlim(-0.01, 1.2)
    ax.set_ylim(-0.7, max(y) + 0.6)


def _draw_hosts(ax: Axes, wiring: Wiring, x: np.ndarray, y: np.ndarray) -> None:
    """Shade the parts of each host."""
    from matplotlib.patches import FancyBboxPatch

    host = wiring.attribute("node", -1.0)
    parts = np.isin(np.arange(wiring.n_nodes), wiring.of_kind(*HOST_KINDS))
    hosts = np.unique(host[parts & (host >= 0)])
    inside = parts & (host >= 0)
    low, top = (float(y[inside].min()), float(y[inside].max())) if inside.any() else (0.0, 0.0)
    for place in range(len(hosts)):
        ax.add_patch(
            FancyBboxPatch(
                ((place + 0.04) / len(hosts), low - 0.35),
                0.92 / len(hosts),
                top - low + 0.7,
                boxstyle="round,pad=0,rounding_size=0.008",
                mutation_aspect=20,
                fc="#f5f5f5",
                ec=PALE,
                lw=0.8,
                zorder=0,
            )
        )
