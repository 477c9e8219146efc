"""Published rows become questions: the row's own columns first, defaults said, gaps refused."""

import pytest
from netmodel.studies.training_rows import (
    Case,
    Skipped,
    case,
    cases,
    measured_step_time,
    metric_of,
    read_rows,
)


@pytest.fixture(scope="module")
def rows():
    return {row["id"]: row for row in read_rows()}


@pytest.fixture(scope="module")
def known():
    return {each.id: each for each in cases()}


def test_at_least_92_of_100_rows_can_be_timed_and_the_rest_say_why(known):
    timed = [each for each in known.values() if isinstance(each, Case)]
    assert len(timed) / len(known) >= 0.92
    for each in known.values():
        if isinstance(each, Skipped):
            assert "does not state" in each.reason or "precision" in each.reason, each


def test_nothing_measured_nor_the_row_s_name_enters_a_question(rows):
    """Another value, id, series: the same question."""
    row = rows["mb-25.11-pt-deepseek-v3/02"]
    other = case({**row, "value": "1", "id": "x/1", "series": "x"})
    asked = case(row)
    same = ("model", "gpu", "strategy", "software", "seq_len", "gpus", "nic_bandwidth")
    assert all(getattr(asked, name) == getattr(other, name) for name in same)


def test_software_and_release_are_read_from_the_source(known):
    def told(name):
        return known[name].software.framework, known[name].software.version

    assert told("mb-26.02-pt-llama3-70b/01") == ("megatron-bridge", "26.02")
    assert told("dgxc-25.02-grok1-h100-fp8/01") == ("nemo", "25.02")
    assert told("korthikanti22-a100/01") == ("megatron-lm", "2022")
    assert told("megatron-sc21-a100/01") == ("megatron-lm", "2021")
    assert told("mlperf31-gpt3-nvidia-h100/01") == ("mlperf", "23.09")
    assert told("deepseek-v3-pretrain/01") == ("hai-llm", "2024.12")
    assert told("vtrain-single-gpt-0.20B/0107") == ("megatron-deepspeed", "")


def test_an_unknown_source_is_timed_with_the_default_software(rows):
    row = {**rows["mb-26.02-pt-llama3-70b/01"], "source": "a blog", "notes": ""}
    assert case(row).software.framework == "default"


def test_what_the_source_leaves_out_is_filled_and_said(known):
    assert "micro-batch of 1" in known["llama3-paper-tab4/01"].assumptions
    assert "vocabulary of 51,200" in known["vtrain-single-gpt-0.20B/0107"].assumptions
    assert known["bloom-topology-early/21"].model.layers == 80


def test_heads_that_nobody_states_can_be_split_by_tensor_parallelism(known):
    unstated = [
        each
        for each in known.values()
        if isinstance(each, Case) and any(said.endswith(" heads") for said in each.assumptions)
    ]
    assert unstated
    for each in unstated:
        assert each.model.heads % each.strategy.tp == 0 == each.model.hidden % each.model.heads


def test_a_row_s_own_columns_come_before_the_catalog(known):
    """The two-layer proxy of Grok-1 has two layers."""
    assert known["dgxc-25.02-grok1-h100-bf16/01"].model.layers == 2
    assert known["deepseek-v3-pretrain/01"].model.mla is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpu": ""}, "gpu"),
        ({"tp": ""}, "tp"),
        ({"global_batch": ""}, "global_batch"),
        ({"n_gpus": "65"}, "divide"),
        ({"precision": "int8"}, "precision"),
        ({"gpu": "Q9000"}, "Q9000"),
    ],
)
def test_a_row_without_what_a_step_needs_says_which_column(rows, change, reason):
    found = case({**rows["mb-26.02-pt-llama3-70b/07"], **change})
    assert isinstance(found, Skipped)
    assert reason in found.reason


def test_words_of_other_tables_are_understood(rows):
    row = rows["mb-26.02-pt-llama3-70b/07"]
    asked = case({**row, "precision": "MXFP8", "recompute": "uniform", "sp": "False",
                  "fsdp_or_zero": "fsdp(group 8)"})  # fmt: skip
    assert (asked.strategy.precision, asked.strategy.recompute) == ("fp8", "full")
    assert not asked.strategy.sequence_parallel
    assert (asked.strategy.zero, asked.strategy.shard) == (3, 0)


def test_a_batch_that_does_not_divide_keeps_its_number_of_micro_batches(rows):
    row = {**rows["mb-26.02-pt-llama3-70b/07"], "global_batch": "100", "micro_batch": "3"}
    asked = case(row)
    each = 100 / asked.strategy.dp
    assert asked.strategy.micro_batches == -(-each // 3)


def test_every_metric_goes_there_and_back(known):
    for each in known.values():
        if isinstance(each, Case):
            seconds = measured_step_time(each)
            assert float(metric_of(each, seconds)) == pytest.approx(each.measured)


def test_published_utilisation_of_530b_gives_the_published_step(known):
    """arXiv:2205.05198 Table 5: 37.83 s are 56.0 % of 312 TFLOP/s, the full square counted."""
    each = known["korthikanti22-a100/06"]
    tokens = each.strategy.global_batch * each.seq_len
    from netmodel.studies.training_rows import hardware_flops

    utilisation = hardware_flops(each) * tokens / (37.83 * 280 * 312e12)
    assert utilisation == pytest.approx(0.5605, abs=0.0015)
