"""``netmodel scale``: efficiency against cluster size."""

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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.scale import Scaling


@click.command(no_args_is_help=True)
@cluster_option
@model_option
@gpus_option(several=True, required=True)
@click.option(
    "--mode",
    type=click.Choice(["strong", "weak"]),
    default="strong",
    show_default=True,
    help="strong: one global batch at every size; weak: it grows with the GPUs.",
)
@layout_options
@fidelity_option
@graph_options
@set_option
@output_options()
def scale(
    cluster: str,
    model: str,
    gpus: tuple[int, ...],
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
    """Scaling efficiency over cluster sizes, and what limits each.

    Efficiency is tokens a second and GPU over that of the smallest size. `-o curve.png` draws it.

    \b
    Example:
      netmodel scale --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 256..65536
    """
    from netmodel.cli import question
    from netmodel.cli.progress import progress
    from netmodel.studies.scale import scale as scale_study

    fabric, shape = question.load(cluster, model, overrides)
    request = question.request(**layout)
    with progress("sizes") as report:
        curve = scale_study(
            shape,
            fabric,
            gpus,
            request,
            mode=mode,
            fidelity=fidelity,
            routing=routing,
            placement=placement,
            seed=seed,
            report=report,
        )
    answer = Answer(
        data=curve.to_dict(),
        rows=_rows(curve),
        tables=_tables(curve),
        notes=curve.notes,
        figure=lambda: _figure(curve),
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _rows(curve: Scaling) -> list[dict[str, Any]]:
    """One CSV row a size."""
    from netmodel.cli.step import row
    from netmodel.studies.layouts import layout_text

    return [
        {
            "mode": curve.mode,
            "efficiency": efficiency,
            "layout": layout_text(choice.strategy),
            "layout_origin": choice.origin,
            "global_batch": choice.strategy.global_batch,
            **row(point),
        }
        for point, efficiency, choice in zip(
            curve.points, curve.efficiency, curve.choices, strict=True
        )
    ]


GROUPS = {
    "compute": ("compute", "recompute"),
    "communication": (
        "tensor parallel",
        "context parallel",
        "expert parallel",
        "pipeline sends",
        "data parallel",
    ),
    "bubble": ("bubble",),
    "other": ("overlap cost", "other"),
}
"""Columns of the printed table, each a few families of parts."""


def _tables(curve: Scaling) -> list[Table]:
    """Efficiency and where the time of each size goes; the layout of each size."""
    from netmodel.plots.parts import by_family
    from netmodel.studies.layouts import layout_text

    rows = []
    for point, efficiency in zip(curve.points, curve.efficiency, strict=True):
        families = by_family(point.breakdown)
        shares = [
            sum(families.get(label, 0.0) for label in labels) / point.step_time
            for labels in GROUPS.values()
        ]
        rows.append(
            (
                f"{point.gpus:,}",
                f"{point.step_time:,.2f} s",
                f"{point.tokens_per_s_per_gpu:,.0f}",
                f"{100 * point.mfu:.1f} %",
                f"{100 * efficiency:.1f} %",
                *(f"{100 * share:.1f} %" for share in shares),
                str(point.bottleneck["tier"]),
            )
        )
    shown = 4 if any(choice.why for choice in curve.choices) else 3
    layouts = [
        (f"{point.gpus:,}", layout_text(choice.strategy), choice.origin, choice.why)[:shown]
        for point, choice in zip(curve.points, curve.choices, strict=True)
    ]
    columns = ("GPUs", "step", "tokens/s/GPU", "MFU", "efficiency", *GROUPS, "waits for")
    return [
        Table(title=f"{curve.model}. {curve.setting}", columns=columns, rows=rows),
        Table(columns=("GPUs", "layout", "from", "why not as published")[:shown], rows=layouts),
    ]


def _figure(curve: Scaling) -> Figure:
    """Draw the curve above the cost of a token."""
    from netmodel.plots import scaling_figure

    return scaling_figure(curve)
