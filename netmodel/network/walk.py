"""Single paths: at each hop a rule picks one of the links that lead nearer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netmodel.errors import ModelError
from netmodel.graph import FloatArray, IntArray
from netmodel.network.arrays import Network
from netmodel.network.lattice import grids
from netmodel.network.lumping import scramble
from netmodel.network.stage import Stage


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The next hops open to some flows, all in one array.

    Attributes
    ----------
    flow : int array [flows]
        Number of each flow.
    node, goal : int array [flows]
        Where it is; the endpoint it goes to.
    fan : int array [flows]
        Product of the choices it has had so far.
    links : int array [choices]
        Open links, flow after flow.
    first : int array [flows + 1]
        Where those of each flow begin.
    """

    flow: IntArray
    node: IntArray
    goal: IntArray
    fan: IntArray
    links: IntArray
    first: IntArray

    @property
    def count(self) -> IntArray:
        """Links open to each flow."""
        return np.diff(self.first)


Pick = Callable[[Choice], IntArray]
"""Takes a choice, returns for each flow the position in its links."""


def walk(stage: Stage, start: IntArray, goal: IntArray, pick: Pick) -> IntArray:
    """Return the links that each flow takes from an endpoint to another, padded with -1.

    Parameters
    ----------
    stage : Stage
        The graph.
    start, goal : int array [flows]
        Endpoints (nodes); a flow whose ends are equal takes no link.
    pick : callable
        The policy.

    Returns
    -------
    int array [flows, hops]
        Links of the network.

    Raises
    ------
    ModelError
        When a goal cannot be reached.
    """
    network = stage.network
    outgoing, length = stage.links, stage.length
    node, fan = start.copy(), np.ones(len(start), int)
    left = _hops(stage, start, goal)
    steps: list[IntArray] = []
    while len(active := np.flatnonzero(left > 0)):
        here = node[active]
        owner, spot = _nearer(stage, here, goal[active], left[active])
        starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(active)))])
        choice = Choice(active, here, goal[active], fan[active], outgoing[spot], starts)
        chosen = spot[starts[:-1] + pick(choice)]
        step = np.full(len(start), -1)
        step[active] = outgoing[chosen]
        steps.append(step)
        node[active] = network.target[outgoing[chosen]]
        fan[active] *= choice.count
        left[active] -= length[chosen]
    return np.array(steps, int).reshape(len(steps), len(start)).T


def fan_out(stage: Stage, start: IntArray, goal: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the links over which each flow spreads when every node divides it by bandwidth.

    Parameters
    ----------
    stage, start, goal
        As in :func:`walk`.

    Returns
    -------
    flow, link : int array [entries]
        Flows and links of the network; no pair comes twice.
    part : float array [entries]
        Part of the flow's bytes on the link.
    """
    network, nodes = stage.network, stage.network.n_nodes
    flow, node, part = np.arange(len(start)), start.copy(), np.ones(len(start))
    left = _hops(stage, start, goal)
    found = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
    while (open_ := left > 0).any():
        flow, node, part, left = flow[open_], node[open_], part[open_], left[open_]
        owner, spot = _nearer(stage, node, goal[flow], left)
        weight = stage.capacity[spot]
        part = part[owner] * weight / np.bincount(owner, weight, len(flow))[owner]
        links = stage.links[spot]
        found.append((flow[owner], links, part))
        left = left[owner] - stage.length[spot]
        both, first, inverse = np.unique(
            flow[owner] * nodes + network.target[links], return_index=True, return_inverse=True
        )
        flow, node, left = both // nodes, both % nodes, left[first]
        part = np.bincount(inverse, part, len(both)).astype(float)
    columns = tuple(np.concatenate(column) for column in zip(*found, strict=True))
    return columns[0], columns[1], columns[2]


def _hops(stage: Stage, start: IntArray, goal: IntArray) -> IntArray:
    """Return the hops between endpoints, or refuse those that have no way."""
    left = stage.hops(start, stage.group_of[goal])
    left[start == goal] = 0
    left[(left == 0) & (start != goal)] = 2  # two endpoints of one group meet at a switch
    check_reached(stage.network, start, goal, left)
    return left


def _nearer(
    stage: Stage, node: IntArray, goal: IntArray, left: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the links (by position in the stage) that lead nearer, and the flow of each."""
    network = stage.network
    order, first = stage.outgoing
    count = first[node + 1] - first[node]
    owner = np.repeat(np.arange(len(node)), count)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    spot = order[np.repeat(first[node], count) + offset]
    towards = network.target[stage.links[spot]]
    wanted = left[owner] - stage.length[spot]
    near = stage.hops(towards, stage.group_of[goal][owner]) == wanted
    near &= np.where(wanted == 0, towards == goal[owner], stage.forwards[towards])
    return owner[near], spot[near]


def check_reached(network: Network, start: IntArray, goal: IntArray, hops: IntArray) -> None:
    """Refuse flows that have no way, naming the first and counting the others."""
    cut = np.flatnonzero(hops < 0)
    if len(cut):
        a, b = network.wiring.names([start[cut[0]], goal[cut[0]]])
        more = f" ({len(cut)} pairs have lost each other)" if len(cut) > 1 else ""
        raise ModelError(
            f"no way from {a} to {b}{more}",
            where=f"fabric {network.wiring.name!r}",
            remedy="Let traffic be forwarded over NVLink (PXN), or repair the cables between them.",
        )


def hashed(network: Network, keys: IntArray, seed: int) -> Pick:
    """Pick by a hash of flow key, node and seed: each cable is as likely (ECMP)."""
    salt = scramble(np.array([seed]))

    def pick(choice: Choice) -> IntArray:
        mixed = scramble(scramble(keys[choice.flow]) ^ scramble(choice.node) ^ salt)
        draw = (mixed >> np.uint64(11)).astype(float) * 2.0**-53
        return _draw(network.cables[choice.links].astype(float), choice.first, draw)

    return pick


def _draw(weight: FloatArray, first: IntArray, draw: FloatArray) -> IntArray:
    """Return for each flow the position at which its share of the summed weights is reached."""
    upto = np.concatenate([[0.0], np.cumsum(weight)])
    low, high = upto[first[:-1]], upto[first[1:]]
    spot = np.searchsorted(upto, low + draw * (high - low), side="right") - 1
    place: IntArray = np.minimum(spot, first[1:] - 1) - first[:-1]
    return place


def by_destination(number: IntArray) -> Pick:
    """Pick by the goal alone, spreading neighbouring goals over the ways up (static, d-mod-k).

    Parameters
    ----------
    number : int array [nodes]
        Position of each endpoint in the order in which the switches count them.
    """

    def pick(choice: Choice) -> IntArray:
        return (number[choice.goal] // choice.fan) % choice.count

    return pick


def by_rank(rank: IntArray) -> Pick:
    """Pick the open link of the lowest rank [links] (dimension order)."""

    def pick(choice: Choice) -> IntArray:
        ranked = rank[choice.links]
        lowest = np.minimum.reduceat(ranked, choice.first[:-1])
        owner = np.repeat(np.arange(len(lowest)), choice.count)
        hits = np.flatnonzero(ranked == lowest[owner])
        return hits[np.unique(owner[hits], return_index=True)[1]] - choice.first[:-1]

    return pick


def axis_of_links(network: Network) -> IntArray:
    """Return the axis along which each link of a grid runs; links elsewhere have axis 0."""
    found = np.zeros(network.n_links, int)
    for start, shape in grids(network.wiring):
        stop = start + int(np.prod(shape))
        inside = (network.source >= start) & (network.source < stop)
        inside &= (network.target >= start) & (network.target < stop)
        if len(shape) > 1 and inside.any():
            a = np.unravel_index(network.source[inside] - start, shape)
            b = np.unravel_index(network.target[inside] - start, shape)
            found[inside] = np.argmax(np.array(a) != np.array(b), axis=0)
    return found
