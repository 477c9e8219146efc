"""Models of every shape, and layouts that divide them, for laws that hold for all."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from netmodel.workload import Mla, Model, Moe, Strategy

GPT = Model(
    name="gpt", hidden=1024, layers=24, heads=16, kv_heads=16, head_dim=64, vocab=51200, ffn=4096,
    gated=False, tied=True, norm="layernorm", biases=True, positions=2048,
)  # fmt: skip
LLAMA = Model(
    name="llama", hidden=2048, layers=16, heads=32, kv_heads=8, head_dim=64, vocab=128256, ffn=8192
)
MIXED = Model(
    name="mixed", hidden=1536, layers=12, heads=16, kv_heads=8, head_dim=128, vocab=32000, ffn=4096,
    window=256, window_period=2, qk_norm=True,
    moe=Moe(experts=64, top_k=4, ffn=512, shared=1, shared_ffn=1024, period=2),
)  # fmt: skip
LATENT = Model(
    name="latent", hidden=2048, layers=27, heads=16, kv_heads=16, head_dim=192, vocab=102400,
    ffn=8192, moe=Moe(experts=64, top_k=6, ffn=1024, shared=2, shared_ffn=1024, first_dense=1),
    mla=Mla(q_lora=768, kv_lora=512, nope=128, rope=64, value=128), mtp=1,
)  # fmt: skip
MODELS = (GPT, LLAMA, MIXED, LATENT)

models = st.sampled_from(MODELS)


@st.composite
def layouts(draw: st.DrawFn, model: Model, **fixed: Any) -> Strategy:
    """Draw a layout that divides a model of :data:`MODELS`."""
    power = lambda most: 2 ** draw(st.integers(0, most))  # noqa: E731 - five uses, one line each
    tp, cp, pp = power(3), power(2), power(3)
    dp = 8 * power(2)
    experts = model.moe is not None
    micro = power(1)
    chosen: dict[str, Any] = {
        "tp": tp,
        "cp": cp,
        "pp": pp,
        "dp": dp,
        "ep": power(3) if experts else 1,
        "etp": draw(st.sampled_from((1, tp))) if experts else 1,
        "micro_batch": micro,
        "global_batch": dp * micro * pp * 4,
        "zero": draw(st.integers(0, 3)),
        "recompute": draw(st.sampled_from(("none", "selective", "full", "norm+activation+moe"))),
        "schedule": draw(st.sampled_from(("gpipe", "1f1b", "zb-h1", "zb-v"))),
        "precision": draw(st.sampled_from(("bf16", "fp8"))),
        "context": draw(st.sampled_from(("ring", "all_gather"))),
    }
    return Strategy(**(chosen | fixed))


@st.composite
def cases(draw: st.DrawFn, **fixed: Any) -> tuple[Model, Strategy]:
    """Draw a model and a layout for it."""
    model = draw(models)
    return model, draw(layouts(model, **fixed))


def assert_equals_singles(answers: Any, singles: list[Any]) -> None:
    """Compare an array answer with scalar answers, to the last bit."""
    spread = np.broadcast_to(np.asarray(answers, dtype=float), len(singles))
    assert spread.tolist() == [float(single) for single in singles]
