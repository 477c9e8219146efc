"""The model of a published row: its own columns first, then the catalog's of that name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from netmodel.catalog import model_config
from netmodel.errors import InputError
from netmodel.studies.training_columns import Row, need, whole
from netmodel.training.frameworks import Software
from netmodel.workload import Model, Moe, model_from_config

GATED = re.compile(r"llama|qwen|deepseek|grok|mixtral|gpt-oss|gemma|mistral|kimi|glm")
VOCABULARIES = {
    "bloom": 250880,
    "llama2": 32000,
    "llama-2": 32000,
    "llama3": 128256,
    "nemotron": 256000,
}
GPT_VOCABULARY = 51200
"""GPT-2's 50,257 tokens, padded by Megatron to a multiple of 128 x 8."""
HEAD = 128
"""Head size of a model that does not state its heads."""


def model_of_row(row: Row, code: Software, said: list[str]) -> Model:
    """Build the model from the row's columns, and the catalog's of that name where it has one."""
    name = row["model"]
    base = _catalog_model(name)
    columns = {
        "layers": whole(row, "n_layers"),
        "hidden": whole(row, "hidden"),
        "heads": whole(row, "n_heads"),
        "kv_heads": whole(row, "n_kv_heads"),
        "head_dim": whole(row, "head_dim"),
        "vocab": whole(row, "vocab"),
        "ffn": whole(row, "ffn_hidden"),
    }
    stated: dict[str, Any] = {key: each for key, each in columns.items() if each is not None}
    if base is None or base.hidden != stated.get("hidden", base.hidden):
        model = _own_model(row, stated, said)
    else:
        if base.mla is not None:
            stated.pop("kv_heads", None)
            stated.pop("head_dim", None)
        if base.moe is not None and base.dense_layers == 0:
            stated.pop("ffn", None)
        if "heads" in stated and base.kv_heads == base.heads:
            stated.setdefault("kv_heads", stated["heads"])
        if "heads" in stated and base.heads * base.head_dim == base.hidden:
            stated.setdefault("head_dim", base.hidden // stated["heads"])
        model = replace(base, **stated)
    multi = model.mtp if code.framework == "hai-llm" else 0
    if "w/ MTP" in row.get("notes", ""):
        multi = 1
    return replace(model, mtp=multi)


@lru_cache(maxsize=128)
def _catalog_model(name: str) -> Model | None:
    try:
        return model_from_config(model_config(name), name)
    except InputError:
        return None


def _own_model(row: Row, stated: dict[str, Any], said: list[str]) -> Model:
    """Build a model that the catalog does not know from its columns alone."""
    name = row["model"].lower()
    need(row, "hidden")
    hidden = stated["hidden"]
    gated = bool(GATED.search(name))
    if "heads" not in stated:
        split = math.gcd(whole(row, "tp") or 1, hidden)
        size = stated.get("head_dim", HEAD)
        stated["heads"] = split * _near_divisor(hidden // split, hidden / size / split)
        said.append(f"{stated['heads']} heads")
    heads = stated["heads"]
    stated.setdefault("kv_heads", heads)
    stated.setdefault("head_dim", hidden // heads)
    if "vocab" not in stated:
        near = [size for prefix, size in VOCABULARIES.items() if name.startswith(prefix)]
        stated["vocab"] = near[0] if near else GPT_VOCABULARY
        said.append(f"vocabulary of {stated['vocab']:,}")
    stated.setdefault("ffn", 4 * hidden)
    if "layers" not in stated:
        stated["layers"] = _layers_of(row, stated, gated)
        said.append(f"{stated['layers']} layers")
    gpt = name.startswith(("gpt", "bloom", "mpt"))
    moe = None
    if row.get("n_experts"):
        moe = Moe(
            experts=int(float(row["n_experts"])),
            top_k=int(float(need(row, "top_k"))),
            ffn=whole(row, "moe_ffn_hidden") or stated["ffn"],
        )
    return Model(
        name=row["model"],
        gated=gated,
        tied=gpt,
        norm="layernorm" if gpt else "rmsnorm",
        biases=gpt,
        positions=2048 if gpt and not name.startswith("bloom") else 0,
        rotary=not gpt,
        moe=moe,
        **stated,
    )


def _layers_of(row: Row, stated: Mapping[str, int], gated: bool) -> int:
    """Depth that a dense model's stated parameter count implies."""
    if not row.get("params_total_B") or row.get("n_experts"):
        need(row, "n_layers")
    hidden = stated["hidden"]
    attention = 2 * hidden * stated["head_dim"] * (stated["heads"] + stated["kv_heads"])
    one = attention + (3 if gated else 2) * hidden * stated["ffn"]
    return round((float(row["params_total_B"]) * 1e9 - stated["vocab"] * hidden) / one)


def _near_divisor(number: int, wish: float) -> int:
    """Divisor of a number that is nearest to a wish."""
    divisors = [each for each in range(1, number + 1) if number % each == 0]
    return min(divisors, key=lambda each: abs(math.log(each / wish)))
