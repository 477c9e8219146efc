"""Dispatch and combine on the links of a routed graph, all expert-parallel groups at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.collectives.group import Group, group_of
from netmodel.collectives.laid import lay_dispatch
from netmodel.collectives.moe import MoeLibrary, MoeTiming, exchange, node_limited
from netmodel.collectives.on_graph import SharedLink, Wires, members_of, stretch_of
from netmodel.collectives.placed import Fabric, placed_span
from netmodel.graph import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class GraphExchange:
    """How long one dispatch or combine takes on a graph.

    Attributes
    ----------
    time : float or array
        On the most loaded rank [s].
    bottleneck : str or array of str
        Tier that decides.
    closed : MoeTiming
        The closed form's answer, with its bytes.
    on_wires : Wires
        What lies on which link.
    """

    time: Any
    bottleneck: Any
    closed: MoeTiming
    on_wires: Wires

    def links(self, count: int = 3) -> tuple[SharedLink, ...]:
        """Return the links that the largest size waits for, busiest first."""
        return self.on_wires.hottest(count)


def exchange_on_graph(
    fabric: Fabric,
    library: MoeLibrary,
    *,
    ranks: int,
    stride: int = 1,
    groups: IntArray | None = None,
    fidelity: str = "contention",
    tokens: Any,
    top_k: Any,
    vector: Any,
    experts: Any = 256,
    group_limit: Any = None,
    imbalance: Any = 1.0,
    overlapped: bool = False,
) -> GraphExchange:
    r"""Time one dispatch or combine while all sister groups do the same.

    As :func:`netmodel.collectives.moe.exchange`, whose network terms are replaced by the busiest
    link of each tier, :math:`T D b \max_l b_l / c_l`. Copies inside the domain are the closed
    form's.

    Parameters
    ----------
    fabric, ranks, stride, groups, fidelity
        As in :func:`netmodel.collectives.on_graph.time_on_graph`.
    library, tokens, top_k, vector, experts, group_limit, imbalance, overlapped
        As in :func:`netmodel.collectives.moe.exchange`.
    """
    members = members_of(ranks, fabric, stride, groups)
    span = placed_span(fabric, members)
    group = group_of(span)
    closed = exchange(
        span,
        library,
        tokens=tokens,
        top_k=top_k,
        vector=vector,
        experts=experts,
        group_limit=group_limit,
        imbalance=imbalance,
        overlapped=overlapped,
    )
    used = library.overlapped if overlapped else 1.0
    laid = lay_dispatch(fabric, members, by_rail=library.deduplicated)
    shares = np.array([library.port * used, *(library.network * used for _ in group.tiers)])
    slower = stretch_of(laid, shares) if fidelity == "flow" else 1.0
    copies = tokens * top_k * vector
    if library.deduplicated:
        copies = tokens * node_limited(group.units, group_limit, experts, top_k) * vector
    wires = Wires(laid, shares, slower, float(np.max(copies)))
    busy = wires.seconds[1:] * _handled(library, group) / shares[1:]
    inside = np.asarray(closed.port_bytes / (group.port * library.port * used), float)
    each = np.stack(np.broadcast_arrays(inside, *(np.asarray(copies) * one for one in busy)))
    slowest, tier = each.max(axis=0), each.argmax(axis=0)
    return GraphExchange(
        time=_plain(library.fixed + imbalance * slowest),
        bottleneck=group.tier_name(_plain(tier)),
        closed=closed,
        on_wires=wires,
    )


def _handled(library: MoeLibrary, group: Group) -> FloatArray:
    """Bytes that the network path handles at each tier, over those that leave the domain there."""
    n = group.ranks
    found = np.ones(len(group.tiers))
    if group.units < 2:
        return found
    if not library.direct:
        found[:1] = (1.0 - 1.0 / n) / (1.0 - group.local / n)
    if library.staged:
        found = 1.0 / (1.0 - np.array(group.below) / n)
    return found


def _plain(value: Any) -> Any:
    return value.item() if np.ndim(value) == 0 else value
