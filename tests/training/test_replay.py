"""A step played through the simulator takes about as long as the closed form says."""

import pytest
from netmodel.topology import load_cluster
from netmodel.training import step
from netmodel.training.replay import replay
from netmodel.training.timeline import chrome_trace
from netmodel.workload import Strategy, load_model

H100 = load_cluster("dgx-superpod-h100")
LLAMA = load_model("llama-3.1-8b")


@pytest.mark.parametrize(
    ("schedule", "fields"),
    [
        ("gpipe", {"pp": 4}),
        ("1f1b", {"pp": 1}),
        ("1f1b", {"pp": 2}),
        ("1f1b", {"pp": 4}),
        ("interleaved", {"pp": 4, "vpp": 2}),
        ("zb-h1", {"pp": 4}),
    ],
)
def test_the_replay_takes_as_long_as_the_closed_form(schedule, fields):
    """The closed form adds stragglers and overhead, and assumes its own price of sends."""
    layout = Strategy(tp=2, dp=4, global_batch=128, schedule=schedule, **fields)
    gpus = layout.gpus
    closed = step(LLAMA, H100, layout, gpus=gpus, seq_len=4096)
    _, activities = replay(LLAMA, H100, layout, gpus=gpus, seq_len=4096)
    end = max(each.end for each in activities)
    same = closed.step_time - closed.breakdown["stragglers"] - closed.breakdown["overhead"]
    assert end == pytest.approx(same, rel=0.04)


def test_dualpipe_replays_deepseek_v3():
    model, cluster = load_model("deepseek-v3"), load_cluster("deepseek-h800-mpft")
    layout = Strategy(
        pp=16,
        ep=64,
        dp=128,
        global_batch=15360,
        schedule="dualpipe",
        recompute="norm+mla_up+activation",
        overlap_ep=True,
        precision="fp8",
    )
    closed = step(model, cluster, layout, gpus=2048, seq_len=4096)
    timeline, _ = replay(model, cluster, layout, gpus=2048, seq_len=4096)
    assert timeline.makespan == pytest.approx(closed.step_time, rel=0.10)
    events = chrome_trace(timeline)["traceEvents"]
    assert sum(event["ph"] == "X" for event in events) > 16 * 120
