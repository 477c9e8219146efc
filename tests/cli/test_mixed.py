"""``netmodel step`` on GPUs of several kinds."""

import json

import pytest

ASKED = (
    "step", "--cluster", "hybrid-a100-h100-mi300x", "--model", "llama-3.1-8b", "--gpus", "96",
    "--strategy", "tp=4,global_batch=192", "--seq-len", "4096",
)  # fmt: skip


def test_shares_of_each_kind_are_listed_and_the_slowest_decides(call):
    text = call(*ASKED)
    assert "the slowest rank decides" in text
    for name in ("A100-SXM-80GB", "H100-SXM", "MI300X", "equal shares", "pure cluster"):
        assert name in text


def test_shares_add_up_in_json(call):
    data = json.loads(call(*ASKED, "--json"))
    groups = data["mixed"]["groups"]
    assert sum(group["share"][0] for group in groups) == 192
    assert sum(group["gpus"] for group in groups) == 96
    assert data["step_time_s"] == max(group["busy_s"] for group in groups)
    assert data["step_time_s"] < data["mixed"]["even_step_time_s"]


def test_shares_that_are_stated_are_used(call):
    data = json.loads(call(*ASKED, "--shares", "1,1,1", "--json"))
    assert [group["share"] for group in data["mixed"]["groups"]] == [[64], [64], [64]]
    assert data["step_time_s"] == pytest.approx(data["mixed"]["even_step_time_s"], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*ASKED, "--shares", "1,x"), "no number"),
        ((*ASKED, "--shares", "1,2"), "for 3 kinds"),
        ((*ASKED, "--fidelity", "flow"), "Use closed"),
        (("explain", *ASKED[1:7], "--strategy", "tp=4,global_batch=192"), "of 3 kinds"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_line(netmodel, arguments, words):
    done = netmodel(*arguments, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


HYBRID = ("--cluster", "hybrid-a100-h100-mi300x", "--gpus", "96")
COST = ("cost", *HYBRID)
GOODPUT = ("goodput", *HYBRID, "--checkpoint-size", "1TB")
COLLECTIVE = ("collective", "all_reduce", *HYBRID, "--sizes", "1MiB,1GiB")


@pytest.mark.parametrize("verb", [COST, GOODPUT, COLLECTIVE], ids=lambda verb: verb[0])
def test_every_form_of_an_answer_holds_for_several_kinds(call, tmp_path, verb):
    assert "A100-SXM-80GB" in call(*verb)
    assert "A100-SXM-80GB" in call(*verb, "--json")
    assert call(*verb, "--csv").count("\n") > 1
    file = tmp_path / "mix.png"
    call(*verb, "-o", file)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_cost_lists_purchase_power_and_rent_by_kind_of_host(call):
    groups = json.loads(call(*COST, "--json"))["groups"]
    assert [group["hosts"] for group in groups] == [4, 4, 4]
    assert all(group["purchase_usd"] and group["load_W"] for group in groups)
    text = call(*COST)
    assert "by kind of host" in text
    assert "no published row" not in text


def test_a_collective_says_whom_it_waits_for_and_what_was_assumed(call):
    rows = json.loads(call(*COLLECTIVE, "--json"))["rows"]
    assert {row["slowest"] for row in rows} <= {"A100-SXM-80GB", "H100-SXM", "MI300X"}
    assert "timed as if all members were of it" in call(*COLLECTIVE)


def test_a_collective_on_the_graph_waits_too(call):
    closed = json.loads(call(*COLLECTIVE, "--json"))["rows"]
    laid = json.loads(call(*COLLECTIVE, "--fidelity", "contention", "--json"))["rows"]
    for one, other in zip(closed, laid, strict=True):
        assert other["time_s"] == pytest.approx(one["time_s"], rel=0.05)


def test_show_and_list_name_every_kind(call):
    shown = json.loads(call("show", "hybrid-a100-h100-mi300x", "--gpus", "96", "--json"))
    assert shown["accelerators"] == {"A100-SXM-80GB": 32, "H100-SXM": 32, "MI300X": 32}
    assert "96: 32 A100-SXM-80GB, 32 H100-SXM, 32 MI300X" in call(
        "show", "hybrid-a100-h100-mi300x", "--gpus", "96"
    )
    rows = json.loads(call("list", "clusters", "--json"))["rows"]
    (row,) = [row for row in rows if row["name"] == "hybrid-a100-h100-mi300x"]
    assert row["accelerators"] == ["A100-SXM-80GB", "H100-SXM", "MI300X"]
    assert row["accelerator"] == "A100-SXM-80GB and H100-SXM and MI300X"


def test_a_run_on_several_kinds_costs_and_loses_time(call):
    run = ("--model", "llama-3.1-8b", "--tokens", "100B", "--strategy", "tp=4,global_batch=192")
    priced = json.loads(call(*COST, *run, "--seq-len", "4096", "--json"))
    assert priced["of_run"]["rent_usd"]["typical"] > 0
    left = json.loads(call("goodput", *HYBRID, *run, "--seq-len", "4096", "--json"))
    assert left["time_s"] > priced["run_time_s"]
