"""Seconds of each message of a step, on the tiers where its group lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from netmodel import collectives
from netmodel.collectives import Library, MoeLibrary, Operation
from netmodel.network.tiers import Span, Tiers
from netmodel.numeric import choose, plain
from netmodel.training.frameworks import Software
from netmodel.training.placement import strides
from netmodel.workload.layout import Strategy
from netmodel.workload.transformer import Model
from netmodel.workload.work import Demand


class Message(NamedTuple):
    """One kind of message, timed.

    Attributes
    ----------
    demand : Demand
        What, how large, how often.
    seconds : float or array
        Of all ``count`` of them in one unit of their phase [s].
    tier : str or array of str
        Tier that decides.
    latency : float or array
        Part of ``seconds`` that fewer bytes would not shorten: launches, steps, hops [s].
    on_graph : GraphTiming or GraphExchange, optional
        What lies on which link, where it was timed on the graph.
    passing : float or array
        Of weights gathered and gradients scattered in a layer: how long their bytes keep a GPU's
        own links busy, however long the network beyond takes [s].
    """

    demand: Demand
    seconds: Any
    tier: Any
    latency: Any = 0.0
    on_graph: Any = None
    passing: Any = 0.0


@dataclass(frozen=True, slots=True)
class Wires:
    """What messages run on: the tiers of a fabric, and the libraries that drive them.

    ``expert_cover`` is the recipe's: messages slow down where whole layers run beside them, which
    shared experts alone do not. On the rungs above the closed form also the fabric itself, as
    :class:`netmodel.collectives.placed.Fabric`, and which of them it is.
    """

    tiers: Tiers
    library: Library
    experts: MoeLibrary | None
    expert_cover: str = "layer"
    fabric: Any = None
    fidelity: str = "closed"

    @classmethod
    def of(
        cls,
        tiers: Tiers,
        generation: str,
        software: Software,
        *,
        fabric: Any = None,
        fidelity: str = "closed",
    ) -> Wires:
        """Choose the libraries by the fabric's links, the software and what was measured there."""
        outer = tiers.links[-1] if len(tiers.links) > 1 else None
        return cls(
            tiers,
            collectives.library(generation, tiers.links[0], outer, overlay=dict(software.measured)),
            collectives.moe_library(
                software.recipe.dispatcher, generation=generation, inter_link=outer
            )
            if software.recipe.dispatcher != "alltoall"
            else None,
            software.recipe.expert_cover,
            fabric,
            fidelity,
        )


def span_of(demand: Demand, strategy: Strategy, tiers: Tiers) -> Span:
    """Lay the group of a demand on the tiers."""
    return laid(demand.ranks, strides(strategy)[demand.dimension], tiers)


def laid(ranks: Any, stride: Any, tiers: Tiers) -> Span:
    """Lay groups of so many ranks, so far apart, on the tiers."""
    span = tiers.span(ranks, stride)
    return replace(span, members=tuple(plain(each) for each in span.members))


def timed(demand: Demand, model: Model, strategy: Strategy, wires: Wires) -> Message:
    """Time one demand while all sister groups run too."""
    if wires.fabric is not None and demand.ranks > 1:
        return _on_graph(demand, model, strategy, wires)
    span = span_of(demand, strategy, wires.tiers)
    return timed_on(demand, span, model, wires, overlapped=strategy.overlap_ep)


def timed_on(
    demand: Demand, span: Span, model: Model, wires: Wires, *, overlapped: bool
) -> Message:
    """Time one demand whose group lies on a span, or many of one kind whose groups do."""
    overlapped = overlapped and wires.expert_cover == "layer"
    moves = demand.kind in ("dispatch", "combine")
    if moves and model.moe is not None and wires.experts is not None:
        with np.errstate(invalid="ignore", divide="ignore"):  # bytes over no time, where ep is 1
            exchange = collectives.exchange(
                span,
                wires.experts,
                tokens=demand.tokens,
                top_k=demand.top_k,
                vector=demand.vector,
                experts=model.moe.experts,
                group_limit=model.moe.group_limit,
                overlapped=overlapped,
            )
        seconds = choose(demand.ranks > 1, exchange.time, 0.0 * exchange.time)
        fixed = choose(demand.ranks > 1, wires.experts.fixed, 0.0 * exchange.time)
        return Message(demand, demand.count * seconds, exchange.bottleneck, demand.count * fixed)
    kind = "all_to_all" if moves else demand.kind
    call = Operation(kind=kind, size=demand.size, ranks=demand.ranks)
    timing = collectives.time(call, span, wires.library)
    fixed = timing.parts["launch"] + timing.parts["latency"]
    return Message(
        demand,
        demand.count * timing.time,
        timing.bottleneck,
        demand.count * fixed,
        passing=demand.count * passing(demand, wires),
    )


def passing(demand: Demand, wires: Wires) -> Any:
    """Time that the bytes of a layer's weights or gradients take on a GPU's own links [s]."""
    if demand.phase == "step" or demand.dimension not in ("dp", "edp"):
        return 0.0
    rate = wires.tiers.bandwidth[0] * wires.library.algorithms["ring"].port
    return choose(demand.ranks > 1, demand.size / rate, 0.0 * demand.size)


def _on_graph(demand: Demand, model: Model, strategy: Strategy, wires: Wires) -> Message:
    """Time one demand on the links of the graph; only plain layouts get here."""
    from netmodel.collectives.moe_on_graph import exchange_on_graph
    from netmodel.collectives.on_graph import time_on_graph

    where: dict[str, Any] = {
        "stride": int(strides(strategy)[demand.dimension]),
        "fidelity": wires.fidelity,
    }
    found: Any
    moves = demand.kind in ("dispatch", "combine")
    if moves and model.moe is not None and wires.experts is not None:
        found = exchange_on_graph(
            wires.fabric,
            wires.experts,
            ranks=int(demand.ranks),
            tokens=demand.tokens,
            top_k=demand.top_k,
            vector=demand.vector,
            experts=model.moe.experts,
            group_limit=model.moe.group_limit,
            overlapped=strategy.overlap_ep and wires.expert_cover == "layer",
            **where,
        )
        fixed = wires.experts.fixed
    else:
        kind = "all_to_all" if moves else demand.kind
        call = Operation(kind=kind, size=demand.size, ranks=int(demand.ranks))
        found = time_on_graph(call, wires.fabric, wires.library, **where)
        fixed = found.parts["launch"] + found.parts["latency"]
    count = demand.count
    own = count * passing(demand, wires)
    return Message(demand, count * found.time, found.bottleneck, count * fixed, found, own)


def messages(
    demands: tuple[Demand, ...], model: Model, strategy: Strategy, wires: Wires
) -> tuple[Message, ...]:
    """Time every message of a step."""
    return tuple(timed(demand, model, strategy, wires) for demand in demands)
