"""A fault never helps; what it costs is what the links and the schedule say."""

import math
from collections import Counter

import netmodel as nm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.graph import SWITCH_KINDS, TIERS
from netmodel.network import compile_network, faults, link_loads, tiers
from netmodel.studies.job_traffic import (
    Job,
    Routing,
    Shape,
    growth,
    hosts_of,
    stretched,
    traffic_of,
)
from netmodel.studies.layouts import Request
from netmodel.studies.whatif import Change, summed, whatif
from netmodel.studies.whatif_mending import hit_hosts, mending
from netmodel.studies.whatif_rank import rank_faults, single_faults
from netmodel.training import step
from netmodel.training.orders import pipeline_order
from netmodel.training.pieces import pieces
from netmodel.training.simulator import Durations, simulate
from netmodel.workload import Strategy

DENSE = Strategy(tp=4, pp=2, dp=8, zero=1, global_batch=64, sequence_parallel=True)
SPARSE = Strategy(pp=2, dp=32, ep=16, zero=1, global_batch=64)
CASES = {
    ("llama-3.1-8b", "dgx-superpod-h100"): DENSE,
    ("deepseek-moe-16b", "deepseek-h800-mpft"): SPARSE,
    ("deepseek-moe-16b", "meta-24k-roce"): SPARSE,
}
GPUS = 64


@pytest.fixture(scope="module")
def jobs():
    """Small jobs on sound fabrics, with the loads of their links."""
    found = {}
    for (model, design), layout in CASES.items():
        cluster = nm.load_cluster(design)
        given_ = pieces(nm.load_model(model), cluster, layout, gpus=GPUS, seq_len=4096)
        job = Job.of(given_, cluster)
        found[model, design] = job, job.loads(job.wiring)
    return found


def slowed(job, sound, broken, policy="adaptive"):
    """Step time with faults; infinite where the job stops."""
    try:
        loads = job.loads(faults.apply(job.wiring, broken), policy)
    except ModelError:
        return math.inf
    return stretched(job.given, growth(loads, sound)).step_time


@settings(max_examples=40, deadline=None)
@given(
    case=st.sampled_from(sorted(CASES)),
    seed=st.integers(0, 10_000),
    what=st.sampled_from(["cables", "nics", "spines", "host-leaf", "leaf-spine"]),
    count=st.integers(1, 4),
    left=st.sampled_from(["", " at 50%", " at 90%"]),
    policy=st.sampled_from(["adaptive", "static", "ecmp", "optimal"]),
)
def test_no_fault_speeds_a_step_up(jobs, case, seed, what, count, left, policy):
    """Against the sound fabric; between two faulty ones adaptive routes can gain by a loss."""
    job, sound = jobs[case]
    pattern = f"random {what} {count} seed {seed}{left}"
    try:
        after = slowed(job, sound, pattern, policy)
    except InputError:  # the fabric has fewer of them
        return
    before = stretched(job.given, growth(job.loads(job.wiring, policy), sound)).step_time
    best = job.given.step_time
    assert after >= best * (1 - 1e-9)
    if policy in ("adaptive", "optimal"):
        assert after >= before * (1 - 1e-6)


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from(sorted(CASES)),
    seed=st.integers(0, 1000),
    parts=st.tuples(st.integers(5, 99), st.integers(5, 99)),
)
def test_a_slower_cable_is_never_faster(jobs, case, seed, parts):
    job, sound = jobs[case]
    low, high = sorted(parts)
    times = [
        slowed(job, sound, f"random cables 3 seed {seed} at {part}%", "static")
        for part in (low, high)
    ]
    assert times[0] >= times[1] * (1 - 1e-9)


@pytest.mark.parametrize("case", sorted(CASES))
def test_without_a_change_the_step_is_the_closed_form(jobs, case):
    job, sound = jobs[case]
    model, design = case
    done = step(nm.load_model(model), nm.load_cluster(design), CASES[case], gpus=GPUS, seq_len=4096)
    same = stretched(job.given, growth(sound, sound))
    assert same.step_time == pytest.approx(done.step_time, rel=1e-12)


@pytest.mark.parametrize("case", sorted(CASES))
def test_faults_alike_cost_the_same(jobs, case):
    """Every cable, NIC and switch broken in turn, against one of each class and the counts."""
    job, sound = jobs[case]
    wiring = job.wiring
    every = [
        "1 of " + ":".join(wiring.names([a, b]))
        for group in wiring.cables
        if TIERS[group.tier] >= TIERS["host-leaf"]
        for a, b, n in zip(
            group.a, group.b, np.broadcast_to(group.cables, len(group.a)), strict=True
        )
        for _ in range(int(n))
    ]
    every += wiring.names(wiring.of_kind("nic", *SWITCH_KINDS))
    classes = list(single_faults(job, sound))
    assert sum(count for _, _, count in classes) == len(every)

    def key(pattern):
        return round(slowed(job, sound, pattern) / job.given.step_time, 6)

    known = {pattern: key(pattern) for pattern in dict.fromkeys(every)}
    found = Counter(known[pattern] for pattern in every)
    said: Counter[float] = Counter()
    for pattern, _, count in classes:
        said[key(pattern)] += count
    assert said == found


def test_all_faults_of_a_2048_gpu_fabric_are_ranked():
    """DeepSeek-V3 on its own fabric: a NIC shares its neighbour's, a spine is hardly missed."""
    ranking = rank_faults(
        nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft"), gpus=2048
    )
    assert ranking.count == 2048 + 2048 + 2048 + 96
    times = [each.slowdown for each in ranking.faults]
    assert times == sorted(times, reverse=True)
    assert 1.1 < times[0] < 1.3
    assert {each.what: each.slowdown for each in ranking.faults}["spine"] < 1.01
    row = ranking.row(ranking.faults[0])
    rent = 2.0 * 2048
    assert row["lost_per_hour_usd"] == pytest.approx(rent * (1 - 1 / times[0]))
    assert ranking.to_dict()["price"]["date"] == "2024-12"


def test_a_failed_host_link_stops_the_job_of_single_nic_hosts():
    """Fire-Flyer 2 has one NIC a host: one flapping link stops every node (arXiv:2408.14158)."""
    model, cluster = nm.load_model("llama-3.1-8b"), nm.load_cluster("fire-flyer-2")
    with pytest.raises(ModelError, match="node0003-gpu0 and 7 other GPUs reach no NIC"):
        whatif(model, cluster, Change(fail=("node0003-nic0:*",)), gpus=256)
    ranking = rank_faults(model, cluster, gpus=256)
    assert ranking.faults[0].slowdown == math.inf
    assert ranking.row(ranking.faults[0])["stops_the_job"]


def test_a_host_with_other_nics_goes_on_slower():
    found = whatif(
        nm.load_model("gpt3-175b"),
        nm.load_cluster("dgx-superpod-h100"),
        Change(fail=("node0003-nic2:*",)),
        gpus=1024,
    )
    assert 1.01 < found.slowdown < 2
    assert max(each.slowdown for each in found.collectives) == pytest.approx(2, rel=0.01)


def test_a_lost_gpu_stops_the_job():
    with pytest.raises(ModelError, match="node0003-gpu1 of 64 are gone"):
        whatif(
            nm.load_model("llama-3.1-8b"),
            nm.load_cluster("dgx-superpod-h100"),
            Change(fail=("node0003-gpu1",)),
            gpus=64,
        )


def without_oversubscription(placement):
    """Llama 3 405B on 16,384 of 24,576 GPUs: no 1:7 at the top against 1:7."""
    design = "meta-24k-roce"
    return whatif(
        nm.load_model("llama-3.1-405b"),
        nm.load_cluster(design),
        Change(cluster=nm.load_cluster(design, overrides=("fabric.spine.up=192",)), words="1:1"),
        gpus=16384,
        routing=Routing(placement=placement),
    )


def test_seven_to_one_hardly_matters_with_the_placement_of_llama_3():
    """arXiv:2407.21783, 3.3.1: the top tier is 1:7, and the job is placed with it in mind."""
    assert without_oversubscription("packed").slowdown > 0.99


def test_seven_to_one_matters_with_a_random_placement():
    assert without_oversubscription("random-hosts").slowdown < 0.9


def test_rail_only_pays_for_forwarding():
    """arXiv:2307.12169: an all-to-all takes 8.2 to 11.2 % longer than on a full fat tree."""
    times = []
    for design in ("rail-only", "reference"):
        wiring = nm.load_cluster(design).wiring(512)
        sent = traffic_of(Shape("exchange", 512, 1), np.arange(512), hosts_of(wiring))
        times.append(link_loads(compile_network(wiring), sent).stepwise_time)
    assert 1.082 <= times[0] / times[1] <= 1.112


@pytest.mark.parametrize("schedule", ["1f1b", "gpipe"])
@pytest.mark.parametrize("speed", [0.5, 0.8])
def test_a_straggler_slows_a_pipeline_as_in_the_simulator(schedule, speed):
    """One slow rank of four: all micro-batches at its pace, the bubble at most that of the others.

    In 1F1B its own first forwards, slower now, fill part of its wait for the first backward.
    """
    m, p = 16, 4
    layout = Strategy(tp=8, pp=p, dp=2, global_batch=2 * m, schedule=schedule)
    model, cluster = nm.load_model("llama-3.1-8b"), nm.load_cluster("dgx-superpod-h100")
    one = pieces(model, cluster, layout, gpus=64, seq_len=4096).balanced()
    found = summed(one, speed)
    both = found.step_time - sum(found.parts[name] for name in ("bubble", "pp", "dp", "optimizer"))
    both -= found.parts["stragglers"] + found.parts["overhead"]
    sound = one.sum()
    pace = sound.parts["bubble"] / (p - 1)
    order = pipeline_order(schedule, ranks=p, micro_batches=m)
    scale = np.ones((p, 1))
    scale[1] = both / m / pace
    run = simulate(order, Durations(forward=pace / 3 * scale, backward=2 * pace / 3 * scale))
    whole = both + found.parts["bubble"]
    assert both <= run.makespan <= whole * (1 + 1e-9)
    assert whole == pytest.approx(run.makespan, rel=1e-6 if schedule == "gpipe" else 0.05)


@given(speeds=st.tuples(st.floats(0.2, 1), st.floats(0.2, 1)))
@settings(max_examples=20, deadline=None)
def test_a_slower_gpu_is_never_faster(jobs, speeds):
    job, _ = jobs["llama-3.1-8b", "dgx-superpod-h100"]
    slow, fast = sorted(speeds)
    assert summed(job.given, slow).step_time >= summed(job.given, fast).step_time * (1 - 1e-12)
    assert summed(job.given, fast).step_time >= job.given.step_time * (1 - 1e-12)


@pytest.mark.parametrize("speed", [1.0, 0.6])
def test_parts_still_add_up(jobs, speed):
    for job, _ in jobs.values():
        found = summed(job.given, speed)
        assert sum(found.parts.values()) == pytest.approx(found.step_time, rel=1e-9)


@given(slowdown=st.floats(1.01, 3), stop=st.floats(1, 1e5))
def test_mending_pays_from_where_both_have_done_the_same(jobs, slowdown, stop):
    job, _ = jobs["llama-3.1-8b", "dgx-superpod-h100"]
    for each in mending(job, ["node0003-nic2"], slowdown, stop):
        if math.isfinite(each.pays_after):
            done = (each.pays_after - each.stop) * each.speed
            assert done == pytest.approx(each.pays_after / slowdown, rel=1e-6)
        else:
            assert each.speed <= 1 / slowdown + 1e-9


def test_draining_loses_the_replicas_of_the_host(jobs):
    """Four ranks of tp share a replica: a host of eight holds two of the eight replicas."""
    job, _ = jobs["llama-3.1-8b", "dgx-superpod-h100"]
    assert hit_hosts(job, ["node0003-nic2:*"]) == {3}
    drained = mending(job, ["node0003-nic2"], 2.0, 600.0)[1]
    assert drained.speed == 6 / 8


def test_an_upgrade_is_the_step_on_the_other_cluster():
    model, layout = nm.load_model("llama-3.1-8b"), Request(strategy=DENSE)
    thin = nm.load_cluster("dgx-superpod-h100", overrides=("fabric.oversubscription=8",))
    wide = nm.load_cluster("dgx-superpod-h100")
    found = whatif(model, thin, Change(cluster=wide, words="wide"), gpus=512, request=Request())
    assert found.slowdown <= 1
    assert found.after.step_time == pytest.approx(
        step(
            model,
            wide,
            found.choice.strategy,
            gpus=512,
            seq_len=found.choice.seq_len,
            software=found.choice.software,
        ).step_time
    )
    same = whatif(model, wide, Change(reroute="adaptive"), gpus=64, request=layout)
    assert same.slowdown == 1
    assert same.lost.typical == 0


def test_hashed_routes_collide():
    """A single-queue-pair ECMP hash puts several large flows on one uplink."""
    found = whatif(
        nm.load_model("gpt3-175b"),
        nm.load_cluster("dgx-superpod-h100"),
        Change(reroute="ecmp"),
        gpus=1024,
    )
    assert found.slowdown > 1
    assert max(each.slowdown for each in found.collectives) > 1.5


@pytest.mark.parametrize(
    "wrong",
    [{"fail": ("spine-* at 50%",)}, {"degrade": ("spine-*",)}, {"straggler": ("node=3",)}],
)
def test_a_change_says_what_is_left_where_it_must(wrong):
    with pytest.raises(InputError):
        Change(**wrong)


@pytest.mark.parametrize(("kind", "how"), [("all_gather", "rings"), ("all_to_all", "exchange")])
def test_slow_downs_agree_with_the_contention_rung(kind, how):
    """Large messages of a whole job under a dead NIC: the collective timed on the damaged graph."""
    from netmodel.collectives import library
    from netmodel.collectives.resilience import collective_slowdowns

    cluster = nm.load_cluster("dgx-superpod-h100")
    wiring = cluster.wiring(64)
    fabric, broken = tiers(wiring), "node0003-nic2"
    known = library(cluster.accelerator.generation, fabric.links[0], fabric.links[-1])
    (rung,) = collective_slowdowns(
        wiring, [broken], known, kinds=[kind], size=2.0**36, policies=["adaptive"]
    )
    sent = traffic_of(Shape(how, 64, 1), np.arange(64), hosts_of(wiring))
    sound, hurt = (
        link_loads(compile_network(each), sent).time
        for each in (wiring, faults.apply(wiring, broken))
    )
    assert hurt / sound == pytest.approx(rung.slowdown, rel=0.1)
