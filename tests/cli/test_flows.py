"""``netmodel flows``: reads SimGrid's cases as they are, answers in seconds, refuses in a line."""

import gzip
import json
from pathlib import Path

import pytest

ORACLE = Path(__file__).parents[1] / "data" / "flow_oracle"


@pytest.mark.parametrize("path", sorted(ORACLE.glob("v*")), ids=lambda path: path.name[:2])
def test_the_verb_takes_each_case_of_simgrid(netmodel, path):
    answer = json.loads(netmodel("flows", path, "--json").stdout)
    open_file = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rb") as file:
        oracle = json.load(file)["oracle"]
    assert answer["finish_s"] == pytest.approx(oracle["finish_s"], rel=1e-9)
    assert answer["makespan_s"] == max(answer["finish_s"])
    assert answer["wall_s"] > 0


def test_people_see_the_last_flows_first(netmodel):
    lines = netmodel("flows", ORACLE / "v1_ft16_permutation.json").stdout.splitlines()
    assert lines[0] == "16 flows end after 240 ms; the last"
    assert lines[1].split() == ["flow", "bytes", "links", "start", "finish"]
    assert lines[2].split()[-2:] == ["240", "ms"]


def test_csv_has_a_row_a_flow(netmodel):
    lines = netmodel("flows", ORACLE / "v1_ft16_permutation.json", "--csv").stdout.splitlines()
    assert lines[:2] == ["flow,finish_s", "0,0.16"]
    assert len(lines) == 17


@pytest.mark.parametrize("content", ["", "{", "[]", '{"links": [], "flows": [{}]}'])
def test_a_broken_case_is_one_line_and_code_2(netmodel, tmp_path, content):
    path = tmp_path / "case.json"
    path.write_text(content)
    done = netmodel("flows", path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "case.json" in done.stderr


def test_a_folder_or_nothing_is_one_line_and_code_2(netmodel, tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        done = netmodel("flows", path, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
