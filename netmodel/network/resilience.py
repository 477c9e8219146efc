"""What one bad cable costs: the slow-down of each pattern of traffic under each failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from netmodel.errors import ModelError
from netmodel.graph import TIERS, IntArray, Wiring
from netmodel.network import traffic as patterns
from netmodel.network.arrays import compile_network
from netmodel.network.faults import apply
from netmodel.network.load import Loads, link_loads
from netmodel.network.ports import Ways
from netmodel.network.traffic import Traffic

Pattern = Callable[[IntArray], Traffic]
"""Makes traffic of the ranks that are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """One pattern of traffic before and after one failure.

    Attributes
    ----------
    failure : str
        Pattern of :mod:`netmodel.network.faults`.
    traffic, policy : str
        Name of the traffic; routing policy.
    before, after : float
        Time of the busiest link [s]; infinite when some ranks have no way left.
    bottleneck : str
        Busiest link afterwards, ``leaf-03:spine-07``; who lost whom where a way is missing.
    """

    failure: str
    traffic: str
    policy: str
    before: float
    after: float
    bottleneck: str

    @property
    def slowdown(self) -> float:
        """After over before."""
        return self.after / self.before


def slowdowns(
    wiring: Wiring,
    failures: Iterable[str],
    traffic: Mapping[str, Pattern] | None = None,
    policies: Iterable[str] = ("adaptive", "static"),
) -> list[Slowdown]:
    """Return the slow-down of each traffic under each failure and routing policy.

    Parameters
    ----------
    wiring : Wiring
        The sound fabric.
    failures : iterable of str
        One at a time; see :mod:`netmodel.network.faults`.
    traffic : mapping, optional
        Patterns by name, by default :func:`usual_traffic`. Each is made anew of the ranks that a
        failure leaves, so that a job goes on without the GPUs it lost.
    policies : iterable of str
        Routing policies, by default with and without adaptive routing.

    Returns
    -------
    list of Slowdown
        In the order failure, traffic, policy.
    """
    traffic = usual_traffic(wiring) if traffic is None else traffic
    policies = tuple(policies)
    sound = _all_loads(wiring, traffic, policies)
    found = []
    for failure in failures:
        for key, loads in _all_loads(apply(wiring, failure), traffic, policies).items():
            before = sound[key]
            if isinstance(before, ModelError):
                raise before
            if isinstance(loads, ModelError):
                after, bottleneck = float("inf"), loads.found
            else:
                after, bottleneck = loads.time, loads.hottest(1)[0].name
            found.append(
                Slowdown(
                    failure=failure,
                    traffic=key[0],
                    policy=key[1],
                    before=before.time,
                    after=after,
                    bottleneck=bottleneck,
                )
            )
    return found


def _all_loads(
    wiring: Wiring, traffic: Mapping[str, Pattern], policies: tuple[str, ...]
) -> dict[tuple[str, str], Loads | ModelError]:
    """Load the links under every traffic and policy, or keep what makes that impossible."""
    ways = Ways(compile_network(wiring))
    ranks = np.arange(len(wiring.gpus))
    found: dict[tuple[str, str], Loads | ModelError] = {}
    for name, make in traffic.items():
        for policy in policies:
            try:
                found[name, policy] = link_loads(ways, make(ranks), policy=policy)
            except ModelError as cut:
                found[name, policy] = cut
    return found


def usual_traffic(wiring: Wiring, size: float = 1e9) -> dict[str, Pattern]:
    """Return the patterns of the usual collectives of a whole job, of ``size`` bytes a rank.

    ``all_reduce`` passes twice its size round two-level rings, as reduce-scatter and all-gather
    in each host and across hosts do; ``all_to_all`` sends a part to every rank; ``rail
    all_to_all`` only to those of its rail; ``tree`` is one binary tree.
    """
    local = _ranks_of_a_host(wiring)

    def whole(ranks: IntArray) -> int:
        return local if len(ranks) % local == 0 else 1

    return {
        "all_reduce": lambda ranks: patterns.hierarchical(ranks, 2 * size, whole(ranks)),
        "tree": lambda ranks: patterns.tree(ranks, size),
        "all_to_all": lambda ranks: patterns.all_to_all(ranks, size),
        "rail all_to_all": lambda ranks: patterns.rail_all_to_all(ranks, size, whole(ranks)),
    }


def _ranks_of_a_host(wiring: Wiring) -> int:
    node = wiring.attribute("node", -1.0)[wiring.gpus]
    return int(np.unique(node, return_counts=True)[1].max()) if (node >= 0).all() else 1


def single_failures(wiring: Wiring) -> dict[str, str]:
    """Return one failure of each usual kind: a cable to the spine, a NIC, a leaf.

    Kinds of which the fabric has none are left out.
    """
    found = {}
    for group in wiring.cables:
        if TIERS[group.tier] > TIERS["host-leaf"] and len(group.a) and group.tier not in found:
            found[group.tier] = "1 of " + ":".join(wiring.names([group.a[0], group.b[0]]))
    for kind in ("nic", "leaf"):
        nodes = wiring.of_kind(kind)
        if len(nodes):
            found[kind] = wiring.names(nodes[:1])[0]
    return found
