"""Bytes that a layer keeps between its forward and its backward pass."""

from __future__ import annotations

from typing import Any

from netmodel.workload.flops import visible_keys
from netmodel.workload.layers import HALF, Cut, cut
from netmodel.workload.layout import Strategy
from netmodel.workload.recipe import MEGATRON, Recipe
from netmodel.workload.transformer import Model, Moe


def _gemm_input(strategy: Strategy) -> int:
    """Bytes of an element kept as the input of a product: its 8-bit copy where one exists."""
    return 1 if strategy.precision in ("fp8", "fp4") else HALF


def _attention(model: Model, here: Cut, strategy: Strategy, recipe: Recipe) -> Any:
    """Kept by the attention half of a layer, its residual input included."""
    h, t, tokens, split = model.hidden, here.t, here.tokens, here.split
    redo = strategy.recomputed
    x = _gemm_input(strategy)
    kept = HALF * split * h
    if "norm" not in redo:
        kept = kept + x * split * h
    if (mla := model.mla) is None:
        kept = kept + HALF * tokens * (model.heads / t + 2 * here.kv_heads) * model.head_dim
    else:
        latent = (mla.q_lora or 0) + mla.kv_lora
        kept = kept + split * (HALF * (latent + mla.rope) + (0 if "norm" in redo else x * latent))
        if "mla_up" not in redo:
            kept = kept + HALF * tokens * model.heads * (2 * model.d_qk + model.d_v) / t
    kept = (
        kept
        + (recipe.saved + (x if x < recipe.saved else 0)) * tokens * model.heads * model.d_v / t
    )
    if recipe.flash:
        kept = kept + 4 * tokens * model.heads / t
    elif "core" not in redo:
        keys = here.seq_len
        if share := model.windowed_share:
            seen = visible_keys(here.seq_len, model.window, causal=False)
            keys = (1 - share) * keys + share * seen
        kept = kept + (5 if recipe.dropout else 2) * model.heads * keys * tokens / t
    return kept + (split * h if recipe.dropout else 0)


def _hidden(model: Model, strategy: Strategy, recipe: Recipe, elements: Any) -> Any:
    """Kept of an MLP's inner width: activation inputs, and the input of the second product."""
    kept = recipe.saved * elements * (2 if model.gated else 1)
    if "activation" in strategy.recomputed:
        return kept
    return kept + _gemm_input(strategy) * elements


def _mlp(model: Model, here: Cut, strategy: Strategy, recipe: Recipe) -> Any:
    """Kept by a dense MLP, its residual input included."""
    split = here.split * model.hidden
    kept = HALF * split + (split if recipe.dropout else 0)
    if "mlp" in strategy.recomputed:
        return kept
    if "norm" not in strategy.recomputed:
        kept = kept + _gemm_input(strategy) * split
    return kept + _hidden(model, strategy, recipe, here.tokens * model.ffn / here.t)


def _moe(model: Model, moe: Moe, here: Cut, strategy: Strategy, recipe: Recipe) -> Any:
    """Kept by router, dispatched tokens, experts and shared experts."""
    split = here.split * model.hidden
    kept = HALF * split
    if "moe" in strategy.recomputed:
        return kept
    x = _gemm_input(strategy)
    if "norm" not in strategy.recomputed:
        kept = kept + x * split
    copies = here.own * moe.top_k * strategy.etp
    kept = kept + 2 * 4 * here.split * moe.experts + x * copies * model.hidden
    kept = kept + _hidden(model, strategy, recipe, copies * moe.ffn / strategy.etp)
    if moe.shared:
        width = moe.shared * moe.shared_ffn / here.t
        kept = kept + _hidden(model, strategy, recipe, here.tokens * width)
    return kept


def layer_activation(
    model: Model,
    strategy: Strategy,
    seq_len: Any,
    recipe: Recipe = MEGATRON,
    *,
    kind: str = "dense",
) -> Any:
    r"""Bytes that one layer of one micro-batch keeps on one rank for its backward pass.

    For a GPT with dropout and unfused attention this is [1]_

    .. math:: s b h (10 + 24/t + 5 a s / h t), \quad s b h / t\,(34 + 5 a s / h)
              \text{ with sequence parallelism}

    Parameters
    ----------
    model : Model
    strategy : Strategy
        ``recompute="full"`` keeps only the layer's input, ``2 s b h``.
    seq_len : float or array
        Sequence length, s [tokens].
    recipe : Recipe
        Fused attention keeps 4 bytes a query and head instead of the square; dropout keeps masks.
    kind : str
        ``"dense"`` or ``"moe"``.

    References
    ----------
    .. [1] Korthikanti et al., arXiv:2205.05198, Table 2.
    """
    here = cut(model, strategy, seq_len)
    if strategy.recompute == "full":
        return HALF * here.split * model.hidden
    attention = _attention(model, here, strategy, recipe)
    if kind == "moe" and model.moe is not None:
        return attention + _moe(model, model.moe, here, strategy, recipe)
    return attention + _mlp(model, here, strategy, recipe)


def logits(model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe = MEGATRON) -> Any:
    """Bytes of the logits of one micro-batch on one rank, with those of the loss."""
    here = cut(model, strategy, seq_len)
    return recipe.logit * here.tokens * model.vocab / here.t
