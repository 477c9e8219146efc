"""A scaling curve is its points, and its efficiency is against the smallest."""

import json

import netmodel as nm
import pytest
from netmodel.errors import InputError, ModelError
from netmodel.studies.layouts import Request
from netmodel.studies.scale import scale
from netmodel.training import step

LLAMA = nm.load_model("llama-3.1-8b")
H100 = nm.load_cluster("dgx-superpod-h100")
STATED = Request(strategy="tp=2,pp=2,global_batch=512", seq_len=4096)


@pytest.fixture(scope="module")
def strong():
    return scale(LLAMA, H100, [64, 8, 16, 32, 16], STATED)


@pytest.fixture(scope="module")
def deepseek():
    model, cluster = nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft")
    return scale(model, cluster, [256 << k for k in range(9)])


def test_sizes_come_out_growing_and_once(strong):
    assert [point.gpus for point in strong.points] == [8, 16, 32, 64]
    assert strong.baseline_gpus == 8


def test_efficiency_is_the_rate_of_a_gpu_over_that_of_the_smallest(strong):
    first, *_, last = strong.points
    assert strong.efficiency[0] == 1.0
    expected = (first.step_time * 8) / (last.step_time * 64)
    assert strong.efficiency[-1] == pytest.approx(expected, rel=1e-12)


def test_a_curve_equals_its_points(strong):
    """Each point is the step that one would ask for alone, to the last bit."""
    for point, choice in zip(strong.points, strong.choices, strict=True):
        alone = step(LLAMA, H100, choice.strategy, gpus=point.gpus, seq_len=4096)
        assert alone.step_time == point.step_time
        assert dict(alone.breakdown) == dict(point.breakdown)


def test_the_breakdown_of_every_point_adds_up(deepseek):
    for point in deepseek.points:
        assert sum(point.breakdown.values()) == pytest.approx(point.step_time, rel=1e-9)
        assert all(seconds >= 0 for seconds in point.breakdown.values())


def test_strong_scaling_keeps_the_batch(strong):
    assert {choice.strategy.global_batch for choice in strong.choices} == {512}


def test_weak_scaling_keeps_the_sequences_of_a_gpu():
    curve = scale(LLAMA, H100, [8, 16, 32], STATED, mode="weak")
    assert [choice.strategy.global_batch for choice in curve.choices] == [512, 1024, 2048]


def test_weak_scaling_of_a_published_run_holds_its_batch_at_its_size():
    """DeepSeek-V3: 15,360 sequences on 2,048 GPUs."""
    model, cluster = nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft")
    curve = scale(model, cluster, [2048, 4096], mode="weak")
    assert [choice.strategy.global_batch for choice in curve.choices] == [15360, 30720]


def test_weak_scaling_is_never_less_efficient_than_strong(strong):
    weak = scale(LLAMA, H100, [8, 16, 32, 64], STATED, mode="weak")
    for one, other in zip(weak.efficiency, strong.efficiency, strict=True):
        assert one >= other - 1e-12


def test_strong_scaling_never_lengthens_the_step(deepseek):
    times = [point.step_time for point in deepseek.points]
    assert times == sorted(times, reverse=True)


def test_every_point_fits_and_names_a_tier_of_its_fabric(deepseek):
    for point in deepseek.points:
        assert point.memory["total"] <= point.memory["capacity"]
        assert point.bottleneck["tier"] in ("nvlink", "leaf", "spine", "core")


def test_no_point_is_better_than_physics(deepseek):
    assert all(0 < point.mfu < 1 for point in deepseek.points)


def test_the_published_run_is_a_marker(deepseek):
    """arXiv:2412.19437: 14.8T tokens in 2,664K GPU-hours on 2,048 H800."""
    (first, *_) = deepseek.measured
    assert first.gpus == 2048
    rate = 14.8e12 / (2_664_000 * 3600)
    ours = deepseek.points[0].tokens_per_s_per_gpu
    assert first.efficiency == pytest.approx(rate / ours, rel=1e-9)


def test_the_answer_is_plain_json_with_the_promised_keys(deepseek):
    from netmodel.cli.output import to_json

    data = json.loads(to_json(deepseek.to_dict()))
    assert {"mode", "baseline_gpus", "points"} <= data.keys()
    assert data["mode"] == "strong"
    for point in data["points"]:
        assert {"gpus", "step_time_s", "breakdown_s", "bottleneck", "efficiency"} <= point.keys()
        assert sum(point["breakdown_s"].values()) == pytest.approx(point["step_time_s"], rel=1e-9)


def test_the_caption_names_model_fabric_layouts_and_source(deepseek):
    for text in ("deepseek-v3", "deepseek-h800-mpft", "pp=16", "arXiv:2412.19437"):
        assert text in deepseek.caption


def test_a_curve_prints_well(strong):
    assert len(str(strong).splitlines()) == 2 + len(strong.points)
    assert strong._repr_html_().count("<tr>") == 1 + len(strong.points)


def test_a_layout_that_fails_at_one_size_fails():
    """A stated layout is not changed behind the user's back."""
    with pytest.raises(InputError, match="does not divide"):
        scale(LLAMA, H100, [8, 12], Request(strategy="tp=8,global_batch=64"))


def test_no_size_and_an_unknown_mode_are_refused():
    with pytest.raises(InputError):
        scale(LLAMA, H100, [], STATED)
    with pytest.raises(InputError, match="strnog"):
        scale(LLAMA, H100, [8], STATED, mode="strnog")


def test_what_fits_nowhere_has_no_answer():
    model = nm.load_model("llama-3.1-405b")
    with pytest.raises(ModelError, match="no layout fits"):
        scale(model, H100, [8], Request(strategy="auto", global_batch=8))
