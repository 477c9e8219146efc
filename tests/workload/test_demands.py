"""Messages of a step: conservation, equivalences between schemes, and the worked numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.collectives.ops import KINDS, bus_factor
from netmodel.workload import (
    DEEPSEEK,
    MEGATRON,
    ZERO,
    Demand,
    Model,
    Strategy,
    demands,
    load_model,
    parameters,
    token_vector,
)
from netmodel.workload.demands import gradient_sync, heaviest_held
from netmodel.workload.memory import Held
from tests.workload.shapes import GPT, LATENT, LLAMA, MIXED, cases, models

GIB = 2**30


def sent(demand: Demand) -> float:
    """Bytes that one rank sends for a demand, per unit of its phase."""
    return demand.size * bus_factor(demand.kind, demand.ranks) * demand.count


def of(found: tuple[Demand, ...], **wanted: str) -> list[Demand]:
    """Return the demands whose fields are as wanted."""
    return [d for d in found if all(getattr(d, key) == value for key, value in wanted.items())]


def total(found: tuple[Demand, ...], **wanted: str) -> float:
    return sum(sent(demand) for demand in of(found, **wanted))


@given(case=cases(), s=st.sampled_from((1024, 8192)))
def test_every_demand_is_of_the_vocabulary_and_not_idle(case: tuple, s: int) -> None:
    model, plan = case
    found = demands(model, plan, s)
    for demand in found:
        assert demand.kind in KINDS
        assert demand.phase in ("forward", "backward", "edge", "step")
        assert demand.layer in ("dense", "moe", "mtp", "head", "embedding", "any")
        assert demand.ranks > 1
        assert demand.size > 0
        assert demand.count > 0
    dimensions = {demand.dimension for demand in found}
    assert ("tp" in dimensions) == (plan.tp > 1)
    assert ("cp" in dimensions) == (plan.cp > 1)
    assert ("pp" in dimensions) == (plan.pp > 1)
    assert ("ep" in dimensions) == (plan.ep > 1)


@given(model=models, tp=st.sampled_from((2, 4, 8)), s=st.sampled_from((1024, 8192)))
def test_sequence_parallelism_moves_what_plain_tensor_parallelism_does(
    model: Model, tp: int, s: int
) -> None:
    """An all-reduce is a reduce-scatter and an all-gather, when inputs are kept (no MLA)."""
    if model.mla is not None:
        model = replace(model, mla=None)
    keep = replace(MEGATRON, regather=False)
    split = demands(model, Strategy(tp=tp), s, keep)
    plain = demands(model, Strategy(tp=tp, sequence_parallel=False), s, keep)
    for layer in ("dense", "moe"):
        a, b = (total(found, dimension="tp", layer=layer) for found in (split, plain))
        assert a == pytest.approx(b, rel=1e-12)


@given(case=cases(zero=1, pp=1), s=st.sampled_from((1024, 8192)))
def test_zero_one_sends_as_much_as_data_parallelism(case: tuple, s: int) -> None:
    """arXiv:1910.02054 section 7: equal volume where gradients and weights have equal bytes."""
    model, plan = case
    sharded = demands(model, plan, s, ZERO)
    replicated = demands(model, replace(plan, zero=0), s, ZERO)
    for dimension in ("dp", "edp"):
        a, b = (total(found, dimension=dimension) for found in (sharded, replicated))
        assert a == pytest.approx(b, rel=1e-12)


@given(model=st.sampled_from((LLAMA, MIXED)), dp=st.sampled_from((8, 64)))
def test_zero_three_sends_half_more_than_data_parallelism(model: Model, dp: int) -> None:
    """arXiv:1910.02054: 1.5 times at one micro-batch, embedding and head included."""
    plan = Strategy(dp=dp, global_batch=dp, zero=3)
    layers = {"dense": model.dense_layers, "moe": model.moe_layers, "head": 1, "embedding": 1}
    sharded = demands(model, plan, 4096, ZERO)
    per_layer = sum(n * total(sharded, layer=kind) for kind, n in layers.items())
    replicated = total(demands(model, replace(plan, zero=0), 4096, ZERO), phase="step")
    assert per_layer / replicated == pytest.approx(1.5, rel=1e-12)


@given(tp=st.sampled_from((2, 4, 8)))
def test_ulysses_moves_a_share_of_tensor_parallelism(tp: int) -> None:
    """arXiv:2309.14509: 4 M / c against 4 M in the forward pass of multi-head attention."""
    keep = replace(MEGATRON, regather=False)
    tensor = total(demands(GPT, Strategy(tp=tp), 4096, keep), layer="dense", phase="forward")
    plan = Strategy(cp=tp, context="ulysses")
    context = of(demands(GPT, plan, 4096), dimension="cp", phase="forward")
    assert sum(map(sent, context)) / tensor == pytest.approx(1 / tp, rel=1e-12)


@given(model=models, c=st.sampled_from((2, 4, 8)))
def test_ring_and_gathered_context_send_equally_much(model: Model, c: int) -> None:
    """(c - 1) blocks of keys and values either way; the ring's backward sends them again too."""
    ring = demands(model, Strategy(cp=c), 8192)
    gathered = demands(model, Strategy(cp=c, context="all_gather"), 8192)
    a, b = (total(found, dimension="cp", phase="forward") for found in (ring, gathered))
    assert a == pytest.approx(b, rel=1e-12)
    back = total(ring, dimension="cp", phase="backward")
    assert back == pytest.approx(2 * a, rel=1e-12)


@given(case=cases(recompute="none"))
def test_full_recompute_repeats_the_forward_messages(case: tuple) -> None:
    model, plan = case
    plan = replace(plan, zero=1)
    plain = demands(model, plan, 4096)
    again = demands(model, replace(plan, recompute="full"), 4096)
    for dimension in ("tp", "cp", "ep", "etp"):
        for layer in ("dense", "moe", "mtp"):
            forward = total(plain, dimension=dimension, layer=layer, phase="forward")
            more = total(again, dimension=dimension, layer=layer, phase="backward") - total(
                plain, dimension=dimension, layer=layer, phase="backward"
            )
            assert more == pytest.approx(forward, rel=1e-9)


@given(model=models, order=st.permutations((0, 1, 2, 3)))
def test_arrays_of_layouts_equal_their_members(model: Model, order: list[int]) -> None:
    """Each demand of one layout is in the array's list, to the last bit, and nothing besides."""
    moe = model.moe is not None
    columns = {
        "tp": [1, 2, 8, 16], "pp": [1, 2, 4, 3], "cp": [2, 1, 1, 4], "dp": [8, 16, 8, 32],
        "zero": [0, 1, 2, 3], "ep": [1, 2, 4, 8] if moe else [1] * 4,
        "etp": [1, 2, 1, 4] if moe else [1] * 4, "vpp": [1, 2, 1, 1],
    }  # fmt: skip
    plan = Strategy(global_batch=256)
    arrays = {key: np.array([column[i] for i in order]) for key, column in columns.items()}
    many = demands(model, replace(plan, **arrays), 4096)
    for place, i in enumerate(order):
        one = demands(model, replace(plan, **{k: c[i] for k, c in columns.items()}), 4096)
        pick = lambda value: np.broadcast_to(np.asarray(value), 4)[place]  # noqa: B023, E731
        listed = [
            (d.dimension, d.kind, d.phase, d.layer, pick(d.size), pick(d.ranks), pick(d.count))
            for d in many
        ]
        kept = [row for row in listed if row[5] > 1 and row[6] > 0]
        alone = [(d.dimension, d.kind, d.phase, d.layer, d.size, d.ranks, d.count) for d in one]
        assert kept == alone


@given(case=cases(tp=1, cp=1, etp=1))
def test_tokens_to_experts_are_all_copies_of_all_tokens(case: tuple) -> None:
    model, plan = case
    found = of(demands(model, plan, 4096, DEEPSEEK), dimension="ep", layer="moe")
    for demand in found:
        assert demand.tokens == plan.micro_batch * 4096
        assert demand.size == demand.tokens * demand.top_k * demand.vector


def test_experts_inside_a_tensor_group_send_only_their_own_tokens() -> None:
    """Sequence-split tokens: eight tensor ranks together dispatch what one would."""
    one = of(demands(MIXED, Strategy(ep=8, dp=8), 4096), kind="dispatch", phase="forward")
    split = of(demands(MIXED, Strategy(ep=8, tp=8), 4096), kind="dispatch", phase="forward")
    assert split[0].size * 8 == one[0].size


# Worked numbers of training_formulas, section 6


def test_gpt3_layer_under_tensor_parallelism_eight() -> None:
    model = load_model("gpt3-175b")
    plan = Strategy(tp=8, sequence_parallel=False)
    found = of(demands(model, plan, 2048), dimension="tp", layer="dense")
    assert {d.size for d in found} == {50_331_648}
    assert {sent(d) / d.count for d in found} == {88_080_384}
    assert sum(map(sent, found)) == 352_321_536


def test_tensor_parallelism_in_units_of_an_activation() -> None:
    """8 M (t - 1) / t a layer; 10 M with inputs gathered again (arXiv:2205.05198)."""
    model = load_model("gpt3-175b")
    unit = 50_331_648 * 7 / 8
    for recipe, times in ((replace(MEGATRON, regather=False), 8), (MEGATRON, 10)):
        found = demands(model, Strategy(tp=8), 2048, recipe)
        assert total(found, dimension="tp", layer="dense") == pytest.approx(times * unit)


def test_llama_405b_gradients_of_a_mean_stage() -> None:
    """TP 8, PP 16, bf16 gradients over 128 ranks: 11.72 GiB out a rank and step."""
    model = load_model("llama-3.1-405b")
    plan = Strategy(tp=8, pp=16, dp=128, zero=0)
    held = Held(parameters(model).total / 128, 0)
    (demand,) = gradient_sync(held, plan, ZERO)
    assert sent(demand) / GIB == pytest.approx(11.72, abs=0.005)
    assert heaviest_held(model, plan).shared > held.shared


def test_deepseek_v3_dispatches_in_fp8_and_combines_in_bf16() -> None:
    """Bytes a token and MoE layer, without the scales: 57,344 and 114,688."""
    model = load_model("deepseek-v3")
    plan = Strategy(ep=64, dp=64, precision="fp8")
    found = of(demands(model, plan, 4096, DEEPSEEK), dimension="ep", layer="moe")
    (dispatch,) = (d for d in found if d.kind == "dispatch" and d.phase == "forward")
    (combine,) = (d for d in found if d.kind == "combine" and d.phase == "forward")
    scales = 4 * 7168 / 128
    assert dispatch.size / 4096 - 8 * scales == 57_344
    assert combine.size / 4096 == 114_688
    assert len([d for d in found if d.count == 1]) == 4
    (wide,) = of(
        demands(model, plan, 4096, replace(DEEPSEEK, fp8_dispatch=False)),
        kind="dispatch", phase="forward", layer="moe",
    )  # fmt: skip
    assert wide.vector == 14336


def test_token_vectors() -> None:
    assert token_vector(7168, fp8=True) == 7392
    assert token_vector(7168, fp8=False) == 14336


def test_pipeline_edges_carry_a_shard_for_each_virtual_stage() -> None:
    found = demands(LLAMA, Strategy(tp=4, pp=4, vpp=3, global_batch=8), 4096)
    (edge,) = of(found, dimension="pp")
    assert (edge.size, edge.count, edge.phase) == (4096 * LLAMA.hidden * 2 / 4, 3, "edge")


def test_a_matrix_on_two_stages_sums_its_gradients() -> None:
    found = of(demands(GPT, Strategy(pp=4, tp=2, global_batch=8), 4096), layer="embedding")
    (tied,) = (d for d in found if d.dimension == "pp")
    assert tied.size == GPT.vocab * GPT.hidden / 2 * 4


def test_zero_two_reduces_after_every_micro_batch() -> None:
    plan = Strategy(dp=8, global_batch=32, zero=2)
    (reduce,) = of(demands(LLAMA, plan, 4096), kind="reduce_scatter", phase="step")
    assert reduce.count == 4
    late = demands(LLAMA, plan, 4096, replace(MEGATRON, reduce_each=False))
    assert [d.count for d in of(late, kind="reduce_scatter")] == [1]


def test_hybrid_sharding_reduces_a_shard_among_replicas() -> None:
    plan = Strategy(dp=64, global_batch=64, zero=3, shard=8)
    found = demands(LLAMA, plan, 4096, ZERO)
    assert {d.ranks for d in of(found, dimension="dp")} == {8}
    (replica,) = of(found, dimension="replica")
    assert replica.ranks == 8
    assert replica.size == pytest.approx(parameters(LLAMA).total * 2 / 8)


def test_weights_are_gathered_once_when_they_are_not_resharded() -> None:
    plan = Strategy(dp=8, global_batch=8, zero=3)
    twice = of(demands(LLAMA, plan, 4096), kind="all_gather", layer="dense")
    once = of(
        demands(LLAMA, plan, 4096, replace(MEGATRON, reshard=False)),
        kind="all_gather",
        layer="dense",
    )
    assert (len(twice), len(once)) == (2, 1)


def test_latent_attention_gathers_latents_not_the_hidden_width() -> None:
    found = demands(LATENT, Strategy(tp=4), 4096)
    forward = of(found, dimension="tp", kind="all_gather", layer="dense", phase="forward")
    sizes = {d.size for d in forward}
    assert sizes == {4096 * 2 * (768 + 512 + 64), 4096 * 2 * LATENT.hidden}
