"""``netmodel explain``: where the time goes between the ideal and the real step."""

from __future__ import annotations

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
from netmodel.units import format_bandwidth, format_size, format_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.explain import Explanation

NEGLIGIBLE = 5e-4
"""Share of a step below which an entry is not printed; JSON and CSV have all."""


@click.command(no_args_is_help=True)
@cluster_option
@model_option
@gpus_option(several=True)
@click.option(
    "--mode",
    type=click.Choice(["strong", "weak"]),
    default="strong",
    show_default=True,
    help="Between sizes: strong keeps one global batch, in weak it grows with the GPUs.",
)
@layout_options
@fidelity_option
@graph_options
@set_option
@output_options()
def explain(
    cluster: str,
    model: str,
    gpus: tuple[int, ...] | None,
    mode: str,
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
    """Where the time goes between the ideal and the real step, and what would shorten it.

    With one size, from all model FLOPs at peak to the real step. With two, from the smaller one
    scaled perfectly to the larger one: what was lost on the way. Then what a percent of every
    tier's bandwidth and latency is worth, where that ends, and the links that are waited for.
    With --fidelity contention the waterfall's contention is that of the routed graph; what
    resources are worth remains the closed form's.

    \b
    Example:
      netmodel explain --cluster dgx-superpod-h100 --model gpt3-175b --gpus 512,16384
    """
    from netmodel.cli import question
    from netmodel.studies.explain import explain as explain_study

    fabric, shape = question.load(cluster, model, overrides)
    sizes = gpus or (question.size(fabric, None),)
    answered = explain_study(
        shape,
        fabric,
        sizes,
        question.request(**layout),
        mode=mode,
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
    )
    answer = Answer(
        data=answered.to_dict(),
        rows=_rows(answered),
        tables=_tables(answered),
        notes=[answered.summary],
        figure=lambda: _figure(answered),
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _rows(answered: Explanation) -> list[dict[str, Any]]:
    """One CSV row an entry of the waterfall, then one a field."""
    step_time = answered.points[-1].step_time
    rows: list[dict[str, Any]] = [
        {"kind": "waterfall", "name": name, "seconds_s": seconds, "share": seconds / step_time}
        for name, seconds in answered.waterfall.items()
    ]
    rows += [
        {"kind": "elasticity", "name": name, "elasticity": value}
        for name, value in answered.elasticity[-1].items()
    ]
    return rows


def _tables(answered: Explanation) -> list[Table]:
    """The waterfall, what resources are worth, the links, and the ceilings."""
    from netmodel.plots.waterfall import entry
    from netmodel.studies.layouts import layout_text

    step_time = float(answered.points[-1].step_time)
    falls = [
        (
            _first(answered) if row == 0 else entry(name),
            format_time(seconds) if seconds >= 0 else f"-{format_time(-seconds)}",
            f"{100 * seconds / step_time:.1f} %",
        )
        for row, (name, seconds) in enumerate(answered.waterfall.items())
        if row == 0 or abs(seconds) > NEGLIGIBLE * step_time
    ]
    falls.append(("the real step", format_time(step_time), "100.0 %"))
    worth = [
        (
            name,
            f"{value:+.3f} %",
            "; ".join(str(each) for each in answered.kinks if each.field == name),
        )
        for name, value in answered.elasticity[-1].items()
        if abs(value) > NEGLIGIBLE
    ]
    waits = [
        (
            each.collective,
            f"{each.tier} ({each.link})",
            format_size(each.bytes),
            f"{each.sharers:,} GPU{'s' * (each.sharers > 1)} on {format_bandwidth(each.capacity)}",
            f"{each.groups:,} of {each.ranks:,}",
            format_time(each.waited),
        )
        for each in answered.limits
    ]
    top = answered.ceiling
    ceilings = [
        ("best layout tried", f"{layout_text(top.best)}: {format_time(top.best_time)}"),
        ("more GPUs help up to", f"{top.last_gpus:,}: {top.reason}"),
    ]
    layouts = [
        (f"{point.gpus:,}", layout_text(choice.strategy), choice.origin, format_time(seconds))
        for point, choice in zip(answered.points, answered.choices, strict=True)
        if (seconds := float(point.step_time))
    ]
    return [
        Table(
            title=f"{answered.curve.model}. {answered.curve.setting}",
            columns=("GPUs", "layout", "from", "step"),
            rows=layouts,
        ),
        Table(columns=("where the time goes", "time", "of step"), rows=falls),
        Table(columns=("1 % more of", "changes the step by", "until"), rows=worth),
        Table(
            columns=("waits for", "on", "sent by a GPU", "sharing", "groups", "wait"), rows=waits
        ),
        Table(columns=("ceiling", ""), rows=ceilings),
    ]


def _first(answered: Explanation) -> str:
    """What the first entry of the waterfall is."""
    if len(answered.points) == 1:
        return "ideal: all model FLOPs at peak"
    return f"{answered.points[0].gpus:,} GPUs, scaled perfectly"


def _figure(answered: Explanation) -> Figure:
    """Draw the waterfall above what resources are worth."""
    from netmodel.plots.waterfall import explain_figure

    point = answered.points[-1]
    if len(answered.points) == 1:
        times = float(point.step_time) / next(iter(answered.waterfall.values()))
        title = (
            f"{answered.curve.model} on {point.gpus:,} GPUs: a step takes {times:.1f} times its "
            "FLOPs at peak"
        )
    else:
        title = (
            f"{answered.curve.model}, {answered.points[0].gpus:,} to {point.gpus:,} GPUs: "
            f"{100 * answered.curve.efficiency[-1]:.0f} % of the efficiency is left"
        )
    return explain_figure(
        answered.waterfall,
        answered.elasticity[-1],
        title=title,
        subtitle=answered.summary,
        source=_source(answered),
        start=_first(answered),
    )


def _source(answered: Explanation) -> str:
    """Model, fabric, layouts, and who published them."""
    from netmodel.studies.layouts import layout_text

    layouts = "; ".join(
        f"{layout_text(choice.strategy)} at {point.gpus:,} GPUs"
        for point, choice in zip(answered.points, answered.choices, strict=True)
    )
    cited = "; ".join(dict.fromkeys(each.source for each in answered.choices if each.source))
    start = f"Model {answered.curve.model}. Fabric {answered.curve.cluster}. Layout {layouts}."
    return f"{start} Layout as published in {cited}, or near it." if cited else start
