"""``netmodel compare`` and ``netmodel whatif`` as people call them."""

import csv
import io
import json

import pytest

V3 = ("--cluster", "deepseek-h800-mpft", "--model", "deepseek-v3")
SMALL = ("--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b", "--gpus", "64")
PAIR = ("compare", "dgx-superpod-h100", "dgx-superpod-a100", "--model", "llama-3.1-8b")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_fault_has_the_keys_of_its_contract(call):
    data = json.loads(call("whatif", *V3, "--fail", "node0003-nic2", "--json"))
    assert {"before", "after", "slowdown"} <= data.keys()
    before, after = (data[key]["step_time_s"] for key in ("before", "after"))
    assert data["slowdown"] == pytest.approx(after / before)
    for key in ("before", "after"):
        parts = data[key]["breakdown_s"].values()
        assert sum(parts) == pytest.approx(data[key]["step_time_s"], rel=1e-9)
    assert all(each["after_s"] >= each["before_s"] for each in data["collectives"])
    assert data["price"]["source"].startswith("arXiv:2412.19437")
    assert data["lost_per_hour_usd"]["typical"] == pytest.approx(4096 * (1 - before / after))


def test_the_table_says_what_the_json_says(call):
    arguments = ("whatif", *SMALL, "--degrade", "node0003-nic* at 50%", "--stop", "5 min")
    data, text = json.loads(call(*arguments, "--json")), call(*arguments)
    assert f"{data['slowdown']:.3f}x" in text
    assert "5 min" in text
    rows = rows_of(call(*arguments, "--csv"))
    assert rows[0]["name"] == "step"
    assert float(rows[0]["slowdown"]) == data["slowdown"]
    assert len(rows) == 1 + len(data["collectives"])


def test_without_a_change_all_faults_are_ranked(call, tmp_path):
    data = json.loads(call("whatif", *SMALL, "--json", "-o", tmp_path / "worst.svg"))
    assert data["faults"] == sum(row["alike"] for row in data["ranking"])
    assert b"<svg" in (tmp_path / "worst.svg").read_bytes()
    assert len(rows_of(call("whatif", *SMALL, "--csv"))) == len(data["ranking"])
    assert data["ranking"][0]["fault"] in call("whatif", *SMALL, "--top", "1")


@pytest.mark.parametrize(
    "change",
    [
        ("--straggler", "node0003-gpu1 at 80%"),
        ("--upgrade", "nodes.nic_bandwidth=200 Gb/s"),
        ("--swap-gpu", "H200"),
        ("--reroute", "ecmp"),
        ("--fail", "1 of leaf-000-rail0:*", "--placement", "strided"),
    ],
)
def test_every_kind_of_change_is_answered_and_drawn(call, change, tmp_path):
    out = call("whatif", *SMALL, *change, "--rent", "3 USD/h", "-o", tmp_path / "then.png")
    assert "step" in out
    assert (tmp_path / "then.png").read_bytes().startswith(b"\x89PNG")


def test_a_job_that_stops_is_a_question_without_an_answer(netmodel):
    done = netmodel(
        "whatif",
        *("--cluster", "fire-flyer-2", "--model", "llama-3.1-8b", "--gpus", "64"),
        *("--fail", "node0003-nic0"),
        check=False,
    )
    assert done.returncode == 1
    assert "node0003-gpu0 and 7 other GPUs reach no NIC" in done.stderr


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("--fail", "leaf-999"), "leaf-999"),
        (("--fail", "spine-* at 50%"), "--degrade"),
        (("--upgrade", "nonsense"), "--upgrade"),
        (("--straggler", "leaf-000-rail0 at 50%"), "no GPU"),
        (("--straggler", "node=3 at 150%"), "150"),
    ],
)
def test_a_wrong_change_says_how_to_mend_it(netmodel, change, word):
    done = netmodel("whatif", *SMALL, *change, check=False)
    assert done.returncode == 2
    assert word in done.stderr


def test_clusters_side_by_side_in_every_form(call, tmp_path):
    arguments = (*PAIR, "--gpus", "64,128")
    data = json.loads(call(*arguments, "--json", "-o", tmp_path / "pair.png"))
    assert [(each["label"], each["gpus"]) for each in data["entries"]] == [
        ("dgx-superpod-h100", 64),
        ("dgx-superpod-a100", 64),
        ("dgx-superpod-h100", 128),
        ("dgx-superpod-a100", 128),
    ]
    rows = rows_of(call(*arguments, "--csv"))
    assert [float(row["step_time_s"]) for row in rows] == [
        each["step"]["step_time_s"] for each in data["entries"]
    ]
    assert "dgx-superpod-a100" in call(*arguments)
    assert (tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")


def test_fabrics_alone_are_compared_and_drawn(call, tmp_path):
    text = call(
        "compare",
        *("fat-tree-64", "deepseek-h800-mpft", "--gpus", "2048", "--prices", "isca-table3"),
        *("-o", tmp_path / "fabrics.svg"),
    )
    assert "$4.39k" in text
    assert b"<svg" in (tmp_path / "fabrics.svg").read_bytes()


def test_one_field_is_varied_and_a_target_is_asked(call):
    arguments = (
        *("compare", "dgx-superpod-h100", "--vary", "fabric.oversubscription=1,4"),
        *("--model", "gpt3-175b", "--gpus", "1024,4096", "--target", "efficiency=0.8"),
    )
    data = json.loads(call(*arguments, "--json"))
    labels = [f"dgx-superpod-h100 oversubscription={ratio}" for ratio in (1, 4)]
    assert [each["label"] for each in data["entries"]] == labels
    assert [each["label"] for each in data["target"]["needs"]] == labels
    assert data["target"]["cheapest"] in (*labels, None)
    assert "For efficiency 0.8" in call(*arguments)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--vary", "oversubscription"), "--vary"),
        (("--target", "efficiency=0.9", "--gpus", "64"), "two sizes"),
        (("--target", "efficiency"), "KIND=X"),
        (("--target", "speed=0.9", "--gpus", "64"), "speed"),
        (("--prices", "mine"), "mine"),
    ],
)
def test_a_wrong_comparison_says_how_to_mend_it(netmodel, arguments, word):
    done = netmodel(*PAIR, *arguments, check=False)
    assert done.returncode == 2
    assert word in done.stderr


def test_a_target_needs_a_model(netmodel):
    done = netmodel("compare", "dgx-superpod-h100", "--target", "mfu=0.4", check=False)
    assert done.returncode == 2
    assert "--model" in done.stderr
