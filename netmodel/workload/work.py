"""The vocabulary of compute: what one rank has to do, before any GPU is chosen.

``workload`` states work in these words; ``training.kernels`` alone turns them into seconds. All
numbers may be arrays that broadcast together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netmodel.numeric import choose

SOFTMAX_BLOCK = 4
"""Squares of scores that one block of the fused softmax takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """``count`` matrix products [m, k] x [k, n], forward; backward does two of the same size.

    Attributes
    ----------
    name : str
        ``qkv``, ``attention_out``, ``mlp_up``, ``mlp_down``, ``expert_up``, ``expert_down``,
        ``router``, ``head``, ...
    m, n, k : float or array
        Tokens, output width, input width, as this rank sees them.
    count : float or array
        Equal products one after the other, or side by side in one grouped launch.
    grouped : bool
        Whether the ``count`` products are one grouped kernel (experts).
    precise : bool
        Whether the product stays in 16 bits even when the step's precision is lower.
    """

    name: str
    m: Any
    n: Any
    k: Any
    count: Any = 1
    grouped: bool = False
    precise: bool = False

    @property
    def flops(self) -> Any:
        """FLOPs of the forward products, a multiply-add counting two."""
        return 2 * self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The attention core of one layer: scores, softmax, values.

    Attributes
    ----------
    batch, heads, kv_heads : float or array
        Sequences, and heads on this rank.
    queries, keys : float or array
        Tokens on each side; ``keys`` is the window where one slides.
    d_qk, d_v : float or array
        Head size of queries and keys, and of values.
    causal : bool
        Whether half of the square is masked.
    """

    batch: Any
    heads: Any
    kv_heads: Any
    queries: Any
    keys: Any
    d_qk: Any
    d_v: Any
    causal: bool = True

    @property
    def flops(self) -> Any:
        """Forward FLOPs of the full square, masked half included."""
        return 2 * self.batch * self.heads * self.queries * self.keys * (self.d_qk + self.d_v)

    @property
    def softmax_apart(self) -> Any:
        """1 where Megatron-LM's fused softmax refuses it and runs step by step, else 0.

        The kernel takes the squares of sequences and heads by fours
        (``FusedScaleMaskSoftmax.is_kernel_available``).

        >>> core = Attention(batch=1, heads=2, kv_heads=2, queries=8, keys=8, d_qk=1, d_v=1)
        >>> core.softmax_apart
        1.0
        """
        return choose(self.batch * self.heads % SOFTMAX_BLOCK == 0, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Work bound by memory traffic, forward: norms, activations, residuals, permutation.

    Attributes
    ----------
    name : str
        ``norm``, ``activation``, ``rope``, ``residual``, ``permute``, ``embedding``, ``loss``.
    bytes : float or array
        Read and written [B].
    """

    name: str
    bytes: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All forward work of one rank for one micro-batch in one layer (or in the head)."""

    gemms: tuple[Gemm, ...] = ()
    attention: tuple[Attention, ...] = ()
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Communication that a layout needs, as ``workload`` states it and ``training`` times it.

    Attributes
    ----------
    dimension : str
        ``tp``, ``cp``, ``ep``, ``etp`` (inside one expert), ``pp``, ``dp`` (shared parameters) or
        ``edp`` (expert parameters); ``replica`` joins the equal ranks of different ZeRO shards.
    kind : str
        One of ``collectives.ops.KINDS``.
    size : float or array
        As ``collectives.ops.Operation`` counts it [B].
    ranks : int or array
        Members of the group.
    count : float or array
        How often in each unit of ``phase``.
    phase : str
        ``forward`` or ``backward``: per micro-batch and layer of kind ``layer``; ``edge``: per
        micro-batch and pipeline edge, each direction; ``step``: once a step.
    layer : str
        ``dense``, ``moe``, ``head``, ``embedding``, ``mtp``; ``any`` where it belongs to no layer.
    tokens, top_k, vector : float or array
        Of dispatch and combine: tokens of one rank, experts a token, bytes of one token vector.
    """

    dimension: str
    kind: str
    size: Any
    ranks: Any
    count: Any
    phase: str
    layer: str = "any"
    tokens: Any = 0
    top_k: Any = 0
    vector: Any = 0
