"""FLOPs of a token: both conventions, recompute, windows, and the published worked numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.workload import (
    Model,
    attention_flops,
    flops_per_token,
    forward_flops,
    load_model,
    parameters,
)
from netmodel.workload.flops import visible_keys
from tests.workload.shapes import models

PEAK_A100 = 312e12


@given(model=models, s=st.integers(1, 1 << 20))
def test_the_causal_convention_lies_between_half_and_all_of_the_full_one(
    model: Model, s: int
) -> None:
    causal = attention_flops(model, s, causal=True)
    full = attention_flops(model, s, causal=False)
    assert 0.5 * full * (1 - 1e-12) <= causal <= full


@given(model=models, s=st.integers(1, 1 << 20))
def test_recompute_adds_what_it_runs_again(model: Model, s: int) -> None:
    plain = flops_per_token(model, s, causal=False)
    selective = flops_per_token(model, s, causal=False, recompute="selective")
    full = flops_per_token(model, s, causal=False, recompute="full")
    assert selective - plain == pytest.approx(attention_flops(model, s, causal=False), rel=1e-9)
    head = 2 * parameters(model).head_matrix
    assert full - plain == pytest.approx(forward_flops(model, s, causal=False) - head, rel=1e-9)
    assert plain < selective < full


@given(model=models)
def test_a_curve_over_sequence_lengths_equals_its_points(model: Model) -> None:
    lengths = [128, 256, 4096, 131072]
    curve = flops_per_token(model, np.array(lengths))
    assert curve.tolist() == [flops_per_token(model, s) for s in lengths]


@given(s=st.integers(1, 1 << 20), w=st.integers(1, 1 << 16))
def test_a_window_never_shows_more_than_the_whole_sequence(s: int, w: int) -> None:
    for causal in (True, False):
        seen = visible_keys(s, w, causal=causal)
        assert 0 < seen <= visible_keys(s, None, causal=causal) * (1 + 1e-12)
        assert seen <= w
    assert visible_keys(s, w, causal=True, chunked=True) <= visible_keys(s, w, causal=True)


def test_gpt_closed_forms_of_the_papers() -> None:
    """arXiv:2205.05198 (72, no recompute) and arXiv:2104.04473 (96, full recompute)."""
    model = load_model("gpt-175b")
    plain = flops_per_token(model, 2048, causal=False)
    hardware = flops_per_token(model, 2048, causal=False, recompute="full")
    depth, h, v, length = 96, 12288, 51200, 2048
    form = 1 + length / (6 * h)
    assert plain == pytest.approx(72 * depth * h * h * (form + v / (12 * h * depth)), rel=1e-12)
    assert hardware == pytest.approx(96 * depth * h * h * (form + v / (16 * h * depth)), rel=1e-12)
    assert plain == pytest.approx(1.0764430e12, rel=1e-7)
    head_too = hardware + 2 * parameters(model).head_matrix
    assert head_too == pytest.approx(1.4352573e12, rel=1e-7)
    assert hardware * 1536 * 2048 == pytest.approx(4.51097e18, rel=1e-5)
    assert 6 * parameters(model).total == pytest.approx(1.0476951e12, rel=1e-7)


def test_llama_405b_and_deepseek_v3_under_both_conventions() -> None:
    llama = load_model("llama-3.1-405b")
    assert flops_per_token(llama, 8192) == pytest.approx(2.523956e12, rel=1e-6)
    assert flops_per_token(llama, 8192, causal=False) == pytest.approx(2.625425e12, rel=1e-6)
    assert 6 * parameters(llama).total == pytest.approx(2.435120e12, rel=1e-6)
    v3 = load_model("deepseek-v3")
    assert flops_per_token(v3, 4096) == pytest.approx(2.504499e11, rel=1e-6)
    assert flops_per_token(v3, 4096, causal=False) == pytest.approx(2.811522e11, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "causal", "full"),
    [
        ("deepseek-v2-lite", 16.4, 18.1),
        ("deepseek-v2", 155.3, 185.5),
        ("deepseek-v3", 250.4, 281.2),
        ("deepseek-moe-16b", 17.1, 18.5),
    ],
)
def test_deepseek_gigaflops_a_token_at_4096(name: str, causal: float, full: float) -> None:
    """arXiv:2505.09343 Table 2 prints 155 and 250 for V2 and V3."""
    model = load_model(name)
    assert flops_per_token(model, 4096) / 1e9 == pytest.approx(causal, abs=0.06)
    assert flops_per_token(model, 4096, causal=False) / 1e9 == pytest.approx(full, abs=0.06)


@pytest.mark.parametrize(
    ("name", "gpus", "batch", "seconds", "mfu"),
    [
        ("gpt-22b", 8, 4, 1.10, 41.65),
        ("gpt-175b", 64, 64, 13.75, 51.39),
        ("gpt-530b", 280, 280, 37.83, 56.05),
        ("gpt-1t", 512, 512, 71.49, 56.27),
    ],
)
def test_utilisation_of_the_published_steps(
    name: str, gpus: int, batch: int, seconds: float, mfu: float
) -> None:
    """arXiv:2205.05198 Table 5: times as published, utilisation by the 72-form."""
    flops = flops_per_token(load_model(name), 2048, causal=False) * batch * 2048
    assert 100 * flops / (gpus * PEAK_A100 * seconds) == pytest.approx(mfu, abs=0.005)


def test_530b_on_2240_gpus_takes_the_published_time() -> None:
    flops = flops_per_token(load_model("gpt-530b"), 2048, causal=False) * 2240 * 2048
    assert flops / (2240 * PEAK_A100 * 0.542) == pytest.approx(39.12, abs=0.005)


def test_llama_8b_per_token_under_two_conventions() -> None:
    """training_measured: NeMo 24.07 counts 57.9 GFLOP, Megatron-Bridge 51.5, at 8,192 tokens."""
    model = load_model("llama-3-8b")
    assert flops_per_token(model, 8192, causal=False) / 1e9 == pytest.approx(57.9, abs=0.05)
    assert flops_per_token(model, 8192) / 1e9 == pytest.approx(51.5, abs=0.05)
