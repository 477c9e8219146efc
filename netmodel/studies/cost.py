"""What a cluster costs to buy, to own and to run, and what one training run costs on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netmodel import catalog
from netmodel.catalog.table import aliases, key
from netmodel.errors import InputError
from netmodel.studies.amounts import Range, exactly, priced, total
from netmodel.studies.bill import Bill, Line, bill
from netmodel.studies.price_list import PriceList
from netmodel.units import format_money, format_power

if TYPE_CHECKING:
    from netmodel.studies.run import Run
    from netmodel.topology import Cluster

HOUR = 3600.0
YEAR = 365 * 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a cluster is owned or rented; None where nothing was stated.

    Attributes
    ----------
    lifetime : float or None
        Over which the purchase is written off [s]; the catalog's range when None.
    pue : float or None
        Power of the site over that of its computers; the catalog's range when None.
    electricity : float or None
        Price of energy [USD/J]; the catalog has none, so no energy is charged when None.
    rent : float or None
        Price of a GPU [USD/s]; the catalog's range for this accelerator when None.
    facility : bool
        Whether buildings, power and cooling are bought too, at the catalog's price a host.
    space, staff : float
        Each year [USD/s].
    """

    lifetime: float | None = None
    pue: float | None = None
    electricity: float | None = None
    rent: float | None = None
    facility: bool = False
    space: float = 0.0
    staff: float = 0.0

    def __post_init__(self) -> None:
        if self.pue is not None and not self.pue >= 1:
            raise InputError(
                f"PUE is {self.pue:g}, a site draws at least what its computers do",
                where="--pue",
                remedy="Give 1 or more.",
            )
        if self.lifetime is not None and not self.lifetime > 0:
            raise InputError(f"lifetime is {self.lifetime:g} s", where="--lifetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One quantity of the answer and where it comes from.

    Attributes
    ----------
    name, unit : str
        Key and unit of the JSON, ``usd``, ``W``, ``J``, ...
    value : Range or None
        None where something it needs was not published.
    source : str
        Catalog row, source and date, or how it was derived.
    """

    name: str
    unit: str
    value: Range | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a cluster costs, and what a run costs on it.

    Attributes
    ----------
    cluster : str
    gpus : int
    bill : Bill
    terms : tuple of Figure
        Lifetime, PUE, prices of rent and energy.
    yearly : tuple of Figure
        What owning costs a year, part by part [USD].
    power : tuple of Figure
        At work, without work, of the site [W].
    run : Run or None
    of_run : tuple of Figure
        GPU-hours, energy and dollars of the run.
    time : float or None
        Of the run, interruptions included where they were asked for [s].
    rents : mapping of str to Range or None
        Of one GPU by accelerator [USD/s].
    """

    cluster: str
    gpus: int
    bill: Bill
    terms: tuple[Figure, ...]
    yearly: tuple[Figure, ...]
    power: tuple[Figure, ...]
    run: Run | None = None
    of_run: tuple[Figure, ...] = ()
    time: float | None = None
    rents: Mapping[str, Range | None] = field(default_factory=dict)

    @property
    def per_year(self) -> Range | None:
        """What owning costs a year [USD]."""
        return total(figure.value for figure in self.yearly)

    @property
    def per_gpu_hour(self) -> Range | None:
        """What owning costs an hour and GPU, all hours used [USD]."""
        return self.per_year * (HOUR / YEAR / self.gpus) if self.per_year else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, and what was assumed."""
        run = self.run.notes if self.run else ()
        return (*self.bill.notes, *self.bill.power_notes, *run)

    def __str__(self) -> str:
        """Print what it costs in a few lines."""
        rent = self.figure("rent")
        rows = {
            "purchase": (self.bill.purchase, format_money),
            "network": (self.bill.network_purchase, format_money),
            "power at work": (self.figure("load"), format_power),
            "owning, a year": (self.per_year, format_money),
            "renting, a year": (rent * (YEAR * self.gpus) if rent else None, format_money),
        }
        for name, words in (("rent", "the run, rented"), ("owning", "the run, owned")):
            if self.of_run:
                value = next(each.value for each in self.of_run if each.name == name)
                rows[words] = value, format_money
        lines = [f"{self.cluster}, {self.gpus:,} GPUs: typical (low to high)"]
        lines += [
            f"  {name:<17}{value.words(write) if value else 'not known'}"
            for name, (value, write) in rows.items()
        ]
        return "\n".join(lines)

    def figure(self, name: str) -> Range | None:
        """Value of a figure by name."""
        for each in (*self.terms, *self.yearly, *self.power, *self.of_run):
            if each.name == name:
                return each.value
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel cost``: SI, units in the keys."""
        made = self.bill
        return {
            "cluster": self.cluster,
            "gpus": self.gpus,
            "purchase_usd": _plain(made.purchase),
            "network_usd": _plain(made.network_purchase),
            "known_price_usd": made.known_price,
            "network_per_gpu_usd": _plain(_over(made.network_purchase, self.gpus)),
            "network_share_of_node_and_network": _plain(made.network_share),
            "network_share_of_gpu_price": _plain(made.network_over_gpus),
            "bill": [line.to_dict() for line in made.lines],
            "groups": [_group(line, self.rents) for line in made.hosts],
            "inside_hosts": dict(made.inside),
            "terms": _dicts(self.terms),
            "power": _dicts(self.power),
            "yearly": _dicts(self.yearly),
            "owning_usd_per_year": _plain(self.per_year),
            "owning_usd_per_gpu_hour": _plain(self.per_gpu_hour),
            "run": self.run.to_dict() if self.run else None,
            "run_time_s": self.time,
            "of_run": _dicts(self.of_run),
            "notes": list(self.notes),
        }


def _plain(value: Range | None) -> dict[str, float] | None:
    return value.to_dict() if value else None


def _group(line: Line, rents: Mapping[str, Range | None]) -> dict[str, Any]:
    """Hosts of one kind: what they cost, draw and rent for."""
    rent = rents.get(line.accelerator)
    return {
        "host": line.part,
        "accelerator": line.accelerator,
        "hosts": line.count,
        "gpus": line.gpus,
        "purchase_usd": _plain(line.sum),
        "load_W": _plain(line.load * line.count if line.load else None),
        "rent_usd_per_gpu_hour": _plain(rent * HOUR if rent else None),
    }


def _over(value: Range | None, count: int) -> Range | None:
    return value / count if value else None


def _dicts(figures: tuple[Figure, ...]) -> dict[str, Any]:
    return {
        f"{each.name}_{each.unit}" if each.unit else each.name: {
            **(each.value.to_dict() if each.value else {"typical": None}),
            "source": each.source,
        }
        for each in figures
    }


def cost(
    cluster: Cluster,
    gpus: int,
    *,
    terms: Terms | None = None,
    prices: PriceList | None = None,
    lengths: dict[str, float] | None = None,
    run: Run | None = None,
    effective: float = 1.0,
) -> Cost:
    """Price a cluster of one size, and a run on it.

    Parameters
    ----------
    terms : Terms, optional
        Write-off, PUE, energy, rent, facility, space and staff.
    prices : PriceList, optional
        Each part at its own published price when left out.
    lengths : dict of str to float, optional
        Length of a cable by tier [m].
    run : Run, optional
        With tokens.
    effective : float
        Share of its time that the run trains.
    """
    terms = terms or Terms()
    made = bill(cluster, cluster.wiring(gpus), prices, lengths)
    held = made.gpus_held
    stated = _terms(terms, held)
    rents = {name: rent_of({name: 1}, terms.rent)[0] for name in held}
    known = {figure.name: figure.value for figure in stated}
    lifetime, pue = known["lifetime"], known["pue"]
    assert lifetime is not None
    assert pue is not None
    load = made.load
    source = "; ".join(dict.fromkeys(each.load_source for each in made.lines if each.load_source))
    site = load * pue if load else None
    idle = exactly(made.idle) if made.idle is not None else None
    power = (
        Figure(name="load", unit="W", value=load, source=source),
        Figure(name="site", unit="W", value=site, source="load x PUE"),
        Figure(name="idle_at_most", unit="W", value=idle, source="GPUs idle, the rest as rated"),
    )
    yearly = _yearly(terms, made, lifetime, site)
    if run is None or run.seconds is None:
        return Cost(
            cluster=cluster.name,
            gpus=gpus,
            bill=made,
            terms=stated,
            yearly=yearly,
            power=power,
            run=run,
            rents=rents,
        )
    time = run.seconds / effective
    owning = total(figure.value for figure in yearly)
    return Cost(
        cluster=cluster.name,
        gpus=gpus,
        bill=made,
        terms=stated,
        yearly=yearly,
        power=power,
        run=run,
        of_run=_of_run(terms, gpus, time, known["rent"], load, site, owning),
        time=time,
        rents=rents,
    )


def _row(name: str) -> tuple[Range, str]:
    """Range of a catalog row, and what it cites."""
    row = catalog.price(name)
    return priced(row), f"{row.name}: {row.source} ({row.date})"


def _stated(value: float | None, row: str) -> tuple[Range | None, str]:
    """Return what was stated, else the catalog's range, else nothing."""
    if value is not None:
        return exactly(value), "as stated"
    if key(row) in aliases("prices"):
        return _row(row)
    return None, f"no published row {row}"


def rent_of(held: Mapping[str, float], stated: float | None = None) -> tuple[Range | None, str]:
    """Return the rent of one GPU [USD/s], as stated or from the catalog, and its source.

    Parameters
    ----------
    held : mapping of str to float
        GPUs by accelerator; of several kinds the mean over all GPUs.
    """
    found = {name: _stated(stated, f"gpu-hour-{name}") for name in held}
    whole = sum(held.values())
    mean = total(rent * (held[name] / whole) if rent else None for name, (rent, _) in found.items())
    return mean, "; ".join(dict.fromkeys(source for _, source in found.values()))


def _terms(terms: Terms, held: Mapping[str, int]) -> tuple[Figure, ...]:
    """Lifetime, PUE, rent and energy price, each with its source."""
    found = {
        ("lifetime", "s"): _stated(terms.lifetime, "lifetime"),
        ("pue", ""): _stated(terms.pue, "pue"),
        ("rent", "usd_per_s"): rent_of(held, terms.rent),
    }
    if terms.electricity is not None:
        found["electricity", "usd_per_J"] = exactly(terms.electricity), "as stated"
    return tuple(
        Figure(name=name, unit=unit, value=value, source=source)
        for (name, unit), (value, source) in found.items()
    )


def _yearly(terms: Terms, made: Bill, lifetime: Range, site: Range | None) -> tuple[Figure, ...]:
    """What owning costs a year, part by part."""
    bought = made.purchase
    parts = [
        Figure(
            name="write_off",
            unit="usd",
            value=bought / lifetime * YEAR if bought else None,
            source="purchase over lifetime",
        )
    ]
    if terms.facility:
        price, source = _row("facility-node")
        hosts = sum(line.count for line in made.lines if line.kind == "host")
        value = price * hosts / lifetime * YEAR
        parts.append(Figure(name="facility", unit="usd", value=value, source=source))
    if terms.electricity is not None:
        value_of = site * (terms.electricity * YEAR) if site else None
        parts.append(
            Figure(name="electricity", unit="usd", value=value_of, source="site power, all year")
        )
    for name, rate in (("space", terms.space), ("staff", terms.staff)):
        if rate:
            parts.append(
                Figure(name=name, unit="usd", value=exactly(rate * YEAR), source="as stated")
            )
    return tuple(parts)


def _of_run(
    terms: Terms,
    gpus: int,
    time: float,
    rent: Range | None,
    load: Range | None,
    site: Range | None,
    owning: Range | None,
) -> tuple[Figure, ...]:
    """GPU-hours, dollars and energy of a run of ``time`` seconds."""
    figures = [
        Figure(name="gpu_hours", unit="", value=exactly(gpus * time / HOUR), source="GPUs x time"),
        Figure(
            name="rent",
            unit="usd",
            value=rent * (gpus * time) if rent else None,
            source="GPU-hours x rent",
        ),
        Figure(
            name="owning",
            unit="usd",
            value=owning * (time / YEAR) if owning else None,
            source="yearly cost x time",
        ),
        Figure(name="energy", unit="J", value=load * time if load else None, source="load x time"),
        Figure(
            name="site_energy", unit="J", value=site * time if site else None, source="with PUE"
        ),
    ]
    if terms.electricity is not None:
        value = site * (time * terms.electricity) if site else None
        figures.append(
            Figure(name="electricity_of_run", unit="usd", value=value, source="site energy x price")
        )
    return tuple(figures)
