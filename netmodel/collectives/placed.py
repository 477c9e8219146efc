"""Groups placed on a routed graph: which GPUs they are, and how they lie on the tiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from netmodel.collectives.group import SCALE_UP, Group, group_of
from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray, Wiring
from netmodel.network.arrays import compile_network
from netmodel.network.components import join
from netmodel.network.cuts import edges_by_layer
from netmodel.network.placement import listed, place
from netmodel.network.ports import Ways
from netmodel.network.routing import Rule
from netmodel.network.tiers import Span, Tiers, tiers
from netmodel.network.traffic import sister_groups


class Sized(Protocol):
    """A cluster, as far as it is needed here: ``topology.Cluster``, or anything like it."""

    @property
    def gpus(self) -> int:
        """GPUs of its own size."""

    def wiring(self, gpus: int) -> Wiring:
        """Return the fabric of that many GPUs."""


@dataclass(frozen=True, eq=False)
class Fabric:
    """A compiled fabric, how it routes, and which GPU runs which rank.

    Attributes
    ----------
    ways : Ways
        The fabric with its stages.
    tiers : Tiers
        Of the same fabric, as the closed form reads them.
    rule : Rule
        Routing policy and its seed.
    gpus : int array [ranks]
        GPU that runs each rank, as its number in the fabric.
    memory : dict
        What was laid on the links before.
    """

    ways: Ways
    tiers: Tiers
    rule: Rule
    gpus: IntArray
    memory: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        wiring: Wiring,
        *,
        policy: str = "adaptive",
        seed: int = 0,
        qps: int = 1,
        placement: str | Iterable[str] = "packed",
        ranks: int | None = None,
    ) -> Fabric:
        """Compile a fabric.

        Parameters
        ----------
        wiring : Wiring
            The fabric, which may hold more GPUs than the job.
        policy, seed, qps
            As in :func:`netmodel.network.load.link_loads`.
        placement : str or iterable of str
            One of ``network.PLACEMENTS``, or the name of the GPU that runs each rank.
        ranks : int, optional
            Ranks of the job; as many as there are GPUs when left out.

        Raises
        ------
        InputError
            For an unknown policy or placement, or names that are no GPUs of the fabric.
        ModelError
            When some GPUs cannot reach the others.
        """
        if isinstance(placement, str):
            gpus = place(wiring, ranks or len(wiring.gpus), placement, seed)
        else:
            gpus = listed(wiring, list(placement))
            if ranks is not None and len(gpus) != ranks:
                raise InputError(
                    f"{len(gpus)} GPUs are named for {ranks} ranks",
                    where="--placement",
                    remedy="Name one GPU for each rank.",
                )
        rule = Rule(policy=policy, seed=seed, qps=qps)
        return cls(Ways(compile_network(wiring)), tiers(wiring), rule, gpus)

    @classmethod
    def of_cluster(
        cls,
        cluster: Sized,
        ranks: int,
        *,
        policy: str = "adaptive",
        seed: int = 0,
        placement: str | Iterable[str] = "packed",
    ) -> Fabric:
        """Compile what a job of a cluster runs on: just its size, or where placed, all of it."""
        size = ranks if placement == "packed" else max(ranks, cluster.gpus)
        return cls.of(
            cluster.wiring(size), policy=policy, seed=seed, placement=placement, ranks=ranks
        )

    def groups(self, ranks: int, stride: int = 1) -> IntArray:
        """Return the GPUs of all groups of ranks a stride apart: [groups, members].

        Raises
        ------
        InputError
            When they do not divide the job.
        """
        return self.gpus[sister_groups(len(self.gpus), ranks, stride)]

    @cached_property
    def units(self) -> tuple[tuple[int, IntArray], ...]:
        """Layer of each tier and the unit of every GPU there, innermost first."""
        wiring = self.ways.network.wiring
        found, below = [], np.arange(wiring.n_nodes)
        parts = len(wiring.gpus)
        for layer, edges in enumerate(edges_by_layer(wiring)):
            if not len(edges.a):
                continue
            below = join(below, edges.a, edges.b)
            left = len(np.unique(below[wiring.gpus]))
            if left < parts:
                found.append((layer, below[wiring.gpus]))
            parts = left
        return tuple(found)

    @cached_property
    def inner(self) -> int:
        """How many tiers lie inside a scale-up domain."""
        names = self.tiers.names
        return next((i for i, name in enumerate(names) if name not in SCALE_UP), len(names))

    @cached_property
    def tier_of_links(self) -> IntArray:
        """Where each link belongs: 0 the scale-up domain, 1 the first network tier, ... [links]."""
        layers = np.array([layer for layer, _ in self.units], int)
        tier = np.searchsorted(layers, self.ways.network.layer)
        found: IntArray = np.maximum(np.minimum(tier, len(layers) - 1) - self.inner + 1, 0)
        return found

    @cached_property
    def is_switched(self) -> bool:
        """Whether switches join the members of a domain, and not cables of their own."""
        return all(peer == float("inf") for peer in self.tiers.peer[: self.inner])

    @property
    def n_tiers(self) -> int:
        """The scale-up domain and the network tiers."""
        return len(self.tiers.names) - self.inner + 1

    def busiest(self, times: FloatArray) -> FloatArray:
        """Return the largest of the links' times in each tier."""
        found = np.zeros(self.n_tiers)
        np.maximum.at(found, self.tier_of_links, times)
        return found


def placed_span(fabric: Fabric, groups: IntArray) -> Span:
    """Lay groups on the tiers; where they differ, by the most members in one unit.

    Parameters
    ----------
    groups : int array [groups, members]
        GPUs.
    """
    n = groups.shape[1]
    held = [int(members.max()) for _, members in _occupied(fabric, groups)]
    span = replace(fabric.tiers.span(n), members=(*held[:-1], n))
    return replace(span, **_met(fabric.tiers, span.members))


def placed_group(fabric: Fabric, groups: IntArray) -> Group:
    """Return groups with the counts of closed forms; where they differ, the most units touched."""
    group = group_of(placed_span(fabric, groups))
    units = [int(touched.max()) for touched, _ in _occupied(fabric, groups)]
    branches = [groups.shape[1], *units][fabric.inner :][: len(group.tiers)]
    return replace(group, units=[groups.shape[1], *units][fabric.inner], branches=tuple(branches))


def _occupied(fabric: Fabric, groups: IntArray) -> Iterable[tuple[IntArray, IntArray]]:
    """Yield for each tier the units that each group touches, and the members in each of them."""
    count, n = groups.shape
    for _, unit in fabric.units:
        keys = np.arange(count)[:, None] * (int(unit.max()) + 1) + unit[groups]
        _, first, members = np.unique(keys, return_index=True, return_counts=True)
        yield np.bincount(first // n, minlength=count), members


def _met(found: Tiers, members: tuple[int, ...]) -> dict[str, Any]:
    """Bandwidths of a group whose members per unit are known: direct cables count by partner."""
    limits = [
        float("inf") if peer == float("inf") else peer * (max(held, 2) - 1)
        for peer, held in zip(found.peer, members, strict=True)
    ]
    return {
        name: tuple(min(rate, most) for rate, most in zip(rates, limits, strict=True))
        for name, rates in (
            ("bandwidth", found.bandwidth),
            ("uniform_bandwidth", found.uniform_bandwidth),
        )
    }


@dataclass(frozen=True, slots=True, eq=False)
class Carriers:
    """Members of alike groups that carry messages between scale-up domains.

    Attributes
    ----------
    groups : int array [groups, carriers]
        GPUs, domain by domain in the order of a domain's first member.
    local : int
        Carriers of each domain.
    """

    groups: IntArray
    local: int


def carriers(fabric: Fabric, groups: IntArray) -> list[Carriers]:
    """Return as many members of each domain as the smallest has, as libraries lay their channels.

    Groups that touch equally many domains and have as many carriers come together.
    """
    count, n = groups.shape
    if fabric.inner == 0 or not count:
        return [Carriers(groups, 1)]
    unit = fabric.units[fabric.inner - 1][1][groups]
    keys = np.arange(count)[:, None] * (int(unit.max()) + 1) + unit
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first[inverse.reshape(count, n)], axis=1, kind="stable")
    ordered, unit = (np.take_along_axis(each, order, axis=1) for each in (groups, unit))
    begins = np.ones((count, n), bool)
    begins[:, 1:] = unit[:, 1:] != unit[:, :-1]
    index = np.broadcast_to(np.arange(n), (count, n))
    place = index - np.maximum.accumulate(np.where(begins, index, 0), axis=1)
    domains = begins.sum(axis=1)
    starts = np.flatnonzero(begins.ravel())
    lengths = np.diff(np.append(starts, count * n))
    least = np.minimum.reduceat(lengths, np.cumsum(domains) - domains)
    found = []
    for alike in np.unique(domains * (n + 1) + least):
        rows = np.flatnonzero(domains * (n + 1) + least == alike)
        local = int(least[rows[0]])
        carrying = ordered[rows][place[rows] < local]
        found.append(Carriers(carrying.reshape(len(rows), -1), local))
    return found


def check_groups(fabric: Fabric, groups: IntArray) -> None:
    """Refuse groups that name a GPU twice or that the fabric lacks."""
    known = len(fabric.ways.network.gpus)
    if groups.size and (groups.min() < 0 or groups.max() >= known):
        raise InputError(f"a group names GPU {int(groups.max())}, the fabric has {known}")
    if len(np.unique(groups)) < groups.size:
        raise InputError("a GPU is in two groups, or twice in one", remedy="Name each GPU once.")
