"""Wire the inside of hosts: NVSwitch, xGMI mesh, cube mesh, bridges, PCIe trees and NICs.

Nodes are numbered kind by kind over all hosts (GPUs first, so that a GPU's number is its rank),
host by host within a kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel import catalog
from netmodel.graph import ROOT_PORT, Block, Cables, IntArray
from netmodel.topology.lattice import lattice_pairs, near_cube

SCALEUPS = ("nvswitch", "mesh", "cube", "bridge", "torus", "none")
CUBE_MESH = (
    (0, 1, 1),
    (0, 2, 1),
    (0, 3, 2),
    (0, 4, 2),
    (1, 2, 2),
    (1, 3, 1),
    (1, 5, 2),
    (2, 3, 2),
    (2, 6, 1),
    (3, 7, 1),
    (4, 5, 1),
    (4, 6, 1),
    (4, 7, 2),
    (5, 6, 2),
    (5, 7, 1),
    (6, 7, 2),
)
"""Hybrid cube mesh of eight GPUs with six links each: GPU, GPU, cables between the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A cable as a catalog row or a spec states it: name, B/s one direction, seconds."""

    name: str
    bandwidth: float
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host with every figure that wiring it needs.

    Attributes
    ----------
    name, accelerator : str
        Catalog rows.
    gpus : int
        Accelerators in the host.
    scaleup : str
        One of :data:`SCALEUPS`.
    domain : int
        Hosts that share one scale-up domain.
    scaleup_link : Part or None
        One scale-up cable.
    nvswitch : str or None
        Catalog row of the NVSwitch chip.
    nvswitch_latency : float
        Of that chip [s].
    nvswitch_links : tuple of int
        Cables from a GPU to each chip of its domain.
    pair_links : int
        Cables between two GPUs of a mesh or bridged pair.
    cpus, pcie_switches : int
        Sockets; PCIe switches or root ports, over which GPUs are spread evenly.
    pcie, uplink, nic_link, cpu_link : Part or None
        GPU to its switch or CPU; switch to CPU; NIC to its switch or CPU; CPU to CPU.
    nics_on_cpu : bool
        NICs hang on CPUs although GPUs have switches (root ports).
    nic : str or None
        Catalog row of the NIC.
    nics, nic_ports : int
        NICs of the host; network ports of one NIC.
    nic_bandwidth, nic_latency : float
        Of all ports of one NIC [B/s]; of its end of a message [s].
    """

    name: str
    accelerator: str
    gpus: int
    scaleup: str
    domain: int
    scaleup_link: Part | None
    nvswitch: str | None
    nvswitch_latency: float
    nvswitch_links: tuple[int, ...]
    pair_links: int
    cpus: int
    pcie_switches: int
    pcie: Part | None
    uplink: Part | None
    nic_link: Part | None
    cpu_link: Part | None
    nics_on_cpu: bool
    nic: str | None
    nics: int
    nic_ports: int
    nic_bandwidth: float
    nic_latency: float


def part(name: str) -> Part:
    """Return a catalog link as a part."""
    row = catalog.link(name)
    return Part(name=row.name, bandwidth=row.bandwidth, latency=row.latency)


@dataclass(frozen=True, slots=True)
class Run:
    """Hosts in a row that are alike: ``hosts`` of them with the first ``gpus`` GPUs each.

    ``label`` names a host from its number in the run, ``"node{0:04d}"``; ``opened`` hosts of the
    run before are in the scale-up domain that this run goes on filling.
    """

    host: Host
    hosts: int
    gpus: int
    label: str
    opened: int = 0

    def count(self, kind: str) -> int:
        """Parts of a kind in one host; a partly used host keeps the parts its GPUs hang on."""
        host, g = self.host, self.gpus
        if kind == "gpu":
            return g
        if kind == "nic":
            return -(-g * host.nics // host.gpus)
        if host.pcie is None:
            return 0
        if kind == "pcie_switch":
            return (g - 1) * host.pcie_switches // host.gpus + 1 if host.pcie_switches else 0
        return host.cpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a fabric joins: ports of NICs, or accelerators themselves. Arrays of one length.

    Attributes
    ----------
    index : int array
        Node index in the wiring of the NIC (or accelerator) that has the port.
    node, rail, port : int array
        Host number; place of the NIC in its host; place of the port on its NIC.
    bandwidth : float array
        Of the port [B/s].
    first : int
        Index that the fabric's first switch gets.
    """

    index: IntArray
    node: IntArray
    rail: IntArray
    port: IntArray
    bandwidth: np.ndarray[Any, Any]
    first: int

    def take(self, chosen: Any, first: int) -> Ends:
        """Return some of the ends, hosts counted anew, for switches that start at ``first``."""
        node = self.node[chosen]
        return Ends(
            index=self.index[chosen],
            node=node - node.min(initial=int(node[0]) if len(node) else 0),
            rail=self.rail[chosen],
            port=self.port[chosen],
            bandwidth=self.bandwidth[chosen],
            first=first,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """All hosts wired: nodes, cables, and the ends that a fabric can join."""

    blocks: tuple[Block, ...]
    cables: tuple[Cables, ...]
    nics: Ends
    gpus: Ends


def wire_hosts(runs: Sequence[Run]) -> Hosts:
    """Wire the inside of every host.

    Parameters
    ----------
    runs : sequence of Run
        In rank order.
    """
    blocks: list[Block] = []
    starts: dict[tuple[str, int], int] = {}
    first = 0
    for kind in ("gpu", "nvswitch", "pcie_switch", "cpu", "nic"):
        node = 0
        for number, run in enumerate(runs):
            starts[kind, number] = first
            made = _nvswitches(run, node) if kind == "nvswitch" else _block(run, kind, node)
            if made is not None:
                blocks.append(made)
                first += made.size
            node += run.hosts
    cables: list[Cables] = []
    for number, run in enumerate(runs):
        at = {kind: start for (kind, which), start in starts.items() if which == number}
        cables += [*_scaleup(run, at), *_pcie_tree(run, at)]
    return Hosts(
        blocks=tuple(blocks),
        cables=tuple(cables),
        nics=_ends(runs, starts, "nic", first),
        gpus=_ends(runs, starts, "gpu", first),
    )


def _block(run: Run, kind: str, node: int) -> Block | None:
    """Number the parts of one kind, host by host."""
    count = run.count(kind)
    if count == 0:
        return None
    word = {"pcie_switch": "pcie"}.get(kind, kind)
    attributes: dict[str, Any] = {"node": np.repeat(np.arange(node, node + run.hosts), count)}
    if kind == "gpu":
        attributes["accelerator"] = run.host.accelerator
    if kind == "pcie_switch" and run.host.nics_on_cpu:
        attributes["model"] = ROOT_PORT
    if kind == "nic":
        attributes["rail"] = np.tile(np.arange(count), run.hosts)
        attributes["model"] = run.host.nic
        attributes["latency"] = run.host.nic_latency
    return Block(
        kind=kind,
        shape=(run.hosts, count),
        label=f"{run.label}-{word}{{1}}",
        attributes=attributes,
    )


def _nvswitches(run: Run, node: int) -> Block | None:
    """Number the NVSwitch chips, domain by domain."""
    host = run.host
    if host.scaleup != "nvswitch":
        return None
    domains = -(-(run.opened + run.hosts) // host.domain) - (run.opened > 0)
    chips = len(host.nvswitch_links)
    if domains == 0:
        return None
    attributes: dict[str, Any] = {"model": host.nvswitch, "latency": host.nvswitch_latency}
    if host.domain == 1:
        attributes["node"] = np.repeat(np.arange(node, node + run.hosts), chips)
    label = run.label.replace("node", "domain") if host.domain > 1 else run.label
    return Block(
        kind="nvswitch",
        shape=(domains, chips),
        label=f"{label}-nvswitch{{1}}",
        attributes=attributes,
    )


def _spread(items: int, holders: int, whole: int) -> IntArray:
    """Say which holder each of the first ``items`` of ``whole`` items hangs on, evenly."""
    return np.arange(items) * holders // whole


def _repeat(run: Run, start: int, count: int, inside: Any) -> IntArray:
    """Index of a part in every host: ``start`` of the kind, ``count`` a host, place inside."""
    hosts = start + count * np.arange(run.hosts)
    out: IntArray = (hosts[:, None] + np.asarray(inside)[None, :]).reshape(-1)
    return out


def bundle(a: IntArray, b: IntArray, link: Part, tier: str, cables: Any = 1) -> Cables:
    """Return edges of ``cables`` (one number, or one an edge) cables each."""
    return Cables(
        a=a,
        b=b,
        bandwidth=link.bandwidth * cables,
        latency=link.latency,
        cables=cables,
        link=link.name,
        tier=tier,
    )


def _scaleup(run: Run, at: dict[str, int]) -> Iterable[Cables]:
    """Join the GPUs of a scale-up domain that lies in one host, or through NVSwitches."""
    host, g, link = run.host, run.gpus, run.host.scaleup_link
    if link is None:
        return
    if host.scaleup == "nvswitch":
        gpus = at["gpu"] + np.arange(run.hosts * g)
        chips = len(host.nvswitch_links)
        domain = (run.opened + np.arange(run.hosts * g) // g) // host.domain - (run.opened > 0)
        for count in sorted(set(host.nvswitch_links)):
            which = np.flatnonzero(np.asarray(host.nvswitch_links) == count)
            yield bundle(
                np.repeat(gpus, len(which)),
                (at["nvswitch"] + domain[:, None] * chips + which[None, :]).reshape(-1),
                link,
                "nvlink",
                count,
            )
        return
    a, b, cables = _direct_pairs(host, g)
    if len(a):
        yield bundle(
            _repeat(run, at["gpu"], g, a),
            _repeat(run, at["gpu"], g, b),
            link,
            _direct_tier(link.name),
            np.tile(cables, run.hosts) if len(set(cables.tolist())) > 1 else int(cables[0]),
        )


def _direct_tier(link: str) -> str:
    """Name the tier of cables that join accelerators without a switch."""
    if link.startswith("xGMI"):
        return "xgmi"
    return "ici" if link.startswith(("ICI", "NeuronLink")) else "nvlink"


def _direct_pairs(host: Host, gpus: int) -> tuple[IntArray, IntArray, IntArray]:
    """GPUs of one host that have cables of their own, and how many cables."""
    none = np.zeros(0, int)
    if host.scaleup == "mesh":
        a, b = np.triu_indices(gpus, 1)
        return a, b, np.full(len(a), host.pair_links)
    if host.scaleup == "cube":
        table = np.array([row for row in CUBE_MESH if max(row[:2]) < gpus], int).reshape(-1, 3)
        return table[:, 0], table[:, 1], table[:, 2]
    if host.scaleup == "bridge":
        a = np.arange(0, gpus - 1, 2)
        return a, a + 1, np.full(len(a), host.pair_links)
    if host.scaleup == "torus" and host.domain == 1:
        a, b, cables = lattice_pairs(near_cube(host.gpus, 2), wrap=True)
        kept = np.maximum(a, b) < gpus
        return a[kept], b[kept], cables[kept]
    return none, none, none


def _pcie_tree(run: Run, at: dict[str, int]) -> Iterable[Cables]:
    """Join GPUs and NICs to PCIe switches or root ports, those to CPUs, and CPUs together."""
    host, g = run.host, run.gpus
    nics, cpus, switches = (run.count(kind) for kind in ("nic", "cpu", "pcie_switch"))

    def join(a: tuple[str, int, Any], b: tuple[str, int, Any], link: Part) -> Cables:
        return bundle(
            _repeat(run, at[a[0]], a[1], a[2]),
            _repeat(run, at[b[0]], b[1], b[2]),
            link,
            "pcie",
        )

    if host.pcie is None:
        if nics and host.nic_link:  # nothing is published about the inside: NICs on accelerators
            lead = np.minimum(_spread(nics, host.gpus, host.nics), g - 1)
            yield join(("nic", nics, np.arange(nics)), ("gpu", g, lead), host.nic_link)
        return
    if switches:
        yield join(
            ("gpu", g, np.arange(g)),
            ("pcie_switch", switches, _spread(g, host.pcie_switches, host.gpus)),
            host.pcie,
        )
        yield join(
            ("pcie_switch", switches, np.arange(switches)),
            ("cpu", cpus, _spread(switches, cpus, host.pcie_switches)),
            host.uplink or host.pcie,
        )
    else:
        yield join(("gpu", g, np.arange(g)), ("cpu", cpus, _spread(g, cpus, host.gpus)), host.pcie)
    if nics:
        where = ("cpu", cpus, _spread(nics, cpus, host.nics))
        if switches and not host.nics_on_cpu:
            on = np.minimum(_spread(nics, host.pcie_switches, host.nics), switches - 1)
            where = ("pcie_switch", switches, on)
        yield join(("nic", nics, np.arange(nics)), where, host.nic_link or host.pcie)
    if cpus > 1:
        a, b = np.triu_indices(cpus, 1)
        yield join(("cpu", cpus, a), ("cpu", cpus, b), host.cpu_link or host.pcie)


def _ends(runs: Sequence[Run], starts: dict[tuple[str, int], int], kind: str, first: int) -> Ends:
    """List the ports of all NICs, or all accelerators, in rank order."""
    columns: list[tuple[Any, ...]] = [(np.zeros(0, int),) * 4 + (np.zeros(0),)]
    node = 0
    for number, run in enumerate(runs):
        count, host = run.count(kind), run.host
        ports = host.nic_ports if kind == "nic" else 1
        rate = host.nic_bandwidth / ports if kind == "nic" else np.inf
        total = run.hosts * count
        columns.append(
            (
                np.repeat(starts[kind, number] + np.arange(total), ports),
                np.repeat(node + np.arange(run.hosts), count * ports),
                np.tile(np.repeat(np.arange(count), ports), run.hosts),
                np.tile(np.arange(ports), total),
                np.full(total * ports, rate),
            )
        )
        node += run.hosts
    index, node_of, rail, port, bandwidth = (
        np.concatenate(each) for each in zip(*columns, strict=True)
    )
    return Ends(index=index, node=node_of, rail=rail, port=port, bandwidth=bandwidth, first=first)
