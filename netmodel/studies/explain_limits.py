"""What a step waits for: the links with their bytes and sharers, and the ceilings beyond them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmodel import collectives
from netmodel.collectives import Operation
from netmodel.collectives.group import group_of
from netmodel.errors import ModelError
from netmodel.studies.explain_waterfall import DIMENSIONS, mean_rank, occurrences
from netmodel.studies.layouts import layout_text
from netmodel.studies.search import search
from netmodel.training.messages import Message, Wires, span_of
from netmodel.training.pieces import Pieces, even_stage
from netmodel.workload import Strategy, possible

if TYPE_CHECKING:
    from netmodel.topology import Cluster

SHOWN = 0.002
"""Share of a step below which a message is not listed."""

WORTH = 0.10
"""Adding GPUs stops helping where twice as many shorten the step by less than this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One kind of message, and the links that decide how long it takes.

    Attributes
    ----------
    collective : str
        Dimension and operation: ``ep combine``.
    tier, link : str
        The tier that decides; catalog row of its cables.
    ranks, groups : int
        Members of one group; groups that do the same at the same time.
    bytes : float
        That one GPU sends over that tier in one step [B].
    sharers : int
        GPUs whose bytes leave their unit over the same cables.
    capacity : float
        Of those cables together, one direction [B/s].
    seconds, waited : float
        In one step, when nothing else runs; of which the step waits [s].
    """

    collective: str
    tier: str
    link: str
    ranks: int
    groups: int
    bytes: float
    sharers: int
    capacity: float
    seconds: float
    waited: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: SI, units in the keys."""
        return {
            "collective": self.collective,
            "tier": self.tier,
            "link": self.link,
            "ranks": self.ranks,
            "groups": self.groups,
            "bytes_B": self.bytes,
            "sharers": self.sharers,
            "capacity_Bps": self.capacity,
            "message_s": self.seconds,
            "waited_s": self.waited,
        }


def limits(given: Pieces) -> tuple[Limit, ...]:
    """List the messages that a step waits for, the longest wait first.

    A dimension's wait is shared out over its messages in proportion to their time alone.
    """
    parts = mean_rank(given)
    step_time = given.step_time
    stage = even_stage(given.model, given.plan)
    found: dict[tuple[str, str], Limit] = {}
    for name, own in DIMENSIONS.items():
        mine = [each for each in given.messages if each.demand.dimension in own]
        seconds = [float(occurrences(each, given, stage) * each.seconds) for each in mine]
        whole = sum(seconds)
        for message, taken in zip(mine, seconds, strict=True):
            if not taken:
                continue
            limit = _limit(message, given, stage, taken, float(parts[name]) * taken / whole)
            key = limit.collective, limit.tier
            if key in found:
                limit = replace(
                    limit,
                    bytes=limit.bytes + found[key].bytes,
                    seconds=limit.seconds + found[key].seconds,
                    waited=limit.waited + found[key].waited,
                )
            found[key] = limit
    kept = [each for each in found.values() if each.waited > SHOWN * step_time]
    return tuple(sorted(kept, key=lambda each: -each.waited))


def _limit(message: Message, given: Pieces, stage: Any, seconds: float, waited: float) -> Limit:
    """Describe one message of a step."""
    demand, fabric = message.demand, given.fabric
    tier = fabric.names.index(str(message.tier))
    sharers = fabric.unit[tier - 1] if tier else 1
    times = float(demand.count * occurrences(message, given, stage))
    return Limit(
        collective=f"{demand.dimension} {demand.kind}",
        tier=fabric.names[tier],
        link=fabric.links[tier],
        ranks=int(demand.ranks),
        groups=int(given.strategy.gpus // demand.ranks),
        bytes=times * bytes_over(message, given, fabric.names[tier]),
        sharers=int(sharers),
        capacity=float(fabric.bandwidth[tier] * sharers),
        seconds=seconds,
        waited=waited,
    )


def bytes_over(message: Message, given: Pieces, tier: str) -> float:
    """Bytes that one GPU sends over a tier in one of a message's operations [B]."""
    demand, moe = message.demand, given.model.moe
    wires = Wires.of(given.fabric, given.accelerator.generation, given.software)
    span = span_of(demand, given.strategy, given.fabric)
    group = group_of(span, demand.ranks)
    inside = tier not in group.tiers
    moves = demand.kind in ("dispatch", "combine")
    if moves and moe is not None and wires.experts is not None:
        exchange = collectives.exchange(
            span,
            wires.experts,
            tokens=demand.tokens,
            top_k=demand.top_k,
            vector=demand.vector,
            experts=moe.experts,
            group_limit=moe.group_limit,
        )
        return float(exchange.port_bytes if inside else exchange.network_bytes)
    kind = "all_to_all" if moves else demand.kind
    call = Operation(kind=kind, size=demand.size, ranks=demand.ranks)
    algorithm = collectives.time(call, span, wires.library).algorithm
    traffic = collectives.ALGORITHMS[algorithm].traffic(kind, demand.size, group)
    return float(traffic.port if inside else traffic.egress[group.tiers.index(tier)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """How far this fabric could go.

    Attributes
    ----------
    best_time : float
        Shortest step of any layout that was tried, the asked one included [s].
    best : Strategy
        That layout.
    last_gpus : int
        The largest number of GPUs that still helps, in the asked layout with more replicas.
    reason : str
        What ends it there.
    """

    best_time: float
    best: Strategy
    last_gpus: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object: SI, units in the keys."""
        return {
            "best_step_time_s": self.best_time,
            "best_layout": layout_text(self.best),
            "helps_up_to_gpus": self.last_gpus,
            "reason": self.reason,
        }


def ceiling(given: Pieces, cluster: Cluster) -> Ceiling:
    """Search for a better layout, and for the size at which more GPUs stop to help."""
    mine = given.step_time
    best_time, best = mine, given.strategy
    strategy = given.strategy
    try:
        found = search(
            given.model,
            cluster,
            int(strategy.gpus),
            seq_len=given.seq_len,
            global_batch=int(strategy.global_batch),
            precision=strategy.precision,
            fixed={
                "cp": strategy.cp,
                "recompute": tuple(dict.fromkeys((strategy.recompute, "none", "full"))),
            },
            software=given.software,
            top=1,
            exhaustive=False,
            near=strategy,
        ).best[0]
    except ModelError:  # nothing but the asked layout fits
        pass
    else:
        if found.step_time < mine:
            best_time, best = float(found.step_time), found.strategy
    last, reason = last_useful(given, cluster.max_gpus)
    return Ceiling(best_time=best_time, best=best, last_gpus=last, reason=reason)


def last_useful(given: Pieces, most: int | None = None) -> tuple[int, str]:
    """Return the size after which more replicas of the same layout stop to help, and why.

    The fabric is taken to grow in its outermost tier. Sizes are those that the global batch can be
    divided over.

    Parameters
    ----------
    most : int, optional
        Where the design of the cluster ends.
    """
    strategy = given.strategy
    m, p = int(strategy.micro_batches), int(strategy.pp)
    here, gpus = given.step_time, int(strategy.gpus)
    for more in (k for k in range(2, m + 1) if m % k == 0):
        grown = replace(strategy, dp=strategy.dp * more)
        size = int(strategy.gpus) * more
        if most is not None and size > most:
            return gpus, f"the cluster's design ends at {most:,} GPUs"
        rounds = strategy.schedule != "interleaved" or (m // more) % p == 0
        if not rounds or not possible(given.model, grown, size, given.seq_len):
            return (
                gpus,
                f"{strategy.schedule} over {p} ranks needs more than {m // more} micro-batches",
            )
        fabric = replace(given.fabric, unit=(*given.fabric.unit[:-1], size))
        there = replace(given, strategy=grown).with_fabric(fabric).step_time
        gain = 1.0 - (there / here) ** (1.0 / math.log2(size / gpus))
        if gain < WORTH:
            return gpus, f"twice as many shorten the step by only {100 * max(gain, 0.0):.0f} %"
        here, gpus = there, size
    return gpus, f"its {strategy.global_batch:,} sequences cannot be divided further"
