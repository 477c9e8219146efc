"""``netmodel flows``: when flows that share links end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from netmodel.cli.options import output_options
from netmodel.cli.output import Answer, Table, emit
from netmodel.units import format_time

SHOWN = 10
"""Flows in the table for people; --json, --csv and -o hold all."""


@click.command(no_args_is_help=True)
@click.argument("case", type=click.Path(path_type=Path))
@output_options(pictures=False)
def flows(case: Path, **output: Any) -> None:
    """Finish times of the flows of CASE (.json or .json.gz), which share links max-min fairly.

    CASE holds `links` (id, bw_Bps, lat_s) and `flows` (route as link ids, bytes, start_s). A flow
    is active from its start plus the latencies along its route until its bytes are drained.

    \b
    Example:
      netmodel flows alltoall.json.gz --json
    """
    from netmodel.network import simulate_flows
    from netmodel.network.flow_case import read_case

    read = read_case(case)
    begin = time.perf_counter()
    finish = simulate_flows(
        read.capacity, read.latency, read.indptr, read.links, read.size, read.start
    ).tolist()
    wall = time.perf_counter() - begin
    makespan = max(finish, default=0.0)
    last = sorted(range(len(finish)), key=lambda i: (-finish[i], i))[:SHOWN]
    answer = Answer(
        data={"finish_s": finish, "makespan_s": makespan, "wall_s": wall},
        rows=[{"flow": i, "finish_s": end} for i, end in enumerate(finish)],
        tables=[
            Table(
                title=f"{len(finish):,} flows end after {format_time(makespan)}; the last",
                columns=("flow", "bytes", "links", "start", "finish"),
                rows=[
                    (
                        str(i),
                        f"{read.size[i]:,.0f}",
                        str(read.indptr[i + 1] - read.indptr[i]),
                        format_time(float(read.start[i])),
                        format_time(finish[i]),
                    )
                    for i in last
                ],
            )
        ],
        notes=[f"computed in {format_time(wall)}"],
    )
    emit(answer, **output)
