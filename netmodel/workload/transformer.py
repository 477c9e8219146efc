"""A transformer as data: the shapes that parameters, FLOPs, memory and messages follow from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moe:
    """Mixture-of-experts layers.

    Attributes
    ----------
    experts, top_k : int
        Routed experts, and how many of them each token visits.
    ffn : int
        Inner width of one routed expert.
    shared, shared_ffn : int
        Experts that every token visits, and the inner width of one of them.
    first_dense : int
        Layers before the first MoE layer; they have a dense MLP.
    period : int
        One layer in so many is an MoE layer (1: all after ``first_dense``).
    groups, group_limit : int or None
        Expert groups (nodes or devices), and how many of them one token may visit.
    router_bias : bool
        Whether the router holds one bias an expert (DeepSeek-V3).
    """

    experts: int
    top_k: int
    ffn: int
    shared: int = 0
    shared_ffn: int = 0
    first_dense: int = 0
    period: int = 1
    groups: int | None = None
    group_limit: int | None = None
    router_bias: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mla:
    """Multi-head latent attention (DeepSeek-V2): ranks of the projections and head sizes."""

    q_lora: int | None
    kv_lora: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A decoder-only transformer.

    Attributes
    ----------
    hidden, layers, heads, kv_heads, head_dim, vocab : int
        Width, depth, query and key-value heads, size of one head, vocabulary.
    ffn : int
        Inner width of the dense MLP (0 when every layer is MoE).
    gated : bool
        Three MLP matrices (SwiGLU) instead of two.
    tied : bool
        Input embedding and output head share one matrix.
    norm : str
        ``"rmsnorm"`` or ``"layernorm"``.
    biases, qkv_biases : bool
        Whether every projection, or only Q, K and V, carry biases.
    qk_norm : bool
        Whether queries and keys are normalised per head (Qwen3).
    positions : int
        Rows of a learned position table; 0 for rotary or ALiBi.
    window : int or None
        Sliding attention window [tokens], and in one of how many layers (``window_period``).
    moe, mla : Moe, Mla or None
        Experts; latent attention.
    mtp : int
        Multi-token-prediction modules, each about one more layer.
    source : str
        Who published the configuration.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    ffn: int
    gated: bool = True
    tied: bool = False
    norm: str = "rmsnorm"
    biases: bool = False
    qkv_biases: bool = False
    qk_norm: bool = False
    positions: int = 0
    window: int | None = None
    window_period: int = 1
    moe: Moe | None = None
    mla: Mla | None = None
    mtp: int = 0
    source: str = ""
