"""``netmodel explain`` and the timeline of ``netmodel step``."""

import csv
import io
import json
import math

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


FASTER = {
    "network": ("nodes.nic_bandwidth=420 Gb/s", "fabric.link.bandwidth=420 Gb/s"),
    "nvlink": ("nodes.scaleup_link.bandwidth=26.25 GB/s", "nodes.scaleup_link.latency=0 s"),
    "spine": ("fabric.link.bandwidth=420 Gb/s",),
}
"""Wired 5 % faster: NICs with all cables, NVLinks, and cables behind NICs that stay as they are."""


@pytest.mark.parametrize(
    ("model", "cluster", "named"),
    [
        ("deepseek-v3", "deepseek-h800-mpft", "network"),
        ("llama-3.1-405b", "meta-24k-roce", "nvlink"),
        ("gpt3-175b", "dgx-superpod-h100", "network"),
    ],
)
def test_wiring_the_named_tier_faster_helps_as_its_elasticity_says(call, model, cluster, named):
    """And the cables behind the NICs, which are named as worth nothing, change nothing."""
    asked = ("--model", model, "--cluster", cluster, "--gpus", "16384")
    found = json.loads(call("explain", *asked, "--json"))
    worth = {name: found["elasticity"][f"{name}.bandwidth"] for name in FASTER}
    assert min(worth, key=worth.get) == named
    before = found["points"][0]["step_time_s"]
    for tier, overrides in FASTER.items():
        changes = [word for each in overrides for word in ("--set", each)]
        after = json.loads(call("step", *asked, *changes, "--json"))["step_time_s"]
        change = math.log(after / before) / math.log(1.05)
        assert change == pytest.approx(worth[tier], rel=0.10, abs=1e-6), tier


@pytest.mark.parametrize("routing", ["adaptive", "ecmp"])
def test_contention_is_that_of_the_routed_graph(call, routing):
    """Hashed flows meet on uplinks; the waterfall charges it to them and adds up to that step."""
    asked = ("--model", "llama-3.1-405b", "--cluster", "meta-24k-roce", "--gpus", "2048")
    graph = ("--fidelity", "contention", "--routing", routing)
    found = json.loads(call("explain", *asked, *graph, "--json"))
    timed = json.loads(call("step", *asked, *graph, "--json"))["step_time_s"]
    falls = found["waterfall_s"]
    assert sum(falls.values()) == pytest.approx(timed, rel=1e-9)
    contention = sum(value for name, value in falls.items() if name.endswith(":contention"))
    assert (contention > 0.001 * timed) == (routing == "ecmp")
