"""What a fabric is made of, what it costs and what it draws, from published rows.

A part without a published price or power leaves the sum open (None): nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel import catalog
from netmodel.catalog.cabling import medium, usual_length
from netmodel.catalog.table import aliases, key
from netmodel.graph import SWITCH_KINDS, Wiring
from netmodel.studies.amounts import Range, exactly, priced, total
from netmodel.studies.groups import FABRIC_TIERS, Group, groups, values
from netmodel.studies.price_list import PriceList, Quote

if TYPE_CHECKING:
    from netmodel.topology import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of part.

    Attributes
    ----------
    item, part, kind : str
        In words; catalog name; ``host``, ``switch`` or ``cable``.
    count : int
    unit : Range or None
        Price of one [USD]; None where none was published.
    power : float or None
        Rated, of one [W].
    load : Range or None
        Drawn by one at work [W].
    idle : float or None
        Drawn by one without work, at most [W].
    load_source : str
        Who published what it draws at work.
    row, source, date : str
        Of the price: catalog row, who published it, month. Empty without one.
    counted : bool
        Whether the price list adds it up.
    accelerator : str
    gpus : int
        Of a host: its GPUs, and how many all of these hosts hold.
    tier, medium : str
        Of a cable.
    length : float or None
        Of a cable [m].
    """

    item: str
    part: str
    kind: str
    count: int
    unit: Range | None
    power: float | None = None
    load: Range | None = None
    idle: float | None = None
    load_source: str = ""
    row: str = ""
    source: str = ""
    date: str = ""
    counted: bool = True
    accelerator: str = ""
    gpus: int = 0
    tier: str = ""
    medium: str = ""
    length: float | None = None

    @property
    def network(self) -> bool:
        """Whether the part belongs to the network, not to a host."""
        return self.kind != "host"

    @property
    def price(self) -> float | None:
        """Typical price of one [USD]; None where none was published."""
        return self.unit.typical if self.unit else None

    @property
    def sum(self) -> Range | None:
        """Price of all of them [USD]."""
        return self.unit * self.count if self.unit else None

    def to_dict(self) -> dict[str, Any]:
        """Return the line with units in the keys."""
        unit = self.unit
        return {
            "item": self.item,
            "kind": self.kind,
            "tier": self.tier,
            "medium": self.medium,
            "length_m": self.length,
            "count": self.count,
            "price_usd": self.price,
            "price_low_usd": unit.low if unit else None,
            "price_high_usd": unit.high if unit else None,
            "sum_usd": self.sum.typical if self.sum else None,
            "power_W": self.power,
            "load_W": self.load.typical if self.load else None,
            "load_source": self.load_source,
            "price_row": self.row,
            "source": self.source,
            "date": self.date,
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """All parts of a fabric.

    Attributes
    ----------
    lines : tuple of Line
        What is bought.
    inside : mapping of str to int
        What comes with the hosts: accelerators, NICs, NVSwitch chips, by catalog name.
    gpus_purchase : Range or None
        Price of the accelerators alone [USD]; None where one of their prices is missing.
    """

    lines: tuple[Line, ...]
    inside: Mapping[str, int] = field(default_factory=dict)
    gpus_purchase: Range | None = None

    @property
    def counted(self) -> tuple[Line, ...]:
        """Lines that the price list adds up."""
        return tuple(line for line in self.lines if line.counted)

    @property
    def hosts(self) -> tuple[Line, ...]:
        """Hosts, a line each kind."""
        return tuple(line for line in self.lines if line.kind == "host")

    @property
    def gpus_held(self) -> dict[str, int]:
        """GPUs by accelerator."""
        held: Counter[str] = Counter()
        for line in self.hosts:
            held[line.accelerator] += line.gpus
        return dict(held)

    @property
    def purchase(self) -> Range | None:
        """Price of everything [USD]; None where a price is missing."""
        return total(line.sum for line in self.counted)

    @property
    def network_purchase(self) -> Range | None:
        """Price of switches and cables [USD]; None where a price is missing."""
        return total(line.sum for line in self.counted if line.network)

    @property
    def hosts_purchase(self) -> Range | None:
        """Price of the hosts [USD]; None where a price is missing."""
        hosts = [line for line in self.counted if not line.network]
        return total(line.sum for line in hosts) if hosts else None

    @property
    def network_share(self) -> Range | None:
        """Network over hosts plus network."""
        network, hosts = self.network_purchase, self.hosts_purchase
        return network.share_with(hosts) if network and hosts else None

    @property
    def network_over_gpus(self) -> Range | None:
        """Network over the price of the GPUs alone."""
        network, gpus = self.network_purchase, self.gpus_purchase
        return network / gpus if network and gpus else None

    @property
    def total(self) -> float | None:
        """Typical price of everything [USD]; None where a price is missing."""
        return self.purchase.typical if self.purchase else None

    @property
    def network(self) -> float | None:
        """Typical price of switches and cables [USD]; None where a price is missing."""
        return self.network_purchase.typical if self.network_purchase else None

    @property
    def power(self) -> float | None:
        """Rated power of hosts and switches [W]; None where one was not published."""
        devices = [line for line in self.lines if line.kind != "cable"]
        if any(line.power is None for line in devices):
            return None
        return self.known_power

    @property
    def known_price(self) -> float:
        """Typical price of the parts that have one [USD]."""
        return sum(line.sum.typical for line in self.counted if line.sum)

    @property
    def known_power(self) -> float:
        """Rated power of the parts that have one [W]."""
        return sum(line.power * line.count for line in self.lines if line.power is not None)

    @property
    def load(self) -> Range | None:
        """Drawn by all parts with a published figure at work [W]; None where no host has one."""
        if any(line.load is None for line in self.lines if line.kind == "host"):
            return None
        return total(line.load * line.count for line in self.lines if line.load)

    @property
    def idle(self) -> float | None:
        """Drawn without work, at most [W]; None where a host has no figure."""
        if any(line.idle is None for line in self.lines if line.kind == "host"):
            return None
        return sum(line.idle * line.count for line in self.lines if line.idle is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which parts have no published price."""
        missing = [line.item for line in self.counted if line.unit is None]
        return (f"no published price for {', '.join(missing)}",) if missing else ()

    @property
    def power_notes(self) -> tuple[str, ...]:
        """Which parts have no published power, and are left out of it."""
        missing = [line.item for line in self.lines if line.load is None]
        return (f"no published power for {', '.join(missing)}",) if missing else ()


def bill(
    cluster: Cluster,
    wiring: Wiring,
    prices: PriceList | None = None,
    lengths: Mapping[str, float] | None = None,
) -> Bill:
    """List hosts, switches and fabric cables with what each costs and draws.

    Parameters
    ----------
    cluster : Cluster
        Says what its hosts are.
    wiring : Wiring
        Of the size that is asked for.
    prices : PriceList, optional
        Each part at its own published price when left out.
    lengths : mapping of str to float, optional
        Length of a cable by tier [m]; usual ones where left out.
    """
    prices = prices or PriceList()
    kinds = groups(cluster, wiring)
    lines = [
        *(_host(group, prices) for group in kinds),
        *_switches(wiring, prices),
        *_cables(wiring, prices, lengths or {}),
    ]
    each = [(prices.quote([group.accelerator]).price, group.gpus) for group in kinds]
    gpus = total(price * count if price else None for price, count in each)
    return Bill(tuple(lines), _inside(wiring), gpus)


def tally(counts: Mapping[str, int]) -> Bill:
    """Return the bill of so many of each price row; rows of nodes are hosts, others the network.

    >>> tally({"switch-isca-table3": 96, "link-isca-table3": 2048}).total
    8998144.0
    """
    lines = []
    for name, count in counts.items():
        price = catalog.price(name)
        lines.append(
            Line(
                item=price.what,
                part=price.name,
                kind="host" if "node" in price.name.split("-") else "switch",
                count=count,
                unit=priced(price),
                row=price.name,
                source=price.source,
                date=price.date,
            )
        )
    return Bill(tuple(lines))


def _line(quote: Quote, **fields: Any) -> Line:
    """Put a price to a part; the source says the date too."""
    source = f"{quote.source} ({quote.date})" if quote.date else quote.source
    return Line(
        unit=quote.price,
        row=quote.row,
        source=source,
        date=quote.date,
        counted=quote.counted,
        **fields,
    )


def _host(group: Group, prices: PriceList) -> Line:
    """Hosts of one kind; those of another catalog row at the price and power of that row."""
    rated, load, source = _power(group.rows)
    return _line(
        prices.quote([*group.names, "any-host"]),
        item=group.item,
        part=group.host or group.accelerator,
        kind="host",
        count=group.hosts,
        accelerator=group.accelerator,
        gpus=group.gpus,
        power=rated,
        load=load,
        load_source=source,
        idle=_idle(group.accelerator, group.gpus_per_host, rated),
    )


def _power(rows: Sequence[str]) -> tuple[float | None, Range | None, str]:
    """Power of a host, rated and at work [W]: its own row, else as rated; and who published it."""
    rated, source = None, ""
    for name in rows:
        node = catalog.node(name)
        if rated is None and node.power is not None:
            rated, source = node.power, node.facts["power"].source
        if key(f"power-{name}") in aliases("prices"):
            row = catalog.price(f"power-{name}")
            return rated, priced(row), f"{row.name}: {row.source} ({row.date})"
    return rated, exactly(rated) if rated is not None else None, source


def _idle(accelerator: str, gpus: int, rated: float | None) -> float | None:
    """Power of a host without work, at most [W]: idle accelerators, all else as rated."""
    name = f"idle-gpu-{accelerator}"
    if rated is None or key(name) not in aliases("prices"):
        return None
    full = catalog.accelerator(accelerator).power
    return None if full is None else rated - gpus * (full - catalog.price(name).typical)


def _switches(wiring: Wiring, prices: PriceList) -> Iterable[Line]:
    """Switches by catalog row."""
    counts: Counter[str] = Counter()
    for block in wiring.blocks:
        if block.kind in SWITCH_KINDS:
            counts.update(name or block.kind for name in values(block, "model"))
    for name, count in counts.items():
        power = catalog.switch(name).power if key(name) in aliases("switches") else None
        yield _line(
            prices.quote([name, "any-switch"]),
            item=f"{name} switch",
            part=name,
            kind="switch",
            count=count,
            power=power,
            load=exactly(power) if power is not None else None,
            idle=power,
        )


def _cables(wiring: Wiring, prices: PriceList, lengths: Mapping[str, float]) -> Iterable[Line]:
    """Cables of the network by catalog row and tier."""
    counts: Counter[tuple[str, str]] = Counter()
    for group in wiring.cables:
        if group.tier in FABRIC_TIERS:
            number = np.broadcast_to(group.cables, group.a.shape).sum()
            counts[group.link, group.tier] += int(number)
    depth = len({tier for _, tier in counts})
    for (link, tier), count in counts.items():
        length = lengths.get(tier, usual_length(tier))
        made_of = medium(link, length) if length is not None else None
        power = None
        if made_of is not None:
            other = made_of.nic_end if tier == "host-leaf" else made_of.switch_end
            power = made_of.switch_end + other
        yield _line(
            prices.quote([link, f"{tier}-cable", f"{depth}-tier-cable", "any-cable"]),
            item=f"{tier} {link} cable",
            part=link,
            kind="cable",
            count=count,
            power=power,
            load=exactly(power) if power is not None else None,
            load_source=made_of.source if made_of else "",
            idle=power,
            tier=tier,
            medium=made_of.name if made_of else "",
            length=length,
        )


def _inside(wiring: Wiring) -> dict[str, int]:
    """Count what comes with the hosts, by catalog name."""
    counts: Counter[str] = Counter()
    for block in wiring.blocks:
        if block.kind in ("gpu", "nic", "nvswitch"):
            word = "accelerator" if block.kind == "gpu" else "model"
            counts.update(name for name in values(block, word) if name)
    return dict(counts)
