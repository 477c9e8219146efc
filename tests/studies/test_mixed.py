"""One job on GPUs of several kinds: between the pure clusters, and exactly one where all agree."""

from dataclasses import replace

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.studies.layouts import Request
from netmodel.studies.mixed import mixed
from netmodel.studies.mixed_choice import divides, time_step
from netmodel.topology import load_cluster
from netmodel.topology.load import load_document, make_cluster
from netmodel.training import step
from netmodel.training.pieces import pieces
from netmodel.workload import Strategy

LLAMA = nm.load_model("llama-3.1-8b")
MIXTRAL = nm.load_model("mixtral-8x7b")
BATCH = Strategy(tp=4, dp=16, global_batch=256)
LAYERS = Strategy(tp=2, pp=8, dp=4, global_batch=256)
NODES = {
    "slow": {"name": "DGX-A100", "nic": "ConnectX-7-RoCE", "nic_bandwidth": "200 Gb/s"},
    "fast": {"name": "DGX-H100", "nic": "ConnectX-7-RoCE"},
    "thin": {"name": "DGX-H100", "nic": "ConnectX-7-RoCE", "nic_bandwidth": "100 Gb/s"},
}


def cluster_of(*groups, **extra):
    """A RoCE fat tree of groups of nodes: (kind, hosts)."""
    data = {
        "name": "mix", "description": "d", "sources": ["s"],
        "gpus": sum(8 * count for _, count in groups),
        "nodes": [{**NODES[kind], "count": count} for kind, count in groups],
        "fabric": {"family": "fat-tree", "switch": "SN5400", "link": "Ethernet-400G"},
    }  # fmt: skip
    return make_cluster(data | extra)


def ask(cluster, strategy, model=LLAMA, **options):
    return mixed(model, cluster, strategy, gpus=cluster.gpus, seq_len=4096, **options)


def plain(cluster, strategy, model=LLAMA):
    return step(model, cluster, strategy, gpus=cluster.gpus, seq_len=4096).step_time


@settings(max_examples=20, deadline=None)
@given(
    slow=st.integers(1, 7),
    split=st.sampled_from(["batch", "layers"]),
    reverse=st.booleans(),
    batches=st.sampled_from([4, 16, 64]),
    model=st.sampled_from([LLAMA, MIXTRAL]),
)
def test_a_mix_lies_between_its_pure_clusters(slow, split, reverse, batches, model):
    groups = [("slow", slow), ("fast", 8 - slow)]
    cluster = cluster_of(*groups[:: -1 if reverse else 1])
    if split == "batch":
        experts = {"ep": 8 * (1 + slow % 2)} if model is MIXTRAL else {}
        layout = Strategy(tp=4, dp=16, global_batch=16 * batches, zero=2, **experts)
    else:
        layout = Strategy(tp=2, pp=8, dp=4, global_batch=4 * batches, recompute="full")
    made = ask(cluster, layout, model, split=split)
    pure = {group.name: group.pure for group in made.groups}
    assert pure["DGX-H100"] <= made.step_time * (1 + 1e-12)
    assert made.step_time <= pure["DGX-A100"] * (1 + 1e-12)
    assert made.step_time <= made.even * (1 + 1e-12)


@pytest.mark.parametrize("split", ["batch", "layers"])
def test_what_a_pure_cluster_takes_is_what_it_takes_alone(split):
    layout = BATCH if split == "batch" else LAYERS
    made = ask(cluster_of(("slow", 4), ("fast", 4)), layout, split=split)
    for group, kind in zip(made.groups, ("slow", "fast"), strict=True):
        alone = plain(cluster_of((kind, 8)), layout)
        if split == "batch":
            assert group.pure == alone
        else:
            assert group.pure <= alone * (1 + 1e-12)


@pytest.mark.parametrize("layout", [BATCH, LAYERS], ids=["batch", "layers"])
@pytest.mark.parametrize("model", [LLAMA, MIXTRAL], ids=lambda model: model.name)
def test_equal_groups_are_the_pure_cluster(layout, model):
    """Groups that differ in nothing, sites over a WAN, and shares that are given as equal."""
    split = "batch" if layout is BATCH else "layers"
    if model is MIXTRAL:
        layout = replace(layout, ep=8 if split == "batch" else 4)
    two = cluster_of(("fast", 3), ("fast", 5))
    alone = plain(cluster_of(("fast", 8)), layout, model)
    assert ask(two, layout, model, split=split, shares=[1]).step_time == pytest.approx(
        alone, rel=1e-12
    )
    made = ask(two, layout, model, split=split)
    assert made.step_time == made.groups[0].pure <= alone * (1 + 1e-12)
    if split == "batch":
        assert made.step_time == plain(two, layout, model)


def test_sites_that_are_alike_are_one_kind_and_their_wan_counts():
    cluster = load_cluster("three-sites", ["sites.gpus=32"]).resize(64)
    made = ask(cluster, BATCH, split="batch")
    assert made.step_time == plain(cluster, BATCH)
    assert made.step_time > plain(load_cluster("three-sites").resize(64), BATCH)


def test_sites_of_different_gpus_join_over_the_wan():
    """Gradients cross the WAN whoever sends them; a pipeline sends far less over it."""
    wan = {"gpus": 32, "cables": 1, "link": {"name": "Ethernet-400G", "latency": "500 us"}}
    cluster = cluster_of(("slow", 4), ("fast", 4), sites=wan)
    near = cluster_of(("slow", 4), ("fast", 4))
    by_batch = ask(cluster, BATCH, split="batch")
    assert by_batch.step_time > ask(near, BATCH, split="batch").step_time
    assert by_batch.step.breakdown["dp"] > 2 * ask(near, BATCH, split="batch").step.breakdown["dp"]
    by_layers = ask(cluster, LAYERS, split="layers")
    lost = by_layers.step_time / ask(near, LAYERS, split="layers").step_time
    assert lost < by_batch.step_time / ask(near, BATCH, split="batch").step_time


def test_two_slices_of_tpus_join_over_the_data_centre_network():
    layout = Strategy(tp=4, dp=128, global_batch=512, overlap_dp=False)
    times = []
    for cables in (64, 8):
        link = {"name": "Ethernet-400G", "latency": "20 us"}
        slices = {"gpus": 256, "cables": cables, "link": link}
        data = {**load_document("tpu-v5p").data, "gpus": 512, "sites": slices}
        made = ask(make_cluster(data), layout, split="batch")
        assert made.step_time == plain(make_cluster(data), layout)
        times.append(made.step_time)
    assert times[0] < times[1]


def test_a_message_that_joins_kinds_is_as_slow_as_on_the_slowest_nic():
    """The GPUs are the same, so the shares are; gradients wait for the thin NICs."""
    cluster = cluster_of(("thin", 4), ("fast", 4))
    layout = Strategy(tp=1, dp=64, global_batch=64, overlap_dp=False)
    made = ask(cluster, layout, split="batch")
    assert [group.share for group in made.groups] == [(32,), (32,)]
    assert made.step_time == plain(cluster_of(("thin", 8)), layout)
    assert made.step_time == pytest.approx(plain(cluster, layout), rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 5.0), st.sampled_from(["batch", "layers"]))
def test_no_given_shares_beat_those_by_speed(weight, split):
    cluster = cluster_of(("slow", 4), ("fast", 4))
    layout = BATCH if split == "batch" else LAYERS
    best = ask(cluster, layout, split=split)
    given_so = ask(cluster, layout, split=split, shares=[1.0, weight])
    assert best.step_time <= given_so.step_time * (1 + 1e-3)
    assert sum(map(sum, (group.share for group in given_so.groups))) in (256, 32)


def test_exchanging_slow_nodes_for_fast_ones_never_slows_a_job():
    for split, layout in (("batch", BATCH), ("layers", LAYERS)):
        times = [
            ask(cluster_of(("slow", 8 - n), ("fast", n)), layout, split=split).step_time
            for n in range(1, 8)
        ]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(("split", "layout"), [("batch", BATCH), ("layers", LAYERS)])
def test_the_step_adds_up_and_uses_the_peak_of_all(split, layout):
    cluster = cluster_of(("slow", 4), ("fast", 4))
    made = ask(cluster, layout, split=split)
    assert sum(made.step.breakdown.values()) == pytest.approx(made.step_time, rel=1e-12)
    assert made.step_time == max(group.busy for group in made.groups) == made.slowest.busy
    peaks = [
        pieces(LLAMA, cluster.only(kind), layout, gpus=64, seq_len=4096).accelerator.peak["bf16"]
        for kind in (0, 1)
    ]
    rate = made.step.model_flops / made.step_time
    assert made.step.mfu == pytest.approx(rate / (32 * sum(peaks)), rel=1e-12)
    assert made.loss == 1 - made.ideal / made.step_time
    assert made.groups[1].pure < made.ideal < made.groups[0].pure


def test_faster_gpus_hold_more():
    made = ask(cluster_of(("slow", 4), ("fast", 4)), LAYERS, split="layers")
    slow, fast = made.groups
    assert sum(slow.share) + sum(fast.share) == LLAMA.layers
    assert 2 * sum(slow.share) < sum(fast.share)
    assert len(slow.share) == len(fast.share) == 4


def test_one_kind_is_never_answered_for_several():
    cluster = cluster_of(("slow", 4), ("fast", 4))
    kinds = r"2 kinds \(A100-SXM-80GB, H100-SXM\)"
    with pytest.raises(InputError, match=kinds):
        nm.search("llama-3.1-8b", cluster, 64, global_batch=64)
    for verb in (step, pieces):
        with pytest.raises(InputError, match=kinds):
            verb(LLAMA, cluster, BATCH, gpus=64, seq_len=4096)
    with pytest.raises(InputError, match="2 kinds"):
        nm.step("llama-3.1-8b", cluster.graph())


def test_python_and_scale_ask_the_same_question():
    cluster = cluster_of(("slow", 4), ("fast", 4))
    made = nm.mixed("llama-3.1-8b", cluster, "tp=4,dp=16,global_batch=256", seq_len=4096)
    assert made.step_time == ask(cluster, BATCH).step_time
    layout = "tp=4,global_batch=256"
    asked = nm.step("llama-3.1-8b", cluster, layout, seq_len=4096)
    assert asked.step_time == made.step_time
    curve = nm.scale("llama-3.1-8b", cluster, [32, 64], strategy=layout)
    assert curve.points[0].step_time > curve.points[1].step_time
    with pytest.raises(InputError, match="of one kind"):
        nm.mixed("llama-3.1-8b", "dgx-superpod-h100", gpus=8)


def test_a_layout_is_found_that_divides_among_the_kinds():
    cluster = cluster_of(("slow", 2), ("fast", 6))
    choice, done, made = time_step(LLAMA, cluster, 64, Request(seq_len=4096))
    assert divides(choice.strategy, [16, 48], made.split)
    assert done.memory["total"] <= done.memory["capacity"] * 1.05


@pytest.mark.parametrize(
    ("layout", "options", "error", "words"),
    [
        (Strategy(tp=8, pp=8, global_batch=8), {"split": "batch"}, InputError, "whole number"),
        (BATCH, {"split": "layers"}, InputError, "cannot hold unequal stages"),
        (BATCH, {"split": "stages"}, InputError, "stages"),
        (BATCH, {"shares": [1.0]}, InputError, "for 2 kinds"),
        (BATCH, {"shares": [1.0, -1.0]}, InputError, "for 2 kinds"),
        (LAYERS, {"split": "layers", "shares": [1.0, 99.0]}, ModelError, "0 layers"),
        (Strategy(dp=64, global_batch=64, zero=0), {}, InputError, "GB"),
    ],
)
def test_what_cannot_be_shared_is_refused(layout, options, error, words):
    with pytest.raises(error, match=words):
        ask(cluster_of(("slow", 4), ("fast", 4)), layout, **options)
