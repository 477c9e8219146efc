"""What a fabric is made of, what it costs and what it draws, from published rows.

A part without a published price or power leaves the sum open (None): nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel import catalog
from netmodel.catalog.table import aliases, key
from netmodel.graph import SWITCH_KINDS, Wiring

if TYPE_CHECKING:
    from netmodel.topology import Cluster

FABRIC_TIERS = ("host-leaf", "local", "leaf-spine", "spine-core", "global")
"""Tiers whose cables are bought with the network; those inside a host come with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of part.

    Attributes
    ----------
    item : str
    count : int
    price, power : float or None
        Of one [USD], [W]; None where none was published.
    source : str
        Of the price, with its date; empty without one.
    network : bool
        Whether the part belongs to the network, not to a host.
    """

    item: str
    count: int
    price: float | None
    power: float | None
    source: str
    network: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the line with units in the keys."""
        return {
            "item": self.item,
            "count": self.count,
            "price_usd": self.price,
            "power_W": self.power,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """All parts of a fabric."""

    lines: tuple[Line, ...]

    @property
    def total(self) -> float | None:
        """Price of everything [USD]; None where a price is missing."""
        return _sum((line.price, line.count) for line in self.lines)

    @property
    def network(self) -> float | None:
        """Price of switches and cables [USD]; None where a price is missing."""
        return _sum((line.price, line.count) for line in self.lines if line.network)

    @property
    def power(self) -> float | None:
        """Rated power of hosts and switches [W]; None where one was not published."""
        return _sum(
            (line.power, line.count) for line in self.lines if not line.item.endswith("cable")
        )

    @property
    def known_price(self) -> float:
        """Price of the parts that have one [USD]."""
        return sum(line.price * line.count for line in self.lines if line.price is not None)

    @property
    def known_power(self) -> float:
        """Rated power of the parts that have one [W]."""
        return sum(line.power * line.count for line in self.lines if line.power is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which parts have no published price."""
        missing = [line.item for line in self.lines if line.price is None]
        return (f"no published price for {', '.join(missing)}",) if missing else ()


def _sum(parts: Iterable[tuple[float | None, int]]) -> float | None:
    """Sum of each times its count; None where one is missing."""
    total = 0.0
    for each, count in parts:
        if each is None:
            return None
        total += each * count
    return total


def bill(cluster: Cluster, wiring: Wiring) -> Bill:
    """List hosts, switches and fabric cables with what each costs and draws.

    Parameters
    ----------
    cluster : Cluster
        Says what its hosts are.
    wiring : Wiring
        Of the size that is asked for.
    """
    lines = [*_hosts(cluster, wiring), *_switches(wiring), *_cables(wiring)]
    return Bill(tuple(lines))


def _line(part: str, item: str, count: int, power: float | None, *, network: bool) -> Line:
    """Price one kind of part by its catalog name."""
    if key(part) not in aliases("prices"):
        return Line(item=item, count=count, price=None, power=power, source="", network=network)
    price = catalog.price(part)
    source = f"{price.source} ({price.date})"
    return Line(
        item=item, count=count, price=price.typical, power=power, source=source, network=network
    )


def _hosts(cluster: Cluster, wiring: Wiring) -> list[Line]:
    """Hosts by kind, counted from the GPUs that the graph holds."""
    node = wiring.attribute("node", -1.0)
    counts: Counter[str] = Counter()
    for start, block in zip(wiring.starts, wiring.blocks, strict=False):
        if block.kind == "gpu":
            name = str(block.attributes.get("accelerator", ""))
            counts[name] += len(np.unique(node[start : start + block.size]))
    lines = []
    for host in cluster.hosts:
        count = counts.pop(host.accelerator, 0)
        if count:
            power = catalog.node(host.name).power if key(host.name) in aliases("nodes") else None
            lines.append(_line(host.name, f"{host.name} host", count, power, network=False))
    return lines


def _switches(wiring: Wiring) -> list[Line]:
    """Switches by catalog row."""
    counts: Counter[str] = Counter()
    for block in wiring.blocks:
        if block.kind in SWITCH_KINDS:
            counts[str(block.attributes.get("model", block.kind))] += block.size
    return [
        _line(
            name,
            f"{name} switch",
            count,
            catalog.switch(name).power if key(name) in aliases("switches") else None,
            network=True,
        )
        for name, count in counts.items()
    ]


def _cables(wiring: Wiring) -> list[Line]:
    """Cables of the network by catalog row and tier."""
    counts: Counter[tuple[str, str]] = Counter()
    for group in wiring.cables:
        if group.tier in FABRIC_TIERS:
            number = np.broadcast_to(group.cables, group.a.shape).sum()
            counts[group.link, group.tier] += int(number)
    return [
        _line(link, f"{tier} {link} cable", count, None, network=True)
        for (link, tier), count in counts.items()
    ]
