"""Layouts that cannot be: each named in one line, and the same verdict for arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.workload import Model, Strategy, check_strategy, load_model, possible
from tests.workload.shapes import LLAMA, MIXED, cases, models

GOOD = Strategy(tp=8, pp=4, dp=8, global_batch=64)


def refusal(model: Model, gpus: int, seq_len: int | None = None, **plan: object) -> str:
    with pytest.raises(InputError) as caught:
        check_strategy(model, replace(GOOD, **plan), gpus, seq_len)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(case=cases())
def test_the_check_and_the_verdict_agree(case: tuple) -> None:
    model, plan = case
    fine = bool(possible(model, plan, plan.gpus, 4096))
    if fine:
        check_strategy(model, plan, plan.gpus, 4096)
    else:
        with pytest.raises(InputError):
            check_strategy(model, plan, plan.gpus, 4096)


@given(model=models, tps=st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_the_verdict_on_an_array_is_that_on_its_members(model: Model, tps: list[int]) -> None:
    plan = Strategy(pp=2, dp=4, global_batch=16)
    tp = np.array(tps)
    many = possible(model, replace(plan, tp=tp), 8 * tp, 4096)
    singles = [bool(possible(model, replace(plan, tp=t), 8 * t, 4096)) for t in tps]
    assert np.broadcast_to(many, len(tps)).tolist() == singles


def test_published_layouts_are_possible() -> None:
    v3 = Strategy(pp=16, ep=64, dp=128, global_batch=15360, schedule="dualpipe")
    check_strategy(load_model("deepseek-v3"), v3, 2048, 4096)
    llama = Strategy(tp=8, pp=16, dp=128, global_batch=2048, zero=2)
    check_strategy(load_model("llama-3.1-405b"), llama, 16384, 8192)


@pytest.mark.parametrize(
    ("gpus", "plan", "says"),
    [
        (96, {"tp": 3}, "tp 3 does not divide the 32 attention heads"),
        (128, {}, "tp 8 x cp 1 x pp 4 x dp 8 = 256 GPUs, but 128 are in use"),
        (256, {"global_batch": 60}, "global_batch 60 does not divide into dp 8 x micro_batch 1"),
        (256, {"micro_batch": 16}, "Use a multiple of 128"),
        (2048, {"pp": 32}, "32 stages for 16 layers"),
        (256, {"ep": 2}, "has no experts"),
        (256, {"vpp": 2}, "need schedule=interleaved"),
        (64, {"vpp": 2, "pp": 1}, "without a pipeline"),
        (192, {"pp": 3, "schedule": "dualpipe"}, "pp must be even"),
        (256, {"schedule": "2f2b"}, "no schedule is named"),
        (256, {"precision": "fp7"}, "no precision is named"),
        (256, {"zero": 5}, "zero is 5"),
        (256, {"tp": 0}, "tp is 0"),
        (256, {"tp": 8.0}, "tp is 8.0"),
        (256, {"tp": True}, "tp is True"),
        (256, {"shard": 3}, "shard 3 does not divide"),
        (1024, {"cp": 4, "tp": 16, "pp": 2, "context": "ulysses"}, "as ulysses needs"),
    ],
)
def test_what_cannot_be_is_named(gpus: int, plan: dict, says: str) -> None:
    assert says in refusal(LLAMA, gpus, **plan)


def test_experts_must_divide_and_fit_the_ranks() -> None:
    assert "ep 3 does not divide the 64 experts" in refusal(MIXED, 256, ep=3, tp=8)
    assert "ranks of a stage" in refusal(MIXED, 64, ep=64, tp=8, dp=2, global_batch=64)
    assert "etp 3" in refusal(MIXED, 256, etp=3, tp=8)


def test_key_value_heads_divide_or_are_repeated() -> None:
    odd = replace(LLAMA, heads=48, kv_heads=12, ffn=4096)
    assert "key-value heads" in refusal(odd, 256)
    check_strategy(LLAMA, replace(GOOD, tp=16), 512)


def test_a_sequence_must_split_evenly() -> None:
    assert "do not divide into 16 equal parts" in refusal(LLAMA, 512, 1000, cp=2)
