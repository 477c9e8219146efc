"""What other parts cost is one bill less another."""

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.studies.layouts import Request
from netmodel.studies.whatif import Change, whatif
from netmodel.studies.whatif_purchase import Difference, purchase

POD = "dgx-superpod-h100"


def changed(*overrides, gpus=512, saved=0.0):
    return purchase(nm.load_cluster(POD), nm.load_cluster(POD, overrides=overrides), gpus, saved)


@settings(max_examples=12, deadline=None)
@given(ratio=st.sampled_from([1, 2, 4, 8]), other=st.sampled_from([1, 2, 4, 8]))
def test_a_change_and_its_way_back_cost_nothing(ratio, other):
    there, back = (
        purchase(
            nm.load_cluster(POD, overrides=(f"fabric.oversubscription={a}",)),
            nm.load_cluster(POD, overrides=(f"fabric.oversubscription={b}",)),
            512,
            0.0,
        )
        for a, b in ((ratio, other), (other, ratio))
    )
    assert there.difference.typical == pytest.approx(-back.difference.typical)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert (there.difference.typical == 0) == (ratio == other)


def test_the_difference_is_that_of_the_whole_bills():
    found = changed("nodes.accelerator=B200")
    for end in ("low", "typical", "high"):
        whole = getattr(found.after.purchase, end) - getattr(found.before.purchase, end)
        assert getattr(found.difference, end) == pytest.approx(whole)
    hosts = catalog.price("node-b200").typical - catalog.price("node-h100").typical
    assert found.difference.typical == pytest.approx(64 * hosts)
    drawn = catalog.price("power-dgx-b200").typical - catalog.price("power-dgx-h100").typical
    assert found.power.typical == pytest.approx(64 * drawn)


def test_parts_that_stay_need_no_price():
    """Such hosts have none; thinner uplinks still save what switches and cables cost."""
    odd = "nodes.accelerator=MI250X"
    before = nm.load_cluster(POD, overrides=(odd,))
    after = nm.load_cluster(POD, overrides=(odd, "fabric.oversubscription=4"))
    found = purchase(before, after, 512, 0.0)
    assert found.before.purchase is None
    assert found.difference.typical < 0


def test_a_part_without_a_price_leaves_the_difference_open_and_is_named():
    found = changed("nodes.accelerator=MI250X")
    assert found.difference is None
    assert found.per_second_saved is None
    assert any("DGX-H100 host with MI250X" in note for note in found.notes)


def test_what_comes_with_the_host_has_no_price_of_its_own():
    found = changed("nodes.nic_bandwidth=800 Gb/s")
    assert found.difference.typical == 0
    assert found.notes == ("no price of its own for what differs in DGX-H100",)


def test_dollars_for_a_second_are_dollars_over_seconds():
    found = changed("nodes.accelerator=B200", saved=4.0)
    assert found.per_second_saved.typical == pytest.approx(found.difference.typical / 4)
    assert changed("nodes.accelerator=B200").per_second_saved is None
    assert changed("nodes.accelerator=B200", saved=-1.0).per_second_saved is None


def test_a_swap_of_gpus_says_what_it_costs_and_what_it_saves():
    cluster, model = nm.load_cluster(POD), nm.load_model("llama-3.1-8b")
    after = nm.load_cluster(POD, overrides=("nodes.accelerator=H200",))
    request = Request(strategy="tp=2,global_batch=128")
    found = whatif(model, cluster, Change(cluster=after, words="H200"), gpus=64, request=request)
    bought = found.purchase
    saved = float(found.before.step_time - found.after.step_time)
    assert bought.saved == saved > 0
    data = found.to_dict()["purchase"]
    assert data["usd_per_s_of_step_saved"]["typical"] * saved == pytest.approx(
        data["difference_usd"]["typical"]
    )
    assert {line["price_row"] for line in data["changed"]} == {"node-h100", "node-h200"}
    assert sum(line["count"] for line in data["changed"]) == 0
    broken = Change(fail=("node0003-nic2",))
    assert whatif(model, cluster, broken, gpus=64, request=request).purchase is None


def test_signs_are_written():
    assert Difference(-2.0, -1.0, 3.0).words(str) == "-1.0 (-2.0 to +3.0)"
    assert Difference(0.0, 0.0, 0.0).words(str) == "0.0"
    assert Difference(1.0, 2.0, 4.0) / 2 == Difference(0.5, 1.0, 2.0)
