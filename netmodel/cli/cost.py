"""``netmodel cost``: what a cluster costs to buy, own, rent and feed, and a run on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import run_question
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import Named, Quantity
from netmodel.units import (
    format_count,
    format_money,
    format_percent,
    format_power,
    format_time,
    parse_energy_price,
    parse_length,
    parse_money,
    parse_money_rate,
    parse_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from netmodel.studies.amounts import Range
    from netmodel.studies.cost import Cost

KWH = 3.6e6
MISSING = "-"


@click.command(no_args_is_help=True)
@run_question(
    click.option(
        "--prices",
        metavar="LIST",
        default="published",
        show_default=True,
        help="published (each part's own), isca-table3 or h100-sheet.",
    ),
    click.option(
        "--price",
        "stated",
        multiple=True,
        type=Named("price", parse_money, "DGX-H100=$310k"),
        metavar="PART=USD",
        help="Your own price of a host, switch, cable or GPU: DGX-H100=$310k. Repeatable.",
    ),
    click.option(
        "--length",
        "lengths",
        multiple=True,
        type=Named("length", parse_length, "host-leaf=2m"),
        metavar="TIER=LENGTH",
        help="Length of the cables of a tier, which says copper or optics: host-leaf=2m. "
        "Repeatable.",
    ),
    click.option(
        "--lifetime",
        type=Quantity("time", parse_time),
        metavar="TIME",
        help="Over which the purchase is written off: '4 years'; the catalog's range when left "
        "out.",
    ),
    click.option(
        "--pue",
        type=float,
        metavar="X",
        help="Power of the site over that of its computers; the catalog's range when left out.",
    ),
    click.option(
        "--electricity",
        type=Quantity("price", parse_energy_price),
        metavar="USD/kWh",
        help="Price of energy: '0.10 USD/kWh'; energy is not charged when left out.",
    ),
    click.option(
        "--facility", is_flag=True, help="Buy building, power and cooling too, a host each."
    ),
    click.option(
        "--space",
        type=Quantity("rate", parse_money_rate),
        default=0.0,
        metavar="USD/year",
        help="Rent of the space: '2M USD/year'.",
    ),
    click.option(
        "--staff",
        type=Quantity("rate", parse_money_rate),
        default=0.0,
        metavar="USD/year",
        help="Salaries: '5M USD/year'.",
    ),
    click.option(
        "--interruptions",
        is_flag=True,
        help="Let the run lose the time that netmodel goodput says.",
    ),
)
def cost(
    cluster: str,
    gpus: int | None,
    model: str | None,
    tokens: float | None,
    rent: float | None,
    prices: str,
    stated: Sequence[tuple[str, float]],
    lengths: Sequence[tuple[str, float]],
    interruptions: bool,
    fidelity: str,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **others: Any,
) -> None:
    """Price a cluster: to buy, to own, to rent, to feed; and a training run on it.

    The bill is counted from the graph. Every dollar is a dated row of `netmodel list prices` with a
    low, typical and high value; a part without a published price leaves the sum open until --price
    states one. --model and --tokens add the cost of a run.

    \b
    Example:
      netmodel cost --cluster dgx-superpod-h100 --gpus 1024 --electricity "0.10 USD/kWh"
    """
    from netmodel.cli import question
    from netmodel.studies.cost import Terms
    from netmodel.studies.cost import cost as price_cluster
    from netmodel.studies.price_list import PriceList

    terms = Terms(
        rent=rent,
        **{name: others.pop(name) for name in ("lifetime", "pue", "electricity", "facility")},
        **{name: others.pop(name) for name in ("space", "staff")},
    )
    fabric, size, run = question.run(cluster, gpus, model, tokens, overrides, others, fidelity)
    effective = 1.0
    if interruptions and run is not None:
        from netmodel.studies.goodput import goodput

        effective = goodput(fabric, size, state=run.state).effective
    found = price_cluster(
        fabric,
        size,
        terms=terms,
        prices=PriceList(name=prices, stated=dict(stated)),
        lengths=_lengths(lengths),
        run=run,
        effective=effective,
    )
    answer = Answer(
        data=found.to_dict(),
        rows=[line.to_dict() for line in found.bill.lines],
        tables=_tables(found),
        notes=[*_sources(found), *found.notes],
        figure=lambda: _figure(found),
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _lengths(stated: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Refuse tiers that no cable is bought for."""
    from netmodel.errors import unknown_name
    from netmodel.studies.groups import FABRIC_TIERS

    for tier, _ in stated:
        if tier not in FABRIC_TIERS:
            raise unknown_name("tier", tier, FABRIC_TIERS, where="--length")
    return dict(stated)


def words(value: Range | None, write: Callable[[float], str]) -> str:
    """Write a range, or a dash where something was not published."""
    return value.words(write) if value else MISSING


def _energy(joule: float) -> str:
    """Write an energy in what bills are written in."""
    kwh = joule / KWH
    return f"{kwh / 1e6:,.3g} GWh" if kwh >= 1e6 else f"{kwh / 1e3:,.3g} MWh"


def _tables(found: Cost) -> list[Table]:
    """What it costs, what it is made of, and the run."""
    made = found.bill
    per_gpu = made.network_purchase / found.gpus if made.network_purchase else None
    rows = [
        ("purchase", _open(made.purchase, made.known_price)),
        ("network (switches, cables)", words(made.network_purchase, format_money)),
        ("network a GPU", words(per_gpu, format_money)),
        ("network of hosts + network", words(made.network_share, format_percent)),
        ("network of GPU price", words(made.network_over_gpus, format_percent)),
        ("power at work", words(found.figure("load"), format_power)),
        ("power of the site, with PUE", words(found.figure("site"), format_power)),
        ("power without work, at most", words(found.figure("idle_at_most"), format_power)),
        *(
            (f"{each.name.replace('_', '-')}, a year", words(each.value, format_money))
            for each in found.yearly
        ),
        ("owning, a year", words(found.per_year, format_money)),
        ("owning, a GPU-hour", words(found.per_gpu_hour, _cents)),
        ("renting, a GPU-hour", words(_hour(found.figure("rent")), _cents)),
    ]
    bill = [
        (
            line.item,
            f"{line.medium} {line.length:g} m" if line.medium and line.length else line.medium,
            format_count(line.count),
            words(line.unit, format_money),
            words(line.sum, format_money),
            line.source or ("not counted" if not line.counted else "no published price"),
        )
        for line in made.lines
    ]
    columns = ("item", "medium", "count", "price each", "sum", "price from")
    title = f"{found.cluster}, {found.gpus:,} GPUs: typical (low to high)"
    tables = [Table(title=title, columns=("", ""), rows=rows), Table(columns=columns, rows=bill)]
    if len(made.hosts) > 1:
        tables.insert(1, _kinds(found))
    return [*tables, _run_table(found)] if found.of_run else tables


def _kinds(found: Cost) -> Table:
    """What the hosts of each kind cost, draw and rent for."""
    rows = [
        (
            line.item,
            format_count(line.count),
            f"{line.gpus:,} {line.accelerator}",
            words(line.sum, format_money),
            words(line.load * line.count if line.load else None, format_power),
            words(_hour(found.rents[line.accelerator]), _cents),
        )
        for line in found.bill.hosts
    ]
    columns = ("hosts", "count", "GPUs", "purchase", "power at work", "renting, a GPU-hour")
    return Table(title="by kind of host", columns=columns, rows=rows)


def _open(total: Range | None, known: float) -> str:
    """Write the purchase, or what is known of it."""
    if total is not None:
        return total.words(format_money)
    return f"{format_money(known)} for the parts with a published price"


def _hour(rent: Range | None) -> Range | None:
    """Turn a rent by the second into one by the hour."""
    return rent * 3600.0 if rent else None


def _cents(value: float) -> str:
    return f"${value:.2f}"


def _hours(value: float) -> str:
    """Write GPU-hours as publications do: 2,664K, 30.84M."""
    return f"{value / 1e6:.4g}M" if value >= 1e7 else f"{value / 1e3:,.4g}K"


def _run_table(found: Cost) -> Table:
    """Time, GPU-hours, energy and dollars of the run."""
    run = found.run
    assert run is not None
    assert run.tokens is not None
    assert found.time is not None
    write = {"usd": format_money, "J": _energy, "": _hours}
    names = {
        "gpu_hours": "GPU-hours",
        "rent": "rented",
        "owning": "owned",
        "energy": "energy",
        "site_energy": "energy of the site",
        "electricity_of_run": "electricity",
    }
    spent = {each.name: each for each in found.of_run}
    rows = [
        ("step", format_time(float(run.step.step_time))),
        ("time", format_time(found.time)),
        *(
            (text, words(spent[key].value, write[spent[key].unit]))
            for key, text in names.items()
            if key in spent
        ),
    ]
    title = f"{run.model} to {run.tokens / 1e12:.4g}T tokens: {run.setting}"
    return Table(title=title, columns=("", ""), rows=rows)


def _sources(found: Cost) -> list[str]:
    """Where each term and the power at work come from."""
    load = next(each.source for each in found.power if each.name == "load")
    terms = [
        each.source if each.source.startswith(each.name) else f"{each.name}: {each.source}"
        for each in found.terms
    ]
    return [*terms, f"power at work: {load}"] if load else terms


def _figure(found: Cost) -> Figure:
    """Draw purchase by part beside the price of a GPU-hour."""
    from netmodel.plots import cost_figure

    return cost_figure(found)
