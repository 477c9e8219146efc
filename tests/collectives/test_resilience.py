"""What one bad cable, NIC or leaf costs the collectives of a job."""

import numpy as np
import pytest
from netmodel import collectives
from netmodel.collectives.resilience import USUAL, collective_slowdowns
from netmodel.network import single_failures
from netmodel.topology import load_cluster

LIBRARY = collectives.library("hopper", "NVLink4", "InfiniBand-NDR")
WIRING = load_cluster("dgx-superpod-h100").wiring(2048)


def test_one_failure_of_each_kind_in_a_job_of_2048():
    """Every collective slows or stays; without adaptive routing a cable costs at least as much."""
    failures = single_failures(WIRING)
    found = collective_slowdowns(WIRING, failures.values(), LIBRARY)
    assert set(failures) == {"leaf-spine", "nic", "leaf"}
    assert len(found) == 3 * len(USUAL) * 2
    assert all(each.slowdown >= 1 - 1e-9 for each in found)
    assert all(np.isfinite(each.slowdown) for each in found)
    by = {(each.failure, each.traffic, each.policy): each.slowdown for each in found}
    for failure in failures.values():
        for kind in USUAL:
            assert by[failure, kind, "static"] >= by[failure, kind, "adaptive"] * (1 - 1e-9)
    assert by[failures["nic"], "all_to_all", "adaptive"] > 1.5
    assert by[failures["leaf"], "all_reduce", "adaptive"] > 1.2
    cable = failures["leaf-spine"]
    assert by[cable, "all_to_all", "adaptive"] == pytest.approx(1.0, abs=0.05)
    assert by[cable, "all_to_all", "static"] > 1.5


def test_a_cut_is_told_not_raised():
    wiring = load_cluster("dgx-superpod-h100").wiring(64)
    (found,) = collective_slowdowns(
        wiring, ["node0003-nic*"], LIBRARY, kinds=["all_reduce"], policies=["adaptive"]
    )
    assert found.after == np.inf
    assert "cannot reach" in found.bottleneck
