"""Exact parameter counts, by part.

Formulas: the self-attention, multi-latent-attention and MLP terms of Megatron-LM
``megatron/training/theoretical_memory_usage.py``, with norms, biases, position tables, attention
sinks and expert biases counted as the published checkpoints hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netmodel.workload.transformer import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Parameters of a model, by part.

    Attributes
    ----------
    attention, norms : int
        Of one layer.
    mlp : int
        Of one dense layer's MLP.
    router, expert, shared : int
        Of one MoE layer: router; one routed expert; all shared experts.
    experts, top_k : int
        Routed experts of one MoE layer, and those that a token visits.
    embedding, head, final_norm : int
        Embedding with position table and its norm; output head, 0 where tied; last norm.
    mtp : int
        All multi-token-prediction modules; in none of the sums below.
    dense_layers, moe_layers : int
        How many layers of each kind.
    attention_matrices, mlp_matrices, moe_matrices, head_matrix : int
        What takes part in a matrix product for one token: of one layer's attention, dense MLP,
        router with active and shared experts; and of the output head.
    attention_replicated : int
        Part of ``attention`` that every tensor-parallel rank holds whole.
    """

    attention: int
    norms: int
    mlp: int
    router: int
    expert: int
    shared: int
    experts: int
    top_k: int
    embedding: int
    head: int
    final_norm: int
    mtp: int
    dense_layers: int
    moe_layers: int
    attention_matrices: int
    mlp_matrices: int
    moe_matrices: int
    head_matrix: int
    attention_replicated: int

    @property
    def dense_layer(self) -> int:
        """One layer with a dense MLP."""
        return self.attention + self.norms + self.mlp

    @property
    def moe_layer(self) -> int:
        """One layer with experts, all of them."""
        routed = self.experts * self.expert
        return self.attention + self.norms + self.router + self.shared + routed

    @property
    def total(self) -> int:
        """Everything but multi-token prediction."""
        layers = self.dense_layers * self.dense_layer + self.moe_layers * self.moe_layer
        return layers + self.embedding + self.head + self.final_norm

    @property
    def active(self) -> int:
        """What one token meets: ``total`` with ``top_k`` experts a layer; embedding included."""
        return self.total - self.moe_layers * (self.experts - self.top_k) * self.expert

    @property
    def matrices(self) -> int:
        """Parameters that take part in a matrix product for one token."""
        layers = self.dense_layers + self.moe_layers
        mlps = self.dense_layers * self.mlp_matrices + self.moe_layers * self.moe_matrices
        return layers * self.attention_matrices + mlps + self.head_matrix


def _attention(model: Model) -> tuple[int, int, int]:
    """Parameters of one layer's attention: all, in matrices, whole on every tensor rank."""
    h, a, d = model.hidden, model.heads, model.head_dim
    mla = model.mla
    if mla is None:
        matrices = h * d * (2 * a + 2 * model.kv_heads)
        extra = 2 * d if model.qk_norm else 0
        whole = extra
        if model.biases or model.qkv_biases:
            extra += (a + 2 * model.kv_heads) * d
    else:
        down = h * (mla.kv_lora + mla.rope)
        up = mla.kv_lora * a * (mla.nope + mla.value)
        extra = mla.kv_lora
        if mla.q_lora is None:
            up += h * a * model.d_qk
        else:
            down += h * mla.q_lora
            up += mla.q_lora * a * model.d_qk
            extra += mla.q_lora
        matrices = down + up + a * mla.value * h
        whole = down + extra
    if model.biases:
        extra += h
        whole += h
    if model.sinks:
        extra += a
    return matrices + extra, matrices, whole


def mlp_parameters(model: Model, ffn: int) -> tuple[int, int]:
    """Parameters of one MLP (or expert) of inner width ``ffn``: with and without biases."""
    matrices = (3 if model.gated else 2) * model.hidden * ffn
    biases = (2 if model.gated else 1) * ffn + model.hidden
    return matrices + (biases if model.biases else 0), matrices


@lru_cache(maxsize=1024)
def parameters(model: Model) -> Parameters:
    """Count the parameters of a model.

    Examples
    --------
    >>> llama = Model(name="llama-3-8b", hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    ...               vocab=128256, ffn=14336)
    >>> parameters(llama).total
    8030261248
    """
    h = model.hidden
    norm = 2 * h if model.norm == "layernorm" else h
    attention, attention_matrices, replicated = _attention(model)
    mlp, mlp_matrices = mlp_parameters(model, model.ffn) if model.dense_layers else (0, 0)
    norms = model.layer_norms * norm
    router = expert = shared = moe_matrices = experts = top_k = 0
    if (moe := model.moe) is not None:
        experts, top_k = moe.experts, moe.top_k
        biased = moe.router_bias or model.biases
        router = h * experts + (experts if biased else 0) + (h if moe.shared_gate else 0)
        expert, expert_matrices = mlp_parameters(model, moe.ffn)
        one, one_matrices = mlp_parameters(model, moe.shared_ffn)
        shared = moe.shared * one
        gate = h if moe.shared_gate else 0
        moe_matrices = h * experts + gate + top_k * expert_matrices + moe.shared * one_matrices
    embedding = model.vocab * h + model.positions * h + (norm if model.embedding_norm else 0)
    last = attention + norms + (router + shared + experts * expert if experts else mlp)
    return Parameters(
        attention=attention,
        norms=norms,
        mlp=mlp,
        router=router,
        expert=expert,
        shared=shared,
        experts=experts,
        top_k=top_k,
        embedding=embedding,
        head=0 if model.tied else model.vocab * h,
        final_norm=norm,
        mtp=model.mtp * (last + 2 * h * h + 3 * norm),
        dense_layers=model.dense_layers,
        moe_layers=model.moe_layers,
        attention_matrices=attention_matrices,
        mlp_matrices=mlp_matrices,
        moe_matrices=moe_matrices,
        head_matrix=model.vocab * h,
        attention_replicated=replicated,
    )
