"""A transformer as data: the shapes that parameters, FLOPs, memory and messages follow from."""

from __future__ import annotations

from dataclasses import dataclass

from netmodel.errors import InputError

NORMS = ("rmsnorm", "layernorm", "layernorm_no_bias")


def _require(name: str, **counts: int) -> None:
    """Refuse a count that is below one."""
    for field, value in counts.items():
        if not value >= 1:  # also catches NaN
            raise InputError(
                f"{field} is {value!r}, it must be at least 1",
                where=f"model {name!r}",
                remedy=f"Give {field} as a whole number.",
            )


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
        One layer in so many is an MoE layer: the ones whose number, counted from 1, it divides.
    groups, group_limit : int or None
        Expert groups (nodes or devices), and how many of them one token may visit.
    router_bias : bool
        Whether the router holds one bias an expert (DeepSeek-V3).
    shared_gate : bool
        Whether a gate of one output weighs the shared experts (Qwen2-MoE).
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
    shared_gate: bool = False

    def __post_init__(self) -> None:
        _require(
            "moe", experts=self.experts, top_k=self.top_k, moe_ffn=self.ffn, period=self.period
        )
        if self.top_k > self.experts:
            raise InputError(
                f"each token visits {self.top_k} of {self.experts} experts",
                where="model moe",
                remedy="Give top_k at most as large as experts.",
            )


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
        One of :data:`NORMS`.
    layer_norms : int
        Norms of width ``hidden`` in one layer (4 in Grok-1).
    biases, qkv_biases : bool
        Whether every projection, or only Q, K and V, carry biases.
    qk_norm : bool
        Whether queries and keys are normalised per head (Qwen3).
    sinks : bool
        Whether each head has one learned sink (gpt-oss).
    embedding_norm : bool
        Whether a norm follows the embedding (BLOOM).
    positions : int
        Rows of a learned position table; 0 for rotary positions or ALiBi.
    window : int or None
        Sliding attention window [tokens], or None.
    window_period : float
        The window holds in one of so many layers: 2 for every other one, 4/3 for three of four.
    chunked : bool
        The window does not slide but cuts the sequence into chunks (Llama 4).
    rotary : bool
        Whether queries and keys are rotated; without learned positions only ALiBi does without.
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
    layer_norms: int = 2
    biases: bool = False
    qkv_biases: bool = False
    qk_norm: bool = False
    sinks: bool = False
    embedding_norm: bool = False
    positions: int = 0
    window: int | None = None
    window_period: float = 1
    chunked: bool = False
    rotary: bool = True
    moe: Moe | None = None
    mla: Mla | None = None
    mtp: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        _require(
            self.name,
            hidden=self.hidden,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_dim=self.head_dim,
            vocab=self.vocab,
        )
        if self.dense_layers:
            _require(self.name, ffn=self.ffn)
        if self.heads % self.kv_heads:
            raise InputError(
                f"{self.heads} query heads are not a multiple of {self.kv_heads} key-value heads",
                where=f"model {self.name!r}",
                remedy="Each key-value head serves equally many query heads.",
            )
        if self.norm not in NORMS:
            raise InputError(
                f"norm is {self.norm!r}",
                where=f"model {self.name!r}",
                remedy=f"Allowed: {', '.join(NORMS)}.",
            )

    @property
    def moe_layers(self) -> int:
        """Layers whose MLP is a mixture of experts."""
        if self.moe is None:
            return 0
        skipped = min(self.moe.first_dense, self.layers)
        return self.layers // self.moe.period - skipped // self.moe.period

    @property
    def dense_layers(self) -> int:
        """Layers with a dense MLP."""
        return self.layers - self.moe_layers

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of layers that the model has: ``dense``, ``moe``, or both in this order."""
        moe = self.moe_layers
        return (("dense",) if moe < self.layers else ()) + (("moe",) if moe else ())

    @property
    def windowed_share(self) -> float:
        """Share of the layers whose attention slides a window."""
        return 0.0 if self.window is None else 1 / self.window_period

    @property
    def d_qk(self) -> int:
        """Size of one head's queries and keys."""
        return self.head_dim if self.mla is None else self.mla.nope + self.mla.rope

    @property
    def d_v(self) -> int:
        """Size of one head's values."""
        return self.head_dim if self.mla is None else self.mla.value
