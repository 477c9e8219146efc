"""The work of one rank: nothing is lost or done twice, whatever the layout."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.workload import (
    GPT_2022,
    MEGATRON,
    Model,
    Strategy,
    Work,
    attention_flops,
    flops_per_token,
    layer_work,
    load_model,
)
from tests.workload.shapes import LATENT, LLAMA, MIXED, assert_equals_singles, cases, models


def gemm_flops(work: Work) -> float:
    return sum(gemm.flops for gemm in work.gemms)


def core_flops(work: Work) -> float:
    """FLOPs really run: half of a causal square, all of a window's pairs."""
    return sum(core.flops * (0.5 if core.causal else 1) for core in work.attention)


def model_flops(model: Model, work: dict[str, Work]) -> float:
    """Forward FLOPs of one rank for all layers and the head, without token prediction."""
    layers = {"dense": model.dense_layers, "moe": model.moe_layers, "head": 1}
    return sum(
        count * (gemm_flops(work[kind]) + core_flops(work[kind]))
        for kind, count in layers.items()
        if count
    )


@given(case=cases(pp=1), s=st.sampled_from((512, 4096, 32768)))
def test_three_forwards_on_all_ranks_are_the_models_flops(case: tuple, s: int) -> None:
    """Conservation over tp, cp, ep and etp: what one rank runs, times ranks, is the formula."""
    model, strategy = case
    work = layer_work(model, strategy, s)
    tokens = strategy.micro_batch * s
    ranks = strategy.tp * strategy.cp
    expected = flops_per_token(model, s, causal=True) * tokens
    assert 3 * model_flops(model, work) * ranks == pytest.approx(expected, rel=1e-9)


@given(model=models, s=st.sampled_from((512, 4096)))
def test_ulysses_and_ring_split_the_same_work(model: Model, s: int) -> None:
    ring = Strategy(cp=4, tp=2)
    one = layer_work(model, ring, s)
    other = layer_work(model, replace(ring, context="ulysses"), s)
    for kind in one:
        assert core_flops(other[kind]) == pytest.approx(core_flops(one[kind]), rel=1e-12)


@given(model=models, s=st.sampled_from((512, 4096)))
def test_attention_cores_are_the_attention_term(model: Model, s: int) -> None:
    work = layer_work(model, Strategy(), s)
    kinds = {"dense": model.dense_layers, "moe": model.moe_layers}
    run = sum(n * core_flops(work[kind]) for kind, n in kinds.items() if n)
    assert run == pytest.approx(attention_flops(model, s, causal=True) * s, rel=1e-12)


@given(case=cases(pp=1))
def test_sequence_parallelism_never_adds_traffic(case: tuple) -> None:
    model, strategy = case
    split = layer_work(model, strategy, 4096)
    whole = layer_work(model, replace(strategy, sequence_parallel=False), 4096)
    for kind, work in split.items():
        more = sum(stream.bytes for stream in whole[kind].streams)
        assert sum(stream.bytes for stream in work.streams) <= more * (1 + 1e-12)


def test_without_sequence_parallelism_norms_are_repeated_on_every_tensor_rank() -> None:
    def norm(strategy: Strategy) -> float:
        return next(x.bytes for x in layer_work(LLAMA, strategy, 4096)["dense"].streams)

    assert norm(Strategy(tp=8, sequence_parallel=False)) == norm(Strategy())
    assert norm(Strategy(tp=8)) == norm(Strategy()) / 8


def test_element_wise_traffic_of_a_layer_in_elements() -> None:
    """Norms 4 and residuals 6 elements a token and width; a gated activation 3 a width."""
    tokens, h = 4096, LLAMA.hidden
    streams = {x.name: x.bytes for x in layer_work(LLAMA, Strategy(), tokens)["dense"].streams}
    assert streams["norm"] == 2 * 4 * tokens * h
    assert streams["residual"] == 2 * 6 * tokens * h
    assert streams["activation"] == 2 * 3 * tokens * LLAMA.ffn
    assert streams["rope"] == 2 * 2 * tokens * (32 + 8) * 64


def test_unfused_attention_streams_the_square_of_scores_nine_times() -> None:
    """16-bit softmax and dropout, read and written, and the mask: 9 a s T / t bytes."""
    streams = layer_work(LLAMA, Strategy(tp=4), 2048, GPT_2022)["dense"].streams
    softmax = next(x.bytes for x in streams if x.name == "softmax")
    assert softmax == 9 * LLAMA.heads * 2048 * 2048 / 4


def test_a_softmax_that_no_fused_kernel_takes_moves_every_score_in_five_kernels() -> None:
    """Megatron-LM's fused softmax takes squares of sequences and heads by fours."""
    model = replace(load_model("gpt3-175b"), heads=112, kv_heads=112)
    streams = {}
    for micro_batch in (1, 2):
        work = layer_work(model, Strategy(tp=8, micro_batch=micro_batch), 2048, GPT_2022)["dense"]
        scores = 14 * micro_batch * 2048 * 2048
        streams[micro_batch] = next(x.bytes for x in work.streams if x.name == "softmax") / scores
    assert streams == {1: 9 + 33, 2: 9}


def test_a_plain_all_to_all_sorts_what_it_brings_and_local_experts_need_none() -> None:
    model = load_model("qwen3-235b-a22b")
    moved = {}
    for dispatcher in ("deepep", "alltoall"):
        for ep in (1, 8):
            recipe = replace(MEGATRON, dispatcher=dispatcher)
            work = layer_work(model, Strategy(ep=ep, dp=ep), 4096, recipe)["moe"]
            moved[dispatcher, ep] = next(x.bytes for x in work.streams if x.name == "permute")
    assert moved["alltoall", 8] > moved["deepep", 8] > moved["deepep", 1]
    assert moved["alltoall", 1] == moved["deepep", 1]


def test_experts_of_deepseek_v3_on_64_ranks() -> None:
    """Four local experts share the 4,096 x 8 copies that a balanced router sends to a rank."""
    work = layer_work(load_model("deepseek-v3"), Strategy(ep=64, dp=64), 4096)["moe"]
    gemms = {gemm.name: gemm for gemm in work.gemms}
    up = gemms["expert_up"]
    assert (up.count, up.m, up.n, up.k, up.grouped) == (4, 8192, 2 * 2048, 7168, True)
    assert (gemms["q_up"].n, gemms["kv_down"].n) == (128 * 192, 512 + 64)
    assert gemms["router"].precise
    assert not up.precise
    (core,) = work.attention
    assert (core.d_qk, core.d_v, core.heads) == (192, 128, 128)


def test_few_key_value_heads_are_repeated_not_split_below_one() -> None:
    work = layer_work(LLAMA, Strategy(tp=16), 4096)["dense"]
    assert work.attention[0].kv_heads == 1
    assert work.gemms[0].n == (32 / 16 + 2) * 64


def test_a_window_in_every_other_layer_is_half_of_the_batch() -> None:
    full, windowed = layer_work(MIXED, Strategy(), 4096)["dense"].attention
    assert (full.batch, windowed.batch) == (0.5, 0.5)
    assert full.causal
    assert not windowed.causal
    assert windowed.keys == 256 - 256**2 / 8192


def test_the_head_stays_in_sixteen_bits_and_low_precision_casts_inputs() -> None:
    low = layer_work(LLAMA, Strategy(precision="fp8"), 4096)
    assert low["head"].gemms[0].precise
    cast = next(x.bytes for x in low["dense"].streams if x.name == "cast")
    inputs = 4096 * (LLAMA.hidden * 3 + LLAMA.ffn)
    assert cast == 4 * inputs
    high = layer_work(LLAMA, Strategy(), 4096)
    assert all(x.name != "cast" for x in high["dense"].streams)


def test_a_token_prediction_module_is_a_projection_a_layer_and_a_head() -> None:
    work = layer_work(LATENT, Strategy(), 4096)
    projection = 2 * 4096 * LATENT.hidden * 2 * LATENT.hidden
    whole = gemm_flops(work["moe"]) + gemm_flops(work["head"]) + projection
    assert gemm_flops(work["mtp"]) == pytest.approx(whole, rel=1e-12)


@given(model=models)
def test_arrays_of_layouts_equal_their_members(model: Model) -> None:
    tp, cp, ep = [1, 2, 8, 16], [1, 2, 2, 1], [1, 2, 4, 8] if model.moe else [1] * 4
    many = Strategy(tp=np.array(tp), cp=np.array(cp), ep=np.array(ep), micro_batch=2)
    singles = [
        Strategy(tp=t, cp=c, ep=e, micro_batch=2) for t, c, e in zip(tp, cp, ep, strict=True)
    ]
    works = [layer_work(model, one, 4096) for one in singles]
    for kind, work in layer_work(model, many, 4096).items():
        for i, gemm in enumerate(work.gemms):
            assert_equals_singles(gemm.flops, [one[kind].gemms[i].flops for one in works])
        for i, core in enumerate(work.attention):
            assert_equals_singles(core.flops, [one[kind].attention[i].flops for one in works])
        for i, stream in enumerate(work.streams):
            assert_equals_singles(stream.bytes, [one[kind].streams[i].bytes for one in works])
