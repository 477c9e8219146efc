"""``netmodel whatif``: what a fault, a slow GPU or another part changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import (
    PLACEMENTS,
    ROUTINGS,
    cluster_option,
    gpus_option,
    layout_options,
    model_option,
    output_options,
    set_option,
)
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import COUNT, Quantity
from netmodel.errors import InputError
from netmodel.units import format_time, parse_money_rate, parse_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.amounts import Range
    from netmodel.studies.whatif import WhatIf
    from netmodel.studies.whatif_purchase import Difference, Purchase
    from netmodel.studies.whatif_rank import Ranking

SHOWN = 12
"""Faults that the table shows; JSON and CSV have all."""


@click.command(no_args_is_help=True)
@cluster_option
@model_option
@gpus_option()
@click.option("--fail", multiple=True, metavar="PATTERN", help="Cables or nodes that are dead.")
@click.option("--degrade", multiple=True, metavar="PATTERN", help="Slower ones: 'spine-0* at 50%'.")
@click.option(
    "--straggler", multiple=True, metavar="PATTERN", help="Slow GPUs: 'node0003-gpu1 at 80%'."
)
@click.option(
    "--upgrade", multiple=True, metavar="FIELD=VALUE", help="Another value, as --set takes it."
)
@click.option("--swap-gpu", metavar="NAME", help="Another accelerator in the same hosts.")
@click.option("--reroute", type=click.Choice(ROUTINGS), help="Another routing afterwards.")
@click.option(
    "--routing",
    type=click.Choice(ROUTINGS),
    default="adaptive",
    show_default=True,
    help="Routing before.",
)
@click.option(
    "--placement",
    type=click.Choice(PLACEMENTS),
    default="packed",
    show_default=True,
    help="Which GPUs run the job: of a fabric of its size, or else of the whole cluster.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of random placements, ecmp.")
@click.option(
    "--rent",
    type=Quantity("rent", parse_money_rate),
    metavar="USD/h",
    help="Price of one GPU; the catalog's range when left out.",
)
@click.option(
    "--stop",
    type=Quantity("time", parse_time),
    metavar="TIME",
    help="How long the job stands still to be mended; a published restart when left out.",
)
@click.option(
    "--top", type=COUNT, default=SHOWN, show_default=True, help="Faults to print, of a ranking."
)
@layout_options
@set_option
@output_options()
def whatif(
    cluster: str,
    model: str,
    gpus: int | None,
    rent: float | None,
    top: int,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **asked: Any,
) -> None:
    """What a fault, a slow GPU, another part or another routing changes.

    Before and after, by collective and for the step, with what the waiting costs and when mending
    pays, or what other parts cost to buy and to feed. Without a change: every single cable, NIC and
    switch is broken in turn, and those that hurt most are listed. PATTERN is 'leaf-03:spine-07',
    '1 of leaf-03:spine-*', 'spine-07', 'plane=2', 'node=3' or 'random cables 5% seed 1'.

    \b
    Example:
      netmodel whatif --cluster deepseek-h800-mpft --model deepseek-v3 --fail node0003-nic2
    """
    from netmodel.cli import question
    from netmodel.studies.job_traffic import Routing
    from netmodel.studies.whatif import Change
    from netmodel.studies.whatif import whatif as whatif_study
    from netmodel.studies.whatif_rank import rank_faults

    fabric, shape = question.load(cluster, model, overrides)
    upgrades = _upgrades(asked.pop("upgrade"), asked.pop("swap_gpu"))
    change = Change(
        fail=asked.pop("fail"),
        degrade=asked.pop("degrade"),
        straggler=asked.pop("straggler"),
        reroute=asked.pop("reroute") or "",
        cluster=_upgraded(cluster, overrides, upgrades) if upgrades else None,
        words=", ".join(upgrades),
    )
    where = Routing(**{name: asked.pop(key) for name, key in WHERE.items()})
    stop = asked.pop("stop")
    request, size = question.request(**asked), question.size(fabric, gpus)
    if change == Change():
        from netmodel.cli.progress import progress

        with progress("kinds of fault") as report:
            ranking = rank_faults(
                shape,
                fabric,
                gpus=size,
                request=request,
                routing=where,
                rent=rent,
                report=report,
            )
        answer = _ranking(ranking, top)
    else:
        found = whatif_study(
            shape, fabric, change, gpus=size, request=request, routing=where, rent=rent, stop=stop
        )
        answer = _answer(found)
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


WHERE = {"policy": "routing", "placement": "placement", "seed": "seed"}


def _upgrades(fields: Sequence[str], accelerator: str | None) -> tuple[str, ...]:
    """Gather what is exchanged, as ``--set`` texts."""
    for text in fields:
        if "=" not in text or "." not in text.partition("=")[0]:
            raise InputError(
                f"{text!r} is not FIELD=VALUE of the cluster",
                where="--upgrade",
                remedy="Write e.g. --upgrade 'nodes.nic_bandwidth=800 Gb/s'.",
            )
    return (*fields, *([f"nodes.accelerator={accelerator}"] if accelerator else []))


def _upgraded(cluster: str, overrides: Sequence[str], upgrades: Sequence[str]) -> Any:
    """Load the cluster with other parts."""
    from netmodel.cli import question

    return question.load_cluster(cluster, (*question.split_overrides(overrides)[0], *upgrades))


def money(value: Range | None, unit: str = "/h") -> str:
    """Write dollars with their range.

    >>> from netmodel.studies.amounts import Range
    >>> money(Range(1.0, 2.0, 3.0)), money(None)
    ('$2/h ($1/h to $3/h)', '-')
    """
    return value.words(lambda usd: f"${usd:,.0f}{unit}") if value else "-"


def _answer(found: WhatIf) -> Answer:
    from netmodel.studies.layouts import layout_text
    from netmodel.units import format_percent

    step = [
        ("before", format_time(float(found.before.step_time)), format_percent(found.before.mfu)),
        ("after", format_time(float(found.after.step_time)), format_percent(found.after.mfu)),
    ]
    rows = [("step", *(row[1] for row in step), _times(found.slowdown), "")]
    rows += [
        (
            each.name,
            format_time(each.before),
            format_time(each.after),
            _times(each.slowdown),
            each.link,
        )
        for each in found.collectives
    ]
    tables = [
        Table(
            title=f"{found.model} on {int(found.before.gpus):,} GPUs of {found.cluster}, "
            f"{layout_text(found.choice.strategy)}: {found.change}",
            columns=("", "before", "after", "times", "busiest link"),
            rows=rows,
        )
    ]
    if found.lost and found.slowdown > 1:
        tables.append(
            Table(
                columns=("lost while it lasts", "price of a GPU", "source"),
                rows=[(money(found.lost), *_price(found))],
            )
        )
    if found.purchase:
        tables.append(_purchase(found.purchase))
    if found.mending:
        tables.append(
            Table(
                columns=("mend", "stops for", "then speed", "pays if the fault would stay"),
                rows=[
                    (
                        each.how,
                        format_time(each.stop),
                        format_percent(each.speed),
                        _longer(each.pays_after),
                    )
                    for each in found.mending
                ],
            )
        )
    return Answer(
        data=found.to_dict(),
        rows=[
            {
                "name": "step",
                "before_s": found.before.step_time,
                "after_s": found.after.step_time,
                "slowdown": found.slowdown,
            },
            *({"name": row.pop("collective"), **row} for row in _dicts(found)),
            *(_bought(found.purchase) if found.purchase else ()),
        ],
        tables=tables,
        notes=found.purchase.notes if found.purchase else (),
        figure=lambda: _figure(found),
    )


def _purchase(found: Purchase) -> Table:
    """What other parts cost and draw, and what a saved second costs."""
    from netmodel.units import format_money, format_power

    def written(value: Range | Difference | None, write: Callable[[float], str]) -> str:
        return value.words(write) if value else "-"

    rows = [
        (
            "purchase",
            written(found.before.purchase, format_money),
            written(found.after.purchase, format_money),
            written(found.difference, format_money),
        ),
        (
            "power at work",
            written(found.before.load, format_power),
            written(found.after.load, format_power),
            written(found.power, format_power),
        ),
        ("a second of step time saved", "", "", written(found.per_second_saved, format_money)),
    ]
    title = "new parts, nothing sold: typical (low to high)"
    return Table(title=title, columns=("", "before", "after", "difference"), rows=rows)


def _bought(found: Purchase) -> list[dict[str, Any]]:
    """CSV rows of what other parts cost and draw."""
    data = found.to_dict()
    asked = (
        ("purchase", "before_usd", "after_usd", "difference_usd"),
        ("power", "power_before_W", "power_after_W", "power_difference_W"),
        ("step time saved", "", "", "usd_per_s_of_step_saved"),
    )
    rows = []
    for name, *keys in asked:
        unit = keys[-1].rpartition("_")[2] if name != "step time saved" else "usd_per_s"
        rows.append(
            {
                "name": name,
                **{
                    f"{when}_{end}_{unit}": value
                    for when, at in zip(("before", "after", "difference"), keys, strict=True)
                    for end, value in (data.get(at) or {}).items()
                },
            }
        )
    return rows


def _dicts(found: WhatIf) -> list[dict[str, Any]]:
    return [each.to_dict() for each in found.collectives]


def _price(found: WhatIf) -> tuple[str, str]:
    """Write the price of a GPU and who says so, when."""
    rent = found.rent
    assert rent.price is not None
    hourly = rent.price * 3600.0
    said = f"{rent.row}: {rent.source}" + (f" ({rent.date})" if rent.date else "")
    return hourly.words(lambda usd: f"${usd:,.2f}/h"), said


def _longer(seconds: float) -> str:
    """Write how long a fault must stay for mending to pay."""
    return f"longer than {format_time(seconds)}" if seconds < float("inf") else "never pays"


def _times(value: float) -> str:
    """Write a ratio.

    >>> _times(1.25), _times(float("inf"))
    ('1.250x', 'stops')
    """
    return f"{value:.3f}x" if value < float("inf") else "stops"


def _ranking(found: Ranking, top: int) -> Answer:
    rows = [found.row(each) for each in found.faults]
    shown = [
        (
            row["fault"],
            row["what"],
            f"{row['alike']:,}",
            _times(row["slowdown"]),
            f"${row['lost_per_hour_usd']:,.0f}/h" if row["lost_per_hour_usd"] is not None else "-",
            row["because"],
        )
        for row in rows[:top]
    ]
    return Answer(
        data=found.to_dict(),
        rows=rows,
        tables=[
            Table(
                title=f"{found.model} on {found.gpus:,} GPUs of {found.cluster}: "
                f"{found.count:,} single faults, a step takes {format_time(found.before)}",
                columns=("one of them", "what", "alike", "step", "lost", "why"),
                rows=shown,
            )
        ],
        notes=[
            "faults alike cost the same: the fabric cannot tell them apart, and they carry the same"
        ],
        figure=lambda: _ranking_figure(found),
    )


def _figure(found: WhatIf) -> Figure:
    """Draw what is slowed."""
    from netmodel.plots.whatif import change_figure

    return change_figure(found)


def _ranking_figure(found: Ranking) -> Figure:
    """Draw the worst faults."""
    from netmodel.plots.whatif import ranking_figure

    return ranking_figure(found)
