"""Seconds of each message of a step, on the tiers where its group lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from netmodel import collectives
from netmodel.collectives import Library, MoeLibrary, Operation
from netmodel.collectives.real import choose, plain
from netmodel.network.tiers import Tiers
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
    """

    demand: Demand
    seconds: Any
    tier: Any


@dataclass(frozen=True, slots=True)
class Wires:
    """What messages run on: the tiers of a fabric, and the libraries that drive them."""

    tiers: Tiers
    library: Library
    experts: MoeLibrary | None

    @classmethod
    def of(cls, tiers: Tiers, generation: str, dispatcher: str = "deepep") -> Wires:
        """Choose the libraries by the fabric's links."""
        outer = tiers.links[-1] if len(tiers.links) > 1 else None
        return cls(
            tiers,
            collectives.library(generation, tiers.links[0], outer),
            collectives.moe_library(dispatcher, generation=generation, inter_link=outer)
            if dispatcher != "alltoall"
            else None,
        )


def timed(demand: Demand, model: Model, strategy: Strategy, wires: Wires) -> Message:
    """Time one demand while all sister groups run too."""
    stride = strides(strategy)[demand.dimension]
    span = wires.tiers.span(demand.ranks, stride)
    span = replace(span, members=tuple(plain(each) for each in span.members))
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
                overlapped=strategy.overlap_ep,
            )
        seconds = choose(demand.ranks > 1, exchange.time, 0.0 * exchange.time)
        return Message(demand, demand.count * seconds, exchange.bottleneck)
    kind = "all_to_all" if moves else demand.kind
    call = Operation(kind=kind, size=demand.size, ranks=demand.ranks)
    timing = collectives.time(call, span, wires.library)
    return Message(demand, demand.count * timing.time, timing.bottleneck)


def messages(
    demands: tuple[Demand, ...], model: Model, strategy: Strategy, wires: Wires
) -> tuple[Message, ...]:
    """Time every message of a step."""
    return tuple(timed(demand, model, strategy, wires) for demand in demands)
