"""What one failure costs, worked by hand."""

import numpy as np
import pytest
from netmodel.network import traffic as patterns
from netmodel.network.resilience import single_failures, slowdowns, usual_traffic

GB = 1e9


@pytest.fixture(scope="module")
def rails(fabric):
    """64 GPUs: 16 hosts of 4 rails, 4 hosts a leaf, 4 spines with one cable to each leaf."""
    return fabric.wire(fabric.leaf_spine(16, 4, 4, rail=True))


def test_the_usual_failures_are_a_cable_a_nic_and_a_leaf(rails):
    assert single_failures(rails) == {
        "leaf-spine": "1 of leaf-0-0:spine-0",
        "nic": "n0-nic0",
        "leaf": "leaf-0-0",
    }


def test_one_uplink_of_four_costs_adaptive_routing_a_third(rails):
    """Four hosts on three uplinks; without adaptive routing two of them share one."""
    swap = {"swap": lambda r: patterns.flows(r, (r + 16) % 64, 1e9)}
    adaptive, static = slowdowns(rails, ["leaf-0-0:spine-0"], swap)
    assert (adaptive.policy, static.policy) == ("adaptive", "static")
    assert adaptive.before == static.before == pytest.approx(1e9 / (50 * GB))
    assert adaptive.slowdown == pytest.approx(4 / 3)
    assert static.slowdown == pytest.approx(2)
    assert adaptive.bottleneck.startswith("leaf-0-0:spine-")


def test_a_dead_nic_doubles_what_its_neighbour_carries(rails):
    rail = {"rail": usual_traffic(rails)["rail all_to_all"]}
    for found in slowdowns(rails, ["n0-nic0"], rail):
        assert found.slowdown == pytest.approx(2)
        assert "n0-nic1" in found.bottleneck


def test_a_host_that_lost_a_plane_is_reached_through_another(fabric, monkeypatch):
    """Planes without cross cables: neighbours on both sides forward over NVLink."""
    graph = fabric.leaf_spine(8, 8, 1, rail=True)
    graph.remove_node("spine-0")
    wiring = fabric.wire(graph)
    sent = {"all_to_all": lambda r: patterns.all_to_all(r, 1e9)}
    for found in slowdowns(wiring, ["n0-nic0"], sent):
        assert 1 < found.slowdown < 3
    listed = slowdowns(wiring, ["n0-nic0"], sent)
    monkeypatch.setattr("netmodel.network.ledger.LISTED", 0)
    for counted, each in zip(slowdowns(wiring, ["n0-nic0"], sent), listed, strict=True):
        assert counted.after == pytest.approx(each.after, rel=1e-9)


def test_a_dead_leaf_moves_its_hosts_to_their_other_rails(rails):
    found = slowdowns(rails, ["leaf-0-0"], policies=["adaptive"])
    assert [each.traffic for each in found] == [
        "all_reduce",
        "tree",
        "all_to_all",
        "rail all_to_all",
    ]
    assert all(1 <= each.slowdown < np.inf for each in found)
    assert found[2].slowdown > 1.2


def test_a_cut_is_told_not_raised(fabric):
    wiring = fabric.wire(fabric.leaf_spine(8, 4, 1))
    found = slowdowns(wiring, ["leaf-0-0:spine-0"], policies=["adaptive"])
    assert all(each.after == np.inf for each in found)
    assert "no way from" in found[2].bottleneck
