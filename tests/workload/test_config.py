"""Models from files and names: what families mean, and what a hostile file gets to hear."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.errors import InputError
from netmodel.workload import FAMILIES, load_model, model_from_config, parameters
from netmodel.workload.reading import MAX_BYTES

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}


def written(folder: Path, content: object, name: str = "config.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def refusal(path: object) -> str:
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("name", catalog.model_names())
def test_every_catalog_model_loads_and_counts(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert model.source
    assert parameters(model).total > 10**8


def test_a_file_a_folder_and_a_name_agree(tmp_path: Path) -> None:
    folder = tmp_path / "my-llama"
    folder.mkdir()
    path = written(folder, LLAMA)
    from_file, from_folder = load_model(path), load_model(str(folder))
    assert from_file == from_folder
    assert from_file.name == "my-llama"
    assert parameters(from_file) == parameters(load_model("llama-3-8b"))
    assert load_model(written(tmp_path, LLAMA, "tiny.json")).name == "tiny"


def test_an_override_changes_one_field() -> None:
    assert load_model("llama-3.1-405b", ["num_hidden_layers=4"]).layers == 4
    with pytest.raises(InputError, match="Did you mean num_hidden_layers"):
        load_model("llama-3.1-405b", ["num_hidden_layer=4"])
    with pytest.raises(InputError, match="sets nothing"):
        load_model("llama-3.1-405b", ["layers"])


def test_nested_text_config_of_a_multimodal_model() -> None:
    inner = catalog.model_config("llama-4-maverick")
    outer = {"model_type": "llama4", "vision_config": {}, "text_config": inner}
    model = model_from_config(outer, "maverick")
    assert (model.moe_layers, model.dense_layers) == (24, 24)
    assert parameters(model) == parameters(load_model("llama-4-maverick"))


def test_windows_of_each_family() -> None:
    mistral = LLAMA | {"model_type": "mistral", "sliding_window": 4096}
    assert model_from_config(mistral, "m").windowed_share == 1
    qwen = LLAMA | {"model_type": "qwen2", "sliding_window": 4096, "max_window_layers": 24}
    assert model_from_config(qwen, "q").windowed_share == 0.25
    assert model_from_config(qwen | {"use_sliding_window": False}, "q").window is None
    assert load_model("gpt-oss-120b").windowed_share == 0.5
    chunked = catalog.model_config("llama-4-maverick") | {"attention_chunk_size": 8192}
    model = model_from_config(chunked, "m")
    assert (model.window, model.chunked, model.windowed_share) == (8192, True, 0.75)


def test_released_mpt_7b_has_neither_biases_nor_positions() -> None:
    """6,649,286,656 parameters (mosaicml/mpt-7b)."""
    config = {
        "model_type": "mpt", "d_model": 4096, "n_layers": 32, "n_heads": 32, "vocab_size": 50432,
        "max_seq_len": 2048, "no_bias": True, "attn_config": {"alibi": True},
    }  # fmt: skip
    assert parameters(model_from_config(config, "mpt")).total == 6_649_286_656


def test_gpt2_small_and_pythia() -> None:
    """124,439,808 parameters with tied head; GPT-NeoX-20B has 20,554,567,680."""
    small = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12,
             "n_positions": 1024, "vocab_size": 50257}  # fmt: skip
    assert parameters(model_from_config(small, "gpt2")).total == 124_439_808
    neox = {"model_type": "gpt_neox", "hidden_size": 6144, "num_hidden_layers": 44,
            "num_attention_heads": 64, "intermediate_size": 24576, "vocab_size": 50432}  # fmt: skip
    assert parameters(model_from_config(neox, "neox")).total == 20_554_567_680


def test_qwen2_7b_and_mistral_7b() -> None:
    """7,615,616,512 and 7,241,732,096 parameters."""
    qwen = {"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
            "vocab_size": 152064, "use_sliding_window": False, "sliding_window": 131072,
            "tie_word_embeddings": False}  # fmt: skip
    assert parameters(model_from_config(qwen, "qwen")).total == 7_615_616_512
    mistral = LLAMA | {"model_type": "mistral", "vocab_size": 32000, "head_dim": None}
    assert parameters(model_from_config(mistral, "mistral")).total == 7_241_732_096


# Hostile input: one line, the file, the key, what was found, what is allowed


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "the file holds a list"),
        ('"llama"', "the file holds 'llama'"),
        ("", "the file is empty"),
        ("  \n", "the file is empty"),
        ('{"model_type": "llama",', "not JSON"),
        ('{"model_type": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "key 'model_type' is missing"),
        ('{"model_type": 3}', "model_type is 3"),
        ('{"model_type": "lama"}', "Did you mean llama"),
        ('{"model_type": "llama"}', "key 'hidden_size' is missing"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    path = written(tmp_path, content)
    message = refusal(path)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hidden_size", "4096", "hidden_size is '4096'"),
        ("hidden_size", True, "hidden_size is true"),
        ("hidden_size", -1, "from 1 to"),
        ("hidden_size", 10**30, "from 1 to"),
        ("num_hidden_layers", 0, "from 1 to"),
        ("num_hidden_layers", 3.5, "num_hidden_layers is 3.5"),
        ("num_hidden_layers", [32], "a list"),
        ("num_attention_heads", {"q": 32}, "an object"),
        ("num_attention_heads", 33, "does not divide into 33"),
        ("num_key_value_heads", 5, "not a multiple of 5"),
        ("tie_word_embeddings", "no", "true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(
    tmp_path: Path, key: str, value: object, says: str
) -> None:
    message = refusal(written(tmp_path, LLAMA | {key: value}))
    assert says in message
    assert "config.json" in message
    assert "\n" not in message


def test_more_experts_a_token_than_there_are_is_refused(tmp_path: Path) -> None:
    config = catalog.model_config("mixtral-8x7b") | {"num_experts_per_tok": 9}
    assert "9 of 8 experts" in refusal(written(tmp_path, config))


def test_files_that_are_none(tmp_path: Path) -> None:
    binary = tmp_path / "config.json"
    binary.write_bytes(b"\x80\x02}q\x00(" + bytes(range(256)))
    assert "not UTF-8" in refusal(binary)
    assert "no such file" in refusal(tmp_path / "absent.json")
    assert "no such file" in refusal(tmp_path / "folder" / "x.json")
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert "no regular file" in refusal(pipe)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no such file" in refusal(empty)


def test_a_file_as_large_as_weights_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "bytes are more than" in refusal(large)


def test_an_unknown_name_offers_near_ones() -> None:
    assert "deepseek-v3" in refusal("deepseek-v4")
    assert "\n" not in refusal("no such\0model")


ODD = st.sampled_from(
    (None, True, False, -1, 0, 1, 3, 7, 4096, 10**9, 10**30, 1.5, 2.0, 1e308, float("inf"), "", "x",
     [], [1], [None, "sliding_attention"], {}, {"alibi": 3}, {"kv_n_heads": 5}, {"alibi": True})
)  # fmt: skip
KEYS = sorted({key for name in catalog.model_names() for key in catalog.model_config(name)})


@given(
    family=st.sampled_from(sorted(FAMILIES)),
    base=st.sampled_from(catalog.model_names()),
    changes=st.dictionaries(st.sampled_from(KEYS), ODD, max_size=4),
)
def test_no_configuration_can_do_worse_than_an_input_error(
    family: str, base: str, changes: dict
) -> None:
    """Any model's keys under any family's name, with any JSON in any key."""
    config = catalog.model_config(base) | {"model_type": family} | changes
    message = ""
    try:
        assert parameters(model_from_config(config, "fuzz", where="config.json")).total > 0
    except InputError as error:
        message = str(error)
    assert not message or message.startswith("config.json")
    assert "\n" not in message
