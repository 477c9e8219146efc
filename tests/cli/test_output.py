"""An answer in every form, and files that are written whole or not at all."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.cli import output
from netmodel.cli.output import Answer, Table, aligned, to_csv, to_html, to_json, write_files
from netmodel.errors import InputError

ANSWER = Answer(
    data={"gpus": np.int64(8), "time_s": 0.1, "loads": np.array([1.5, 2.0]), "none": None},
    rows=[{"gpus": 8, "time_s": 0.1}, {"gpus": 16, "time_s": 0.2, "extra": "a,b"}],
    tables=[Table(title="Steps", columns=("GPUs", "who <x>"), rows=[("8", "a"), ("16", "bb")])],
    notes=["one note"],
)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_keeps_every_digit(value):
    assert json.loads(to_json({"x": value}))["x"] == value


def test_json_knows_numpy_and_turns_what_is_not_finite_into_null():
    data = {"a": np.float64(0.1), "b": np.arange(2), "c": float("inf"), "d": np.nan, "e": (1,)}
    assert json.loads(to_json(data)) == {"a": 0.1, "b": [0, 1], "c": None, "d": None, "e": [1]}


def test_csv_has_the_union_of_the_columns():
    rows = list(csv.DictReader(io.StringIO(to_csv(ANSWER.rows))))
    assert rows == [
        {"gpus": "8", "time_s": "0.1", "extra": ""},
        {"gpus": "16", "time_s": "0.2", "extra": "a,b"},
    ]


def test_numbers_stand_right_and_words_left():
    text = aligned(Table(columns=("n", "word"), rows=[("8", "a"), ("1,024", "bb"), ("-", "c")]))
    assert text.splitlines() == ["    n  word", "    8  a", "1,024  bb", "    -  c"]


def test_a_page_escapes_what_it_shows():
    page = to_html(ANSWER, None)
    assert "who &lt;x&gt;" in page
    assert "one note" in page
    assert "src=" not in page
    assert "href=" not in page


@pytest.mark.parametrize("suffix", [".json", ".csv", ".yaml", ".html"])
def test_a_file_has_the_format_of_its_suffix(tmp_path, capsys, suffix):
    path = tmp_path / "new" / "folder" / f"answer{suffix}"
    write_files(ANSWER, [path])
    text = path.read_text()
    starts = {".json": "{", ".csv": "gpus,", ".yaml": "gpus: 8", ".html": "<!doctype html>"}
    assert text.startswith(starts[suffix])
    assert capsys.readouterr().err == f"wrote {path}\n"


def test_writing_twice_gives_the_same_bytes(tmp_path, capsys):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    write_files(ANSWER, paths)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    path.write_text("old")

    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        output.write_whole(path, b"new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as failure:
        output.write_whole(tmp_path / "file" / "x.json", b"")
    assert str(tmp_path / "file" / "x.json") in str(failure.value)


def test_people_are_told_what_a_gigabyte_is(capsys):
    output.emit(ANSWER, as_json=False, as_csv=False)
    assert capsys.readouterr().out.splitlines() == [
        "Steps",
        "GPUs  who <x>",
        "   8  a",
        "  16  bb",
        "",
        "one note",
        output.UNITS_NOTE,
    ]


def test_two_formats_on_one_stdout_are_refused():
    with pytest.raises(InputError, match="both"):
        output.emit(ANSWER, as_json=True, as_csv=True)


@pytest.mark.parametrize("columns", [60, 160])
def test_a_terminal_gets_whole_numbers_whatever_its_width(columns):
    """A pseudo-terminal, as people have one."""
    script = (
        "import os, pty, sys\n"
        f"os.environ['COLUMNS'] = '{columns}'\n"
        "pty.spawn([sys.executable, '-m', 'netmodel', 'list', 'switches'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "QM9700" in done.stdout
    assert "400 Gb/s" in done.stdout
    assert "…" not in done.stdout
