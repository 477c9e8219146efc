"""What a verb answers, and every way to print or write it.

A verb makes one :class:`Answer`; :func:`emit` prints it for people, or as JSON or CSV, and writes
each ``-o`` file whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.params import PICTURES
from netmodel.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = re.compile(r"[-+−~<≤≈]?\$?\d|-$")
WIDEST = 108
"""Columns that a table may take even where the terminal has fewer."""

UNITS_NOTE = "GB = 1e9 bytes, GiB = 2**30 bytes; bandwidths are of one direction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text for people: columns of words or numbers that are formatted already.

    Attributes
    ----------
    title : str
        Printed above; may be empty.
    columns : sequence of str
        Headings.
    rows : sequence of sequences of str
        Cells; a column with a heading in which every cell starts like a number is aligned to the
        right.
    """

    title: str = ""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def width(self) -> int:
        """Characters of a line when nothing is broken."""
        lines = [self.columns, *self.rows]
        return sum(max(map(len, cells)) + 2 for cells in zip(*lines, strict=True)) + 3

    def right(self) -> list[bool]:
        """Which columns hold numbers."""
        cells = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return [
            bool(name) and any(column) and all(not cell or NUMBER.match(cell) for cell in column)
            for name, column in zip(self.columns, cells, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of one verb in every form it can be asked for.

    Attributes
    ----------
    data : mapping
        The JSON object of CONTRACTS, SI with units in the keys.
    rows : sequence of mappings
        The CSV rows; keys are the union over the rows, in order of first appearance.
    tables : sequence of Table
        For people.
    notes : sequence of str
        Lines under the tables.
    figure : callable or None
        Draws the picture, only when one is asked for.
    """

    data: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    figure: Callable[[], Figure] | None = field(default=None)


def emit(answer: Answer, *, as_json: bool, as_csv: bool, outputs: Iterable[Path] = ()) -> None:
    """Write every file, then print the answer once on stdout."""
    if as_json and as_csv:
        raise InputError("--json and --csv both go to stdout", remedy="Ask for one, or use -o.")
    write_files(answer, outputs)
    if as_json:
        click.echo(to_json(answer.data), nl=False)
    elif as_csv:
        click.echo(to_csv(answer.rows), nl=False)
    else:
        echo_tables(answer.tables, answer.notes)


def to_json(data: Any) -> str:
    """Return one JSON object; what is not finite has no JSON number and becomes null."""
    return json.dumps(plain(data), indent=2, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Turn numpy values, tuples and mappings into what JSON and YAML know."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows under the union of their keys."""
    fields = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain(row) for row in rows)
    return text.getvalue()


def write_files(answer: Answer, outputs: Iterable[Path]) -> None:
    """Write each file in the format of its suffix and name it on stderr."""
    figure: Figure | None = None
    for path in outputs:
        suffix = path.suffix.lower()
        if suffix in (*PICTURES, ".html") and figure is None and answer.figure is not None:
            figure = answer.figure()
        if suffix in PICTURES:
            from netmodel.plots import picture

            assert figure is not None
            content = picture(figure, suffix)
        elif suffix == ".html":
            content = to_html(answer, figure).encode()
        elif suffix == ".csv":
            content = to_csv(answer.rows).encode()
        elif suffix == ".json":
            content = to_json(answer.data).encode()
        else:
            content = to_yaml(answer.data).encode()
        write_whole(path, content)
        click.echo(f"wrote {path}", err=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folders are made.

    Raises
    ------
    InputError
        When the place cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=str(path), remedy="Choose another place."
        ) from error


def to_yaml(data: Any) -> str:
    """Return the answer as YAML, keys in order."""
    import yaml

    return str(yaml.safe_dump(plain(data), sort_keys=False, allow_unicode=True))


def to_html(answer: Answer, figure: Figure | None) -> str:
    """Return one page that needs nothing else: the picture, the tables, the notes."""
    from html import escape

    parts = []
    if figure is not None:
        from netmodel.plots import picture

        svg = picture(figure, ".svg").decode()
        parts.append(f"<figure>{svg[svg.index('<svg') :]}</figure>")
    for table in answer.tables:
        title = f"<caption>{escape(table.title)}</caption>" if table.title else ""
        lines = [
            "".join(
                f"<{tag}{' class=n' if side else ''}>{escape(cell)}</{tag}>"
                for cell, side in zip(cells, table.right(), strict=True)
            )
            for tag, cells in [("th", table.columns), *(("td", row) for row in table.rows)]
        ]
        parts.append(f"<table>{title}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>")
    parts += [f"<p>{escape(note)}</p>" for note in (*answer.notes, UNITS_NOTE)]
    return _PAGE.format(body="\n".join(parts))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>netmodel</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
figure {{ margin: 0 }} svg {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; margin: 1.5rem 0 }}
caption {{ text-align: left; font-weight: 600 }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #ddd }}
.n {{ text-align: right; font-variant-numeric: tabular-nums }} p {{ color: #555 }}
</style></head><body>
{body}
</body></html>
"""


def echo_tables(tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Print for people: rich tables on a terminal, aligned text into a pipe."""
    if sys.stdout.isatty():
        _echo_rich(tables, notes)
        return
    for table in tables:
        click.echo(aligned(table) + "\n")
    for note in (*notes, UNITS_NOTE):
        click.echo(note)


def aligned(table: Table) -> str:
    """Return the table as text whose columns line up, two spaces between them."""
    right = table.right()
    lines = [table.columns, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(right))]
    text = [
        "  ".join(
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, *text] if table.title else text)


def _echo_rich(tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Print with rules, weights and colour, at the width of the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    plain_ink = click.get_current_context().find_root().color is False
    console = Console(no_color=plain_ink, highlight=False)
    terminal = console.width
    for table in tables:
        shown = RichTable(
            title=Text(table.title) if table.title else None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD if any(table.columns) else None,
            show_header=any(table.columns),
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for name, side in zip(table.columns, table.right(), strict=True):
            shown.add_column(Text(name), justify="right" if side else "left", no_wrap=side)
        for row in table.rows:
            shown.add_row(*(Text(cell) for cell in row))
        # A narrow window may break lines, never cut numbers off.
        wide = max(terminal, min(table.width, WIDEST))
        Console(no_color=plain_ink, highlight=False, width=wide).print(shown, "")
    for note in (*notes, UNITS_NOTE):
        console.print(Text(note, style="dim"))
