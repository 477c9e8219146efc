"""How layers are dealt to pipeline ranks."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from netmodel import load_model
from netmodel.training.frameworks import software
from netmodel.training.plan import dealt
from netmodel.workload import Strategy

MODELS = ("deepseek-v3", "llama-3.1-405b", "qwen3-235b-a22b", "deepseek-67b")


@given(name=st.sampled_from(MODELS), pp=st.integers(1, 32))
def test_ranks_hold_all_layers_where_the_last_runs_short(name, pp):
    model = load_model(name)
    first, middle, last = dealt(model, Strategy(pp=pp), software("megatron-bridge"))
    full = -(-model.layers // pp)
    assume(pp <= 2 or pp * full - model.layers <= full)
    held = first.layers if pp == 1 else first.layers + (pp - 2) * middle.layers + last.layers
    assert held == pytest.approx(model.layers)
    assert min(first.layers, middle.layers, last.layers) >= 0


@given(name=st.sampled_from(MODELS), pp=st.integers(1, 32))
def test_no_rank_holds_more_than_its_share_rounded_up(name, pp):
    model = load_model(name)
    for framework in ("megatron-bridge", "megatron-lm"):
        ranks = dealt(model, Strategy(pp=pp), software(framework))
        assert max(rank.layers for rank in ranks) == pytest.approx(-(-model.layers // pp))


def test_deepseek_v3_leaves_one_layer_to_the_rank_of_the_head():
    """Megatron-Bridge: 4 layers on each of 15 ranks, the last with the module and the loss."""
    ranks = dealt(load_model("deepseek-v3"), Strategy(pp=16), software("megatron-bridge"))
    assert [rank.layers for rank in ranks] == pytest.approx([4, 4, 1])
    assert [rank.dense for rank in ranks] == pytest.approx([3, 0, 0])
