"""``netmodel search``: the best parallel layouts of a model on a cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import (
    cluster_option,
    fidelity_option,
    gpus_option,
    graph_options,
    layout_options,
    model_option,
    output_options,
    set_option,
)
from netmodel.cli.output import Answer, Table, emit
from netmodel.units import format_size, format_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.search_ranked import Ranked
    from netmodel.training import Step


@click.command(no_args_is_help=True)
@cluster_option
@model_option
@gpus_option()
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="How many layouts to list.",
)
@layout_options
@fidelity_option
@graph_options
@set_option
@output_options()
def search(
    cluster: str,
    model: str,
    gpus: int | None,
    top: int,
    fidelity: str,
    routing: str,
    placement: str | tuple[str, ...],
    seed: int,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **layout: Any,
) -> None:
    """Find the best parallel layouts, all of them timed.

    `--strategy` states the fields that are not searched: pp=16,zero=1. Batch, length and precision
    are those of the published run where there is one. `-o front.png` draws step time against
    memory.

    \b
    Example:
      netmodel search --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 2048 --top 5
    """
    from netmodel.cli import question
    from netmodel.studies.search_ranked import rank

    fabric, shape = question.load(cluster, model, overrides)
    size = question.size(fabric, gpus)
    begin = time.perf_counter()
    ranked = rank(
        shape,
        fabric,
        size,
        question.request(**layout),
        top=top,
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
    )
    elapsed = time.perf_counter() - begin
    found = ranked.found
    answer = Answer(
        data={**ranked.to_dict(), "elapsed_s": elapsed},
        rows=_rows(ranked),
        tables=_tables(ranked),
        notes=(
            f"{found.evaluated:,} layouts that divide and fit were timed in {format_time(elapsed)}",
            *ranked.notes,
        ),
        figure=lambda: _figure(ranked),
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _rows(ranked: Ranked) -> list[dict[str, Any]]:
    """One CSV row a layout."""
    from netmodel.cli.step import row

    return [
        {
            "rank": place,
            **{f"strategy_{name}": value for name, value in each.to_dict()["strategy"].items()},
            **row(each),
        }
        for place, each in enumerate(ranked.found.best, 1)
    ]


def _line(name: str, each: Step) -> tuple[str, ...]:
    """One layout for people."""
    from netmodel.studies.layouts import layout_text

    strategy = each.strategy
    return (
        name,
        format_time(each.step_time),
        f"{100 * each.mfu:.1f} %",
        format_size(each.memory["total"]),
        f"{layout_text(strategy)} micro_batch={strategy.micro_batch} order={strategy.order}",
    )


def _tables(ranked: Ranked) -> list[Table]:
    """The best, why the others are slower, the published one, and the front."""
    from netmodel.studies.layouts import layout_text

    found, published = ranked.found, ranked.published
    lines = [_line(str(place), each) for place, each in enumerate(found.best, 1)]
    reasons = [(str(place), str(each)) for place, each in enumerate(found.why, 2)]
    if published is not None:
        lines.append(_line("published", published.step))
        reasons.append(("published", f"{published.why}; {_standing(published.faster)}"))
    front = [
        (format_time(each.step_time), format_size(each.memory), layout_text(each.strategy))
        for each in _thinned(found.pareto)
    ]
    tables = [
        Table(
            title=ranked.setting,
            columns=("rank", "step", "MFU", "memory", "layout"),
            rows=lines,
        ),
    ]
    if reasons:
        tables.append(Table(columns=("rank", "against the best: what differs"), rows=reasons))
    title = "Least memory for a step time"
    return [*tables, Table(title=title, columns=("step", "memory", "layout"), rows=front)]


def _standing(faster: float) -> str:
    """Say where a layout stands.

    >>> _standing(0.0123)
    '1.2 % of all layouts are faster'
    """
    return f"{100 * faster:.2g} % of all layouts are faster"


MOST = 12
"""Rows of the front that are printed; JSON has all."""


def _thinned(front: Sequence[Any]) -> list[Any]:
    """Take evenly spread points of the front, both ends among them."""
    if len(front) <= MOST:
        return list(front)
    return [front[round(i * (len(front) - 1) / (MOST - 1))] for i in range(MOST)]


def _figure(ranked: Ranked) -> Figure:
    """Draw step time against memory."""
    from netmodel.plots.search import search_figure

    return search_figure(ranked)
