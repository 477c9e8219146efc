"""``netmodel step``: one training step, every second accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
from netmodel.cli.output import Answer, Table, emit, write_whole
from netmodel.cli.params import PICTURES, Output
from netmodel.units import format_size, format_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.layouts import Choice
    from netmodel.studies.mixed import Mixed
    from netmodel.topology import Cluster
    from netmodel.training import Step
    from netmodel.workload import Model

NEGLIGIBLE = 1e-5
"""Share of a step below which a part is not printed; JSON and CSV have all."""


@click.command(no_args_is_help=True)
@cluster_option
@model_option
@gpus_option()
@layout_options
@fidelity_option
@graph_options
@set_option
@click.option(
    "--trace",
    "traces",
    multiple=True,
    type=Output(suffixes=(".json", *PICTURES)),
    metavar="FILE",
    help="Write the timeline of the step: .json in Chrome's trace format (opens in Perfetto), "
    ".png, .svg or .pdf as a picture. Repeatable.",
)
@click.option(
    "--split",
    type=click.Choice(["batch", "layers"]),
    help="GPUs of several kinds: share micro-batches among replicas, or layers among pipeline "
    "stages; the faster one when left out.",
)
@click.option(
    "--shares",
    metavar="N,N,...",
    help="GPUs of several kinds: work of each group of nodes in this proportion; by speed when "
    "left out.",
)
@output_options()
def step(
    cluster: str,
    model: str,
    gpus: int | None,
    fidelity: str,
    routing: str,
    placement: str | tuple[str, ...],
    seed: int,
    overrides: Sequence[str],
    traces: Sequence[Path],
    split: str | None,
    shares: str | None,
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **layout: Any,
) -> None:
    """Time one training step and say what it waits for.

    The parts of the breakdown do not overlap and add up to the step; communication that compute
    hides is listed beside them. On GPUs of several kinds the slowest rank decides, and the work of
    each kind is listed.

    \b
    Example:
      netmodel step --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 2048
    """
    from netmodel.cli import question
    from netmodel.studies.mixed_choice import time_step

    fabric, shape = question.load(cluster, model, overrides)
    size = question.size(fabric, gpus)
    choice, done, mix = time_step(
        shape,
        fabric,
        size,
        question.request(**layout),
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
        split=split,
        shares=question.numbers(shares, "--shares"),
    )
    data = {**done.to_dict(), "layout_origin": choice.origin, "layout_source": choice.source}
    answer = Answer(
        data=data if mix is None else {**data, "mixed": mix.to_dict()},
        rows=[row(done)],
        tables=[*tables(done, shape, fabric, choice), *([groups(mix)] if mix else [])],
        notes=notes(done, choice),
        figure=lambda: _figure(done, shape, fabric, choice),
    )
    if traces:
        _write_traces(traces, shape, fabric, size, choice)
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _write_traces(
    paths: Sequence[Path], model: Model, cluster: Cluster, gpus: int, choice: Choice
) -> None:
    """Simulate the step and write its timeline in the format of each suffix."""
    from netmodel.studies.layouts import layout_text
    from netmodel.training.trace import trace

    made = trace(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )
    for path in paths:
        if path.suffix.lower() == ".json":
            content = made.to_json().encode()
        else:
            from netmodel.plots import picture
            from netmodel.plots.gantt import gantt_figure

            setting = (
                f"Model {model.name} on {gpus:,} GPUs of {cluster.name}. "
                f"Layout {layout_text(choice.strategy)}. Simulated."
            )
            content = picture(gantt_figure(made.timeline, setting=setting), path.suffix)
        write_whole(path, content)
        click.echo(f"wrote {path}", err=True)


def row(done: Step) -> dict[str, Any]:
    """One step as a CSV row: SI, units in the column names."""
    return {
        "gpus": done.gpus,
        "step_time_s": done.step_time,
        "tokens_per_s_per_gpu": done.tokens_per_s_per_gpu,
        "mfu": done.mfu,
        "bottleneck_tier": done.bottleneck["tier"],
        **{f"{name}_s": seconds for name, seconds in done.breakdown.items()},
        **{f"hidden_{name}_s": seconds for name, seconds in done.hidden.items()},
        **{f"memory_{name}_B": held for name, held in done.memory.items()},
    }


def tables(done: Step, model: Model, cluster: Cluster, choice: Choice) -> list[Table]:
    """The step for people: the answer, where its time goes, and its memory."""
    from netmodel.plots.breakdown import words
    from netmodel.studies.layouts import layout_text

    strategy = choice.strategy
    facts = [
        ("step time", format_time(done.step_time)),
        ("tokens/s/GPU", f"{done.tokens_per_s_per_gpu:,.0f}"),
        ("MFU", f"{100 * done.mfu:.1f} % ({done.mfu_convention})"),
        ("waits for", limit(done)),
        *_shared(done),
        ("layout", layout_text(strategy)),
        (
            "batch",
            f"{strategy.global_batch:,} sequences of {choice.seq_len:,} tokens, micro-batch "
            f"{strategy.micro_batch}, {strategy.precision}",
        ),
    ]
    parts = [
        (words(name), format_time(seconds), f"{100 * seconds / done.step_time:.1f} %")
        for name, seconds in done.breakdown.items()
        if seconds > NEGLIGIBLE * done.step_time
    ]
    hidden = [
        (f"(hidden) {words(name)}", format_time(seconds), f"{100 * seconds / done.step_time:.1f} %")
        for name, seconds in done.hidden.items()
        if seconds > NEGLIGIBLE * done.step_time
    ]
    title = f"{model.name} on {done.gpus:,} GPUs of {cluster.name}"
    held = [(words(name), format_size(size)) for name, size in done.memory.items() if size]
    return [
        Table(title=title, columns=("", ""), rows=facts),
        Table(columns=("part", "time", "of step"), rows=[*parts, *hidden]),
        Table(columns=("memory of the fullest GPU", "size"), rows=held),
    ]


def _shared(done: Step) -> list[tuple[str, str]]:
    """Name the busiest links and who shares the first, where the step was timed on the graph."""
    shared = done.bottleneck.get("shared") or []
    if not shared:
        return []
    names = ", ".join(link["name"] for link in shared)
    return [
        ("busiest links", names),
        ("shared by", f"{len(shared[0]['groups']):,} of the groups that run at the same time"),
    ]


def groups(mix: Mixed) -> Table:
    """Shares of each kind of GPU, and what the mix costs."""
    sums = [sum(group.share) for group in mix.groups]
    rows = [
        (
            group.name,
            group.accelerator,
            f"{group.gpus:,}",
            f"{total:,} ({100 * total / sum(sums):.0f} %)",
            format_time(group.busy),
            format_time(group.pure),
        )
        for group, total in zip(mix.groups, sums, strict=True)
    ]
    shared = "micro-batches" if mix.split == "batch" else "layers"
    rows += [
        ("equal shares", "", "", "", format_time(mix.even), ""),
        ("each at its pure speed", "", "", "", format_time(mix.ideal), ""),
    ]
    return Table(
        title=f"the slowest rank decides ({mix.slowest.accelerator}); the mix "
        f"{'loses' if mix.loss >= 0 else 'gains'} {100 * abs(mix.loss):.1f} % of what its GPUs do "
        "in pure clusters",
        columns=("kind", "GPU", "GPUs", shared, "done after", "pure cluster"),
        rows=rows,
    )


def limit(done: Step) -> str:
    """Name the tier that the step waits for, and for which collective."""
    tier, collective = done.bottleneck["tier"], done.bottleneck.get("collective")
    return f"{tier} ({collective})" if collective else str(tier)


def notes(done: Step, choice: Choice) -> list[str]:
    """What was assumed, and who published the layout."""
    if choice.origin == "published":
        return [f"layout as published: {choice.source}"]
    if choice.why:
        adapted = "adapted from" if choice.origin == "adapted" else "searched, not"
        return [f"layout {adapted} the published one, which is not possible here: {choice.why}"]
    return [choice.note] if choice.note else []


def _figure(done: Step, model: Model, cluster: Cluster, choice: Choice) -> Figure:
    """Draw the waterfall above the memory."""
    from netmodel.plots import step_figure
    from netmodel.studies.layouts import layout_text

    strategy = choice.strategy
    held = {name: size for name, size in done.memory.items() if name not in ("total", "capacity")}
    cited = f" Source of the layout: {choice.source}." if choice.source else ""
    return step_figure(
        done.breakdown,
        done.hidden,
        held,
        float(done.memory["capacity"]),
        title=f"One step takes {format_time(done.step_time)} on {done.gpus:,} GPUs: "
        f"{100 * done.mfu:.0f} % MFU",
        subtitle=f"{model.name} on {cluster.name}, {strategy.global_batch:,} sequences of "
        f"{choice.seq_len:,} tokens, {strategy.precision}; limited by {limit(done)}",
        source=f"Model {model.name}. Fabric {cluster.name}. Layout {layout_text(strategy)}.{cited}",
    )
