"""What no algorithm can beat on a given fabric."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.library import Library
from netmodel.numeric import choose, larger, smaller


def lower_bound(kind: str, size: Any, group: Group, library: Library) -> Any:
    r"""Least time that bytes and latency allow, at line rate [s].

    Every rank must send at least :math:`2(n-1)S/n` for an all-reduce without help from switches,
    :math:`(n-1)S/n` for all-gather, reduce-scatter and all-to-all, S for the rest; where switches
    reduce, S; out of a unit with m of n members goes at least S in all for an all-reduce,
    :math:`m (1 - m/n) S` for an all-to-all. And the farthest member is one trip away.
    """
    n = group.ranks
    whole = {"all_reduce": 2.0 * (n - 1) / n, "broadcast": 1.0, "reduce": 1.0, "send_recv": 1.0}
    need = size * whole.get(kind, (n - 1) / n)
    local = group.local
    if kind == "all_reduce":
        inside = choose(library.multicast, smaller(need, size * (local > 1)), need)
    elif kind == "all_to_all":
        inside = size * (local - 1) / n
    else:
        inside = need
    inside = choose(group.units > 1, choose(kind == "all_to_all", inside, 0.0 * inside), inside)
    bound = larger(inside / group.port, group.port_latency * (local > 1))
    for below, branches, bandwidth, latency in zip(
        group.below, group.branches, group.bandwidth, group.latency, strict=True
    ):
        if kind == "all_to_all":
            leaving = size * (1.0 - below / n)
        elif kind in ("all_gather", "reduce_scatter"):
            leaving = size * (1.0 - below / n) / below
        else:
            leaving = size / below
        crosses = (branches > 1) * 1
        bound = larger(bound, crosses * larger(leaving / bandwidth, latency))
    return bound
