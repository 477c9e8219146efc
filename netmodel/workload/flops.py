"""Floating-point operations of one token, under both conventions for causal attention.

Published utilisations mix two conventions: the full square of attention scores, or only the half
that a causal mask leaves. Every figure must say which; here ``causal=True`` counts half.
"""

from __future__ import annotations

from typing import Any

from netmodel.numeric import choose, smaller
from netmodel.workload.parameters import parameters
from netmodel.workload.transformer import Model


def visible_keys(seq_len: Any, window: int | None, *, causal: bool, chunked: bool = False) -> Any:
    r"""Keys that one query meets on average.

    .. math:: s, \quad s/2 \text{ (causal)}, \quad w - w^2/2s \text{ (causal, window } w < s),
              \quad w/2 \text{ (causal, chunks of } w)

    Parameters
    ----------
    seq_len : float or array
        Sequence length, s [tokens].
    window : int or None
        Sliding window, w [tokens].
    causal : bool
        Whether masked pairs are left out.
    chunked : bool
        Whether the window cuts the sequence into chunks instead of sliding.

    Examples
    --------
    >>> visible_keys(4096, None, causal=True), visible_keys(4096, 128, causal=True)
    (2048.0, 126.0)
    """
    if window is None:
        return seq_len / 2 if causal else seq_len * 1.0
    if not causal:
        return smaller(seq_len, window) * 1.0
    sliding = window / 2 if chunked else window - window * window / (2 * seq_len)
    return choose(seq_len > window, sliding, seq_len / 2)


def attention_flops(model: Model, seq_len: Any, *, causal: bool) -> Any:
    """Forward FLOPs of all attention cores (scores and values) for one token."""
    share = model.windowed_share
    keys = (1 - share) * visible_keys(seq_len, None, causal=causal)
    if share:
        window = visible_keys(seq_len, model.window, causal=causal, chunked=model.chunked)
        keys = keys + share * window
    return 2 * model.layers * model.heads * (model.d_qk + model.d_v) * keys


def forward_flops(model: Model, seq_len: Any, *, causal: bool) -> Any:
    """Forward FLOPs of one token: twice the matrix parameters it meets, and attention."""
    return 2 * parameters(model).matrices + attention_flops(model, seq_len, causal=causal)


def flops_per_token(
    model: Model, seq_len: Any, *, causal: bool = True, recompute: str = "none"
) -> Any:
    r"""Training FLOPs of one token, forward and backward.

    .. math:: F = 3 \left(2 N_{gemm} + 2 L a (d_{qk} + d_v) s \chi\right)

    with χ = 1/2 where ``causal``, else 1. N counts active experts, router and output head, not the
    input embedding, norms or biases. Multi-token prediction is left out, as in published figures.

    Parameters
    ----------
    model : Model
    seq_len : float or array
        Sequence length, s [tokens].
    causal : bool
        Count only the half of the attention square that the mask leaves.
    recompute : str
        ``"none"`` for model FLOPs; ``"selective"`` adds one more attention forward, ``"full"`` one
        more forward of every layer (not of the head): hardware FLOPs.

    Returns
    -------
    float or array
        FLOPs, a multiply-add counting two.

    References
    ----------
    .. [1] Megatron-LM ``megatron/training/training.py::num_floating_point_operations``.
    .. [2] Korthikanti et al., arXiv:2205.05198; Narayanan et al., arXiv:2104.04473.

    Examples
    --------
    >>> llama = Model(name="llama-3-8b", hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    ...               vocab=128256, ffn=14336)
    >>> f"{flops_per_token(llama, 8192, causal=False) / 1e9:.1f} GFLOP"
    '57.9 GFLOP'
    """
    forward = forward_flops(model, seq_len, causal=causal)
    if recompute == "full":
        return 4 * forward - 2 * parameters(model).head_matrix
    if recompute == "selective":
        return 3 * forward + attention_flops(model, seq_len, causal=causal)
    return 3.0 * forward
