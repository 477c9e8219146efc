"""Links, switches and NICs: the parts that a fabric is wired from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netmodel.catalog import table
from netmodel.catalog.table import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction of one cable.

    Attributes
    ----------
    name : str
        Canonical name.
    bandwidth : float
        Rated payload rate of one cable [B/s].
    latency : float
        First byte in to first byte out, switches not included [s]; 0 where none is published.
    usable_bandwidth : float or None
        What transfers reach, as measured or as NCCL plans with [B/s].
    links_per_gpu : int or None
        How many of them one GPU has, for scale-up links.
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    bandwidth: float
    latency: float
    usable_bandwidth: float | None
    links_per_gpu: int | None
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero("link", self.name, bandwidth=self.bandwidth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch, or one NVSwitch chip.

    Attributes
    ----------
    name, kind : str
        Canonical name; ``infiniband``, ``ethernet``, ``slingshot`` or ``nvlink``.
    ports : int
        Of one speed.
    port_bandwidth : float
        One port, one direction [B/s].
    latency : float
        Port to port [s]; 0 where none is published.
    power : float or None
        Rated [W].
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    kind: str
    ports: int
    port_bandwidth: float
    latency: float
    power: float | None
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero("switch", self.name, ports=self.ports, port_bandwidth=self.port_bandwidth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network adapter.

    Attributes
    ----------
    name, protocol : str
        Canonical name; ``infiniband``, ``roce``, ``efa``, ``tcpx``, ``slingshot``, ...
    bandwidth : float
        All its ports together, one direction [B/s].
    ports : int
        Network ports.
    latency : float
        Its end of a small message, software included [s]; 0 where none is published.
    power : float or None
        Rated [W].
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    protocol: str
    bandwidth: float
    ports: int
    latency: float
    power: float | None
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero("nic", self.name, bandwidth=self.bandwidth, ports=self.ports)


def link(name: str, where: str = "") -> Link:
    """Return a link by name or alias.

    >>> link("ib-ndr").bandwidth
    50000000000.0

    Raises
    ------
    InputError
        When no link has that name, offering the near ones.
    """
    name = table.canonical("links", name, "link", where)
    facts = table.rows("links")[name]
    per_gpu = table.whole(facts, "links_per_gpu")
    return Link(
        name=name,
        bandwidth=table.need(facts, "bandwidth"),
        latency=table.number(facts, "latency") or 0.0,
        usable_bandwidth=table.number(facts, "usable_bandwidth"),
        links_per_gpu=per_gpu or None,
        facts=facts,
    )


def switch(name: str, where: str = "") -> Switch:
    """Return a switch by name or alias.

    >>> switch("QM9700").ports
    64

    Raises
    ------
    InputError
        When no switch has that name, offering the near ones.
    """
    name = table.canonical("switches", name, "switch", where)
    facts = table.rows("switches")[name]
    return Switch(
        name=name,
        kind=table.word(facts, "kind"),
        ports=table.whole(facts, "ports"),
        port_bandwidth=table.need(facts, "port_bandwidth"),
        latency=table.number(facts, "latency") or 0.0,
        power=table.number(facts, "power"),
        facts=facts,
    )


def nic(name: str, where: str = "") -> Nic:
    """Return a NIC by name or alias.

    >>> nic("ConnectX-7").bandwidth
    50000000000.0

    Raises
    ------
    InputError
        When no NIC has that name, offering the near ones.
    """
    name = table.canonical("nics", name, "nic", where)
    facts = table.rows("nics")[name]
    return Nic(
        name=name,
        protocol=table.word(facts, "protocol"),
        bandwidth=table.need(facts, "bandwidth"),
        ports=table.whole(facts, "ports", 1),
        latency=table.number(facts, "latency") or 0.0,
        power=table.number(facts, "power"),
        facts=facts,
    )
