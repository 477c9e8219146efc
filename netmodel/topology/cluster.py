"""A cluster: a design that can be sized, and the graph of it at any size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel import catalog
from netmodel.errors import InputError, ModelError
from netmodel.graph import Wiring, to_networkx
from netmodel.topology.family import Fabric, FabricSpec, family
from netmodel.topology.host import Host, Run, wire_hosts
from netmodel.topology.schema import ClusterSpec
from netmodel.topology.sites import join_sites, mark_sites

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, kw_only=True, repr=False)
class Cluster:
    """A cluster design, sized for ``gpus`` GPUs unless asked otherwise.

    Attributes
    ----------
    spec : ClusterSpec
        The design as written.
    fabric : FabricSpec
        Its network between hosts; the fields depend on the family.
    hosts : tuple of Host
        One for each group of nodes.
    gpus : int
        Size of the graph when no other is asked for.
    """

    spec: ClusterSpec
    fabric: FabricSpec
    hosts: tuple[Host, ...]
    gpus: int

    @property
    def name(self) -> str:
        """Name of the design."""
        return self.spec.name

    @property
    def description(self) -> str:
        """One sentence."""
        return self.spec.description

    @property
    def sources(self) -> tuple[str, ...]:
        """Who published the design."""
        return self.spec.sources

    @property
    def software(self) -> dict[str, Any]:
        """What the design says about its software; may be empty."""
        return self.spec.software

    @property
    def accelerator(self) -> catalog.Accelerator:
        """Catalog row of the first group's accelerator; see :meth:`accelerators`."""
        return catalog.accelerator(self.hosts[0].accelerator)

    def groups(self, gpus: int | None = None) -> tuple[tuple[int, int], ...]:
        """Kinds of host in the order of their GPUs: index in ``hosts``, and GPUs in use.

        Groups whose hosts are alike in everything count as one.
        """
        n = self.gpus if gpus is None else gpus
        self._check_size(n)
        held: dict[int, int] = {}
        for run in self._runs(n):
            kind = self.hosts.index(run.host)
            held[kind] = held.get(kind, 0) + run.hosts * run.gpus
        return tuple(held.items())

    def accelerators(self, gpus: int | None = None) -> tuple[str, ...]:
        """Names of the accelerators in use; several where groups of nodes differ."""
        if len(self.hosts) == 1:
            return (self.hosts[0].accelerator,)
        return tuple(dict.fromkeys(self.hosts[kind].accelerator for kind, _ in self.groups(gpus)))

    def only(self, kind: int) -> Cluster:
        """Return the same design with every host of one kind, the index of it in ``hosts``."""
        nodes = (self.spec.nodes[kind],)
        spec = self.spec.model_copy(update={"nodes": nodes})
        return replace(self, spec=spec, hosts=(self.hosts[kind],))

    @property
    def max_gpus(self) -> int | None:
        """GPUs that the design can grow to; None where nothing limits it."""
        limits = [self.spec.max_gpus] if self.spec.max_gpus else []
        hosts = self._host_limit()
        if hosts is not None and not self.spec.sites:
            counts = self._proportion(hosts)
            limits.append(sum(n * host.gpus for n, host in zip(counts, self.hosts, strict=True)))
        return min(limits) if limits else None

    def _host_limit(self) -> int | None:
        """Hosts that the fabric can join, counting each as the one with most ports."""
        module = family(self.fabric.family)
        nics = max(host.gpus if self._joins_gpus else host.nics for host in self.hosts)
        ports = 1 if self._joins_gpus else max(host.nic_ports for host in self.hosts)
        limit: int | None = module.limit(self.fabric, max(1, nics), ports)
        return limit

    @property
    def _joins_gpus(self) -> bool:
        """Whether the fabric joins accelerators, not NICs."""
        return getattr(family(self.fabric.family), "JOINS", "nics") == "gpus"

    def __repr__(self) -> str:
        return (
            f"Cluster({self.name!r}: {self.gpus:,} x {' and '.join(self.accelerators())},"
            f" {self.fabric.family} fabric)"
        )

    def resize(self, gpus: int) -> Cluster:
        """Return the same design sized for another number of GPUs.

        Raises
        ------
        InputError
            When that is less than one.
        ModelError
            When the design cannot grow that far; it says what ends it.
        """
        self._check_size(gpus)
        return replace(self, gpus=gpus)

    def wiring(self, gpus: int | None = None) -> Wiring:
        """Wire the cluster as arrays; milliseconds for 65,536 GPUs.

        Raises
        ------
        InputError, ModelError
            As :meth:`resize` does.
        """
        n = self.gpus if gpus is None else gpus
        self._check_size(n)
        hosts = wire_hosts(self._runs(n))
        module = family(self.fabric.family)
        ends = hosts.gpus if self._joins_gpus else hosts.nics
        blocks, cables = hosts.blocks, hosts.cables
        if sites := self.spec.sites:
            per_site = -(-sites.gpus // self.hosts[0].gpus)
            blocks = mark_sites(blocks, per_site)
            fabric = join_sites(
                lambda part: module.wire(self.fabric, part),
                ends,
                per_site=per_site,
                cables=sites.cables,
                link=sites.link.part,
            )
        elif len(ends.index):
            fabric = module.wire(self.fabric, ends)
        else:
            fabric = Fabric((), (), ends.index)
        return Wiring(
            name=self.name,
            blocks=(*blocks, *fabric.blocks),
            cables=(*cables, *fabric.cables),
        )

    def graph(self, gpus: int | None = None) -> nx.Graph:
        """Return the cluster as a :class:`networkx.Graph`; see :mod:`netmodel.graph`."""
        return to_networkx(self.wiring(gpus))

    def notes(self, gpus: int | None = None) -> tuple[str, ...]:
        """Say how the graph of this size departs from what was published, and what was assumed."""
        n = self.gpus if gpus is None else gpus
        notes = list(self.spec.assumptions)
        published = max(self.spec.gpus, self.spec.published_gpus or 0)
        if n > published:
            notes.append(f"{n:,} GPUs: larger than the published {published:,}")
        tiers = getattr(self.fabric, "tiers", None)
        if isinstance(tiers, int):
            built = {group.tier for group in self.wiring(n).cables}
            have = 1 + ("leaf-spine" in built) + ("spine-core" in built)
            if have > tiers:
                notes.append(
                    f"{n:,} GPUs: {have} tiers of switches, since the published {tiers} end before"
                )
        return tuple(notes)

    def _check_size(self, gpus: int) -> None:
        if gpus < 1:
            raise InputError(f"{gpus} GPUs asked for, a cluster has at least 1", where="--gpus")
        most = self.max_gpus
        if most is not None and gpus > most:
            why = (
                "as its specification says"
                if most == self.spec.max_gpus
                else f"since its {self.fabric.family} fabric has no more ports"
            )
            raise ModelError(
                f"{gpus:,} GPUs asked for, this design ends at {most:,}, {why}",
                where=f"cluster {self.name!r}",
                remedy="Use fewer GPUs, or --set fabric.max_tiers=3."
                if getattr(self.fabric, "tier_range", (3, 3))[1] < 3
                else "Use fewer GPUs.",
            )

    def _proportion(self, hosts: int) -> list[int]:
        """Share a number of hosts among the groups as their counts say."""
        weights = np.array([group.count or 1 for group in self.spec.nodes], float)
        edges = np.rint(np.cumsum(weights) / weights.sum() * hosts).astype(int)
        return [int(n) for n in np.diff(edges, prepend=0)]

    def _runs(self, gpus: int) -> list[Run]:
        """Fill groups of hosts in proportion, the last host perhaps in part."""
        weights = np.array(
            [(g.count or 1) * h.gpus for g, h in zip(self.spec.nodes, self.hosts, strict=True)],
            float,
        )
        target = np.cumsum(weights) / weights.sum() * gpus
        runs: list[Run] = []
        done = 0
        for number, (host, upto) in enumerate(zip(self.hosts, target, strict=True)):
            last = number == len(self.hosts) - 1
            share = gpus - done if last else max(0, round((upto - done) / host.gpus)) * host.gpus
            share = min(share, gpus - done)
            runs += _fill(host, share, self._prefix(number))
            done += share
        return runs

    def _prefix(self, group: int) -> str:
        """What names of a group's hosts start with, where there are several groups."""
        names = [host.name.lower() for host in self.hosts]
        if len(names) == 1:
            return ""
        unique = names.count(names[group]) == 1
        return f"{names[group]}-" if unique else f"group{group}-"


def _fill(host: Host, gpus: int, prefix: str) -> list[Run]:
    """Fill hosts of one kind with GPUs."""
    full, rest = divmod(gpus, host.gpus)
    label = prefix + "node{0:04d}"
    runs = [Run(host, full, host.gpus, label)] if full else []
    if rest:
        runs.append(Run(host, 1, rest, f"{prefix}node{full:04d}", full % host.domain))
    return runs
