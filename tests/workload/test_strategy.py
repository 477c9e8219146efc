"""Strategies as text: round trips, derived factors, and one-line refusals."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.workload import Strategy, complete_strategy, parse_strategy
from netmodel.workload.strategy import parse_fields
from tests.workload.shapes import cases


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_strategy(text)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


@given(case=cases())
def test_a_strategy_written_out_reads_back(case: tuple) -> None:
    _, plan = case
    text = ",".join(f"{field.name}={getattr(plan, field.name)}" for field in fields(plan))
    assert parse_strategy(text) == plan


@given(text=st.text(max_size=40))
def test_any_text_is_a_strategy_or_an_input_error(text: str) -> None:
    message = "--strategy"
    try:
        assert isinstance(parse_strategy(text), Strategy)
    except InputError as error:
        message = str(error)
    assert message.startswith("--strategy")


def test_defaults_of_what_is_left_out() -> None:
    plan = parse_strategy("tp=8, pp=4, vpp=5, micro-batch=2")
    assert (plan.dp, plan.global_batch, plan.schedule) == (0, 0, "interleaved")
    assert parse_strategy("pp=4").schedule == "1f1b"
    assert parse_fields("overlap_dp=off,sequence_parallel=True") == {
        "overlap_dp": False,
        "sequence_parallel": True,
    }


def test_the_data_parallel_degree_is_derived() -> None:
    plan = parse_strategy("pp=16,ep=64,global_batch=15360,schedule=dualpipe")
    assert complete_strategy(plan, 2048).dp == 128
    stated = parse_strategy("tp=8,dp=4,global_batch=32")
    assert complete_strategy(stated, 64) is stated


def test_a_size_that_does_not_divide_offers_the_next_ones() -> None:
    plan = parse_strategy("tp=8,pp=3,global_batch=32")
    with pytest.raises(InputError, match=r"tp 8 x cp 1 x pp 3 = 24 .* Use 48 or 72 GPUs"):
        complete_strategy(plan, 64)
    with pytest.raises(InputError, match="Use 24 GPUs"):
        complete_strategy(plan, 2)


def test_a_batch_must_be_stated() -> None:
    with pytest.raises(InputError, match="--global-batch"):
        complete_strategy(parse_strategy("tp=8"), 64)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("tp", "not key=value"),
        ("tp=", "not key=value"),
        ("ttp=8", "Did you mean tp"),
        ("microbatch=1", "Did you mean micro_batch"),
        ("tp=8,tp=4", "stated twice"),
        ("tp=0", "from 1 to"),
        ("tp=-1", "from 1 to"),
        ("tp=2.5", "whole number"),
        ("tp=eight", "tp is 'eight'"),
        ("tp=99999999999999999999", "from 1 to"),
        ("zero=4", "0, 1, 2 or 3"),
        ("schedule=1f1", "Did you mean 1f1b"),
        ("recompute=ful", "Did you mean full"),
        ("recompute=core+mpl", "mlp"),
        ("precision=int8", "no precision"),
        ("overlap_dp=maybe", "true or false"),
        ("order=tp-xp", "no dimension"),
        ("order=tp-cp", "lacks dp, pp"),
        ("order=tp-tp-cp-dp-pp", "twice"),
        ("context=rings", "Did you mean ring"),
    ],
)
def test_a_wrong_strategy_is_refused(text: str, says: str) -> None:
    assert says in refusal(text)
