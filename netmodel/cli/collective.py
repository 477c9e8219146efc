"""``netmodel collective``: one operation over message sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import fidelity_option, graph_options, output_options, set_option
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import COUNT, SIZES
from netmodel.collectives.library import ALGORITHM_NAMES, PROTOCOLS
from netmodel.collectives.ops import KINDS

if TYPE_CHECKING:
    from netmodel.studies.collectives_sweep import Sweep

ALGORITHMS = ("auto", *ALGORITHM_NAMES)
MICRO = 1e6
GIGA = 1e9


@click.command(no_args_is_help=True)
@click.argument("op", type=click.Choice(KINDS))
@click.option(
    "--cluster",
    "clusters",
    required=True,
    multiple=True,
    metavar="NAME|FILE",
    help="A name of `netmodel list clusters`, or a cluster YAML. Repeat to compare.",
)
@click.option("--gpus", type=COUNT, metavar="N", help="Ranks; the cluster's size when left out.")
@click.option(
    "--sizes",
    type=SIZES,
    default="8..16GiB",
    show_default=True,
    metavar="A..B|A,B",
    help="Message sizes as nccl-tests counts them.",
)
@click.option(
    "--algorithm",
    "algorithms",
    type=click.Choice(ALGORITHMS),
    multiple=True,
    default=("auto",),
    show_default=True,
    help="Force one; repeat to compare.",
)
@click.option(
    "--protocol",
    type=click.Choice(("auto", *PROTOCOLS)),
    default="auto",
    show_default=True,
    help="Force one.",
)
@fidelity_option
@graph_options
@set_option
@output_options()
def collective(
    op: str,
    clusters: Sequence[str],
    gpus: int | None,
    sizes: Sequence[float],
    algorithms: Sequence[str],
    protocol: str,
    fidelity: str,
    routing: str,
    placement: str | tuple[str, ...],
    seed: int,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Path],
) -> None:
    """Time one collective operation over message sizes, as nccl-tests would print it.

    The lower bound is what bytes and latency allow on that fabric at line rate.

    \b
    Example:
      netmodel collective all_reduce --cluster dgx-superpod-h100 --gpus 8 --sizes 8..16GiB
    """
    from netmodel.cli.question import load_cluster
    from netmodel.studies.collectives_sweep import sweep

    draws = any(path.suffix.lower() not in (".csv", ".json", ".yaml") for path in outputs)
    sweeps = [
        sweep(
            op,
            load_cluster(name, tuple(overrides)),
            sizes,
            gpus=gpus,
            algorithm=algorithm,
            protocol=protocol,
            fidelity=fidelity,
            routing=routing,
            placement=placement,
            seed=seed,
            with_measured=draws,
        )
        for name in clusters
        for algorithm in algorithms
    ]
    rows = [row for each in sweeps for row in each.to_rows()]

    def figure() -> Any:
        from netmodel.plots.collective import collective_figure

        return collective_figure(sweeps)

    answer = Answer(
        data={
            "collective": op,
            "gpus": sweeps[0].ranks,
            "rows": rows,
            "links": [
                {"cluster": each.cluster, **link.to_dict()}
                for each in sweeps
                for link in each.links
            ],
        },
        rows=rows,
        tables=[table for each in sweeps for table in (_table(each), *_links(each))],
        notes=list(dict.fromkeys(note for each in sweeps for note in each.notes)),
        figure=figure,
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _links(sweep: Sweep) -> list[Table]:
    """Name the cables that the largest size waits for, where it was timed on the graph."""
    if not sweep.links:
        return []
    return [
        Table(
            title="busiest links of the largest size",
            columns=("link", "tier", "bytes", "busy", "groups that share it"),
            rows=[
                (
                    link.name,
                    link.tier,
                    f"{link.bytes:,.0f}",
                    f"{100 * link.utilisation:.0f} %",
                    f"{len(link.groups):,}",
                )
                for link in sweep.links
            ],
        )
    ]


def _table(sweep: Sweep) -> Table:
    """Lay out one sweep in nccl-tests' own columns."""
    return Table(
        title=f"{sweep.kind} on {sweep.label}: {sweep.setting}",
        columns=(
            "size (B)",
            "time (us)",
            "algbw (GB/s)",
            "busbw (GB/s)",
            "algorithm",
            "protocol",
            "bottleneck",
            "bound (us)",
            *(("waits for",) if sweep.slowest else ()),
        ),
        rows=[
            (
                f"{size:,.0f}",
                f"{time * MICRO:,.1f}",
                f"{algbw / GIGA:,.2f}",
                f"{busbw / GIGA:,.2f}",
                algorithm,
                protocol,
                bottleneck,
                f"{bound * MICRO:,.1f}",
                *slowest,
            )
            for size, time, algbw, busbw, algorithm, protocol, bottleneck, bound, *slowest in zip(
                sweep.size,
                sweep.time,
                sweep.algbw,
                sweep.busbw,
                sweep.algorithm,
                sweep.protocol,
                sweep.bottleneck,
                sweep.lower_bound,
                *((sweep.slowest,) if sweep.slowest else ()),
                strict=True,
            )
        ],
    )
