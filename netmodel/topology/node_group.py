"""Hosts of one kind in a specification: a catalog node, with any of its fields replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from netmodel import catalog
from netmodel.catalog.table import number, word
from netmodel.errors import InputError
from netmodel.topology.fields import Bandwidth, Count, Duration, LinkField, Strict
from netmodel.topology.host import Host, Part, part


class NodeGroup(Strict):
    """Hosts that are alike; a field left out is that of the catalog node ``name``."""

    name: str | None = None
    count: Count | None = None
    """Hosts in a cluster of the published size; with several groups it sets their proportion."""
    accelerator: str | None = None
    gpus: Count | None = None
    scaleup: Literal["nvswitch", "mesh", "cube", "bridge", "torus", "none"] | None = None
    scaleup_domain: Count | None = None
    """GPUs that share a scale-up domain; several hosts where it is more than ``gpus``."""
    scaleup_link: LinkField | None = None
    nvswitch: str | None = None
    nvswitch_links: tuple[Count, ...] | None = None
    pair_links: Count | None = None
    cpus: Count | None = None
    pcie_switches: int | None = Field(default=None, ge=0)
    pcie_link: LinkField | None = None
    cpu_link: LinkField | None = None
    nic: str | None = None
    nic_link: LinkField | None = None
    nics: int | None = Field(default=None, ge=0)
    nic_ports: Count | None = None
    nic_bandwidth: Bandwidth | None = None
    nic_latency: Duration | None = None
    peer_to_peer: bool = False
    """GPUs reach the NICs peer to peer, as NCCL's do, not through the memory of the host: slower
    where the catalog node states a ``peer_to_peer_bandwidth``."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> NodeGroup:
        if self.name is None and (self.accelerator is None or self.gpus is None):
            named = ", ".join(catalog.names("nodes")[:4])
            raise ValueError(
                f"a node without a catalog name needs accelerator and gpus. Name one of {named}."
            )
        for look_up, name in (
            (catalog.node, self.name),
            (catalog.accelerator, self.accelerator),
            (catalog.nic, self.nic),
            (catalog.switch, self.nvswitch),
        ):
            if name is not None:
                _checked(look_up, name)
        return self

    def host(self) -> Host:
        """Settle every figure of the host."""
        row = catalog.node(self.name) if self.name else None
        facts = row.facts if row else {}
        gpus = self.gpus or (row.gpus if row else 1)
        scaleup = self.scaleup or (row.scaleup if row else "none")
        domain = self.scaleup_domain or (row.scaleup_domain if row and not self.gpus else gpus)
        nvswitch = self.nvswitch or (row.nvswitch if row else None)
        nic_name = self.nic or (row.nic if row else None)
        nic = catalog.nic(nic_name) if nic_name else None
        nics = self.nics if self.nics is not None else (row.nics if row else 0)
        switches = self.pcie_switches
        if switches is None:
            switches = row.pcie_switches if row else 0
        root_ports = number(facts, "root_port_gpus") if not switches else None
        pcie = self._part("pcie_link", row.pcie_link if row else None)
        uplink = pcie
        if root_ports and pcie:
            switches = -(-gpus // int(root_ports))
            uplink = _slowed(pcie, number(facts, "root_port_bandwidth"))
        rate = self.nic_bandwidth or (nic.bandwidth if nic else 0.0)
        return Host(
            name=row.name if row else "custom",
            accelerator=catalog.accelerator(
                self.accelerator or (row.accelerator if row else "")
            ).name,
            gpus=gpus,
            scaleup=scaleup,
            domain=max(1, domain // gpus),
            scaleup_link=self._part("scaleup_link", row.scaleup_link if row else None),
            nvswitch=nvswitch,
            nvswitch_latency=catalog.switch(nvswitch).latency if nvswitch else 0.0,
            nvswitch_links=self.nvswitch_links or (row.nvswitch_links if row else ()),
            pair_links=self.pair_links or (row.pair_links if row else 0),
            cpus=self.cpus or (row.cpus if row else 1),
            pcie_switches=switches,
            pcie=_slowed(pcie, number(facts, "pcie_gpu_bandwidth")),
            uplink=uplink,
            nic_link=self.nic_link.part
            if self.nic_link
            else _nic_cable(
                _slowed(
                    pcie, number(facts, "peer_to_peer_bandwidth") if self.peer_to_peer else None
                ),
                nic_name,
                rate,
            ),
            cpu_link=self._part("cpu_link", word(facts, "cpu_link") or None) or pcie,
            nics_on_cpu=bool(root_ports),
            nic=nic.name if nic else None,
            nics=nics,
            nic_ports=self.nic_ports or (nic.ports if nic else 1),
            nic_bandwidth=rate,
            nic_latency=self.nic_latency
            if self.nic_latency is not None
            else (nic.latency if nic else 0.0),
        )

    def _part(self, field: str, name: str | None) -> Part | None:
        own: LinkField | None = getattr(self, field)
        if own is not None:
            return own.part
        return part(name) if name else None


def _checked(look_up: Callable[[str], object], name: str) -> None:
    """Turn the error for an unknown name into the kind that validation collects."""
    try:
        look_up(name)
    except InputError as error:
        raise ValueError(str(error)) from error


def _nic_cable(pcie: Part | None, nic: str | None, rate: float) -> Part | None:
    """Return the cable of a NIC: no latency, since that of the NIC includes its PCIe port.

    Where nothing is published about PCIe, no bottleneck either.
    """
    if pcie is not None:
        return Part(name=pcie.name, bandwidth=pcie.bandwidth, latency=0.0)
    return Part(name=nic, bandwidth=rate, latency=0.0) if nic and rate else None


def _slowed(link: Part | None, bandwidth: float | None) -> Part | None:
    if link is None or bandwidth is None:
        return link
    return Part(name=link.name, bandwidth=bandwidth, latency=link.latency)
