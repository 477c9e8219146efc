"""``netmodel list``: what can be named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from netmodel.cli.options import output_options
from netmodel.cli.output import Answer, Table, emit
from netmodel.errors import unknown_name

KINDS = ("clusters", "models", "accelerators", "links", "switches", "nics", "nodes", "prices")


@click.command("list", no_args_is_help=True)
@click.argument("kind", metavar="KIND")
@output_options(pictures=False)
def list_(kind: str, **output: Any) -> None:
    """List what can be named, with the figures that tell the rows apart.

    KIND is clusters, models, accelerators, links, switches, nics, nodes or prices.

    `netmodel show NAME` prints one row with the source of every figure.

    \b
    Example:
      netmodel list clusters
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS, where="netmodel list")
    if kind == "clusters":
        headings, rows = _clusters()
    else:
        from netmodel.cli.catalog_rows import HEADINGS
        from netmodel.cli.catalog_rows import rows as catalog_rows

        headings, rows = HEADINGS[kind], catalog_rows(kind)
    data = [row for row, _ in rows]
    answer = Answer(
        data={"kind": kind, "rows": data},
        rows=data,
        tables=[Table(columns=headings, rows=[cells for _, cells in rows])],
    )
    emit(answer, **output)


def _clusters() -> tuple[Sequence[str], list[Any]]:
    """Name, size and description of every cluster that ships."""
    from netmodel import topology

    rows = []
    for name in topology.cluster_names():
        cluster = topology.load_cluster(name)
        accelerators = cluster.accelerators()
        accelerator = " and ".join(accelerators)
        data = {
            "name": name,
            "gpus": cluster.gpus,
            "accelerator": accelerator,
            "accelerators": list(accelerators),
            "description": cluster.description,
        }
        rows.append((data, (name, f"{cluster.gpus:,}", accelerator, cluster.description)))
    return ("cluster", "GPUs", "accelerator", "description"), rows
