"""The simulated step: the closed form where stages are equal, and every stage its own work."""

import json
from dataclasses import replace

import netmodel as nm
import numpy as np
import pytest
from netmodel.errors import InputError
from netmodel.training.layer import layer
from netmodel.training.pieces import pieces
from netmodel.training.trace import durations, holdings, simulated, trace
from netmodel.workload import Strategy

H100 = nm.load_cluster("dgx-superpod-h100")
LLAMA = nm.load_model("llama-3.1-8b")
EQUAL = replace(LLAMA, vocab=256)
"""Almost no embedding and head: all stages take equally long."""
DEEPSEEK = nm.load_model("deepseek-v3")
H800 = nm.load_cluster("deepseek-h800-mpft")


def given(model, cluster, strategy, seq_len=4096):
    return pieces(model, cluster, strategy, gpus=strategy.gpus, seq_len=seq_len)


def layout(**fields):
    fields = {"dp": 2, "tp": 2, "zero": 1} | fields
    batches = fields.pop("m", 16)
    return Strategy(global_batch=batches * fields["dp"], **fields)


CASES = [
    {"pp": 1},
    {"pp": 4, "m": 4},
    {"pp": 4, "m": 64},
    {"pp": 8, "m": 16, "schedule": "gpipe"},
    {"pp": 4, "vpp": 2, "m": 8, "schedule": "interleaved"},
    {"pp": 4, "vpp": 8, "m": 32, "schedule": "interleaved"},
    {"pp": 4, "m": 16, "schedule": "zb-h1"},
    {"pp": 8, "vpp": 4, "m": 2, "schedule": "interleaved"},
    {"pp": 8, "m": 3, "schedule": "zb-h1"},
    {"pp": 8, "m": 3, "schedule": "zb-v"},
]


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_equal_stages_take_what_the_closed_form_says(fields):
    """Within 3 %: the closed form leaves out that messages between stages delay each other."""
    made = simulated(given(EQUAL, H100, layout(**fields)))
    assert made.step_time == pytest.approx(made.closed_form, rel=0.03)


def test_dualpipe_takes_what_its_closed_form_says():
    """Within 10 %: its closed form takes the mean over ranks of what meets no partner."""
    strategy = layout(pp=8, tp=1, dp=8, ep=8, m=64, schedule="dualpipe")
    model = replace(DEEPSEEK, vocab=256, layers=64, mtp=0, moe=replace(DEEPSEEK.moe, first_dense=0))
    made = simulated(given(model, H800, strategy))
    assert made.step_time == pytest.approx(made.closed_form, rel=0.10)


LAYOUTS = [
    (LLAMA, H100, layout(pp=4)),
    (LLAMA, H100, layout(pp=5, m=7)),
    (LLAMA, H100, layout(pp=4, vpp=4, schedule="interleaved")),
    (LLAMA, H100, layout(pp=4, schedule="zb-v")),
    (DEEPSEEK, H800, layout(tp=1, pp=16, dp=8, ep=8, m=32)),
    (DEEPSEEK, H800, layout(tp=1, pp=16, dp=8, ep=8, m=32, schedule="dualpipe")),
    (DEEPSEEK, H800, layout(tp=1, pp=16, dp=8, ep=8, m=32, schedule="zb-v")),
]


@pytest.mark.parametrize(("model", "cluster", "strategy"), LAYOUTS)
def test_every_layer_is_on_one_stage(model, cluster, strategy):
    held = holdings(given(model, cluster, strategy))
    assert sum(each["dense"] + each["moe"] for each in held) == pytest.approx(model.layers)
    assert sum(each["moe"] for each in held) == pytest.approx(model.moe_layers)
    assert held[0]["embedding"] == held[-1]["head"] == 1
    assert held[-1]["mtp"] == model.mtp
    assert all(count >= 0 for each in held for count in each.values())


@pytest.mark.parametrize(("model", "cluster", "strategy"), LAYOUTS)
def test_ranks_are_busy_for_what_their_stages_take(model, cluster, strategy):
    known = given(model, cluster, strategy)
    layers = {kind: layer(known.plan, kind, known.rates, known.factors) for kind in known.plan.work}
    each = durations(known, layers, holdings(known))
    order = simulated(known).timeline.order
    alone = np.zeros(order.ranks)
    for rank, kind, stage in zip(order.rank, order.kind, order.stage, strict=True):
        whole, weight = each.backward[stage], each.weight[stage]
        alone[rank] += (each.forward[stage], whole, whole - weight, weight)[kind]
    busy = simulated(known).timeline.busy
    if each.pair is None:
        assert busy == pytest.approx(alone, rel=1e-9)
    else:  # pairs hide messages, and slow each other down
        assert (busy < 1.3 * alone).all()


@pytest.mark.parametrize(("model", "cluster", "strategy"), LAYOUTS)
def test_unequal_stages_never_beat_the_slowest_rank(model, cluster, strategy):
    made = simulated(given(model, cluster, strategy))
    assert made.step_time > made.timeline.busy.max()


def test_activities_of_one_lane_do_not_overlap():
    strategy = layout(tp=2, pp=4, cp=2, dp=4, m=8)
    made = trace(LLAMA, H100, strategy, gpus=strategy.gpus, seq_len=8192)
    lanes = {}
    for each in made.activities:
        lanes.setdefault((each.rank, each.lane), []).append((each.start, each.end))
    assert {lane for _, lane in lanes} >= {"tp", "cp", "dp", "optimizer"}
    for spans in lanes.values():
        spans.sort()
        ends = [end for _, end in spans]
        assert all(start >= end - 1e-12 for (start, _), end in zip(spans[1:], ends, strict=False))
    assert max(each.end for each in made.activities) == made.step_time


def test_the_trace_is_chromes_format_and_the_same_every_time():
    strategy = layout(pp=2, m=4)
    first, again = (
        trace(LLAMA, H100, strategy, gpus=strategy.gpus, seq_len=4096).to_json() for _ in range(2)
    )
    assert first == again
    events = json.loads(first)["traceEvents"]
    names = {each["args"]["name"] for each in events if each["name"] == "thread_name"}
    assert names >= {"compute", "send", "tp", "dp", "optimizer"}
    assert all(each["dur"] >= 0 for each in events if each["ph"] == "X")


def test_a_trace_that_no_viewer_opens_is_refused():
    strategy = layout(pp=16, dp=1, m=100_000)
    with pytest.raises(InputError, match="tasks"):
        trace(LLAMA, H100, strategy, gpus=strategy.gpus, seq_len=4096)
