"""One step: it adds up, obeys physics, and is the same one by one and all at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.training import step, step_times
from netmodel.training.frameworks import software
from netmodel.workload import Strategy, load_model

LLAMA = load_model("llama-3.1-8b")
LITE = load_model("deepseek-v2-lite")
LAYOUT = Strategy(tp=2, pp=2, dp=4, micro_batch=1, global_batch=64)
EXPERTS = Strategy(dp=16, ep=16, micro_batch=1, global_batch=64)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2, 4]),
    cp=st.sampled_from([1, 2]),
    zero=st.sampled_from([0, 1, 2, 3]),
    micro=st.sampled_from([1, 2]),
    recompute=st.sampled_from(["none", "selective", "full", "norm+activation"]),
    schedule=st.sampled_from(["gpipe", "1f1b", "zb-h1", "zb-v"]),
    precision=st.sampled_from(["bf16", "fp8"]),
)
def test_every_second_is_accounted_for(
    hand_made, tp, pp, cp, zero, micro, recompute, schedule, precision
):
    """Parts are not negative, add up to the step, and no step beats the peak."""
    dp = 64 // (tp * pp * cp)
    layout = Strategy(
        tp=tp, pp=pp, cp=cp, dp=dp, zero=zero, micro_batch=micro, global_batch=16 * dp,
        recompute=recompute, schedule=schedule, precision=precision,
    )  # fmt: skip
    answer = step(LLAMA, hand_made(), layout, gpus=64, seq_len=4096)
    assert sum(answer.breakdown.values()) == pytest.approx(answer.step_time, rel=1e-9)
    assert min(answer.breakdown.values()) >= 0
    assert min(answer.hidden.values()) >= -1e-9 * answer.step_time
    assert 0 < answer.mfu < 1


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (LLAMA, LAYOUT),
        (LLAMA, replace(LAYOUT, zero=3, pp=1, dp=8)),
        (LITE, EXPERTS),
        (LITE, replace(EXPERTS, overlap_ep=True)),
        (LITE, replace(EXPERTS, pp=4, dp=16, schedule="dualpipe", overlap_ep=True)),
    ],
)
def test_a_faster_network_never_makes_a_step_slower(hand_made, model, layout):
    """Monotone in NVLink and NIC bandwidth."""
    times = [
        step(model, cluster, layout, gpus=layout.gpus, seq_len=4096).step_time
        for cluster in (
            hand_made(nvlink=100e9, nic=12.5e9),
            hand_made(nvlink=450e9, nic=12.5e9),
            hand_made(nvlink=450e9, nic=50e9),
            hand_made(nvlink=900e9, nic=100e9),
        )
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


@pytest.mark.parametrize("model", [LLAMA, LITE], ids=lambda model: model.name)
def test_many_layouts_at_once_equal_one_by_one_to_the_last_bit(hand_made, model):
    """The fields of a strategy may be arrays."""
    tp = np.array([1, 2, 4, 8])
    dp = 32 // tp
    layouts = Strategy(tp=tp, pp=2, dp=dp, ep=4, micro_batch=1, global_batch=64, zero=1)
    cluster = hand_made()
    together = step(model, cluster, layouts, gpus=64, seq_len=4096)
    for i in range(4):
        one = replace(layouts, tp=int(tp[i]), dp=int(dp[i]))
        alone = step(model, cluster, one, gpus=64, seq_len=4096)
        assert together.step_time[i] == alone.step_time
        for name, value in alone.breakdown.items():
            assert np.broadcast_to(together.breakdown[name], 4)[i] == value


@pytest.mark.parametrize("schedule", ["1f1b", "interleaved", "zb-h1", "dualpipe"])
@pytest.mark.parametrize("zero", [1, 2, 3])
def test_times_alone_equal_whole_answers_to_the_last_bit(hand_made, schedule, zero):
    """`step_times` shares what layouts have in common; no layout notices."""
    rows = [
        (tp, pp, 64 // (tp * pp), ep, vpp, micro)
        for tp in (1, 2)
        for pp in (1, 2, 4)
        for ep in (1, 8)
        for vpp in ((1, 2) if schedule == "interleaved" else (1,))
        for micro in (1, 2)
    ]
    tp, pp, dp, ep, vpp, micro = np.array(rows).T
    many = Strategy(
        tp=tp, pp=pp, dp=dp, ep=ep, vpp=vpp, micro_batch=micro, global_batch=512, zero=zero,
        schedule=schedule, overlap_ep=schedule == "dualpipe",
    )  # fmt: skip
    cluster = hand_made()
    times = step_times(LITE, cluster, many, gpus=64, seq_len=2048)
    for i, row in enumerate(rows):
        names = ("tp", "pp", "dp", "ep", "vpp", "micro_batch")
        one = replace(many, **dict(zip(names, row, strict=True)))
        assert times[i] == step(LITE, cluster, one, gpus=64, seq_len=2048).step_time


def test_full_recomputation_costs_about_a_third_more_compute(hand_made):
    """Four forward equivalents instead of three."""
    cluster = hand_made()
    none = step(LLAMA, cluster, LAYOUT, gpus=16, seq_len=4096)
    full = step(LLAMA, cluster, replace(LAYOUT, recompute="full"), gpus=16, seq_len=4096)
    compute = sum(none.breakdown[name] for name in ("gemm", "attention", "elementwise"))
    assert full.breakdown["recompute"] / compute == pytest.approx(1 / 3, abs=0.06)


def test_interleaving_shortens_the_bubble_by_the_number_of_virtual_stages(hand_made):
    """arXiv:2104.04473, section 2.2."""
    cluster = hand_made()
    plain = step(LLAMA, cluster, LAYOUT, gpus=16, seq_len=4096)
    layout = replace(LAYOUT, schedule="interleaved", vpp=4)
    interleaved = step(LLAMA, cluster, layout, gpus=16, seq_len=4096)
    assert interleaved.breakdown["bubble"] == pytest.approx(plain.breakdown["bubble"] / 4)


def test_tensor_parallelism_across_nodes_is_hierarchical(hand_made):
    """Ranks of 16 on nodes of 8 send over all NICs: far faster than over one."""
    cluster = hand_made()
    wide = Strategy(tp=16, dp=2, micro_batch=1, global_batch=8)
    model = load_model("llama-3.1-405b")
    answer = step(model, cluster, wide, gpus=32, seq_len=8192)
    layers, messages = model.layers, 4 + 6
    whole = 8192 * model.hidden * 2
    one_nic = 4 * layers * messages * whole * 15 / 16 / 50e9
    assert answer.breakdown["tp"] < one_nic / 3


def test_dualpipe_hides_most_of_the_expert_messages(hand_made):
    """arXiv:2412.19437: all-to-all fully hidden in the pairs of forwards and backwards."""
    layout = replace(EXPERTS, pp=4, schedule="dualpipe", overlap_ep=True, global_batch=1024)
    answer = step(LITE, hand_made(), layout, gpus=64, seq_len=4096)
    assert answer.hidden["ep"] > 5 * answer.breakdown["ep"] > 0
    assert answer.view["pairs"] > answer.view["forward"] + answer.view["backward"]


def test_shared_experts_alone_hide_less_than_whole_layers_do(hand_made):
    """arXiv:2405.04434 section 3.1.3: DeepSeek-V2 computes shared experts while tokens travel."""
    layout = replace(EXPERTS, overlap_ep=True)
    whole, shared, none = (
        step(LITE, hand_made(), each, gpus=16, seq_len=4096, software=code)
        for each, code in (
            (layout, software("hai-llm", "2024.12")),
            (layout, software("hai-llm", "2024.04")),
            (EXPERTS, software("hai-llm", "2024.04")),
        )
    )
    assert whole.hidden["ep"] > shared.hidden["ep"] > 0 == none.hidden["ep"]
    assert shared.step_time < none.step_time


def test_interleaved_messages_of_gradients_hide_under_more_micro_batches(hand_made):
    """A chunk that has ended sends while others run; without chunks only the last pass covers."""
    few = Strategy(tp=2, pp=4, dp=8, global_batch=64, schedule="interleaved")
    exposed = [
        step(LLAMA, hand_made(nic=10e9), replace(few, vpp=vpp), gpus=64, seq_len=1024).breakdown[
            "dp"
        ]
        for vpp in (1, 2, 4)
    ]
    assert exposed[2] < exposed[1] < exposed[0]


def test_the_answer_is_the_json_object_of_the_contract(hand_made):
    answer = step(LITE, hand_made(), EXPERTS, gpus=16, seq_len=4096).to_dict()
    assert {
        "gpus", "step_time_s", "tokens_per_s_per_gpu", "mfu", "mfu_convention", "model_flops",
        "strategy", "breakdown_s", "hidden_s", "memory_B", "bottleneck",
    } <= answer.keys()  # fmt: skip
    assert {"total", "capacity"} <= answer["memory_B"].keys()
    assert answer["bottleneck"].keys() == {"tier", "links", "collective"}
    assert answer["bottleneck"]["tier"] == "leaf"
    assert "ep" in answer["bottleneck"]["collective"]


def test_an_unknown_fidelity_is_refused(hand_made):
    with pytest.raises(InputError, match="closed"):
        step(LLAMA, hand_made(), LAYOUT, gpus=16, seq_len=4096, fidelity="guess")


def test_a_layout_for_another_number_of_gpus_is_refused(hand_made):
    with pytest.raises(InputError, match="16, but there are 32 GPUs"):
        step(LLAMA, hand_made(), LAYOUT, gpus=32, seq_len=4096)


@pytest.mark.parametrize("pp", [2, 4, 16])
def test_dualpipe_adds_up_where_the_rank_with_multi_token_modules_is_the_slowest(hand_made, pp):
    layout = Strategy(pp=pp, dp=64, ep=16, global_batch=64 * 32, schedule="dualpipe")
    answer = step(load_model("deepseek-v3"), hand_made(), layout, gpus=64 * pp, seq_len=4096)
    assert sum(answer.breakdown.values()) == pytest.approx(answer.step_time, rel=1e-9)


def test_a_network_that_measured_less_makes_the_step_slower(hand_made):
    """What a cluster states of its own collectives reaches the step, as it does `collective`."""
    cluster = hand_made()
    slow = replace(cluster, software={"collectives": {"network": "40%"}})
    layout = Strategy(tp=8, dp=8, micro_batch=1, global_batch=64)
    plain = step(LLAMA, cluster, layout, gpus=64, seq_len=4096)
    assert step(LLAMA, slow, layout, gpus=64, seq_len=4096).step_time > 1.02 * plain.step_time
    wrong = replace(cluster, software={"collectives": {"nonsense": 0.4}})
    with pytest.raises(InputError, match="nonsense"):
        step(LLAMA, wrong, layout, gpus=64, seq_len=4096)
