"""A job's messages on the links of a fabric: how much longer each takes there than on a sound one.

The closed form times a message on the sound fabric. Its bytes laid on the routed graph, all sister
groups at once, say how long the busiest link is busy; on another graph (a cable less, another
routing, another placement) the part of the message that bytes take grows as that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netmodel.errors import ModelError
from netmodel.graph import IntArray, Wiring
from netmodel.network import Loads, Traffic, Ways, compile_network, faults, link_loads, place
from netmodel.network import traffic as patterns
from netmodel.network.traffic import sister_groups
from netmodel.training.messages import Message
from netmodel.training.pieces import Pieces
from netmodel.training.placement import strides
from netmodel.training.plan import plan

if TYPE_CHECKING:
    from netmodel.topology import Cluster

PACKED = "packed"


class Shape(NamedTuple):
    """What messages look like on the links; messages of one shape share their loads.

    Attributes
    ----------
    how : str
        ``rings`` inside and across hosts; ``exchange`` of all with all; ``rails``, an exchange
        along rails after forwarding inside the host; ``stages``, to the next and the previous
        pipeline stage; ``ends``, between the first and the last one.
    ranks, stride : int
        Of a group.
    """

    how: str
    ranks: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How a fabric routes, and which of its GPUs run the job.

    Attributes
    ----------
    policy : str
        One of ``network.POLICIES``.
    placement : str
        One of ``network.PLACEMENTS``; other than ``packed`` it takes GPUs of the whole cluster.
    seed : int
        Of random placements and of ``ecmp``.
    """

    policy: str = "adaptive"
    placement: str = PACKED
    seed: int = 0


USUAL = Routing()
"""What the closed form stands for."""


def fabric_of(cluster: Cluster, gpus: int, routing: Routing = USUAL) -> Wiring:
    """Return what a job runs on: a fabric of its size, or where it is placed, the whole cluster."""
    size = gpus if routing.placement == PACKED else max(gpus, cluster.gpus)
    return cluster.wiring(size)


def shape_of(message: Message, given: Pieces) -> Shape:
    """Say what a message looks like on the links."""
    demand, strategy = message.demand, given.strategy
    stride = int(strides(strategy)[demand.dimension])
    if demand.dimension == "pp":
        how = "stages" if demand.kind == "send_recv" else "ends"
        return Shape(how, int(strategy.pp), stride)
    how = "rings"
    if demand.kind in ("dispatch", "combine"):
        how = "exchange" if given.software.recipe.dispatcher == "alltoall" else "rails"
    elif demand.kind == "all_to_all":
        how = "exchange"
    return Shape(how, int(demand.ranks), stride)


def shapes_of(given: Pieces) -> dict[Shape, list[Message]]:
    """Sort the messages that cross links by their shape."""
    found: dict[Shape, list[Message]] = {}
    for message in given.messages:
        if message.demand.ranks > 1 and float(message.seconds) > 0:
            found.setdefault(shape_of(message, given), []).append(message)
    return found


def traffic_of(shape: Shape, ranks: IntArray, host: IntArray) -> Traffic:
    """Lay one byte of each rank's buffer on pairs of GPUs, in all groups of the job.

    Parameters
    ----------
    shape : Shape
    ranks : int array [ranks]
        GPU that runs each rank.
    host : int array [ranks]
        Host of that GPU.
    """
    members = sister_groups(len(ranks), shape.ranks, shape.stride)
    groups, local = ranks[members], _local(host[members])
    if shape.how == "exchange":
        return patterns.all_to_all(groups, 1.0)
    if shape.how == "rails":
        across = patterns.rail_all_to_all(groups, 1.0, local)
        inside = groups.reshape(len(groups), -1, local).reshape(-1, local)
        return across + patterns.all_to_all(inside, 1.0)
    if shape.how == "ends":
        return patterns.ring(groups[:, [0, -1]], 1.0)
    if shape.how == "stages":
        there = patterns.flows(groups[:, :-1], groups[:, 1:], 1.0)
        return there + patterns.flows(there.target, there.source, 1.0)
    return patterns.hierarchical(groups, 1.0, local)


def _local(host: IntArray) -> int:
    """Consecutive members of every group that share a host: the largest number that fits all."""
    change = np.ones(host.shape, bool)
    change[:, 1:] = host[:, 1:] != host[:, :-1]
    runs = np.diff(np.append(np.flatnonzero(change.ravel()), host.size))
    return gcd(*np.unique(runs).tolist())


@dataclass(frozen=True, eq=False)
class Job:
    """The messages of a step, and the GPUs of a fabric that run its ranks.

    Attributes
    ----------
    given : Pieces
        The step as the closed form has it.
    wiring : Wiring
        The sound fabric.
    ranks : int array [ranks]
        GPU of each rank, as its number in the sound fabric.
    routing : Routing
        How it routes.
    """

    given: Pieces
    wiring: Wiring
    ranks: IntArray
    routing: Routing

    @classmethod
    def of(cls, given: Pieces, cluster: Cluster, routing: Routing = USUAL) -> Job:
        """Place a job on a cluster."""
        gpus = int(given.strategy.gpus)
        wiring = fabric_of(cluster, gpus, routing)
        return cls(given, wiring, place(wiring, gpus, routing.placement, routing.seed), routing)

    def loads(self, wiring: Wiring, policy: str = "") -> dict[Shape, Loads]:
        """Load the links of this fabric, or of what is left of it, with every shape of message.

        Raises
        ------
        ModelError
            When a rank is gone, or has lost another one.
        """
        if wiring is self.wiring:
            return self._loaded(self.ways, self.traffic, policy)
        ranks = self._where(wiring)
        return self._loaded(
            Ways(compile_network(wiring)), self._sent(ranks, hosts_of(wiring)[ranks]), policy
        )

    def hurt(self, patterns: Iterable[str], policy: str = "") -> dict[Shape, Loads]:
        """Load the links of what faults leave of the fabric.

        Raises
        ------
        InputError
            When a pattern cannot be read or names nothing.
        ModelError
            As :meth:`loads`.
        """
        patterns = tuple(patterns)
        network = faults.on_links(self.ways.network, patterns)
        if network is None:
            return self.loads(faults.apply(self.wiring, patterns), policy)
        return self._loaded(self.ways.on(network), self.traffic, policy)

    @cached_property
    def ways(self) -> Ways:
        """The sound fabric, compiled."""
        return Ways(compile_network(self.wiring))

    @cached_property
    def traffic(self) -> dict[Shape, Traffic]:
        """What each shape of message lays on pairs of GPUs of the sound fabric."""
        return self._sent(self.ranks, hosts_of(self.wiring)[self.ranks])

    def _sent(self, ranks: IntArray, host: IntArray) -> dict[Shape, Traffic]:
        return {shape: traffic_of(shape, ranks, host) for shape in shapes_of(self.given)}

    def _loaded(self, ways: Ways, sent: Mapping[Shape, Traffic], policy: str) -> dict[Shape, Loads]:
        routing = self.routing
        return {
            shape: link_loads(ways, traffic, policy=policy or routing.policy, seed=routing.seed)
            for shape, traffic in sent.items()
        }

    def _where(self, wiring: Wiring) -> IntArray:
        """Return the number that the GPU of each rank has in what is left of the fabric."""
        if len(wiring.gpus) == len(self.wiring.gpus):
            return self.ranks
        left = {name: number for number, name in enumerate(wiring.names(wiring.gpus))}
        names = self.wiring.names(self.wiring.gpus[self.ranks])
        gone = [name for name in names if name not in left]
        if gone:
            others = f" and {len(gone) - 1:,} other GPUs" if len(gone) > 1 else ""
            raise ModelError(
                f"{gone[0]}{others} of {len(names):,} are gone, and a step needs them all",
                where="--fail",
                remedy="Ask for a job that does without them, or put a spare in their place.",
            )
        return np.array([left[name] for name in names])


def hosts_of(wiring: Wiring) -> IntArray:
    """Return the host of every GPU; each its own where the graph does not say."""
    host = wiring.attribute("node", -1.0)[wiring.gpus].astype(int)
    return np.arange(len(host)) if (host < 0).any() else host


def growth(after: Mapping[Shape, Loads], before: Mapping[Shape, Loads]) -> dict[Shape, float]:
    """Return how many times longer the busiest link of each shape is busy."""
    return {
        shape: after[shape].time / loads.time if loads.time else 1.0
        for shape, loads in before.items()
    }


def stretched(given: Pieces, times: Mapping[Shape, float]) -> Pieces:
    """Return the step whose messages take so many times longer on wires; launch and hops stay."""

    def slower(message: Message) -> Message:
        factor = times.get(shape_of(message, given), 1.0) if message.demand.ranks > 1 else 1.0
        fixed = min(float(message.latency), float(message.seconds))
        return message._replace(seconds=fixed + (float(message.seconds) - fixed) * factor)

    timed = tuple(slower(each) for each in given.messages)
    made: Any = plan(given.model, given.strategy, given.seq_len, given.software, timed)
    return replace(given, plan=made, messages=timed)
