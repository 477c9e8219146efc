"""``netmodel validate``: predictions beside published measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from netmodel.cli.options import output_options
from netmodel.cli.output import Answer, Table, emit
from netmodel.errors import unknown_name

SUBJECTS = ("training", "collectives", "moe")


@click.command(no_args_is_help=True)
@click.argument("subject", metavar="SUBJECT")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A CSV in the schema of the packaged measurements; they are used when left out.",
)
@click.option("--rows", "show_rows", is_flag=True, help="Print every row, not only the summary.")
@output_options()
def validate(
    subject: str,
    data: Path | None,
    show_rows: bool,
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
) -> None:
    """Hold predictions against published measurements, good rows and bad.

    SUBJECT is training, collectives or moe.

    \b
    Example:
      netmodel validate training
    """
    if subject not in SUBJECTS:
        raise unknown_name("subject", subject, SUBJECTS, where="netmodel validate")
    from netmodel import studies

    result = getattr(studies, f"validate_{subject}")(data)
    report = result if isinstance(result, dict) else result.to_dict()

    def figure() -> Any:
        from netmodel.plots.validation import validation_figure

        return validation_figure(subject, report)

    answer = Answer(
        data=report,
        rows=report["rows"],
        tables=_tables(subject, report, show_rows),
        figure=figure,
    )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _tables(subject: str, report: dict[str, Any], show_rows: bool) -> list[Table]:
    """Summary over all rows and by group, and the rows when asked for."""
    summary = report["summary"]
    facts = [
        ("rows", f"{summary['rows']:,}"),
        ("predicted", f"{summary['predicted']:,}"),
        *(
            (words, f"{summary[key]:.2f} %")
            for key, words in (
                ("median_abs_pct", "median error"),
                ("mean_abs_pct", "mean error"),
                ("p90_abs_pct", "90th percentile"),
                ("bias_pct", "bias"),
            )
        ),
    ]
    if "scaling" in report:
        scaling = report["scaling"]
        facts += [
            ("scaling series", f"{scaling['series']:,}"),
            ("scaling, median error", f"{scaling['median_abs_points']:.2f} points"),
            ("scaling, 90th percentile", f"{scaling['p90_abs_points']:.2f} points"),
        ]
    if "launcher_unstated" in summary:
        blind = summary["launcher_unstated"]
        facts += [
            ("median error, launcher not stated", f"{blind['median_abs_pct']:.2f} %"),
            ("90th percentile, launcher not stated", f"{blind['p90_abs_pct']:.2f} %"),
        ]
    tables = [Table(title=f"validate {subject}", columns=("", ""), rows=facts)]
    groups = summary.get("by_group", {})
    if groups:
        tables.append(_groups(groups))
    if show_rows:
        rows = [_row(row) for row in report["rows"]]
        columns = ("row", "measured", "predicted", "metric", "error", "why skipped")
        tables.append(Table(columns=columns, rows=rows))
    return tables


def _groups(groups: dict[str, Any]) -> Table:
    """Errors by group; groups may be nested one level by what they group."""
    rows = []
    for name, group in groups.items():
        members = (
            {name: group}
            if "median_abs_pct" in group
            else {f"{name} {member}": each for member, each in group.items()}
        )
        rows += [
            (
                label,
                f"{each.get('predicted', each.get('rows', 0)):,}",
                f"{each['median_abs_pct']:.2f} %",
                f"{each['p90_abs_pct']:.2f} %",
            )
            for label, each in members.items()
            if each.get("median_abs_pct") is not None
        ]
    return Table(columns=("group", "rows", "median error", "90th percentile"), rows=rows)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    """One measured row beside its prediction."""
    predicted = row["status"] == "ok"
    return (
        str(row["id"]),
        f"{row['measured']:.4g}",
        f"{row['predicted']:.4g}" if predicted else "-",
        str(row["metric"]),
        f"{row['error_pct']:+.1f} %" if predicted else "-",
        "" if predicted else str(row["reason"]),
    )
