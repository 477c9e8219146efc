"""``netmodel calibrate``: constants of one system from its own measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import output_options
from netmodel.cli.output import Answer, Table, emit, to_yaml, write_whole
from netmodel.cli.params import COUNT
from netmodel.collectives.ops import KINDS
from netmodel.errors import InputError, unknown_name

if TYPE_CHECKING:
    from netmodel.studies.collectives_calibrate import Calibration

SUBJECTS = ("nccl-tests", "training", "collectives")
TIMES = ("launch", "step", "hop")
WORDS = {
    "launch": "launch and synchronisation of a call",
    "step": "one step inside a domain (LL)",
    "hop": "one network hop (LL)",
    "port": "share of NVLink line rate, rings",
    "multicast": "share of NVLink line rate, NVLS",
    "network": "share of NIC line rate",
}


@click.command(no_args_is_help=True)
@click.argument("subject", metavar="SUBJECT")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--cluster",
    metavar="NAME|FILE",
    help="Design of the system; the only shipped one with its GPU when left out.",
)
@click.option("--collective", "kind", type=click.Choice(KINDS), help="When a log does not say.")
@click.option("--gpus", type=COUNT, metavar="N", help="When a log does not say.")
@output_options(pictures=False)
def calibrate(
    subject: str,
    files: Sequence[Path],
    cluster: str | None,
    kind: str | None,
    gpus: int | None,
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Path],
) -> None:
    """Fit a system's own constants to its measurements.

    SUBJECT is nccl-tests (FILES are logs, text or -J JSON), training (FILES are CSV) or
    collectives (one CSV, the packaged one when left out: refits the shipped constants; -o writes
    their table). With nccl-tests, `-o NAME.yaml` writes the design with its own constants: a file
    that --cluster takes.

    \b
    Example:
      netmodel calibrate nccl-tests all_reduce.log --cluster dgx-superpod-h100 -o mine.yaml
    """
    if subject not in SUBJECTS:
        raise unknown_name("subject", subject, SUBJECTS, where="netmodel calibrate")
    if subject == "collectives":
        _refit(files, as_json=as_json, as_csv=as_csv, outputs=outputs)
        return
    if not files:
        raise InputError(f"no file to calibrate {subject} on", where="netmodel calibrate")
    if subject == "training":
        from netmodel import studies

        result = studies.calibrate_training(files)
        report = result if isinstance(result, dict) else result.to_dict()
        answer = Answer(data=report, rows=report.get("rows", ()), tables=())
        emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)
        return
    from netmodel.studies.collectives_calibrate import calibrate_nccl_tests

    found = calibrate_nccl_tests(files, cluster=cluster, kind=kind, gpus=gpus)
    for path in outputs:
        if path.suffix.lower() == ".yaml":
            write_whole(path, to_yaml(found.document).encode())
            click.echo(f"wrote {path}", err=True)
    report = found.to_dict()
    answer = Answer(data=report, rows=report["rows"], tables=_tables(found), notes=_notes(report))
    rest = [path for path in outputs if path.suffix.lower() != ".yaml"]
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=rest)


def _refit(files: Sequence[Path], *, as_json: bool, as_csv: bool, outputs: Sequence[Path]) -> None:
    """Fit the constants of all libraries anew, and say how many numbers that takes."""
    from netmodel.studies.collectives_fit import write_constants
    from netmodel.studies.collectives_validate import refit

    found, report = refit(files[0] if files else None)
    for path in outputs:
        if path.suffix.lower() == ".csv":
            write_constants(found, path)
            click.echo(f"wrote {path}", err=True)
    answer = Answer(
        data=report,
        rows=report["constants"],
        tables=[
            Table(
                title=f"{report['fitted_numbers']} numbers fitted to {report['rows']:,} times",
                columns=("constant", "shipped", "fitted", "+-"),
                rows=[
                    (
                        each["constant"],
                        f"{each['shipped']:.4g}",
                        f"{each['fitted']:.4g}",
                        f"{100 * each['relative_deviation']:.1f} %",
                    )
                    for each in report["constants"]
                ],
            )
        ],
        notes=[f"Median error {report['median_abs_pct']:.2f} % of the rows fitted."],
    )
    rest = [path for path in outputs if path.suffix.lower() != ".csv"]
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=rest)


def _tables(found: Calibration) -> list[Table]:
    """Constants, then residuals by size."""
    constants = [
        (
            WORDS[name],
            _shown(name, found.before[name]),
            _shown(name, value),
            f"{100 * found.deviation[name]:.1f} %",
        )
        for name, value in found.constants.items()
    ]
    residuals = [
        (
            row["collective"],
            f"{row['gpus']:,}",
            f"{row['bytes']:,.0f}",
            f"{row['measured_s'] * 1e6:,.1f}",
            f"{row['shipped_error_pct']:+.1f} %",
            f"{row['fitted_error_pct']:+.1f} %",
        )
        for row in found.rows
    ]
    return [
        Table(
            title=f"{len(found.constants)} numbers fitted to {len(found.rows)} measured times",
            columns=("constant", "shipped", "fitted", "+-"),
            rows=constants,
        ),
        Table(
            title="Residuals",
            columns=("collective", "GPUs", "size (B)", "measured (us)", "shipped", "fitted"),
            rows=residuals,
        ),
    ]


def _shown(name: str, value: float) -> str:
    return f"{value * 1e6:.2f} us" if name in TIMES else f"{100 * value:.1f} %"


def _notes(report: dict[str, Any]) -> list[str]:
    """Errors before and after, half sizes, and what was not read."""
    errors = report["median_abs_pct"]
    return [
        f"Median error {errors['shipped']:.1f} % as shipped, {errors['fitted']:.1f} % fitted.",
        *(
            f"{name} reaches half of its best bus bandwidth at {size / 2**20:,.2f} MiB."
            for name, size in report["half_size_B"].items()
        ),
        f"{report['unread_lines']:,} lines were not read, {report['cut_rows']:,} rows cut, "
        f"{report['repeated_rows']:,} rows repeated.",
    ]
