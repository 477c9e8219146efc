"""Exact counts: the sums of the parts, and what was published."""

from dataclasses import replace

import pytest
from hypothesis import given
from netmodel.workload import Model, load_model, parameters
from netmodel.workload.memory import held_by_kind, stage_held
from netmodel.workload.stages import stage_layers
from tests.workload.shapes import MODELS, cases

PUBLISHED = {
    "gpt3-175b": 174_604_259_328,
    "gpt-175b": 174_615_846_912,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mixtral-8x7b": 46_702_792_704,
    "deepseek-v3": 671_026_419_200,
    "bloom-176b": 176_247_271_424,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "gpt-oss-120b": 116_829_156_672,
}
ROUNDED = {
    "deepseek-v2": (235.7e9, 21.4e9),
    "deepseek-v2-lite": (15.71e9, 2.66e9),
    "deepseek-moe-16b": (16.38e9, 2.83e9),
    "kimi-k2": (1.03e12, 32.9e9),
    "qwen2-57b-a14b": (57.4e9, 14.2e9),
    "nemotron-4-340b": (341e9, 341e9),
    "llama-4-maverick": (400.7e9, 17.2e9),
    "grok-1": (315.7e9, 83.8e9),
    "mpt-70b": (64.8624e9, 64.8624e9),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_count_is_met_exactly(name: str) -> None:
    assert parameters(load_model(name)).total == PUBLISHED[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_a_rounded_published_count_is_met_to_its_digits(name: str) -> None:
    total, active = ROUNDED[name]
    count = parameters(load_model(name))
    assert count.total == pytest.approx(total, rel=5e-3)
    assert count.active == pytest.approx(active, rel=5e-3)


def test_active_counts_of_mixtral_and_deepseek_v3() -> None:
    """training_formulas section 1; the README's 37B within its 2 %."""
    assert parameters(load_model("mixtral-8x7b")).active == 12_879_925_248
    model = load_model("deepseek-v3")
    count = parameters(model)
    assert count.active == 37_552_297_472
    assert count.active - count.embedding == 36_625_618_432
    assert count.matrices == 36_624_596_992
    assert count.active == pytest.approx(37e9, rel=0.02)


def test_one_latent_attention_block_of_deepseek_v3() -> None:
    assert parameters(load_model("deepseek-v3")).attention == 187_107_328


def test_multi_token_prediction_of_deepseek_v3_is_as_large_as_published() -> None:
    """README_WEIGHTS: 11.5B unique parameters in the one module."""
    assert parameters(load_model("deepseek-v3")).mtp == pytest.approx(11.5e9, rel=0.02)


def test_the_closed_form_of_a_gpt_misses_only_the_last_norm() -> None:
    """arXiv:2104.04473 eq. 2 leaves out the final LayerNorm, 2h."""
    h, depth, vocab, s = 12288, 96, 51200, 2048
    closed = 12 * depth * h * h + 13 * depth * h + (vocab + s) * h
    assert closed == 174_615_822_336
    assert parameters(load_model("gpt-175b")).total - closed == 2 * h


def test_mpt_counts_of_the_llm_foundry_table() -> None:
    """The 30B rows at 4,096 and 8,192 tokens differ by their position table."""
    base = load_model("mpt-30b")
    for positions, billions in ((4096, 29.9899), (8192, 30.0193)):
        model = replace(base, positions=positions)
        assert round(parameters(model).total / 1e9, 4) == billions


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_layers_ends_and_norm_add_up_to_the_total(model: Model) -> None:
    count = parameters(model)
    layers = count.dense_layers * count.dense_layer + count.moe_layers * count.moe_layer
    assert count.dense_layers + count.moe_layers == model.layers
    assert layers + count.embedding + count.head + count.final_norm == count.total
    assert count.matrices <= count.active <= count.total


@given(case=cases(pp=1, schedule="1f1b"))
def test_ranks_together_hold_the_model_once(case: tuple) -> None:
    """What tp and ep divide adds up again; only norms, router, biases are repeated."""
    model, s = case
    count = parameters(model)
    held = stage_held(model, s, stage_layers(model, s).first)
    routed = (count.moe_layers + model.mtp * (count.moe_layers > 0)) * count.experts * count.expert
    assert held.expert * s.ep * s.etp == pytest.approx(routed, rel=1e-12)
    rest = count.total + count.mtp - routed
    repeated = s.tp * held.shared - rest
    whole = count.attention_replicated + count.norms + count.router
    positions = model.positions * model.hidden
    ends = positions + (4 if model.mtp else 1) * count.final_norm
    most = (s.tp - 1) * ((model.layers + model.mtp) * whole + ends)
    assert -1e-6 * rest <= repeated <= most * (1 + 1e-12) + 1e-6 * rest


@given(case=cases(schedule="1f1b"))
def test_one_tensor_rank_holds_exactly_the_counted_parameters(case: tuple) -> None:
    model, s = case
    kinds = held_by_kind(model, replace(s, tp=1, ep=1, etp=1))
    count = parameters(model)
    if "dense" in kinds:
        assert kinds["dense"].shared == count.dense_layer
    if "moe" in kinds:
        assert kinds["moe"].shared + kinds["moe"].expert == count.moe_layer
    assert kinds["embedding"].shared == count.embedding
