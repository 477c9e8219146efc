"""``netmodel explain`` and the timeline of ``netmodel step``."""

import csv
import io
import json

import pytest

V3 = ("--cluster", "deepseek-h800-mpft", "--model", "deepseek-v3")
SMALL = ("--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b")


def test_an_explanation_has_the_keys_of_its_contract(call):
    data = json.loads(call("explain", *V3, "--gpus", "2048,4096", "--json"))
    assert {"points", "waterfall_s", "elasticity", "summary"} <= data.keys()
    assert [point["gpus"] for point in data["points"]] == [2048, 4096]
    last = data["points"][-1]["step_time_s"]
    assert sum(data["waterfall_s"].values()) == pytest.approx(last, rel=1e-9)
    for point in data["points"]:
        assert sum(point["waterfall_s"].values()) == pytest.approx(point["step_time_s"], rel=1e-9)


def test_the_table_says_what_the_json_says(call):
    arguments = ("explain", *SMALL, "--gpus", "64")
    data = json.loads(call(*arguments, "--json"))
    text = call(*arguments)
    assert data["summary"] in text
    assert "ideal: all model FLOPs at peak" in text
    for limit in data["limits"]:
        assert limit["collective"] in text
    assert f"{data['elasticity']['gpu.flops']:+.3f} %" in text


def test_the_csv_has_a_row_for_each_entry_and_field(call):
    arguments = ("explain", *SMALL, "--gpus", "64")
    data = json.loads(call(*arguments, "--json"))
    rows = list(csv.DictReader(io.StringIO(call(*arguments, "--csv"))))
    falls = {row["name"]: float(row["seconds_s"]) for row in rows if row["kind"] == "waterfall"}
    assert falls == data["waterfall_s"]
    slopes = {row["name"] for row in rows if row["kind"] == "elasticity"}
    assert slopes == set(data["elasticity"])


def test_an_explanation_is_drawn(call, tmp_path):
    call("explain", *SMALL, "--gpus", "8,64", "--global-batch", "256", "-o", tmp_path / "why.svg")
    assert b"<svg" in (tmp_path / "why.svg").read_bytes()


def test_a_step_is_written_as_a_trace_and_as_a_picture(call, tmp_path):
    trace, picture = tmp_path / "step.json", tmp_path / "step.png"
    layout = "tp=2,pp=4,global_batch=64"
    call(
        *("step", *SMALL, "--gpus", "16", "--strategy", layout),
        *("--trace", trace, "--trace", picture),
    )
    events = json.loads(trace.read_text())["traceEvents"]
    assert sum(event["name"].startswith("F ") for event in events if event["ph"] == "X") >= 4 * 32
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_trace_of_another_kind_is_refused_before_any_work(netmodel, tmp_path):
    done = netmodel("step", *SMALL, "--gpus", "16", "--trace", "step.csv", check=False)
    assert done.returncode == 2
    assert "--trace" in done.stderr
    assert not (tmp_path / "step.csv").exists()
