"""Dragonflies and Dragonfly+: counts by formula, pairs of groups alike, full-size witnesses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError, ModelError
from netmodel.topology import load_cluster
from netmodel.topology.between_groups import between_groups


@pytest.mark.parametrize(
    ("p", "a", "h", "routers", "hosts", "local", "cross"),
    [
        (2, 4, 2, 36, 72, 54, 36),
        (4, 8, 4, 264, 1056, 924, 528),
        (16, 32, 16, 16416, 262656, 254448, 131328),
    ],
)
def test_counts_of_balanced_dragonflies(
    p, a, h, routers, hosts, local, cross, count, one_nic_hosts
):
    radix = p + h + a - 1
    cluster = one_nic_hosts(
        hosts, family="dragonfly", routers=a, hosts_per_router=p, global_ports=h, radix=radix
    )
    wiring = cluster.wiring()
    made = count(wiring)
    assert (made.switches, made.cables["local"], made.cables["global"]) == (routers, local, cross)
    assert set(made.degree[wiring.of_kind("router")]) == {radix}
    assert cluster.max_gpus == hosts


def test_a_minimal_path_has_at_most_three_cables(diameter, one_nic_hosts):
    cluster = one_nic_hosts(72, family="dragonfly", routers=4, hosts_per_router=2, global_ports=2)
    assert diameter(cluster.wiring()) == 3


@given(groups=st.integers(2, 40), ports=st.integers(1, 80))
def test_pairs_of_groups_differ_by_at_most_one_extra_pass(groups, ports):
    """No port is used twice, all are used where parity allows, and no pair is left out."""
    joint = between_groups(groups, ports)
    used = np.bincount(np.concatenate([joint.low, joint.high]), minlength=groups)
    assert used.max(initial=0) <= ports
    if ports >= groups - 1:
        assert used.min() >= ports - 1
        pairs = {tuple(sorted(pair)) for pair in zip(joint.low, joint.high, strict=True)}
        assert len(pairs) == groups * (groups - 1) // 2
    ends = set(zip(joint.low, joint.low_port, strict=True)) | set(
        zip(joint.high, joint.high_port, strict=True)
    )
    assert len(ends) == 2 * len(joint.low)


def test_frontier_has_four_cables_between_every_two_groups(count):
    wiring = load_cluster("frontier").wiring(37888)
    made = count(wiring)
    assert made.nodes["router"] == 74 * 32
    assert made.cables["global"] == 4 * 74 * 73 // 2
    assert made.cables["local"] == 74 * 32 * 31 // 2
    assert pytest.approx(1.753, abs=5e-4) == 512 / (4 * 73)
    assert made.degree[wiring.of_kind("router")].max() <= 64


def test_leonardo_has_18_cables_between_every_two_cells(count):
    wiring = load_cluster("leonardo").wiring(16560)
    made = count(wiring)
    assert (made.nodes["leaf"], made.nodes["spine"]) == (23 * 18, 23 * 18)
    assert made.cables["global"] == 18 * 23 * 22 // 2
    assert set(made.degree[wiring.of_kind("spine")]) == {18 + 22}
    assert made.cables["leaf-spine"] == 23 * 18 * 18
    rates = {group.tier: group.bandwidth * group.cables for group in wiring.cables[-3:-1]}
    assert 40 * rates["host-leaf"] / (18 * rates["leaf-spine"]) == pytest.approx(1.11, abs=0.005)


def test_a_smaller_dragonfly_has_fewer_groups(count):
    cluster = load_cluster("frontier")
    assert count(cluster.wiring(512)).nodes["router"] == 32
    assert count(cluster.wiring(513)).nodes["router"] == 64
    with pytest.raises(ModelError, match="ends at 37,888"):
        cluster.wiring(40_000)


def test_a_router_without_ports_enough_is_refused(one_nic_hosts):
    with pytest.raises(InputError, match=r"needs 2 \+ 3 \+ 2 ports and has 6"):
        one_nic_hosts(8, family="dragonfly", routers=4, hosts_per_router=2, global_ports=2, radix=6)
    with pytest.raises(InputError, match="10 groups need 9 global ports"):
        one_nic_hosts(
            8, family="dragonfly", routers=4, hosts_per_router=2, global_ports=2, groups=10
        )
