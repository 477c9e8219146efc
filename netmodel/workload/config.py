"""A model from a Hugging Face ``config.json``, or from the catalog by name; always offline."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from netmodel import catalog
from netmodel.errors import InputError, unknown_name
from netmodel.workload.reading import Reader, read_json
from netmodel.workload.transformer import Mla, Model, Moe

Fields = dict[str, Any]


def _shape(read: Reader) -> Fields:
    """Shape under the keys that Llama made common."""
    hidden = read.count("hidden_size")
    heads = read.count("num_attention_heads")
    return {
        "hidden": hidden,
        "layers": read.count("num_hidden_layers"),
        "heads": heads,
        "kv_heads": read.count("num_key_value_heads", default=heads),
        "head_dim": read.count("head_dim", default=_even(read, hidden, heads)),
        "vocab": read.count("vocab_size"),
        "ffn": read.count("intermediate_size", "intermediate_size_mlp"),
        "tied": read.flag("tie_word_embeddings", default=False),
    }


def _even(read: Reader, hidden: int, heads: int) -> int | None:
    """Head size where the width divides evenly; an explicit ``head_dim`` decides otherwise."""
    if hidden % heads == 0:
        return hidden // heads
    if read.get("head_dim", default=None) is None:
        raise InputError(
            f"hidden_size {hidden} does not divide into {heads} attention heads",
            where=read.where,
            remedy="Give head_dim, or a width that is a multiple of the heads.",
        )
    return None


def _window(read: Reader, layers: int) -> Fields:
    """Sliding window and the share of layers that has it, from the keys of several families."""
    kinds = read.items("layer_types")
    if kinds:
        sliding = sum(kind in ("sliding_attention", "chunked_attention") for kind in kinds)
        if not sliding or read.get("sliding_window", "attention_chunk_size", default=None) is None:
            return {}
        return {
            "window": read.count("sliding_window", "attention_chunk_size"),
            "window_period": len(kinds) / sliding,
            "chunked": "chunked_attention" in kinds,
        }
    if not read.flag("use_sliding_window", default=True):
        return {}
    if read.get("sliding_window", default=None) is None:
        return {}
    full = read.count("max_window_layers", default=0, least=0)
    if full >= layers:
        return {}
    return {"window": read.count("sliding_window"), "window_period": layers / (layers - full)}


def _llama(read: Reader) -> Fields:
    """Llama, Mistral and their kin: RMSNorm, gated MLP, no biases unless stated."""
    shape = _shape(read)
    attention = read.flag("attention_bias", default=False)
    mlp = read.flag("mlp_bias", default=False)
    shape["biases"] = attention and mlp
    shape["qkv_biases"] = attention
    return shape | _window(read, shape["layers"])


def _mixtral(read: Reader) -> Fields:
    shape = _llama(read)
    moe = Moe(
        experts=read.count("num_local_experts", "num_experts"),
        top_k=read.count("num_experts_per_tok", "num_selected_experts", "experts_per_token"),
        ffn=shape["ffn"],
    )
    return shape | {"moe": moe, "ffn": 0}


def _grok(read: Reader) -> Fields:
    """Grok-1: experts as in Mixtral, a norm before and after attention and MLP."""
    return _mixtral(read) | {"layer_norms": 4}


def _gpt_oss(read: Reader) -> Fields:
    """gpt-oss: biases everywhere, sinks, a sliding window in every other layer."""
    shape = _mixtral(read)
    if "window_period" in shape and not read.items("layer_types"):
        shape["window_period"] = 2
    return shape | {"biases": read.flag("attention_bias", default=True), "sinks": True}


def _qwen2(read: Reader) -> Fields:
    return _llama(read) | {"qkv_biases": True}


def _qwen3(read: Reader) -> Fields:
    return _llama(read) | {"qk_norm": True}


def _qwen_experts(read: Reader, shape: Fields) -> Fields:
    """Qwen's experts; ``mlp_only_layers`` are counted as the first layers."""
    shared = read.count("shared_expert_intermediate_size", default=0, least=0)
    moe = Moe(
        experts=read.count("num_experts"),
        top_k=read.count("num_experts_per_tok"),
        ffn=read.count("moe_intermediate_size"),
        shared=1 if shared else 0,
        shared_ffn=shared,
        shared_gate=shared > 0,
        period=read.count("decoder_sparse_step", default=1),
        first_dense=len(read.items("mlp_only_layers")),
    )
    return shape | {"moe": moe}


def _qwen2_moe(read: Reader) -> Fields:
    return _qwen_experts(read, _qwen2(read))


def _qwen3_moe(read: Reader) -> Fields:
    return _qwen_experts(read, _qwen3(read))


def _deepseek_moe(read: Reader) -> Fields:
    """DeepSeekMoE: many small experts, shared ones, dense layers first."""
    shape = _llama(read)
    if read.get("n_routed_experts", default=None) is None:
        return shape
    groups = read.count("n_group", default=1)
    ffn = read.count("moe_intermediate_size")
    moe = Moe(
        experts=read.count("n_routed_experts"),
        top_k=read.count("num_experts_per_tok"),
        ffn=ffn,
        shared=read.count("n_shared_experts", default=0, least=0),
        shared_ffn=ffn,
        first_dense=read.count("first_k_dense_replace", default=0, least=0),
        period=read.count("moe_layer_freq", default=1),
        groups=groups if groups > 1 else None,
        group_limit=read.count("topk_group") if groups > 1 else None,
        router_bias=read.text("topk_method", default="") == "noaux_tc",
    )
    return shape | {"moe": moe}


def _deepseek_mla(read: Reader) -> Fields:
    """DeepSeek-V2 and V3, Kimi-K2: latent attention around the experts of DeepSeekMoE."""
    q_lora = read.get("q_lora_rank", default=None)
    mla = Mla(
        q_lora=None if q_lora is None else read.count("q_lora_rank"),
        kv_lora=read.count("kv_lora_rank"),
        nope=read.count("qk_nope_head_dim"),
        rope=read.count("qk_rope_head_dim"),
        value=read.count("v_head_dim"),
    )
    shape = _deepseek_moe(read)
    mtp = read.count("num_nextn_predict_layers", default=0, least=0)
    return shape | {"mla": mla, "head_dim": mla.nope + mla.rope, "mtp": mtp}


def _llama4(read: Reader) -> Fields:
    """Llama 4: one shared expert as wide as a routed one; attention in chunks in three of four."""
    shape = _llama(read)
    ffn = shape["ffn"]
    period = read.count("interleave_moe_layer_step", default=1)
    moe = Moe(
        experts=read.count("num_local_experts"),
        top_k=read.count("num_experts_per_tok"),
        ffn=ffn,
        shared=1,
        shared_ffn=ffn,
        period=period,
    )
    shape |= {"moe": moe, "ffn": read.count("intermediate_size_mlp", default=ffn)}
    if read.get("attention_chunk_size", default=None) is not None and "window" not in shape:
        chunk = read.count("attention_chunk_size")
        interval = read.count("no_rope_layer_interval", default=4, least=2)
        cut = {"window": chunk, "window_period": interval / (interval - 1), "chunked": True}
        shape |= cut
    return shape


def _nemotron(read: Reader) -> Fields:
    """Nemotron: LayerNorm, squared ReLU, grouped queries."""
    return _llama(read) | {"norm": "layernorm", "gated": False}


def _gpt(read: Reader) -> Fields:
    """GPT-2, GPT-3 and Megatron-LM: LayerNorm, plain MLP, biases, learned positions."""
    hidden = read.count("n_embd", "hidden_size")
    heads = read.count("n_head", "num_attention_heads")
    return {
        "hidden": hidden,
        "layers": read.count("n_layer", "num_hidden_layers", "num_layers"),
        "heads": heads,
        "kv_heads": read.count("num_key_value_heads", default=heads),
        "head_dim": read.count("head_dim", default=_even(read, hidden, heads)),
        "vocab": read.count("vocab_size"),
        "ffn": read.count("n_inner", "intermediate_size", "ffn_hidden_size", default=4 * hidden),
        "positions": read.count("n_positions", "max_position_embeddings", default=1024, least=0),
        "tied": read.flag("tie_word_embeddings", default=True),
        "norm": "layernorm",
        "gated": False,
        "biases": True,
    }


def _gpt_neox(read: Reader) -> Fields:
    """GPT-NeoX and Pythia: GPT with rotary positions and its own output head."""
    tied = read.flag("tie_word_embeddings", default=False)
    return _gpt(read) | {"positions": 0, "tied": tied}


def _bloom(read: Reader) -> Fields:
    """BLOOM: GPT with ALiBi and a norm after the embedding."""
    hidden = read.count("hidden_size", "n_embed", "n_embd")
    heads = read.count("n_head", "num_attention_heads")
    return {
        "hidden": hidden,
        "layers": read.count("n_layer", "num_hidden_layers"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": read.count("head_dim", default=_even(read, hidden, heads)),
        "vocab": read.count("vocab_size"),
        "ffn": 4 * hidden,
        "tied": read.flag("tie_word_embeddings", default=True),
        "norm": "layernorm",
        "gated": False,
        "biases": True,
        "embedding_norm": True,
        "rotary": False,
    }


def _mpt(read: Reader) -> Fields:
    """MPT: GPT whose biases and learned positions are options (ALiBi takes their place)."""
    hidden = read.count("d_model")
    heads = read.count("n_heads")
    attention = read.inner("attn_config")
    alibi = attention.flag("alibi", default=False)
    learned = read.flag("learned_pos_emb", default=True) and not alibi
    biased = not read.flag("no_bias", default=False)
    ratio = read.get("expansion_ratio", default=4)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < 1e6:
        raise read.refuse(("expansion_ratio",), ratio, "a number above zero")
    return {
        "hidden": hidden,
        "layers": read.count("n_layers"),
        "heads": heads,
        "kv_heads": attention.count("kv_n_heads", default=heads),
        "head_dim": read.count("head_dim", default=_even(read, hidden, heads)),
        "vocab": read.count("vocab_size"),
        "ffn": round(ratio * hidden),
        "positions": read.count("max_seq_len") if learned else 0,
        "tied": read.flag("tie_word_embeddings", default=True),
        "norm": "layernorm" if biased else "layernorm_no_bias",
        "gated": False,
        "biases": biased,
        "rotary": attention.flag("rope", default=False),
    }


FAMILIES: Mapping[str, Callable[[Reader], Fields]] = {
    "bloom": _bloom,
    "deepseek": _deepseek_moe,
    "deepseek_v2": _deepseek_mla,
    "deepseek_v3": _deepseek_mla,
    "gpt2": _gpt,
    "gpt_neox": _gpt_neox,
    "gpt_oss": _gpt_oss,
    "grok-1": _grok,
    "kimi_k2": _deepseek_mla,
    "llama": _llama,
    "llama4": _llama4,
    "llama4_text": _llama4,
    "megatron-gpt": _gpt,
    "mistral": _llama,
    "mixtral": _mixtral,
    "mpt": _mpt,
    "nemotron": _nemotron,
    "qwen2": _qwen2,
    "qwen2_moe": _qwen2_moe,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
}
"""How each ``model_type`` states its shape."""


def model_from_config(config: Mapping[str, Any], name: str, *, where: str = "") -> Model:
    """Return the model that a Hugging Face ``config.json`` describes.

    Parameters
    ----------
    config : mapping
        Keys as the file has them; a multimodal model's ``text_config`` is taken.
    name : str
        What to call the model.
    where : str
        File, for error messages.

    Raises
    ------
    InputError
        When a key is missing or holds what it may not, or ``model_type`` is not one of
        :data:`FAMILIES`.
    """
    read = Reader(config, where or f"model {name!r}")
    source = read.text("_source", default=read.where)
    if read.get("text_config", default=None) is not None:
        read = read.inner("text_config")
    kind = read.text("model_type")
    family = FAMILIES.get(kind)
    if family is None:
        raise unknown_name("model_type", kind, FAMILIES, where=read.where)
    try:
        return Model(name=name, source=source, **family(read))
    except InputError as error:
        raise InputError(error.found, where=read.where, remedy=error.remedy) from None


def with_overrides(
    config: Mapping[str, Any], overrides: Iterable[str], where: str
) -> dict[str, Any]:
    """Return a copy of a configuration with ``KEY=VALUE`` set, each value read as JSON.

    >>> with_overrides({"num_hidden_layers": 80}, ["num_hidden_layers=4"], "")
    {'num_hidden_layers': 4}

    Raises
    ------
    InputError
        When an override has no ``=``, or names a key that the configuration has not.
    """
    changed = dict(config)
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip().removeprefix("model.")
        if not equals:
            raise InputError(f"{override!r} sets nothing", where="--set", remedy="Write KEY=VALUE.")
        if key not in config:
            known = [name for name in config if not name.startswith("_")]
            raise unknown_name("field of the model", key, known, where=where)
        try:
            changed[key] = json.loads(text)
        except ValueError:
            changed[key] = text.strip()
    return changed


def load_model(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Model:
    """Return a model by catalog name, from a ``config.json``, or from a folder holding one.

    Parameters
    ----------
    name_or_path : str or Path
        What exists as a path is read as a file; anything else is looked up in the catalog.
    overrides : iterable of str
        ``KEY=VALUE``, keys as in the configuration: ``num_hidden_layers=4``.

    Raises
    ------
    InputError
        When no model has that name (near ones are offered), or the file cannot be understood.

    Examples
    --------
    >>> model = load_model("llama-3.1-405b")
    >>> model.layers, model.kv_heads
    (126, 8)
    """
    text = str(name_or_path)
    path = Path(name_or_path)
    looks_like_path = isinstance(name_or_path, Path) or "/" in text or text.endswith(".json")
    if "\0" not in text and (looks_like_path or path.exists()):
        what = "Hugging Face config.json"
        if path.is_dir():
            path = path / "config.json"
        config = with_overrides(read_json(path, what), overrides, str(path))
        folder = path.absolute().parent.name
        name = folder if path.name == "config.json" and folder else path.stem
        return model_from_config(config, name, where=str(path))
    config = catalog.model_config(text)
    config = with_overrides(config, overrides, text)
    return model_from_config(config, config["_name"])
