"""The messages that a layout needs: which operation, how large, how often, in which group."""

from __future__ import annotations

from typing import Any

from netmodel.numeric import choose, larger, some
from netmodel.workload.layers import HALF, Cut, cut
from netmodel.workload.layout import Strategy
from netmodel.workload.memory import Held, everyone_ranks, held_by_kind, shard_ranks, stage_held
from netmodel.workload.recipe import MEGATRON, Recipe
from netmodel.workload.stages import stage_layers
from netmodel.workload.transformer import Model, Moe
from netmodel.workload.work import Demand

SCALE_GROUP = 128
"""Values that share one 32-bit scale in an 8-bit token vector (DeepSeek-V3, section 3.3)."""


def token_vector(hidden: int, *, fp8: bool) -> float:
    """Bytes of one token on its way to an expert.

    >>> token_vector(7168, fp8=True), token_vector(7168, fp8=False)
    (7392.0, 14336.0)
    """
    return hidden + 4 * hidden / SCALE_GROUP if fp8 else HALF * float(hidden)


def _twice(
    layer: str, dimension: str, kind: str, size: Any, ranks: Any, forward: Any, backward: Any
) -> list[Demand]:
    """State the same operation for both passes, where it happens at all."""
    counts = (("forward", forward), ("backward", backward))
    return [
        Demand(
            dimension=dimension, kind=kind, size=size, ranks=ranks, count=count, phase=phase,
            layer=layer,
        )
        for phase, count in counts
        if some(count > 0)
    ]  # fmt: skip


def _tensor(
    model: Model, moe: Moe | None, here: Cut, strategy: Strategy, recipe: Recipe, layer: str
) -> list[Demand]:
    """Tensor parallelism around attention and MLP of one layer; experts have none of it."""
    t = strategy.tp
    again = 1 if strategy.recompute == "full" else 0
    mlp = 1 if moe is None or moe.shared else 0
    whole = here.tokens * model.hidden * HALF
    if not strategy.sequence_parallel:
        blocks = 1 + mlp
        return _twice(layer, "tp", "all_reduce", whole, t, blocks, blocks * (1 + again))
    regather = 1 if recipe.regather else 0
    found: list[Demand] = []
    gathers = mlp if model.mla is not None else 1 + mlp
    if (mla := model.mla) is not None:
        latent = here.tokens * ((mla.q_lora or model.hidden) + mla.kv_lora + mla.rope) * HALF
        found += _twice(layer, "tp", "all_gather", latent, t, 1, regather + again)
        found += _twice(layer, "tp", "reduce_scatter", latent, t, 0, 1)
    rows = 1 + mlp
    found += _twice(
        layer, "tp", "all_gather", whole, t, gathers, rows + gathers * (regather + again)
    )
    found += _twice(layer, "tp", "reduce_scatter", whole, t, rows, gathers + rows * again)
    return found


def _context(model: Model, here: Cut, strategy: Strategy, layer: str) -> list[Demand]:
    """Context parallelism: keys and values meet all queries of the sequence."""
    c = strategy.cp
    again = 1 if strategy.recompute == "full" else 0
    if model.mla is None:
        width = 2 * here.kv_heads * model.head_dim
    else:
        width = model.heads / here.t * (model.d_qk + model.d_v)
    block = here.tokens * width * HALF
    if strategy.context == "ring":
        hops = c - 1
        return _twice(layer, "cp", "send_recv", block, c, hops, hops * (2 + again))
    if strategy.context == "all_gather":
        return [
            *_twice(layer, "cp", "all_gather", block * c, c, 1, again),
            *_twice(layer, "cp", "reduce_scatter", block * c, c, 0, 1),
        ]
    queries = here.tokens * model.heads / here.t * HALF
    return [
        *_twice(layer, "cp", "all_to_all", queries * model.d_qk, c, 1, 1 + again),
        *_twice(layer, "cp", "all_to_all", block / 2, c, 2, 2 * (1 + again)),
        *_twice(layer, "cp", "all_to_all", queries * model.d_v, c, 1, 1 + again),
    ]


def _experts(
    model: Model, moe: Moe, here: Cut, strategy: Strategy, recipe: Recipe, layer: str
) -> list[Demand]:
    """Dispatch to the experts and combine back; gathering among the ranks of one expert."""
    again = 1 if strategy.recompute == "full" or "moe" in strategy.recomputed else 0
    tokens = here.own
    fp8 = recipe.fp8_dispatch and strategy.precision == "fp8"
    found: list[Demand] = []
    if some(strategy.ep > 1):
        for kind, vector in (
            ("dispatch", token_vector(model.hidden, fp8=fp8)),
            ("combine", token_vector(model.hidden, fp8=False)),
        ):
            found += [
                Demand(
                    dimension="ep", kind=kind, size=tokens * moe.top_k * vector, ranks=strategy.ep,
                    count=count, phase=phase, layer=layer, tokens=tokens, top_k=moe.top_k,
                    vector=vector,
                )
                for phase, count in (("forward", 1), ("backward", 1 + again))
            ]  # fmt: skip
    if some(strategy.etp > 1):
        n = strategy.etp
        whole = tokens * moe.top_k * n * model.hidden * HALF
        found += _twice(layer, "etp", "all_gather", whole, n, 1, 1 + again)
        found += _twice(layer, "etp", "reduce_scatter", whole, n, 1, 1 + again)
    return found


def _ends(model: Model, here: Cut, strategy: Strategy, recipe: Recipe) -> list[Demand]:
    """Tensor parallelism of the embedding, the output head and the loss."""
    t = strategy.tp
    whole = here.tokens * model.hidden * HALF
    scalars = here.tokens * 4
    loss = _twice("head", "tp", "all_reduce", scalars, t, 3, 0)
    if not strategy.sequence_parallel:
        return [
            *_twice("embedding", "tp", "all_reduce", whole, t, 1, 0),
            *_twice("head", "tp", "all_reduce", whole, t, 0, 1),
            *loss,
        ]
    regather = 1 if recipe.regather else 0
    return [
        *_twice("embedding", "tp", "reduce_scatter", whole, t, 1, 0),
        *_twice("embedding", "tp", "all_gather", whole, t, 0, 1),
        *_twice("head", "tp", "all_gather", whole, t, 1, regather),
        *_twice("head", "tp", "reduce_scatter", whole, t, 0, 1),
        *loss,
    ]


def _pipeline(model: Model, here: Cut, strategy: Strategy, recipe: Recipe) -> list[Demand]:
    """Activations between stages, and the gradient of an embedding that two stages hold."""
    p = strategy.pp
    edge = choose(p > 1, strategy.vpp, 0)
    message = here.split * model.hidden * HALF
    found = [
        Demand(dimension="pp", kind="send_recv", size=message, ranks=2, count=edge, phase="edge")
    ]
    if model.tied:
        table = model.vocab * model.hidden / strategy.tp * recipe.gradient_message
        found.append(
            Demand(
                dimension="pp", kind="all_reduce", size=table, ranks=2,
                count=choose(p > 1, 1, 0), phase="step", layer="embedding",
            )
        )  # fmt: skip
    return found


def _sharded_layer(
    held: Held, shards: tuple[Any, Any], recipe: Recipe, layer: str, active: Any
) -> list[Demand]:
    """ZeRO-3: gather weights before each use; reduce gradients after each micro-batch."""
    found: list[Demand] = []
    gather_again = active * (1 if recipe.reshard else 0)
    reduce = active if recipe.reduce_each else 0 * active
    d, e = shards
    for dimension, ranks, held_here in (("dp", d, held.shared), ("edp", e, held.expert)):
        if not some(ranks > 1) or not some(held_here > 0):
            continue
        weights, gradients = held_here * recipe.weight_message, held_here * recipe.gradient_message
        found += _twice(layer, dimension, "all_gather", weights, ranks, active, gather_again)
        found += _twice(layer, dimension, "reduce_scatter", gradients, ranks, 0, reduce)
    return found


def heaviest_held(model: Model, strategy: Strategy, each: dict[str, Held] | None = None) -> Held:
    """Parameters of the pipeline stage that has most of each sort, before sharding.

    A DualPipe rank holds two stages; this is one of them, their mean.
    """
    stages = stage_layers(model, strategy).distinct
    each = each or held_by_kind(model, strategy)
    shared: Any = 0
    expert: Any = 0
    for stage in stages:
        held = stage_held(model, strategy, stage, each)
        shared = larger(shared, held.shared)
        expert = larger(expert, held.expert)
    return Held(shared, expert)


def gradient_sync(held: Held, strategy: Strategy, recipe: Recipe) -> list[Demand]:
    """Reduce gradients and gather weights of ``held`` parameters, for ZeRO 0 to 3.

    ZeRO-0 all-reduces once a step; ZeRO-1 reduce-scatters gradients and gathers weights once a
    step; ZeRO-2 does so too, but reduces after each micro-batch where the recipe says so, for it
    cannot accumulate what it has scattered; ZeRO-3 that reduces once a step does so here. Hybrid
    shards all-reduce among replicas.
    """
    zero = strategy.zero
    d, e = shard_ranks(strategy)
    plain = choose(zero == 0, 1, 0)
    gathers = choose((zero == 1) | (zero == 2), 1, 0)
    each = strategy.micro_batches if recipe.reduce_each else 1
    late = 0 if recipe.reduce_each else 1
    scatters = choose(zero == 2, each, choose(zero == 3, late, choose(zero == 1, 1, 0)))
    repeats = choose(zero >= 2, each, choose(zero == 1, 1, 0))
    found: list[Demand] = []
    hybrid = not (isinstance(strategy.shard, int) and strategy.shard == 0)
    everyone = everyone_ranks(strategy) if hybrid else (d, e)
    groups = (("dp", d, everyone[0], held.shared), ("edp", e, everyone[1], held.expert))
    for dimension, ranks, full, parameters_here in groups:
        if not some(parameters_here > 0):
            continue
        gradients = parameters_here * recipe.gradient_message
        weights = parameters_here * recipe.weight_message
        replicas = full // ranks if hybrid else 1
        for kind, size, members, count, name in (
            ("all_reduce", gradients, full, plain, dimension),
            ("reduce_scatter", gradients, ranks, scatters, dimension),
            ("all_gather", weights, ranks, gathers, dimension),
            ("all_reduce", gradients / ranks, replicas, repeats, "replica"),
        ):
            if some(members > 1) and some(count > 0):
                found.append(
                    Demand(
                        dimension=name, kind=kind, size=size, ranks=members, count=count,
                        phase="step",
                    )
                )  # fmt: skip
    return found


def demands(
    model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe = MEGATRON
) -> tuple[Demand, ...]:
    """Every message of one training step of one rank.

    Parameters
    ----------
    model : Model
    strategy : Strategy
        May hold arrays; a group of one then stays in the list with ``ranks`` 1.
    seq_len : float or array
        Sequence length [tokens].
    recipe : Recipe
        Bytes an element on the wire; what is gathered again.

    Returns
    -------
    tuple of Demand
        Sizes as nccl-tests counts them [B]. A recomputed forward pass repeats its messages in the
        backward phase. Gradients are those of the heaviest pipeline stage.

    References
    ----------
    .. [1] arXiv:1909.08053, arXiv:2205.05198 (tensor, sequence), arXiv:2310.01889 and 2309.14509
       (context), arXiv:2412.19437 (experts), arXiv:2104.04473 (pipeline), arXiv:1910.02054 (ZeRO).
    """
    here = cut(model, strategy, seq_len)
    kinds = (*model.kinds, "mtp") if model.mtp else model.kinds
    found: list[Demand] = []
    sharded = choose(strategy.zero >= 3, 1, 0)
    for layer in kinds:
        moe = None if layer == "dense" else model.moe
        if some(strategy.tp > 1):
            found += _tensor(model, moe, here, strategy, recipe, layer)
        if some(strategy.cp > 1):
            found += _context(model, here, strategy, layer)
        if moe is not None:
            found += _experts(model, moe, here, strategy, recipe, layer)
    if some(strategy.tp > 1):
        found += _ends(model, here, strategy, recipe)
    if some(strategy.pp > 1):
        found += _pipeline(model, here, strategy, recipe)
    each = held_by_kind(model, strategy)
    if some(sharded > 0):
        shards = shard_ranks(strategy)
        for layer in (*kinds, "head", "embedding"):
            if layer == "head" and model.tied:
                continue
            found += _sharded_layer(each[layer], shards, recipe, layer, sharded)
    held = heaviest_held(model, strategy, each)
    copies = 2 if strategy.schedule == "dualpipe" else 1
    both = Held(copies * held.shared, copies * held.expert)
    found += gradient_sync(both, strategy, recipe)
    return tuple(found)
