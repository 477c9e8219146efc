"""Memory of the fullest rank: weights, gradients, optimizer, activations, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netmodel.numeric import choose, larger, smaller, some
from netmodel.workload.activations import layer_activation, logits
from netmodel.workload.layers import HALF, cut
from netmodel.workload.layout import Strategy
from netmodel.workload.parameters import parameters
from netmodel.workload.recipe import MEGATRON, Recipe
from netmodel.workload.stages import Stage, in_flight, stage_layers
from netmodel.workload.transformer import Model


@dataclass(frozen=True, slots=True)
class Held:
    """Parameters on one rank: those that data-parallel ranks share, and routed experts."""

    shared: Any
    expert: Any


def layer_held(model: Model, strategy: Strategy, kind: str) -> Held:
    """Parameters of one layer, the head or the embedding on one rank, before ZeRO shards them.

    Norms, router and latent down-projections are whole on every tensor-parallel rank; routed
    experts are cut by ``ep`` and ``etp``; key-value heads fewer than ``tp`` are repeated.

    Parameters
    ----------
    kind : str
        ``dense``, ``moe``, ``head`` or ``embedding``.
    """
    count, t = parameters(model), strategy.tp
    if kind == "embedding":
        table = model.vocab * model.hidden
        return Held(table / t + (count.embedding - table), 0)
    if kind == "head":
        return Held(count.head_matrix / t + count.final_norm, 0)
    whole = count.attention_replicated + count.norms
    cut_evenly = count.attention - count.attention_replicated
    if kind == "moe":
        whole = whole + count.router
        shared = (cut_evenly + count.shared) / t + whole
        expert = count.experts * count.expert / (strategy.ep * strategy.etp)
    else:
        shared, expert = (cut_evenly + count.mlp) / t + whole, 0
    if model.mla is None and some(t > model.kv_heads):
        repeated = larger(model.kv_heads / t, 1) - model.kv_heads / t
        shared = shared + 2 * model.hidden * model.head_dim * repeated
    return Held(shared, expert)


def held_by_kind(model: Model, strategy: Strategy) -> dict[str, Held]:
    """Parameters on one rank of one layer of each kind, of the embedding and of the head.

    A multi-token-prediction module (``mtp``) is a layer, a projection and three norms.
    """
    each = {kind: layer_held(model, strategy, kind) for kind in (*model.kinds, "embedding", "head")}
    if model.mtp:
        layer = each[model.kinds[-1]]
        own = 2 * model.hidden * model.hidden / strategy.tp + 3 * parameters(model).final_norm
        each["mtp"] = Held(layer.shared + own, layer.expert)
    return each


def stage_held(
    model: Model, strategy: Strategy, stage: Stage, each: dict[str, Held] | None = None
) -> Held:
    """Parameters of one pipeline stage on one rank, before ZeRO shards them.

    Where embedding and head are one matrix but lie on two stages, both hold it; so does the last
    stage for multi-token prediction.

    Parameters
    ----------
    each : dict of str to Held, optional
        Of :func:`held_by_kind`, when it is at hand.
    """
    each = each or held_by_kind(model, strategy)
    table = model.vocab * model.hidden / strategy.tp
    shared = stage.embedding * each["embedding"].shared + stage.head * each["head"].shared
    expert: Any = 0
    if model.tied:
        shared = shared - table * stage.head * choose(stage.embedding > 0, 1, 0)
    if "dense" in each:
        shared = shared + stage.dense * each["dense"].shared
    if "moe" in each:
        shared = shared + stage.moe * each["moe"].shared
        expert = expert + stage.moe * each["moe"].expert
    if "mtp" in each:
        lookup = choose(stage.embedding > 0, 0, table)
        shared = shared + stage.mtp * (each["mtp"].shared + lookup)
        expert = expert + stage.mtp * each["mtp"].expert
    return Held(shared, expert)


def everyone_ranks(strategy: Strategy) -> tuple[Any, Any]:
    """Ranks that hold the same shared parameters, and those that hold the same experts."""
    return strategy.dp * strategy.cp, larger(strategy.edp, 1)


def shard_ranks(strategy: Strategy) -> tuple[Any, Any]:
    """Ranks over which ZeRO shards shared parameters, and routed experts."""
    everyone, experts = everyone_ranks(strategy)
    if isinstance(strategy.shard, int) and strategy.shard == 0:
        return everyone, experts
    shard = strategy.shard
    return (
        choose(shard > 0, smaller(shard, everyone), everyone),
        choose(shard > 0, smaller(shard, experts), experts),
    )


def model_states(
    strategy: Strategy,
    held: Held,
    recipe: Recipe,
    copies: int = 1,
    shards: tuple[Any, Any] | None = None,
) -> tuple[Any, ...]:
    r"""Bytes of weights, gradients and optimizer states of ``held`` parameters on one rank.

    With D ranks to shard over, Megatron's mixed precision takes 18 bytes a parameter, 6 + 12/D with
    the distributed optimizer; ZeRO's paper takes 16, 4 + 12/D, 2 + 14/D and 16/D.

    Parameters
    ----------
    copies : int
        How often the rank holds weights and gradients. Sharded optimizer states are spread over the
        rank that holds the other copy too, so that they do not grow.
    shards : tuple, optional
        Of :func:`shard_ranks`, when it is at hand.

    References
    ----------
    .. [1] arXiv:1910.02054, section 3; Megatron-LM ``theoretical_memory_usage.py``.
    """
    zero = strategy.zero
    d, e = shards or shard_ranks(strategy)
    whole = held.shared + held.expert
    parts = held.shared / d + held.expert / e
    return (
        copies * recipe.weight * choose(zero >= 3, parts, whole),
        copies * recipe.gradient * choose(zero >= 2, parts, whole),
        (recipe.master + recipe.moments) * choose(zero >= 1, parts, copies * whole),
    )


def updated(strategy: Strategy, held: Held, shards: tuple[Any, Any] | None = None) -> Any:
    """Parameters whose optimizer states one rank holds."""
    d, e = shards or shard_ranks(strategy)
    whole = held.shared + held.expert
    return choose(strategy.zero >= 1, held.shared / d + held.expert / e, whole)


def _kept_by_kind(
    model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe
) -> tuple[dict[str, Any], Any]:
    """Activations of one layer of each kind, and what recomputing one whole layer holds."""
    kept = {k: layer_activation(model, strategy, seq_len, recipe, kind=k) for k in model.kinds}
    if strategy.recompute != "full":
        return kept, 0
    whole = replace(strategy, recompute="none")
    return kept, layer_activation(model, whole, seq_len, recipe, kind=model.kinds[-1])


def _gathered(strategy: Strategy, recipe: Recipe, each: dict[str, Held], last_kind: str) -> Any:
    """ZeRO-3's working copies: two units of whole weights, one of whole gradients.

    A unit is a layer, or the output head where that is larger.
    """
    if not some(strategy.zero >= 3):
        return 0.0
    layer = each[last_kind]
    unit = larger(layer.shared + layer.expert, each["head"].shared)
    bytes_each = 2 * recipe.weight_message + recipe.gradient_message
    return choose(strategy.zero >= 3, 1, 0) * bytes_each * unit


def memory_by_stage(
    model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe = MEGATRON
) -> list[dict[str, Any]]:
    """Bytes on one rank of each distinct pipeline stage, by part; see :func:`memory`."""
    each = held_by_kind(model, strategy)
    kept, working = _kept_by_kind(model, strategy, seq_len, recipe)
    last_kind = model.kinds[-1]
    gathered = _gathered(strategy, recipe, each, last_kind)
    stream = HALF * cut(model, strategy, seq_len).split * model.hidden
    ends = 2 * stream + logits(model, strategy, seq_len, recipe)
    sent = choose(strategy.pp > 1, stream, 0) if recipe.stage_outputs else 0
    shards = shard_ranks(strategy)
    found = []
    for stage in stage_layers(model, strategy).distinct:
        held = stage_held(model, strategy, stage, each)
        weights, gradients, optimizer = model_states(strategy, held, recipe, stage.copies, shards)
        layers: Any = 0
        if "dense" in kept:
            layers = layers + stage.dense * kept["dense"]
        if "moe" in kept:
            layers = layers + stage.moe * kept["moe"]
        layers = (1 - recipe.offload) * layers + sent
        activations = layers * in_flight(strategy, stage.index) + working
        if model.mtp:
            activations = activations + stage.mtp * kept[last_kind]
        loss = choose(stage.head > 0, ends, 0.0)
        overhead = recipe.reserve + recipe.fragmentation * (activations + loss)
        if recipe.update:
            update = recipe.update * updated(strategy, held, shards)
            overhead = overhead + larger(update - activations - loss, 0)
        found.append(
            {
                "weights": weights,
                "gradients": gradients,
                "optimizer": optimizer,
                "gathered": gathered,
                "activations": activations,
                "logits": loss,
                "overhead": overhead,
                "total": weights + gradients + optimizer + gathered + activations + loss + overhead,
            }
        )
    return found


def memory(
    model: Model, strategy: Strategy, seq_len: Any, recipe: Recipe = MEGATRON
) -> dict[str, Any]:
    """Memory of the fullest rank [B], by part.

    Parameters
    ----------
    model : Model
    strategy : Strategy
        May hold arrays.
    seq_len : float or array
        Sequence length [tokens].
    recipe : Recipe
        Bytes an element, and what the runtime keeps for itself.

    Returns
    -------
    dict
        ``weights``, ``gradients``, ``optimizer``, ``gathered`` (ZeRO-3's working copies),
        ``activations``, ``logits`` (with the final norm's and the head's input), ``overhead`` and
        their ``total``, of the pipeline stage whose total is largest.
    """
    fullest, *others = memory_by_stage(model, strategy, seq_len, recipe)
    for other in others:
        more = other["total"] > fullest["total"]
        if isinstance(more, np.ndarray):
            fullest = {name: np.where(more, other[name], fullest[name]) for name in fullest}
        elif more:
            fullest = other
    return fullest
