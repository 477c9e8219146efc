"""``netmodel check``: a user's nccl-tests log against what the fabric should give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from netmodel.cli.options import cluster_option, output_options, set_option
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import COUNT, Quantity
from netmodel.collectives.ops import KINDS
from netmodel.units import parse_fraction


@click.command(no_args_is_help=True)
@click.argument("log", type=click.Path(path_type=Path))
@cluster_option
@click.option("--collective", "kind", type=click.Choice(KINDS), help="When the log does not say.")
@click.option("--gpus", type=COUNT, metavar="N", help="When the log does not say.")
@click.option(
    "--tolerance",
    type=Quantity("share", parse_fraction),
    default="20 %",
    show_default=True,
    metavar="SHARE",
    help="Shortfall of bandwidth that still passes.",
)
@set_option
@output_options(pictures=False)
def check(
    log: Path,
    cluster: str,
    kind: str | None,
    gpus: int | None,
    tolerance: float,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
) -> None:
    """Hold an nccl-tests LOG, text or -J JSON, against what the fabric should give.

    Exit code 1 when the bandwidth of large messages falls short by more than the tolerance.

    \b
    Example:
      netmodel check all_reduce.log --cluster dgx-superpod-h100
    """
    from netmodel.cli.question import load_cluster
    from netmodel.studies.collectives_check import check_log

    checks = check_log(
        log, load_cluster(cluster, tuple(overrides)), tolerance=tolerance, kind=kind, gpus=gpus
    )
    found = [each.to_dict() for each in checks]
    passed = all(each.passed for each in checks)
    rows = [
        {"collective": each["collective"], "gpus": each["gpus"], **row}
        for each in found
        for row in each["rows"]
    ]
    notes = [each.verdict for each in checks]
    notes.append(_unread(found))
    answer = Answer(
        data={"passed": passed, "checks": found},
        rows=rows,
        tables=[_table(each) for each in found],
        notes=notes,
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)
    if not passed:
        raise click.exceptions.Exit(1)


def _unread(found: Sequence[dict[str, Any]]) -> str:
    """Say how much of the log was not used."""
    lines = found[0]["unread_lines"] if found else 0
    cut = sum(each["cut_rows"] for each in found)
    again = sum(each["repeated_rows"] for each in found)
    return f"Of the log, {lines:,} lines were not read, {cut:,} rows cut, {again:,} rows repeated."


def _table(found: dict[str, Any]) -> Table:
    """Lay out measured and expected side by side."""
    return Table(
        title=f"{found['collective']} on {found['gpus']:,} GPUs against {found['cluster']}",
        columns=(
            "size (B)",
            "measured (us)",
            "expected (us)",
            "busbw (GB/s)",
            "expected",
            "reached",
        ),
        rows=[
            (
                f"{row['bytes']:,.0f}",
                f"{row['measured_s'] * 1e6:,.1f}",
                f"{row['expected_s'] * 1e6:,.1f}",
                f"{row['measured_busbw_Bps'] / 1e9:,.2f}",
                f"{row['expected_busbw_Bps'] / 1e9:,.2f}",
                f"{100 * row['reached']:,.0f} %",
            )
            for row in found["rows"]
        ],
    )
