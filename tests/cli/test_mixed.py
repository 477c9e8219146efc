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
