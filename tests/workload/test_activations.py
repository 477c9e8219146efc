"""Activation memory: the published table, exactly, and laws for every model."""

from dataclasses import replace

import pytest
from hypothesis import given
from netmodel.workload import (
    GPT_2022,
    MEGATRON,
    Strategy,
    in_flight,
    layer_activation,
    load_model,
)
from netmodel.workload.layout import MODULES
from tests.workload.shapes import MODELS, cases

GIB = 2**30
S = 2048


def bytes_a_layer(**plan: object) -> float:
    """One layer of GPT-3 175B at 2,048 tokens, before fused attention."""
    return layer_activation(load_model("gpt-175b"), Strategy(**plan), S, GPT_2022)


@pytest.mark.parametrize(
    ("plan", "published"),
    [
        ({"sequence_parallel": False}, 34 + 80),
        ({"sequence_parallel": False, "tp": 8}, 10 + 24 / 8 + 80 / 8),
        ({"tp": 8}, (34 + 80) / 8),
        ({"tp": 8, "recompute": "selective"}, 34 / 8),
        ({"recompute": "full"}, 2),
        ({"tp": 8, "recompute": "full"}, 2 / 8),
        ({"tp": 8, "recompute": "full", "sequence_parallel": False}, 2),
    ],
)
def test_every_row_of_the_activation_table(plan: dict, published: float) -> None:
    """arXiv:2205.05198 Table 2, in units of s b h bytes; 5 a s / h = 80."""
    assert bytes_a_layer(**plan) == pytest.approx(published * S * 12288, rel=1e-12)


def test_one_layer_of_gpt3_without_parallelism_in_bytes() -> None:
    assert bytes_a_layer() == 2_868_903_936


def test_first_stage_of_the_published_runs() -> None:
    """arXiv:2205.05198 Fig. 1: 175B on tp 8, pp 8, three virtual stages; 22B on tp 8."""
    plan = Strategy(tp=8, pp=8, vpp=3, schedule="interleaved", global_batch=64)
    flying = 12 * in_flight(plan, 0)
    plain = replace(plan, sequence_parallel=False)
    model = load_model("gpt-175b")
    none = layer_activation(model, plain, S, GPT_2022) * flying / GIB
    assert none == pytest.approx(66.84375, rel=1e-12)
    both = replace(plan, recompute="selective")
    assert layer_activation(model, both, S, GPT_2022) * flying / GIB == pytest.approx(
        12.3515625, rel=1e-12
    )
    small = Strategy(tp=8, micro_batch=4, global_batch=4, sequence_parallel=False)
    kept = layer_activation(load_model("gpt-22b"), small, S, GPT_2022)
    assert 48 * kept / GIB == pytest.approx(59.25, rel=1e-12)


def test_fused_attention_is_selective_recompute_but_for_the_statistics() -> None:
    fused = replace(GPT_2022, flash=True)
    model = load_model("gpt-175b")
    plan = Strategy(tp=8)
    selective = layer_activation(model, replace(plan, recompute="selective"), S, GPT_2022)
    kept = layer_activation(model, plan, S, fused)
    assert kept - selective == 4 * 96 * S / 8
    assert kept == pytest.approx(selective, rel=0.01)


def test_a_dense_mlp_takes_eighteen_and_four_of_its_width() -> None:
    """Megatron-LM compute_activation_memory: s b h / t (18 + 4 f / h), with attention."""
    model = load_model("gpt-175b")
    wide = replace(model, ffn=8 * model.hidden)
    plan = Strategy(tp=8, recompute="selective")
    kept = layer_activation(wide, plan, S, GPT_2022)
    assert kept == pytest.approx(S * 12288 / 8 * (18 + 4 * 8), rel=1e-12)


@given(case=cases())
def test_more_recompute_never_keeps_more(case: tuple) -> None:
    model, plan = case
    for kind in ("dense", "moe"):
        for recipe in (MEGATRON, GPT_2022):
            steps = ["none", "core", "core+norm", "core+norm+activation"]
            steps += ["core+norm+activation+mla_up", "+".join(MODULES), "full"]
            kept = [
                layer_activation(model, replace(plan, recompute=r), 4096, recipe, kind=kind)
                for r in steps
            ]
            assert kept == sorted(kept, reverse=True)
            assert kept[-1] > 0


@given(case=cases(etp=1))
def test_splitting_further_never_keeps_more(case: tuple) -> None:
    model, plan = case
    kinds = ["dense"] if model.dense_layers else []
    kinds += ["moe"] if model.moe_layers else []
    for kind in kinds:
        kept = layer_activation(model, plan, 4096, kind=kind)
        for key in ("tp", "cp"):
            finer = replace(plan, **{key: 2 * getattr(plan, key)})
            assert layer_activation(model, finer, 4096, kind=kind) <= kept * (1 + 1e-12)
        twice = layer_activation(model, replace(plan, micro_batch=2 * plan.micro_batch), 4096,
                                 kind=kind)  # fmt: skip
        assert twice == pytest.approx(2 * kept, rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_eight_bit_inputs_take_less(model: object) -> None:
    low = layer_activation(model, Strategy(precision="fp8"), 4096)
    assert low < 1.1 * layer_activation(model, Strategy(), 4096)
