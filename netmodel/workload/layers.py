"""The compute of one rank for one micro-batch in one layer of each kind, forward.

T = micro_batch x seq_len / cp is the tokens of a rank's tensor-parallel group. What sequence
parallelism splits (norms, residuals, router, latent down-projections) sees T/tp of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netmodel.collectives.ops import distinct_targets
from netmodel.numeric import choose, larger
from netmodel.workload.flops import visible_keys
from netmodel.workload.layout import Strategy
from netmodel.workload.recipe import MEGATRON, Recipe
from netmodel.workload.transformer import Model, Moe
from netmodel.workload.work import Attention, Gemm, Stream, Work

HALF = 2
"""Bytes of a 16-bit element."""
EAGER_PASSES = 20
"""Accesses an inner element of an expert with biases and a clamped gate, which no fused kernel
serves: two bias additions of both halves (4), two clamps, scale, sigmoid, shift (2 each), two
products (3 each)."""
STEPWISE_SOFTMAX = 33
"""Bytes a score that a softmax of five kernels moves beside a fused one's 4: to 32 bits (2 + 4),
scale (4 + 4), mask (4 + 4 + 1), softmax (4 + 4), back to 16 bits (4 + 2)."""
SORT_PASSES = 4
"""Sorting by expert on arrival and back reads and writes every copy of a token twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One micro-batch, cut among the ranks of a replica; every number may be an array.

    Attributes
    ----------
    tokens : float or array
        T, of one tensor-parallel group.
    split : float or array
        Those that one rank has where sequence parallelism splits: T / tp, else T.
    own : float or array
        Those that one rank brings to the experts, T / tp, before copies.
    t, c : int or array
        Tensor- and context-parallel degree.
    batch, seq_len : float or array
        Sequences, and their whole length [tokens].
    kv_heads : float or array
        Key-value heads on one rank: at least one.
    """

    tokens: Any
    split: Any
    own: Any
    t: Any
    c: Any
    batch: Any
    seq_len: Any
    kv_heads: Any


def cut(model: Model, strategy: Strategy, seq_len: Any) -> Cut:
    """Cut one micro-batch among the ranks of a replica."""
    t, c = strategy.tp, strategy.cp
    tokens = strategy.micro_batch * 1.0 * seq_len / c
    own = tokens / t
    return Cut(
        tokens=tokens,
        split=choose(strategy.sequence_parallel, own, tokens),
        own=own,
        t=t,
        c=c,
        batch=strategy.micro_batch,
        seq_len=seq_len,
        kv_heads=larger(model.kv_heads / t, 1),
    )


def _attention_gemms(model: Model, cut: Cut) -> list[Gemm]:
    """Projections around the attention core."""
    h, t, tokens, mla = model.hidden, cut.t, cut.tokens, model.mla
    out = Gemm(name="attention_out", m=tokens, n=h, k=model.heads * model.d_v / t)
    if mla is None:
        width = (model.heads / t + 2 * cut.kv_heads) * model.head_dim
        return [Gemm(name="qkv", m=tokens, n=width, k=h), out]
    kv_width = model.heads * (mla.nope + mla.value) / t
    kv = [
        Gemm(name="kv_down", m=cut.split, n=mla.kv_lora + mla.rope, k=h),
        Gemm(name="kv_up", m=tokens, n=kv_width, k=mla.kv_lora),
        out,
    ]
    q_width = model.heads * model.d_qk / t
    if mla.q_lora is None:
        return [Gemm(name="q_up", m=tokens, n=q_width, k=h), *kv]
    return [
        Gemm(name="q_down", m=cut.split, n=mla.q_lora, k=h),
        Gemm(name="q_up", m=tokens, n=q_width, k=mla.q_lora),
        *kv,
    ]


def _attention_cores(model: Model, cut: Cut, strategy: Strategy) -> tuple[Attention, ...]:
    """Scores and values; layers that alternate between full and windowed become a mean layer.

    A windowed core is stated without its masked pairs (``causal=False``, ``keys`` the mean number
    that a query meets); the share of layers appears as a share of the batch.
    """
    ulysses = strategy.context == "ulysses"
    spread = cut.t * cut.c if ulysses else cut.t
    queries = cut.seq_len if ulysses else cut.seq_len / cut.c
    heads = model.heads / spread
    kv_heads = larger(model.kv_heads / spread, 1)
    cores = []
    share = model.windowed_share
    if share < 1:
        cores.append(
            Attention(
                batch=cut.batch * (1 - share) if share else cut.batch, heads=heads,
                kv_heads=kv_heads, queries=queries, keys=cut.seq_len,
                d_qk=model.d_qk, d_v=model.d_v,
            )
        )  # fmt: skip
    if share:
        keys = visible_keys(cut.seq_len, model.window, causal=True, chunked=model.chunked)
        cores.append(
            Attention(
                batch=cut.batch * share, heads=heads, kv_heads=kv_heads, queries=queries, keys=keys,
                d_qk=model.d_qk, d_v=model.d_v, causal=False,
            )
        )  # fmt: skip
    return tuple(cores)


def _attention_streams(model: Model, cut: Cut, recipe: Recipe, core: Attention) -> list[Stream]:
    """Memory traffic of norms, residuals, rotary positions and, where not fused, softmax."""
    h, t, tokens, mla = model.hidden, cut.t, cut.tokens, model.mla
    norm = 2 * model.layer_norms * cut.split * h
    if mla is not None:
        norm = norm + 2 * cut.split * ((mla.q_lora or 0) + mla.kv_lora)
        rope = 2 * tokens * model.heads * (2 * model.d_qk) / t
    else:
        rope = 2 * tokens * (model.heads / t + cut.kv_heads) * model.head_dim
        if model.qk_norm:
            norm = norm + rope
    masks = 2 * cut.split * h if recipe.dropout else 0
    streams = [
        Stream(name="norm", bytes=HALF * norm),
        Stream(name="residual", bytes=HALF * 6 * cut.split * h + masks),
    ]
    if model.rotary and not model.positions:
        streams.append(Stream(name="rope", bytes=HALF * rope))
    if not recipe.flash:
        passes = 9 if recipe.dropout else 4
        scores = model.heads * tokens * cut.seq_len / t
        more = STEPWISE_SOFTMAX * core.softmax_apart
        streams.append(Stream(name="softmax", bytes=(passes + more) * scores))
    return streams


def _mlp(
    model: Model, name: str, m: Any, ffn: Any, width: Any, *, count: Any = 1, grouped: bool = False
) -> tuple[list[Gemm], Any]:
    """Both products of an MLP of whole inner width ``ffn`` cut to ``width``, and its traffic."""
    up = width * 2 if model.gated else width
    gemms = [
        Gemm(name=f"{name}_up", m=m, n=up, k=model.hidden, count=count, grouped=grouped),
        Gemm(name=f"{name}_down", m=m, n=model.hidden, k=width, count=count, grouped=grouped),
    ]
    return gemms, HALF * m * (up + width) * count


def _moe(
    model: Model, moe: Moe, cut: Cut, strategy: Strategy, recipe: Recipe
) -> tuple[list[Gemm], list[Stream]]:
    """Router, routed experts with balanced load, shared experts, and the moving of tokens."""
    copies = cut.own * moe.top_k * strategy.etp
    local = moe.experts / strategy.ep
    gemms = [Gemm(name="router", m=cut.split, n=moe.experts, k=model.hidden, precise=True)]
    routed, traffic = _mlp(
        model, "expert", copies / local, moe.ffn, moe.ffn / strategy.etp, count=local, grouped=True
    )
    gemms += routed
    if model.biases:
        width = moe.ffn / strategy.etp
        traffic = traffic + HALF * copies * (EAGER_PASSES * width + 2 * model.hidden)
    if moe.shared:
        width = moe.shared * moe.shared_ffn
        shared, more = _mlp(model, "shared", cut.tokens, width, width / cut.t)
        gemms += shared
        traffic = traffic + more
    moved = copies + 2 * cut.own * moe.top_k + 2 * _arrivals(moe, cut, strategy, recipe)
    return gemms, [
        Stream(name="activation", bytes=traffic),
        Stream(name="permute", bytes=HALF * moved * model.hidden),
    ]


def _arrivals(moe: Moe, cut: Cut, strategy: Strategy, recipe: Recipe) -> Any:
    """Copies of tokens that are read, or written, beside those in the order of the experts."""
    if recipe.dispatcher == "deepep":
        return cut.own * distinct_targets(strategy.ep, moe.experts, moe.top_k)
    sorted_again = choose(strategy.ep > 1, SORT_PASSES * moe.top_k, 0)
    return cut.own * (1 + sorted_again / 2)


def _casts(gemms: list[Gemm]) -> Stream:
    """Round each GEMM input to 8 bits: read 16, write 8 as it is and once more transposed."""
    elements: Any = 0
    for gemm in gemms:
        if not gemm.precise:
            elements = elements + gemm.m * gemm.k * gemm.count
    return Stream(name="cast", bytes=(HALF + 2) * elements)


def _layer(gemms: list[Gemm], cores: Any, streams: list[Stream], strategy: Strategy) -> Work:
    if strategy.precision in ("fp8", "fp4"):
        streams = [*streams, _casts(gemms)]
    return Work(gemms=tuple(gemms), attention=cores, streams=tuple(streams))


def _head(model: Model, cut: Cut) -> Work:
    """State final norm, output head in 16 bits and loss in 32 bits, on this rank's vocabulary."""
    share = model.vocab / cut.t
    return Work(
        gemms=(Gemm(name="head", m=cut.tokens, n=share, k=model.hidden, precise=True),),
        streams=(
            Stream(name="norm", bytes=2 * HALF * cut.split * model.hidden),
            Stream(name="loss", bytes=(HALF + 4 + 4) * cut.tokens * share),
        ),
    )


def _mtp(model: Model, cut: Cut, layer: Work, head: Work) -> Work:
    """One multi-token-prediction module: two norms, a projection, a layer, the shared head."""
    h = model.hidden
    projection = Gemm(name="mtp_projection", m=cut.tokens, n=h / cut.t, k=2 * h)
    norms = Stream(name="norm", bytes=4 * HALF * cut.split * h)
    return Work(
        gemms=(projection, *layer.gemms, *head.gemms),
        attention=layer.attention,
        streams=(norms, *layer.streams, *head.streams),
    )


def layer_work(
    model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe = MEGATRON
) -> dict[str, Work]:
    """Forward work of one rank for one micro-batch, by layer kind.

    Parameters
    ----------
    model : Model
    strategy : Strategy
        Degrees and micro-batch; may be arrays.
    seq_len : float or array
        Sequence length [tokens].
    recipe : Recipe
        Whether attention is fused, whether dropout runs, and how tokens reach experts.

    Returns
    -------
    dict of str to Work
        Kinds that the model has, out of ``dense``, ``moe``, ``head``, ``embedding`` and ``mtp``
        (one whole module). Summed over layers and ranks, the FLOPs are those of
        :func:`~netmodel.workload.flops.flops_per_token`.

    Notes
    -----
    Router and expert load is balanced. Key-value heads fewer than ``tp`` are held by several ranks.
    Element-wise traffic counts each operand once per kernel: a norm reads and writes, a residual
    addition reads two and writes one, a gated activation reads two and writes one.
    """
    here = cut(model, strategy, seq_len)
    gemms = _attention_gemms(model, here)
    cores = _attention_cores(model, here, strategy)
    streams = _attention_streams(model, here, recipe, cores[0])
    work: dict[str, Work] = {}
    if "dense" in model.kinds:
        mlp, traffic = _mlp(model, "mlp", here.tokens, model.ffn, model.ffn / here.t)
        activation = Stream(name="activation", bytes=traffic)
        work["dense"] = _layer([*gemms, *mlp], cores, [*streams, activation], strategy)
    if model.moe is not None and "moe" in model.kinds:
        experts, moved = _moe(model, model.moe, here, strategy, recipe)
        work["moe"] = _layer([*gemms, *experts], cores, [*streams, *moved], strategy)
    work["head"] = _head(model, here)
    looked_up = (2 + (1 if model.positions else 0)) * here.split * model.hidden
    work["embedding"] = Work(streams=(Stream(name="embedding", bytes=HALF * looked_up),))
    if model.mtp:
        work["mtp"] = _mtp(model, here, work[model.kinds[-1]], work["head"])
    return work
