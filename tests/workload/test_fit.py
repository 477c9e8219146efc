"""Layouts that do not fit: by how much, and changes that truly make them fit."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.workload import (
    Model,
    Strategy,
    check_memory,
    load_model,
    memory,
    parse_strategy,
    possible,
    what_fits,
)
from netmodel.workload.fit import TOLERANCE
from tests.workload.shapes import models


@given(
    model=models,
    dp=st.sampled_from((1, 8, 64)),
    micro=st.sampled_from((1, 4)),
    capacity=st.sampled_from((4e9, 8e9, 16e9)),
)
@settings(max_examples=40)
def test_every_offer_fits_and_is_possible_on_the_same_gpus(
    model: Model, dp: int, micro: int, capacity: float
) -> None:
    plan = Strategy(dp=dp, micro_batch=micro, global_batch=dp * micro * 2, zero=0)
    for offer in what_fits(model, plan, 4096, capacity):
        stated = parse_strategy(offer)
        change = {part.split("=")[0] for part in offer.split(",")}
        better = replace(plan, **{key: getattr(stated, key) for key in change})
        better = replace(better, dp=dp // (better.tp * better.cp * better.pp))
        assert better.gpus == plan.gpus
        assert possible(model, better, plan.gpus, 4096)
        assert memory(model, better, 4096)["total"] <= capacity


def test_what_does_not_fit_says_by_how_much_and_what_would() -> None:
    plan = Strategy(tp=8, dp=64, global_batch=512)
    with pytest.raises(InputError) as caught:
        check_memory(load_model("llama-3.1-405b"), plan, 8192, 80e9)
    message = str(caught.value)
    assert "more than the 80 GB of a GPU" in message
    assert "gradients" in message
    assert "recompute=full,pp=8" in message
    assert "\n" not in message


def test_nothing_helps_on_one_gpu() -> None:
    with pytest.raises(InputError, match="use more"):
        check_memory(load_model("llama-3.1-70b"), Strategy(), 8192, 80e9)


def test_what_fits_passes() -> None:
    plan = Strategy(tp=4, dp=2, global_batch=2)
    check_memory(load_model("llama-3.1-8b"), plan, 8192, 80e9)
    total = memory(load_model("llama-3.1-8b"), plan, 8192)["total"]
    limit = total / (1 + TOLERANCE)
    check_memory(load_model("llama-3.1-8b"), plan, 8192, limit * (1 + 1e-9))
    with pytest.raises(InputError):
        check_memory(load_model("llama-3.1-8b"), plan, 8192, limit * (1 - 1e-9))
