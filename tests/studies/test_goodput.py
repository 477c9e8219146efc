"""What interruptions leave: laws, and what Meta, ByteDance and others published."""

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.studies.goodput import Policy, effective_curve, goodput
from netmodel.studies.run import training_run

DAY = 86400.0
CLUSTER = nm.load_cluster("meta-24k-roce")
LLAMA = 5.7e12  # bytes: 405.85 billion parameters at 14


def left(gpus=16384, state=LLAMA, **policy):
    return goodput(CLUSTER, gpus, state=state, policy=Policy(**policy))


@settings(max_examples=25, deadline=None)
@given(
    gpus=st.integers(1, 3000).map(lambda n: 8 * n),
    state=st.floats(1e9, 1e14),
    restart=st.floats(0, 7200),
    spares=st.integers(0, 40),
)
def test_shares_add_up_to_one(gpus, state, restart, spares):
    found = left(gpus, state, restart=restart, spares=spares)
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-9)
    assert all(0 <= share <= 1 for share in found.shares.values())


@settings(max_examples=20, deadline=None)
@given(gpus=st.integers(1, 1500).map(lambda n: 8 * n), factor=st.integers(2, 4))
def test_larger_clusters_are_interrupted_more_and_train_less(gpus, factor):
    small, large = left(gpus, spares=100), left(min(24576, gpus * factor), spares=100)
    if large.gpus > small.gpus:
        assert large.rate > small.rate
        assert large.effective < small.effective
        assert large.interval < small.interval


@settings(max_examples=20, deadline=None)
@given(worse=st.floats(1.05, 5))
def test_nothing_worse_trains_more(worse):
    base = left(restart=300.0, storage_bandwidth=1e12, repair=DAY, spares=8)
    for found in (
        left(restart=300.0 * worse, storage_bandwidth=1e12, repair=DAY, spares=8),
        left(restart=300.0, storage_bandwidth=1e12 / worse, repair=DAY, spares=8),
        left(restart=300.0, storage_bandwidth=1e12, repair=DAY * worse, spares=8),
        left(restart=300.0, storage_bandwidth=1e12, repair=DAY, spares=8, interval=60 * worse**3),
    ):
        assert found.effective <= base.effective * (1 + 1e-12)


def test_no_stated_interval_beats_the_chosen_one():
    best = left()
    for factor in (0.3, 0.7, 0.95, 1.05, 1.5, 4.0):
        assert left(interval=best.interval * factor).effective < best.effective


def test_a_checkpoint_beside_training_costs_less():
    assert left(state=1e15, stall=1.0).effective > left(state=1e15).effective


def test_the_curve_at_the_own_size_is_the_answer():
    found = left(8192)
    (shares,) = effective_curve(found, [8192])
    assert shares == pytest.approx(found.shares)


def test_llama_3_is_interrupted_419_times_in_54_days():
    """arXiv:2407.21783 section 3.3.4, inside the spread of a count (in sample)."""
    mean, low, high = left().interruptions(54 * DAY)
    assert mean == pytest.approx(419)
    assert low < 419 < high
    assert (low, high) == (379, 460)
    assert left().planned * 54 * DAY == pytest.approx(47)


def test_llama_3_trains_more_than_90_percent_of_the_time():
    found = left()
    assert found.rates[0].effective == 0.9
    assert 0.90 < found.effective < 0.95


def test_meta_research_clusters_foresee_the_published_times_to_failure():
    """arXiv:2410.21680: 1.8 h for 16,384 GPUs and 0.23 h for 131,072, from the rate of a node."""
    found = left(rates="rsc-1")
    assert found.mean_time == pytest.approx(1.8 * 3600, rel=0.03)
    assert found.mean_time / 8 == pytest.approx(0.23 * 3600, rel=0.03)


def test_opt_175b_is_interrupted_every_7_and_a_half_hours():
    assert left(992, rates="opt-175b").mean_time == pytest.approx(7.5 * 3600)


def test_9600_gpus_train_near_the_97_percent_of_byterobust():
    """arXiv:2509.16293: 97 % over three months; its own restarts are faster than those assumed."""
    found = left(9600)
    assert found.effective == pytest.approx(0.97, abs=0.03)


def test_cables_of_the_published_fabric_are_those_that_rates_were_divided_by():
    found = left()
    counted = {cause.per: cause.components for cause in found.causes}
    facts = found.rates[0].facts
    assert counted["cable"] == facts["cables"].value
    assert counted["gpu"] == facts["gpus"].value
    assert counted["node"] == facts["nodes"].value


def test_days_and_dollars_hold_interruptions_and_spares():
    model = nm.load_model("llama-3.1-405b")
    run = training_run(model, CLUSTER, 16384, 15.6e12)
    found = goodput(CLUSTER, 16384, state=run.state, run=run, rent=2 / 3600)
    assert found.time == pytest.approx(run.seconds / found.effective)
    held = 16384 + 8 * found.spares
    assert found.dollars.typical == pytest.approx(2 * held * found.time / 3600)


def test_llama_3_405b_takes_the_published_gpu_hours():
    """30.84 million H100 hours (model card of Llama 3.1) for 15.6T tokens."""
    model = nm.load_model("llama-3.1-405b")
    run = training_run(model, CLUSTER, 16384, 15.6e12)
    found = goodput(CLUSTER, 16384, state=run.state, run=run)
    assert found.time / 3600 * 16384 == pytest.approx(30.84e6, rel=0.08)


def test_older_accelerators_take_older_rates():
    cluster = nm.load_cluster("dgx-superpod-a100")
    assert goodput(cluster, 1024, state=1e12).rates[0].name == "rsc-1"
    assert left().rates[0].name == "llama-3-405b"


MIX = nm.load_cluster("hybrid-a100-h100-mi300x")


def test_a_mix_fails_as_often_as_its_groups_do():
    """Each group at the rates of its generation: the counts of 32 hosts of each kind."""
    found = goodput(MIX, 768, state=1e12)
    assert [each.name for each in found.rates] == ["rsc-1", "llama-3-405b"]
    ampere = [cause for cause in found.causes if cause.of == "A100-SXM-80GB"]
    assert {cause.per: cause.components for cause in ampere} == {"node": 32}
    alone = goodput(nm.load_cluster("dgx-superpod-a100"), 256, state=1e12)
    assert sum(cause.rate for cause in ampere) == pytest.approx(alone.rate)
    newer = {cause.per: cause.components for cause in found.causes if cause not in ampere}
    assert newer == {"gpu": 512, "node": 64, "cable": 512 + 768 * 2 / 3}
    assert any("GPUs of several kinds" in note for note in found.notes)
    assert found.to_dict()["rates"] == "rsc-1, llama-3-405b"


def test_stated_rates_hold_for_every_group():
    found = goodput(MIX, 768, state=1e12, policy=Policy(rates="rsc-1"))
    assert [cause.of for cause in found.causes] == [""]
    assert found.causes[0].components == 96


def test_storage_is_reached_through_the_nics_that_there_are():
    """256 NICs of 200 Gbit/s and 512 of 400."""
    found = goodput(MIX, 768, state=1e15, policy=Policy(storage_bandwidth=1e15))
    assert found.bandwidth == pytest.approx(256 * 25e9 + 512 * 50e9)


def test_a_goodput_prints_well():
    first, *rest = str(left()).splitlines()
    assert "16,384 GPUs" in first
    assert len(rest) == len(left().shares)


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        ({"storage_bandwidth": 0.0}, "--storage-bandwidth"),
        ({"interval": 0.0}, "--interval"),
        ({"stall": 1e9}, "--checkpoint-stall"),
        ({"rates": "llama-3"}, "--rates"),
    ],
)
def test_what_cannot_be_is_refused(policy, where):
    with pytest.raises(InputError) as caught:
        left(**policy)
    assert where in str(caught.value)
