"""Who shares a link: whose bytes may cross it under the routing that loaded it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netmodel.graph import IntArray
from netmodel.network.ledger import Account, Ledger
from netmodel.network.routing import single_paths
from netmodel.network.stage import Stage

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sharers:
    """Ends of the messages that cross one link.

    Attributes
    ----------
    pairs : int
        Pairs of ends; of what was counted, pairs of all ends that are cabled alike.
    senders, receivers : tuple of str
        Names of all NICs (or GPUs) that send or receive over the link.
    """

    pairs: int
    senders: tuple[str, ...]
    receivers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_some(self.senders)} -> {_some(self.receivers)}"


def _some(names: tuple[str, ...], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def sharers_of(ledger: Ledger, link: int) -> Sharers:
    """Return whose booked bytes cross a link.

    Single paths of listed messages are walked again; spread bytes cross the link when it lies on
    a shortest path between their ends; and so may, by group, what was only counted.
    """
    for account in ledger.accounts():
        if link in account.stage.links:
            listed = _of_listed(account, ledger, link)
            counted = _of_counted(account, link)
            return Sharers(
                listed.pairs + counted.pairs,
                tuple(dict.fromkeys(listed.senders + counted.senders)),
                tuple(dict.fromkeys(listed.receivers + counted.receivers)),
            )
    return Sharers(0, (), ())


def _of_listed(account: Account, ledger: Ledger, link: int) -> Sharers:
    start, goal, _ = account.flows()
    if ledger.rule.walks(ledger.ways, account.stage):
        flow, paths = single_paths(account.stage, start, goal, ledger.rule)
        crossing = np.unique(flow[(paths == link).any(axis=1)])
    else:
        crossing = np.flatnonzero(_on_shortest(account.stage, link, start, goal))
    start, goal = start[crossing], goal[crossing]
    pairs = len(np.unique(start * account.stage.network.n_nodes + goal))
    return _named(account.stage, start, goal, pairs)


def _of_counted(account: Account, link: int) -> Sharers:
    stage, (source, target) = account.stage, account.counted_pairs()
    first, second = int(stage.network.source[link]), int(stage.network.target[link])
    member = account.representative
    ends = member[source], member[target]
    for end, which, group in ((first, 0, source), (second, 1, target)):
        if stage.group_of[end] >= 0:  # a port's own cable: the port speaks for its group
            ends[which][group == stage.group_of[end]] = end
    crossing = _on_shortest(stage, link, *ends)
    source, target = source[crossing], target[crossing]
    start = stage.endpoints[np.isin(stage.group, source)]
    goal = stage.endpoints[np.isin(stage.group, target)]
    start = start[start == first] if first in stage.endpoints else start
    goal = goal[goal == second] if second in stage.endpoints else goal
    return _named(stage, start, goal, len(start) * len(goal))


def _on_shortest(stage: Stage, link: int, start: IntArray, goal: IntArray) -> BoolArray:
    """Say for which pairs a link lies on a shortest path."""
    network = stage.network
    first, second = int(network.source[link]), int(network.target[link])
    length = int(stage.length[np.flatnonzero(stage.links == link)[0]])
    backwards = Stage(
        network, stage.links, np.array([first]), np.zeros(1, int), stage.forwards, stage.cost
    )
    towards = backwards.hops(start, np.zeros(len(start), int))
    group = stage.group_of[goal]
    onwards = stage.hops(np.full(len(goal), second), group)
    whole = stage.hops(start, group)
    whole[(whole == 0) & (start != goal)] = 2  # two endpoints of one group meet at a switch
    found: BoolArray = (towards >= 0) & (onwards >= 0) & (towards + length + onwards == whole)
    if stage.group_of[first] >= 0 and not stage.forwards[first]:
        found &= start == first
    if stage.group_of[second] >= 0 and not stage.forwards[second]:
        found &= goal == second
    return found


def _named(stage: Stage, start: IntArray, goal: IntArray, pairs: int) -> Sharers:
    """Name the ends of pairs."""
    names = stage.network.wiring.names
    return Sharers(pairs, tuple(names(np.unique(start))), tuple(names(np.unique(goal))))
