"""An explanation adds up, and what it names as the limit is the limit."""

import json
import math

import netmodel as nm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers
from netmodel.studies.explain import explain, losses
from netmodel.studies.explain_elasticity import (
    NETWORK,
    changed,
    elasticities,
    field_values,
    kinks,
    slope,
    step_times,
)
from netmodel.studies.explain_limits import last_useful, limits
from netmodel.studies.explain_waterfall import (
    DIMENSIONS,
    growth,
    mean_rank,
    unshared,
    waterfall,
)
from netmodel.studies.layouts import Request, choose
from netmodel.studies.scale import scale
from netmodel.training import step
from netmodel.training.pieces import pieces
from netmodel.workload import Strategy

CASES = [
    ("deepseek-v3", "deepseek-h800-mpft"),
    ("llama-3.1-405b", "meta-24k-roce"),
    ("gpt3-175b", "dgx-superpod-h100"),
]
SIZES = (512, 2048, 16384)


@pytest.fixture(scope="module")
def known():
    """Pieces of every case and size, as ``netmodel step`` asks them."""
    found = {}
    for name, design in CASES:
        model, cluster = nm.load_model(name), nm.load_cluster(design)
        for gpus in SIZES:
            found[name, gpus] = asked(model, cluster, gpus)
    return found


def asked(model, cluster, gpus):
    choice = choose(model, cluster, gpus, Request())
    return pieces(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )


def seconds_of(given):
    return given.step_time


@pytest.mark.parametrize("gpus", SIZES)
@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_the_waterfall_adds_up_to_the_step(known, name, gpus):
    falls = waterfall(known[name, gpus])
    assert sum(falls.values()) == pytest.approx(seconds_of(known[name, gpus]), rel=1e-9)
    assert all(seconds >= -1e-9 * falls["ideal"] for seconds in falls.values())


@pytest.mark.parametrize("gpus", SIZES)
@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_the_ideal_is_all_model_flops_at_peak(known, name, gpus):
    one = known[name, gpus]
    done = step(
        one.model,
        nm.load_cluster(dict(CASES)[name]),
        one.strategy,
        gpus=gpus,
        seq_len=one.seq_len,
        software=one.software,
    )
    assert waterfall(one)["ideal"] == pytest.approx(done.mfu * done.step_time, rel=1e-9)
    assert seconds_of(one) == done.step_time


@pytest.mark.parametrize("gpus", SIZES)
@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_raising_the_named_tier_helps_as_its_elasticity_says(known, name, gpus):
    """And raising those that are said not to matter does not help."""
    one = known[name, gpus]
    worth = elasticities(one)
    bends = {each.field: each.factor for each in kinks(one, worth)}
    before = seconds_of(one)
    for field, (tiers, what) in field_values(one.fabric).items():
        better = 1.05 if what == "bandwidth" else 1 / 1.05
        after = seconds_of(one.with_fabric(changed(one.fabric, tiers, what, better)))
        said, found = worth[field] * math.log(better), math.log(after / before)
        if abs(worth[field]) < 1e-4:
            assert found == pytest.approx(0, abs=1e-5)
        elif bends.get(field, math.inf) > 1.05:
            assert found == pytest.approx(said, rel=0.10)


REWIRED = [
    (
        "gpt3-175b",
        ("nodes.nic_bandwidth=420 Gb/s", "fabric.link.bandwidth=420 Gb/s"),
        f"{NETWORK}.bandwidth",
        1.05,
    ),
    ("llama-3.1-405b", ("fabric.spine.up=96",), "core.bandwidth", 96 / 27),
]
"""Designs wired again, and the field of the tiers that this changes how many times."""


@pytest.mark.parametrize(("name", "overrides", "field", "times"), REWIRED)
def test_rewiring_the_design_helps_as_the_elasticity_says(known, name, overrides, field, times):
    """``--set``: faster NICs and cables where they limit; no oversubscription where it does not.

    Llama 3's placement keeps what crosses its 1:7 top tier small (arXiv:2407.21783, 3.3.1).
    """
    one = known[name, 16384]
    wired = nm.load_cluster(dict(CASES)[name], overrides=overrides)
    other = pieces(
        one.model,
        wired,
        one.strategy,
        gpus=16384,
        seq_len=one.seq_len,
        software=one.software,
    )
    found = math.log(seconds_of(other) / seconds_of(one))
    said = elasticities(one)[field] * math.log(times)
    assert found == pytest.approx(said, rel=0.10, abs=1e-4)


def test_a_tier_that_is_shared_is_charged_for_contention():
    """Stages in different pods send over spines, with a share of their NIC's rate or all of it."""
    model = nm.load_model("llama-3.1-8b")
    layout = Strategy(tp=8, dp=32, pp=2, global_batch=256)
    shared = {}
    for ratio in (1, 4, 8):
        thin = nm.load_cluster("dgx-superpod-h100", overrides=(f"fabric.oversubscription={ratio}",))
        falls = waterfall(pieces(model, thin, layout, gpus=512, seq_len=4096))
        shared[ratio] = {name: s for name, s in falls.items() if name.endswith("contention")}
    assert shared[1] == {}
    assert shared[8]["pp:spine:contention"] > 2 * shared[4]["pp:spine:contention"] > 0


TIERS = st.tuples(st.floats(1e9, 1e12), st.floats(1e9, 1e11), st.floats(1e8, 1e11))


@given(TIERS)
def test_an_unshared_fabric_is_never_slower(bandwidth):
    tiers = Tiers(
        names=("nvlink", "leaf", "spine"),
        unit=(8, 32, 256),
        bandwidth=bandwidth,
        latency=(1e-6, 2e-6, 3e-6),
        links=("", "", ""),
    )
    free = unshared(tiers)
    assert all(a >= b for a, b in zip(free.bandwidth, bandwidth, strict=True))
    assert unshared(free) == free


@given(st.floats(0.01, 10), st.floats(0.01, 10))
def test_the_slope_of_a_power_law_is_its_exponent(scale_, exponent):
    up, here, down = (scale_ * x**-exponent for x in (1.01, 1.0, 0.99))
    assert slope(up, here, down, better=1) == pytest.approx(-exponent, rel=0.06)


def test_at_a_kink_the_side_of_improvement_counts():
    def held(x):
        return max(1.0, 1 / x)

    up, here, down = (held(x) for x in (1.01, 1.0, 0.99))
    assert slope(up, here, down, better=1) == 0
    assert slope(up, here, down, better=-1) == pytest.approx(-1, rel=0.01)


@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_many_changes_at_once_equal_each_alone(known, name):
    one = known[name, 2048]
    factors = np.array([0.9, 1.0, 1.7])
    for field, times in step_times(one, dict.fromkeys(field_values(one.fabric), factors)).items():
        tiers, what = field_values(one.fabric)[field]
        alone = [
            seconds_of(one.with_fabric(changed(one.fabric, tiers, what, float(factor))))
            for factor in factors
        ]
        assert times.tolist() == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("gpus", SIZES)
@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_more_bandwidth_or_less_latency_never_makes_a_step_longer(known, name, gpus):
    one = known[name, gpus]
    factors = np.geomspace(0.25, 8, 101)
    for field, times in step_times(one, dict.fromkeys(field_values(one.fabric), factors)).items():
        longer = np.diff(times) * (1 if field.endswith("bandwidth") else -1)
        assert (longer <= 1e-12 * times[1:]).all(), field


@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_past_a_kink_more_of_a_field_is_worth_less(known, name):
    one = known[name, 16384]
    for bend in kinks(one, elasticities(one)):
        tiers, what = field_values(one.fabric)[bend.field]
        sign = 1 if what == "bandwidth" else -1

        def gain(factor, *, tiers=tiers, what=what, sign=sign):
            """Seconds saved for each second less that a byte (or hop) takes."""
            low, high = (
                seconds_of(one.with_fabric(changed(one.fabric, tiers, what, each**sign)))
                for each in (factor, 1.02 * factor)
            )
            return (low - high) / (1 / factor - 1 / (1.02 * factor))

        assert gain(1.1 * bend.factor) < 0.9 * gain(1.0)


def test_where_two_tiers_limit_alike_only_both_help():
    """Pipeline messages between leaves cross the leaf and the spine cables at one rate."""
    model, cluster = nm.load_model("llama-3.1-8b"), nm.load_cluster("dgx-superpod-h100")
    layout = Strategy(tp=8, pp=16, dp=4, global_batch=64)
    one = pieces(model, cluster, layout, gpus=512, seq_len=4096)
    worth = elasticities(one)
    assert worth[f"{NETWORK}.bandwidth"] <= min(worth["leaf.bandwidth"], worth["spine.bandwidth"])


def test_between_two_sizes_the_waterfall_starts_from_perfect_scaling():
    model, cluster = nm.load_model("gpt3-175b"), nm.load_cluster("dgx-superpod-h100")
    found = explain(model, cluster, [512, 16384])
    first, last = found.points
    assert found.waterfall["ideal"] == pytest.approx(first.step_time * 512 / 16384, rel=1e-9)
    assert sum(found.waterfall.values()) == pytest.approx(last.step_time, rel=1e-9)
    efficiency = found.waterfall["ideal"] / last.step_time
    assert efficiency == pytest.approx(found.curve.efficiency[-1], rel=1e-9)


PARTS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e3), max_size=6)


@given(PARTS, PARTS, st.floats(0.01, 10))
def test_growth_adds_up(first, last, ratio):
    first, last = {"ideal": 1.0, **first}, {"ideal": 2.0, **last}
    grown = growth(first, last, ratio)
    assert sum(grown.values()) == pytest.approx(sum(last.values()), rel=1e-9)
    assert next(iter(grown)) == "ideal"


@pytest.fixture(scope="module")
def deepseek():
    return explain(nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft"), [2048])


def test_the_answer_is_plain_json_with_the_promised_keys(deepseek):
    from netmodel.cli.output import to_json

    data = json.loads(to_json(deepseek.to_dict()))
    assert {"points", "waterfall_s", "elasticity", "summary", "limits", "ceiling"} <= data.keys()
    (point,) = data["points"]
    assert sum(data["waterfall_s"].values()) == pytest.approx(point["step_time_s"], rel=1e-9)
    assert {"gpu.flops", "gpu.memory_bandwidth", "global_batch"} <= data["elasticity"].keys()
    assert all(-1.1 < value < 1.1 for value in data["elasticity"].values())


def test_points_are_those_of_the_scaling_curve(deepseek):
    curve = scale(nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft"), [2048])
    assert deepseek.points == curve.points


def test_what_dimensions_wait_for_is_listed_with_its_links(known):
    for one in known.values():
        found = limits(one)
        waits = mean_rank(one)
        whole = sum(waits[name] for name in DIMENSIONS)
        assert sum(each.waited for each in found) <= whole * (1 + 1e-9)
        for each in found:
            assert each.tier in one.fabric.names
            assert each.ranks * each.groups == one.strategy.gpus
            assert each.bytes > 0
            # No wire is faster than its rate: the bytes of a GPU take at least so long.
            assert each.seconds >= 0.999 * each.bytes / (each.capacity / each.sharers)


def test_expert_parallel_bytes_are_those_of_the_tokens(known):
    """A token crosses the network once for each of the at most four nodes it visits."""
    one = known["deepseek-v3", 2048]
    (combine,) = (each for each in limits(one) if each.collective == "ep combine")
    tokens = one.strategy.global_batch * one.seq_len / 2048
    layers = one.model.moe_layers + one.model.mtp
    most = 2 * tokens * layers / 1 * 4 * 2 * one.model.hidden
    assert combine.bytes == pytest.approx(most, rel=0.15)


def test_no_layout_beats_the_ceiling(deepseek):
    assert deepseek.ceiling.best_time <= deepseek.points[0].step_time


def test_more_gpus_stop_to_help_where_the_batch_ends(known):
    one = known["gpt3-175b", 512]
    most, reason = last_useful(one)
    assert most >= 512
    assert reason
    assert last_useful(one, 600)[0] == 512


def test_losses_are_named_as_people_say_them():
    found = losses({"ideal": 2.0, "kernels:gemm": 0.5, "kernels:head": 0.25, "bubble": 1.0})
    assert list(found) == ["the pipeline bubble", "GPU kernels below peak"]
    assert found["GPU kernels below peak"] == 0.75


def test_the_summary_is_one_sentence_that_names_the_largest_loss(deepseek):
    largest = next(iter(losses(deepseek.waterfall)))
    assert largest in deepseek.summary
    assert deepseek.summary.endswith(".")
    assert "\n" not in deepseek.summary


@settings(max_examples=15, deadline=None)
@given(
    tp=st.sampled_from([1, 2, 8]),
    pp=st.sampled_from([1, 2, 4, 8]),
    m=st.sampled_from([1, 4, 16]),
    zero=st.sampled_from([0, 1, 3]),
    recompute=st.sampled_from(["none", "selective", "full"]),
)
def test_any_layout_adds_up(tp, pp, m, zero, recompute):
    model, cluster = nm.load_model("llama-3.1-8b"), nm.load_cluster("dgx-superpod-h100")
    dp = 256 // (tp * pp)
    layout = Strategy(tp=tp, pp=pp, dp=dp, zero=zero, recompute=recompute, global_batch=dp * m)
    one = pieces(model, cluster, layout, gpus=256, seq_len=4096)
    falls = waterfall(one)
    assert sum(falls.values()) == pytest.approx(seconds_of(one), rel=1e-9)
    assert all(value >= -1e-9 for value in falls.values())


def test_no_size_is_refused():
    with pytest.raises(InputError):
        explain(nm.load_model("llama-3.1-8b"), nm.load_cluster("dgx-superpod-h100"), [])
