"""Which layout a question is about: stated, published, adapted, or searched."""

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.catalog.layouts import layouts, published_layout
from netmodel.catalog.models import model_aliases
from netmodel.errors import InputError
from netmodel.studies.layouts import Request, choose, layout_text
from netmodel.workload import Strategy, check_strategy
from netmodel.workload.strategy import parse_fields

LLAMA = nm.load_model("llama-3.1-8b")
H100 = nm.load_cluster("dgx-superpod-h100")


@pytest.mark.parametrize("row", layouts(), ids=lambda row: f"{row.model} on {row.accelerator}")
def test_every_published_layout_is_possible_at_its_own_size(row):
    from netmodel import catalog

    assert row.model in model_aliases()
    assert catalog.accelerator(row.accelerator).name == row.accelerator
    fields = parse_fields(row.strategy)
    assert {"global_batch", "precision"} <= fields.keys()
    assert row.source
    if row.gpus is None:
        return
    inner = 1
    for name in ("tp", "cp", "pp"):
        inner *= fields.get(name, 1)
    model = nm.load_model(row.model)
    strategy = Strategy(**({"dp": row.gpus // inner} | fields))
    check_strategy(model, strategy, row.gpus, row.seq_len)


def test_a_layout_of_the_same_accelerator_comes_first():
    assert published_layout("gpt3-175b", "A100-SXM-80GB").gpus == 64
    assert published_layout("gpt3-175b", "H100-SXM").gpus == 512
    assert published_layout("no-such-model", "H100-SXM") is None


def test_of_the_published_layouts_the_nearest_in_sequence_length_is_taken():
    """arXiv:2407.21783 Table 4: 8,192 tokens on tp 8, 131,072 tokens on cp 16 besides."""
    for tokens, cp, length in ((4096, 1, 8192), (16384, 1, 8192), (65536, 16, 131072)):
        row = published_layout("llama-3.1-405b", "H100-SXM", 16384, tokens)
        fields = parse_fields(row.strategy)
        assert (fields.get("cp", 1), row.seq_len) == (cp, length)
    assert published_layout("llama-3.1-405b", "H100-SXM", 8192, 8192).gpus == 8192
    assert published_layout("llama-3.1-405b", "H100-SXM", 16384).seq_len == 8192
    assert published_layout("gpt3-175b", "A100-SXM-80GB", None, 8192).accelerator.startswith("A100")


def test_long_sequences_run_on_the_layout_that_was_published_for_them():
    model, cluster = nm.load_model("llama-3.1-405b"), nm.load_cluster("meta-24k-roce")
    choice = choose(model, cluster, 16384, Request(seq_len=131072))
    kept = choice.strategy
    assert choice.origin == "published"
    assert (kept.tp, kept.cp, kept.pp, kept.dp, kept.global_batch) == (8, 16, 16, 8, 128)


def test_a_stated_layout_is_kept_to_the_letter():
    choice = choose(LLAMA, H100, 64, Request(strategy="tp=4,pp=2,global_batch=128"))
    assert choice.origin == "stated"
    kept = choice.strategy
    assert (kept.tp, kept.pp, kept.dp, kept.global_batch) == (4, 2, 8, 128)


def test_options_complete_a_stated_layout():
    request = Request(
        strategy="tp=2", global_batch=64, micro_batch=2, precision="fp8", seq_len=2048
    )
    choice = choose(LLAMA, H100, 16, request)
    kept = choice.strategy
    assert (kept.global_batch, kept.micro_batch, kept.precision) == (64, 2, "fp8")
    assert choice.seq_len == 2048


def test_a_value_stated_twice_and_differently_is_refused():
    with pytest.raises(InputError, match=r"micro_batch is 2 .* 4"):
        choose(LLAMA, H100, 16, Request(strategy="tp=2,micro_batch=2", micro_batch=4))


def test_an_object_is_a_layout_too_and_dp_follows():
    choice = choose(LLAMA, H100, 64, Request(strategy=Strategy(tp=8, global_batch=64)))
    assert (choice.strategy.dp, choice.strategy.global_batch) == (8, 64)


def test_a_batch_that_nobody_states_is_said():
    model = nm.load_model("llama-2-7b")
    choice = choose(model, H100, 64, Request(strategy="tp=2"))
    assert choice.strategy.global_batch % choice.strategy.dp == 0
    assert f"{choice.strategy.global_batch:,}" in choice.note


def test_the_published_layout_is_the_default():
    model, cluster = nm.load_model("llama-3.1-8b"), H100
    choice = choose(model, cluster, 128, Request())
    assert choice.origin == "published"
    assert (choice.strategy.cp, choice.strategy.global_batch) == (2, 2048)
    assert "dgxc" in choice.source


def test_where_it_does_not_divide_it_is_adapted_and_the_reason_given():
    model, cluster = nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft")
    choice = choose(model, cluster, 32768, Request())
    assert choice.origin == "adapted"
    assert choice.strategy.pp == 16
    assert choice.strategy.global_batch == 15360
    assert "micro-batches" in choice.why or "divide" in choice.why


def test_auto_searches_although_a_layout_was_published():
    choice = choose(LLAMA, H100, 16, Request(strategy="auto", global_batch=128))
    assert choice.origin == "search"


def test_a_framework_file_is_a_layout(tmp_path):
    path = tmp_path / "run.log"
    lines = ["tensor_model_parallel_size", "pipeline_model_parallel_size", "micro_batch_size"]
    path.write_text("".join(f"  {name} ...... 2\n" for name in lines) + "  bf16 ...... True\n")
    choice = choose(LLAMA, H100, 16, Request(strategy=str(path), global_batch=64))
    assert (choice.strategy.tp, choice.strategy.pp, choice.strategy.dp) == (2, 2, 4)


@settings(max_examples=30, deadline=None)
@given(
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2, 4]),
    vpp=st.sampled_from([1, 2]),
    dp=st.integers(1, 16),
)
def test_the_text_of_a_layout_names_every_cut(tp, pp, vpp, dp):
    text = layout_text(Strategy(tp=tp, pp=pp, vpp=vpp, dp=dp))
    for name, value in (("tp", tp), ("pp", pp), ("vpp", vpp), ("dp", dp)):
        assert (f"{name}={value}" in text.split()) is (value > 1)
