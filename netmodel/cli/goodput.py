"""``netmodel goodput``: what interruptions leave of the time, and days to N tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import run_question
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import Quantity
from netmodel.errors import InputError
from netmodel.units import (
    format_bandwidth,
    format_money,
    format_percent,
    format_size,
    format_time,
    parse_bandwidth,
    parse_size,
    parse_time,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.goodput import Goodput

DAY = 86400.0
TIME = Quantity("time", parse_time)


@click.command(no_args_is_help=True)
@run_question(
    click.option(
        "--rates",
        metavar="NAME",
        help="Published failures: llama-3-405b, rsc-1, rsc-2 or opt-175b; by default those of the "
        "accelerator's time.",
    ),
    click.option(
        "--checkpoint-size",
        type=Quantity("size", parse_size),
        metavar="SIZE",
        help="Bytes of one checkpoint; weights and optimizer of --model when left out.",
    ),
    click.option(
        "--storage-bandwidth",
        type=Quantity("bandwidth", parse_bandwidth),
        metavar="RATE",
        help="Of the checkpoint storage: 2TB/s; never more than the NICs carry.",
    ),
    click.option(
        "--checkpoint-stall",
        type=TIME,
        metavar="TIME",
        help="For which a checkpoint stops training; all of its writing when left out.",
    ),
    click.option(
        "--interval", type=TIME, metavar="TIME", help="Between checkpoints; the best when left out."
    ),
    click.option(
        "--restart",
        type=TIME,
        metavar="TIME",
        help="From an interruption until the job starts again.",
    ),
    click.option("--repair", type=TIME, metavar="TIME", help="Until a failed host is back."),
    click.option(
        "--spares",
        type=click.IntRange(min=0),
        metavar="N",
        help="Hosts kept ready; enough for 99 % of failures when left out.",
    ),
    several=True,
)
def goodput(
    cluster: str,
    gpus: tuple[int, ...] | None,
    model: str | None,
    tokens: float | None,
    rent: float | None,
    checkpoint_size: float | None,
    checkpoint_stall: float | None,
    fidelity: str,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **others: Any,
) -> None:
    """Failures, checkpoints and restarts: the share of time that trains, and days to N tokens.

    Failure rates are published counts, scaled to the GPUs, hosts and cables of this cluster. A
    checkpoint goes through the stated storage at the interval that loses least (Young, Daly).

    \b
    Example:
      netmodel goodput --cluster meta-24k-roce --model llama-3.1-405b --gpus 16384 --tokens 15.6T
    """
    from netmodel.cli import question
    from netmodel.studies.goodput import Policy
    from netmodel.studies.goodput import goodput as leave

    if model is None and checkpoint_size is None:
        raise InputError(
            "nothing says how large a checkpoint is",
            where="netmodel goodput",
            remedy="Give --model or --checkpoint-size.",
        )
    names = ("rates", "storage_bandwidth", "interval", "restart", "repair", "spares")
    policy = Policy(stall=checkpoint_stall, **{name: others.pop(name) for name in names})
    points = []
    for asked in gpus or (None,):
        fabric, size, run = question.run(
            cluster, asked, model, tokens, overrides, others, fidelity, timed=tokens is not None
        )
        state = checkpoint_size
        if state is None:
            state = question.state(fabric, model, overrides, run)
        points.append(leave(fabric, size, state=state, policy=policy, run=run, rent=rent))
    answer = Answer(
        data=points[0].to_dict() if len(points) == 1 else _many(points),
        rows=[_row(point) for point in points],
        tables=_tables(points),
        notes=list(dict.fromkeys(note for point in points for note in point.notes)),
        figure=lambda: _figure(points[-1]),
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _many(points: Sequence[Goodput]) -> dict[str, Any]:
    """Every size under one key."""
    return {"points": [point.to_dict() for point in points]}


def _row(point: Goodput) -> dict[str, Any]:
    """One CSV row a size."""
    data = point.to_dict()
    flat = {key: value for key, value in data.items() if not isinstance(value, dict | list | tuple)}
    shares = {f"{key.replace(' ', '_')}_share": value for key, value in point.shares.items()}
    dollars = point.dollars.to_dict("_rent_usd") if point.dollars else {}
    return {**flat, **shares, **dollars}


def _tables(points: Sequence[Goodput]) -> list[Table]:
    """One size in full, several in a row each."""
    rows = [
        (
            f"{point.gpus:,}",
            format_time(point.mean_time),
            f"{point.rate * DAY:.3g}",
            format_time(point.interval),
            str(point.spares),
            *(format_percent(share) for share in point.shares.values()),
            *((format_time(point.time),) if point.time else ()),
            *((point.dollars.words(format_money),) if point.dollars else ()),
        )
        for point in points
    ]
    first = points[0]
    columns = (
        "GPUs",
        "between",
        "a day",
        "interval",
        "spares",
        *first.shares,
        *(("time",) if first.time else ()),
        *(("rent",) if first.dollars else ()),
    )
    title = f"{first.cluster}: interruptions, checkpoints, shares of time"
    tables = [Table(title=title, columns=columns, rows=rows)]
    return [*tables, _parts(first), _causes(first)] if len(points) == 1 else tables


def _parts(point: Goodput) -> Table:
    """How a checkpoint and a restart come about."""
    rows = [
        ("checkpoint", format_size(point.state)),
        ("storage, as the hosts reach it", format_bandwidth(point.bandwidth)),
        ("writing", format_time(point.write)),
        ("stops training for", format_time(point.stall)),
        ("restart", format_time(point.restart)),
        ("wait for a host, per interruption", format_time(point.wait)),
        ("from interruption to work", format_time(point.down)),
    ]
    return Table(title="a checkpoint and a restart", columns=("", ""), rows=rows)


def _causes(point: Goodput) -> Table:
    """Interruptions by cause."""
    rows = [
        (
            cause.what,
            " ".join([f"{cause.components:,.0f}", *filter(None, [cause.of]), f"{cause.per}s"]),
            f"{cause.rate * DAY:.3g}",
        )
        for cause in point.causes
    ]
    return Table(title="interruptions", columns=("cause", "of", "a day"), rows=rows)


def _figure(point: Goodput) -> Figure:
    """Draw shares of time against size beside the causes."""
    from netmodel.plots import goodput_figure

    return goodput_figure(point)
