"""One GPU's own time: laws of matrix products, attention and streams."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.catalog import accelerator
from netmodel.training.factors import factors, rates
from netmodel.training.frameworks import software
from netmodel.training.kernels import (
    again,
    attention_forward,
    backward,
    forward,
    gemm_backward,
    gemm_forward,
)
from netmodel.workload import Attention, Gemm, Stream, Work

H100 = accelerator("H100")
SOFTWARE = software("megatron-bridge")
RATES = rates(H100, factors(H100, SOFTWARE.keys), precision="bf16", flash=True)
SHAPES = st.integers(1, 65_536)


@given(m=SHAPES, n=SHAPES, k=SHAPES)
def test_no_product_beats_the_rated_peak_or_the_memory(m, n, k):
    """A product needs its FLOPs at the peak and its operands from memory."""
    gemm = Gemm(name="any", m=m, n=n, k=k)
    seconds = gemm_forward(gemm, RATES)
    assert seconds >= gemm.flops / H100.peak["bf16"]
    assert seconds >= 2 * (m * k + k * n + m * n) / H100.memory_bandwidth


@given(m=SHAPES, n=SHAPES, k=SHAPES, more=st.integers(1, 4096))
def test_more_work_never_takes_less_time(m, n, k, more):
    """Smooth in shape: every dimension makes a product longer."""
    small = gemm_forward(Gemm(name="any", m=m, n=n, k=k), RATES)
    for grown in ((m + more, n, k), (m, n + more, k), (m, n, k + more)):
        large = Gemm(name="any", m=grown[0], n=grown[1], k=grown[2])
        assert gemm_forward(large, RATES) >= small * (1 - 1e-12)


def test_a_large_product_attains_the_fitted_share_of_the_peak():
    """Where nothing else limits, the share is that of the table, within a percent."""
    gemm = Gemm(name="any", m=2**18, n=2**18, k=2**18)
    share = gemm.flops / gemm_forward(gemm, RATES) / H100.peak["bf16"]
    assert share == pytest.approx(factors(H100, SOFTWARE.keys)["gemm_bf16"], rel=0.01)


def test_backward_of_a_square_product_takes_twice_its_forward():
    """Two products of the same shape."""
    gemm = Gemm(name="any", m=4096, n=4096, k=4096)
    assert sum(gemm_backward(gemm, RATES)) == pytest.approx(2 * gemm_forward(gemm, RATES))


def test_narrow_experts_waste_their_last_tile():
    """The same rows in more experts take longer."""
    few = Gemm(name="expert_up", m=4096, n=4096, k=4096, count=8, grouped=True)
    many = Gemm(name="expert_up", m=128, n=4096, k=4096, count=256, grouped=True)
    assert gemm_forward(many, RATES) > 1.2 * gemm_forward(few, RATES)


def test_a_causal_mask_saves_almost_half_of_a_fused_kernel_and_nothing_of_an_unfused_one():
    """Batched products compute the whole square."""
    core = Attention(batch=1, heads=32, kv_heads=8, queries=8192, keys=8192, d_qk=128, d_v=128)
    whole = replace(core, causal=False)
    assert attention_forward(core, RATES) == pytest.approx(
        attention_forward(whole, RATES) / 2, rel=0.02
    )
    unfused = replace(RATES, fused=0.0)
    assert attention_forward(core, unfused) == attention_forward(whole, unfused)


def test_a_head_that_is_no_multiple_of_eight_loses_the_multiply_units():
    """Unfused attention of BLOOM's 108-wide heads ran far slower than of 112-wide ones."""
    core = Attention(batch=1, heads=16, kv_heads=16, queries=2048, keys=2048, d_qk=112, d_v=112)
    odd = replace(core, d_qk=108, d_v=108)
    unfused = replace(RATES, fused=0.0)
    assert attention_forward(odd, unfused) > 7 * attention_forward(core, unfused)


def test_recomputation_repeats_what_it_names():
    """Full is everything; a module is its own products and streams."""
    work = Work(
        gemms=(Gemm(name="qkv", m=8, n=8, k=8), Gemm(name="mlp_up", m=8, n=8, k=8)),
        attention=(Attention(batch=1, heads=1, kv_heads=1, queries=8, keys=8, d_qk=8, d_v=8),),
        streams=(Stream(name="norm", bytes=8), Stream(name="activation", bytes=8)),
    )
    assert again(work, frozenset()) == Work()
    assert again(work, frozenset(("full",))) is work
    assert [each.name for each in again(work, frozenset(("mlp",))).gemms] == ["mlp_up"]
    assert again(work, frozenset(("core",))).attention == work.attention
    assert [each.name for each in again(work, frozenset(("norm",))).streams] == ["norm"]


def test_many_shapes_at_once_equal_one_by_one_to_the_last_bit():
    """The same code runs on arrays."""
    m = np.array([1.0, 100.0, 4096.0, 65_536.0])
    work = Work(
        gemms=(Gemm(name="up", m=m, n=8192, k=4096),),
        attention=(Attention(batch=1, heads=8, kv_heads=8, queries=m, keys=m, d_qk=128, d_v=128),),
        streams=(Stream(name="norm", bytes=4 * m),),
    )
    ahead, (back, weight) = forward(work, RATES), backward(work, RATES)
    for i, tokens in enumerate(m.tolist()):
        one = Work(
            gemms=(Gemm(name="up", m=tokens, n=8192, k=4096),),
            attention=(
                Attention(
                    batch=1, heads=8, kv_heads=8, queries=tokens, keys=tokens, d_qk=128, d_v=128
                ),
            ),
            streams=(Stream(name="norm", bytes=4 * tokens),),
        )
        single, (behind, part) = forward(one, RATES), backward(one, RATES)
        assert [each[i] for each in ahead] == list(single)
        assert [each[i] for each in back] == list(behind)
        assert weight[i] == part
