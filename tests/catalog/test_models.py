"""Model configs: every file reads, says who published it, and counts to its name."""

import json
import re
from typing import Any

import pytest
from netmodel import catalog
from netmodel.errors import InputError

NAMES = catalog.names("models")
CONTRACT = [
    *("deepseek-v3", "deepseek-v2", "deepseek-moe-16b"),
    *("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"),
    *("mixtral-8x7b", "mixtral-8x22b", "qwen3-30b-a3b", "qwen3-235b-a22b", "gpt3-175b"),
]


def first(config: dict[str, Any], *keys: str) -> int:
    """The first of these keys that the config has."""
    return int(next(config[key] for key in keys if key in config))


def test_the_names_others_rely_on_are_there() -> None:
    assert set(CONTRACT) <= set(NAMES)
    assert len(DENSE) > 25


@pytest.mark.parametrize("name", NAMES)
def test_a_config_has_a_shape_and_a_source(name: str) -> None:
    config = catalog.model_config(name)
    assert config["_name"] == name
    assert len(config["_source"]) > 8
    assert isinstance(config["model_type"], str)
    hidden = first(config, "hidden_size", "n_embd", "d_model")
    layers = first(config, "num_hidden_layers", "n_layer", "n_layers")
    heads = first(config, "num_attention_heads", "n_head", "n_heads")
    vocab = config["vocab_size"]
    assert 1000 < hidden < 30000
    assert 20 < layers < 130
    assert 10 < heads <= 160
    assert 30000 <= vocab <= 300000
    assert heads % config.get("num_key_value_heads", heads) == 0
    assert isinstance(config["tie_word_embeddings"], bool)
    if "head_dim" not in config and "kv_lora_rank" not in config:
        assert hidden % heads == 0
    experts = config.get("n_routed_experts", config.get("num_local_experts", 0))
    experts = experts or config.get("num_experts", 0)
    if experts:
        assert 1 <= config["num_experts_per_tok"] < experts


def size_in_name(name: str) -> float | None:
    """Parameters that a dense model is named by; llm-foundry states the two rounded ones."""
    if "num_experts_per_tok" in catalog.model_config(name):
        return None
    stated = {"mpt-1b": 1.31e9, "mpt-3b": 2.65e9}.get(name)
    found = re.search(r"-(\d+(?:\.\d+)?)([bmt])$", name)
    scale = {"m": 1e6, "b": 1e9, "t": 1e12}
    return stated or (float(found[1]) * scale[found[2]] if found else None)


DENSE = [name for name in NAMES if size_in_name(name) is not None]


@pytest.mark.parametrize("name", DENSE)
def test_dense_models_count_to_the_size_in_their_name(name: str) -> None:
    """Matrices alone, 2 or 3 in the MLP, come within 10 % of the size a dense model is named by."""
    config = catalog.model_config(name)
    hidden = first(config, "hidden_size", "n_embd", "d_model")
    layers = first(config, "num_hidden_layers", "n_layer", "n_layers")
    heads = first(config, "num_attention_heads", "n_head", "n_heads")
    ffn = config.get("intermediate_size") or config.get("n_inner") or 4 * hidden
    share = config.get("num_key_value_heads", heads) / heads
    mlp = 3 if config.get("hidden_act") == "silu" else 2
    embeddings = 1 if config["tie_word_embeddings"] else 2
    count = layers * (hidden * hidden * (2 + 2 * share) + mlp * hidden * ffn)
    count += embeddings * config["vocab_size"] * hidden
    assert count == pytest.approx(size_in_name(name), rel=0.1)


def test_every_file_is_plain_json() -> None:
    for path in (catalog.DATA / "models").glob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        assert next(iter(config)) == "_source", path.name
        assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("DeepSeek-R1", "deepseek-v3"),
        ("llama3.1-405b", "llama-3.1-405b"),
        ("LLaMA2 7B", "llama-2-7b"),
        ("grok1-314b", "grok-1"),
        ("GPT-3", "gpt3-175b"),
        ("nemotron4-340b", "nemotron-4-340b"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert catalog.model_config(alias)["_name"] == name


def test_a_config_is_the_callers_own() -> None:
    """Changing what was returned changes nothing for the next caller."""
    catalog.model_config("deepseek-v3")["hidden_size"] = 1
    assert catalog.model_config("deepseek-v3")["hidden_size"] == 7168


def test_an_unknown_model_is_refused_with_near_ones() -> None:
    with pytest.raises(InputError, match=r"no model is named 'deepseek-v4'. Did you mean deepseek"):
        catalog.model_config("deepseek-v4")


def test_published_shapes() -> None:
    """The shapes that other rooms' published numbers follow from."""
    v3 = catalog.model_config("deepseek-v3")
    assert (v3["n_routed_experts"], v3["num_experts_per_tok"], v3["topk_group"]) == (256, 8, 4)
    maverick = catalog.model_config("llama-4-maverick")
    assert (maverick["num_local_experts"], maverick["interleave_moe_layer_step"]) == (128, 2)
    oss = catalog.model_config("gpt-oss-120b")
    assert oss["layer_types"].count("sliding_attention") == oss["num_hidden_layers"] / 2
