"""``netmodel search`` answers in every form."""

import csv
import io
import json

QUESTION = ("--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b", "--gpus", "16")
BATCH = ("--global-batch", "64", "--seq-len", "4096")


def test_json_has_the_contract_and_the_front(call):
    data = json.loads(call("search", *QUESTION, *BATCH, "--top", "3", "--json"))
    assert data["evaluated"] == data["feasible"] > 1000
    assert data["elapsed_s"] > 0
    times = [each["step_time_s"] for each in data["best"]]
    assert times == sorted(times)
    assert len(times) == 3
    for each in data["best"]:
        assert abs(sum(each["breakdown_s"].values()) / each["step_time_s"] - 1) < 1e-9
    assert data["pareto"][0]["step_time_s"] == times[0]
    assert len(data["why"]) == 2
    assert data["why"][0]["changes"]


def test_stated_fields_are_kept(call):
    text = call("search", *QUESTION, *BATCH, "--strategy", "tp=2,zero=3", "--top", "4", "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert {(row["strategy_tp"], row["strategy_zero"]) for row in rows} == {("2", "3")}


def test_the_same_question_gives_the_same_bytes(call):
    one, two = (call("search", *QUESTION, *BATCH, "--csv") for _ in range(2))
    assert one == two


def test_people_read_why_the_runner_up_is_slower(call):
    text = call("search", *QUESTION, *BATCH, "--top", "2")
    assert "against the best" in text
    assert "Least memory for a step time" in text
    assert "layouts that divide and fit were timed" in text


def test_a_batch_stated_twice_differently_is_refused(netmodel):
    done = netmodel("search", *QUESTION, *BATCH, "--strategy", "global_batch=128", check=False)
    assert done.returncode == 2
    assert "global_batch is 128 in the strategy and 64" in done.stderr


def test_a_picture_is_written(netmodel, tmp_path):
    netmodel("search", *QUESTION, *BATCH, "-o", "front.svg")
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")
