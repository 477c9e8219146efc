"""Memory of a rank: the states of ZeRO, laws, and configurations that really ran."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from netmodel.workload import (
    DEEPSEEK,
    MEGATRON,
    ZERO,
    Strategy,
    load_model,
    memory,
    parameters,
)
from netmodel.workload.memory import Held, memory_by_stage, model_states, stage_held
from netmodel.workload.stages import stage_layers
from tests.workload.shapes import MODELS, assert_equals_singles, cases


def states(zero: int, recipe=ZERO, d: int = 64, params: float = 7.5e9) -> float:
    return sum(model_states(Strategy(zero=zero, dp=d), Held(params, 0), recipe))


@pytest.mark.parametrize(("zero", "published"), [(0, 120.0), (1, 31.41), (2, 16.64), (3, 1.875)])
def test_the_zero_papers_example(zero: int, published: float) -> None:
    """arXiv:1910.02054: 7.5e9 parameters on 64 ranks, in GB."""
    assert states(zero) / 1e9 == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(
    ("zero", "a_parameter"), [(0, 16), (1, 4 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)]
)
def test_bytes_a_parameter_of_each_stage(zero: int, a_parameter: float) -> None:
    assert states(zero) == pytest.approx(a_parameter * 7.5e9, rel=1e-12)


def test_megatrons_eighteen_bytes_and_its_distributed_optimizer() -> None:
    assert states(0, MEGATRON) == pytest.approx(18 * 7.5e9, rel=1e-12)
    assert states(1, MEGATRON) == pytest.approx((6 + 12 / 64) * 7.5e9, rel=1e-12)


@given(case=cases())
def test_parts_add_up_and_none_is_negative(case: tuple) -> None:
    model, plan = case
    parts = memory(model, plan, 4096)
    total = parts.pop("total")
    assert sum(parts.values()) == pytest.approx(total, rel=1e-12)
    assert min(parts.values()) >= 0


@given(case=cases())
def test_a_higher_zero_stage_never_holds_more_states(case: tuple) -> None:
    model, plan = case
    held = stage_held(model, plan, stage_layers(model, plan).first)
    for recipe in (MEGATRON, ZERO, DEEPSEEK):
        kept = [sum(model_states(replace(plan, zero=z), held, recipe)) for z in range(4)]
        assert all(more >= less * (1 - 1e-12) for more, less in pairwise(kept))


@given(case=cases(schedule="1f1b"))
def test_the_answer_is_the_fullest_stage(case: tuple) -> None:
    model, plan = case
    each = [parts["total"] for parts in memory_by_stage(model, plan, 4096)]
    assert memory(model, plan, 4096)["total"] == max(each)


@given(case=cases())
def test_memory_on_arrays_equals_memory_of_each_layout(case: tuple) -> None:
    model, plan = case
    pp, zero, tp = [1, 2, 4, 8], [3, 0, 2, 1], [1, 16, 2, 4]
    arrays = {"pp": np.array(pp), "zero": np.array(zero), "tp": np.array(tp)}
    many = memory(model, replace(plan, etp=1, **arrays), 4096)
    singles = [
        memory(model, replace(plan, etp=1, pp=p, zero=z, tp=t), 4096)
        for p, z, t in zip(pp, zero, tp, strict=True)
    ]
    for name, answers in many.items():
        assert_equals_singles(answers, [one[name] for one in singles])


@given(case=cases(zero=3))
def test_zero_three_over_everyone_holds_the_model_once(case: tuple) -> None:
    """All ranks of all stages together keep one copy of the optimizer (but repeated norms)."""
    model, plan = case
    whole = replace(plan, tp=1, pp=1, ep=1, etp=1, schedule="1f1b")
    held = stage_held(model, whole, stage_layers(model, whole).first)
    _, _, optimizer = model_states(whole, held, MEGATRON)
    count = parameters(model)
    everyone = whole.dp * whole.cp
    assert optimizer * everyone == pytest.approx(12 * (count.total + count.mtp), rel=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_dualpipe_holds_weights_twice_and_optimizer_states_once(model) -> None:
    plan = Strategy(pp=4, dp=8, global_batch=256)
    middle = memory_by_stage(model, plan, 4096)[1]
    twice = memory_by_stage(model, replace(plan, schedule="dualpipe"), 4096)[1]
    assert twice["weights"] == 2 * middle["weights"]
    assert twice["optimizer"] == middle["optimizer"]


RAN = [
    ("deepseek-v3", 80e9, 4096, DEEPSEEK, {
        "pp": 16, "dp": 128, "ep": 64, "schedule": "dualpipe", "precision": "fp8",
        "global_batch": 15360, "recompute": "norm+mla_up+activation"}),
    ("llama-3.1-405b", 80 * 2**30, 8192, ZERO, {
        "tp": 8, "pp": 16, "dp": 128, "vpp": 8, "schedule": "interleaved", "zero": 2,
        "global_batch": 2048}),
    ("gpt3-175b", 80 * 2**30, 2048, MEGATRON, {
        "tp": 4, "pp": 8, "dp": 16, "vpp": 6, "schedule": "interleaved", "micro_batch": 2,
        "global_batch": 2048, "precision": "fp8"}),
    ("mpt-70b", 80 * 2**30, 2048, ZERO, {
        "dp": 64, "zero": 3, "micro_batch": 8, "global_batch": 2048, "recompute": "full"}),
    ("gpt-530b", 80 * 2**30, 2048, replace(MEGATRON, flash=False, dropout=True), {
        "tp": 8, "pp": 35, "dp": 1, "vpp": 3, "schedule": "interleaved", "zero": 0,
        "global_batch": 280, "recompute": "selective", "precision": "fp16"}),
    ("gpt-1t", 80 * 2**30, 2048, replace(MEGATRON, flash=False, dropout=True), {
        "tp": 8, "pp": 64, "dp": 1, "zero": 0, "global_batch": 512,
        "recompute": "selective", "precision": "fp16"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "capacity", "seq_len", "recipe", "plan"), RAN)
def test_published_runs_fit_within_eight_percent(name, capacity, seq_len, recipe, plan) -> None:
    """Each of these ran: it may not need more than the card has, within 8 % of it."""
    total = memory(load_model(name), Strategy(**plan), seq_len, recipe)["total"]
    assert total <= 1.08 * capacity


def test_what_could_not_have_run_does_not_fit() -> None:
    """Llama 405B on one node without sharding; DeepSeek-V3 without expert parallelism."""
    llama = Strategy(tp=8, global_batch=1)
    assert memory(load_model("llama-3.1-405b"), llama, 8192)["total"] > 10 * 80e9
    whole = Strategy(pp=16, dp=128, global_batch=15360, schedule="1f1b")
    assert memory(load_model("deepseek-v3"), whole, 4096)["total"] > 2 * 80e9


@given(case=cases(zero=1))
def test_what_a_recipe_moves_away_or_adds(case: tuple) -> None:
    """Offloading, outputs that are kept, a loss in place and copies for the update."""
    model, plan = case

    def held(**habits: object) -> dict:
        return memory_by_stage(model, plan, 4096, replace(MEGATRON, **habits))[0]

    usual = held()
    assert held(offload=0.5)["activations"] <= usual["activations"]
    assert held(offload=1.0)["activations"] >= 0
    kept = held(stage_outputs=True)["activations"] - usual["activations"]
    assert (kept > 0) is bool(plan.pp > 1)
    assert held(logit=2)["logits"] <= usual["logits"]
    free = usual["activations"] + usual["logits"]
    more = held(update=4)["overhead"] - usual["overhead"]
    copies = usual["optimizer"] / 12 * 4
    assert more == pytest.approx(max(0, copies - free), rel=1e-9, abs=1)
