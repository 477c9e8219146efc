"""The verbs keep the keys of their contract, in JSON, CSV, table and file."""

import csv
import io
import json
from pathlib import Path

import pytest
from netmodel import catalog, topology

V3 = ("--cluster", "deepseek-h800-mpft", "--model", "deepseek-v3")
SMALL = ("--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b")

CLUSTERS = {
    "deepseek-h800-mpft",
    "deepseek-h800-mrft",
    "fire-flyer-2",
    "dgx-superpod-a100",
    "dgx-superpod-h100",
    "dgx-superpod-b200",
    "gb200-nvl72",
    "meta-24k-roce",
    "selene",
}
MODELS = {
    "deepseek-v3",
    "deepseek-v2",
    "deepseek-moe-16b",
    "llama-3.1-8b",
    "llama-3.1-70b",
    "llama-3.1-405b",
    "mixtral-8x7b",
    "mixtral-8x22b",
    "qwen3-30b-a3b",
    "qwen3-235b-a22b",
    "gpt3-175b",
}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(("kind", "names"), [("clusters", CLUSTERS), ("models", MODELS)])
def test_the_names_that_others_rely_on_are_listed(call, kind, names):
    data = json.loads(call("list", kind, "--json"))
    assert names <= {row["name"] for row in data["rows"]}


@pytest.mark.parametrize("kind", ["accelerators", "links", "switches", "nics", "nodes", "prices"])
def test_every_catalog_row_is_listed_and_shown_with_sources(call, kind):
    listed = [row["name"] for row in json.loads(call("list", kind, "--json"))["rows"]]
    assert listed == catalog.names(kind)
    facts = json.loads(call("show", listed[0], "--json"))["facts"]
    assert facts
    assert all(fact["source"] and fact["unit"] for fact in facts)
    assert len(rows_of(call("list", kind, "--csv"))) == len(listed)


@pytest.mark.parametrize("name", sorted(CLUSTERS))
def test_every_cluster_is_described_from_its_graph(call, name):
    data = json.loads(call("show", name, "--json"))
    assert {
        "nodes",
        "gpus",
        "switches",
        "cables",
        "bisection_bandwidth_Bps",
        "oversubscription",
        "diameter_hops",
        "cost_usd",
        "power_W",
    } <= data.keys()
    wiring = topology.load_cluster(name).wiring()
    assert data["gpus"] == len(wiring.gpus)
    assert data["switches"]["leaf"] == len(wiring.of_kind("leaf"))


def test_a_cluster_is_sized_by_gpus_and_changed_by_set(call):
    data = json.loads(
        call(
            *("show", "dgx-superpod-h100", "--gpus", "512", "--json"),
            *("--set", "fabric.oversubscription=2"),
        )
    )
    assert data["gpus"] == 512
    assert max(data["oversubscription"].values()) == pytest.approx(2, rel=0.35)


def test_isca_table_3_is_what_show_counts(call):
    """arXiv:2505.09343 Table 3: 16,384 endpoints, 768 switches, 16,384 links in MPFT."""
    data = json.loads(call("show", "deepseek-h800-mpft", "--gpus", "16384", "--json"))
    assert data["switches"]["leaf"] + data["switches"]["spine"] == 768
    assert data["cables"]["leaf-spine"] == 16384


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gpt3-175b", 174_604_259_328),
        ("llama-3.1-405b", 405_853_388_800),
        ("deepseek-v3", 671_026_419_200),
    ],
)
def test_published_parameter_counts_are_exact(call, name, parameters):
    assert json.loads(call("show", name, "--json"))["parameters"] == parameters


def test_a_model_can_be_changed_by_set(call):
    whole = json.loads(call("show", "llama-3.1-8b", "--json"))
    half = json.loads(call("show", "llama-3.1-8b", "--set", "num_hidden_layers=16", "--json"))
    assert half["layers"] == 16
    assert half["parameters"] < whole["parameters"]


def test_a_step_has_the_keys_of_its_contract_and_adds_up(call):
    data = json.loads(call("step", *V3, "--gpus", "2048", "--json"))
    assert {
        "gpus",
        "step_time_s",
        "tokens_per_s_per_gpu",
        "mfu",
        "mfu_convention",
        "model_flops",
        "strategy",
        "breakdown_s",
        "hidden_s",
        "memory_B",
        "bottleneck",
    } <= data.keys()
    assert sum(data["breakdown_s"].values()) == pytest.approx(data["step_time_s"], rel=1e-9)
    assert {"tier", "links", "collective"} <= data["bottleneck"].keys()
    assert {"total", "capacity"} <= data["memory_B"].keys()
    strategy = data["strategy"]
    assert (strategy["pp"], strategy["ep"], strategy["schedule"]) == (16, 64, "dualpipe")
    assert data["layout_origin"] == "published"


def test_the_table_of_a_step_says_what_the_json_says(call):
    data = json.loads(call("step", *V3, "--json"))
    text = call("step", *V3)
    assert f"{data['tokens_per_s_per_gpu']:,.0f}" in text
    assert data["bottleneck"]["tier"] in text
    assert "arXiv:2412.19437" in text


def test_a_step_as_csv_is_one_row_with_units_in_the_names(call):
    (row,) = rows_of(call("step", *SMALL, "--gpus", "16", "--csv"))
    parts = [float(value) for key, value in row.items() if key.endswith("_s") and value]
    assert float(row["step_time_s"]) in parts
    assert row["gpus"] == "16"


def test_a_curve_has_the_keys_of_its_contract(call):
    arguments = ("scale", *SMALL, "--gpus", "16..64", "--strategy", "tp=2,global_batch=256")
    data = json.loads(call(*arguments, "--json"))
    assert data["mode"] == "strong"
    assert data["baseline_gpus"] == 16
    assert [point["gpus"] for point in data["points"]] == [16, 32, 64]
    assert data["points"][0]["efficiency"] == 1.0
    rows = rows_of(call(*arguments, "--csv"))
    assert [row["gpus"] for row in rows] == ["16", "32", "64"]
    assert [float(row["efficiency"]) for row in rows] == [
        point["efficiency"] for point in data["points"]
    ]


def test_the_demo_writes_picture_vector_and_data(call, tmp_path):
    files = [tmp_path / "out" / f"scaling.{kind}" for kind in ("png", "svg", "csv", "json")]
    outputs = [text for path in files for text in ("-o", str(path))]
    text = call("scale", *SMALL, "--gpus", "8..32", "--global-batch", "256", *outputs)
    assert "efficiency" in text
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in files[1].read_bytes()
    data = json.loads(files[3].read_text())
    assert [int(row["gpus"]) for row in rows_of(files[2].read_text())] == [
        point["gpus"] for point in data["points"]
    ]


@pytest.mark.parametrize("name", ["deepseek-h800-mpft", "gb200-nvl72"])
@pytest.mark.parametrize("gpus", ["32", "2304"])
def test_a_cluster_is_drawn_small_and_large(call, tmp_path, name, gpus):
    path = tmp_path / "fabric.svg"
    call("show", name, "--gpus", gpus, "-o", path)
    assert path.stat().st_size > 10_000


def test_only_clusters_are_drawn(netmodel, tmp_path):
    done = netmodel("show", "llama-3.1-8b", "-o", "model.png", check=False)
    assert done.returncode == 2
    assert not (Path(tmp_path) / "model.png").exists()


def test_an_unknown_subject_to_validate_offers_the_known(netmodel):
    done = netmodel("validate", "trainng", check=False)
    assert done.returncode == 2
    assert "training" in done.stderr
