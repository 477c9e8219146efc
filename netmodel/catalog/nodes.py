"""Nodes: what one host holds and how its parts are joined, as ``topology.host`` wires it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netmodel.catalog import table
from netmodel.catalog.table import Fact
from netmodel.errors import InputError

SCALEUPS = ("nvswitch", "mesh", "bridge", "torus", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host: a chassis, or a compute tray of a rack.

    Attributes
    ----------
    name, accelerator : str
        Canonical name; catalog row of its accelerators.
    gpus : int
        Accelerators in the host.
    scaleup : str
        How accelerators reach each other: ``nvswitch`` (through chips), ``mesh`` (cables between
        every pair), ``bridge`` (cables inside pairs), ``torus`` or ``none`` (through PCIe).
    scaleup_domain : int
        Accelerators in one scale-up domain; above ``gpus`` it spans hosts (NVL72, TPU pod), below
        it the host holds several (bridged pairs).
    scaleup_link : str or None
        Catalog row of one scale-up cable; None where ``scaleup`` is ``none``.
    nvswitch : str or None
        Catalog row of the NVSwitch chip.
    nvswitch_links : tuple of int
        Cables from each GPU to each NVSwitch chip of its domain, one number a chip.
    pair_links : int
        Cables between two accelerators of a mesh or a bridged pair.
    torus_dimensions : int
        Dimensions of a torus, 0 without one.
    cpus, pcie_switches : int
        CPU sockets; PCIe switches, over which GPUs and NICs are spread evenly (0: straight to CPU).
    pcie_link : str or None
        Catalog row of a GPU's cable to its PCIe switch or CPU.
    root_port_gpus : int
        Accelerators that share one CPU root port where there is no switch; 0 where they do not.
    root_port_bandwidth : float or None
        What they reach together [B/s].
    nic : str or None
        Catalog row of the scale-out NIC.
    nics : int
        Scale-out NICs of the host.
    power : float or None
        Of the whole host [W].
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    accelerator: str
    gpus: int
    scaleup: str
    scaleup_domain: int
    scaleup_link: str | None
    nvswitch: str | None
    nvswitch_links: tuple[int, ...]
    pair_links: int
    torus_dimensions: int
    cpus: int
    pcie_switches: int
    pcie_link: str | None
    root_port_gpus: int
    root_port_bandwidth: float | None
    nic: str | None
    nics: int
    power: float | None
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero("node", self.name, gpus=self.gpus, scaleup_domain=self.scaleup_domain)
        if self.scaleup not in SCALEUPS:
            raise InputError(
                f"scaleup is {self.scaleup!r}",
                where=f"node {self.name!r}",
                remedy=f"Use one of {', '.join(SCALEUPS)}.",
            )

    @property
    def gpus_per_nic(self) -> float:
        """Accelerators that share one NIC; below 1 where each has several."""
        return self.gpus / self.nics if self.nics else 0.0


def node(name: str, where: str = "") -> Node:
    """Return a node by name or alias.

    >>> node("dgx-h100").nvswitch_links
    (5, 5, 4, 4)

    Raises
    ------
    InputError
        When no node has that name, offering the near ones.
    """
    name = table.canonical("nodes", name, "node", where)
    facts = table.rows("nodes")[name]
    gpu = table.word(facts, "accelerator")
    own_link = table.word(table.rows("accelerators")[gpu], "scaleup_link")
    scaleup = table.word(facts, "scaleup")
    return Node(
        name=name,
        accelerator=gpu,
        gpus=table.whole(facts, "gpus"),
        scaleup=scaleup,
        scaleup_domain=table.whole(facts, "scaleup_domain"),
        scaleup_link=None if scaleup == "none" else table.word(facts, "scaleup_link", own_link),
        nvswitch=table.word(facts, "nvswitch") or None,
        nvswitch_links=tuple(int(n) for n in table.word(facts, "nvswitch_links").split()),
        pair_links=table.whole(facts, "mesh_links") or table.whole(facts, "bridge_links"),
        torus_dimensions=table.whole(facts, "torus_dimensions"),
        cpus=table.whole(facts, "cpus", 1),
        pcie_switches=table.whole(facts, "pcie_switches"),
        pcie_link=table.word(facts, "pcie_link") or None,
        root_port_gpus=table.whole(facts, "root_port_gpus"),
        root_port_bandwidth=table.number(facts, "root_port_bandwidth"),
        nic=table.word(facts, "nic") or None,
        nics=table.whole(facts, "nics"),
        power=table.number(facts, "power"),
        facts=facts,
    )
