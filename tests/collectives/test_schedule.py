"""Schedules move what they must, and the closed forms count the same bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.collectives import ALGORITHMS, schedule
from netmodel.collectives.group import group_of
from netmodel.collectives.schedule import egress, pairs, traffic_matrix
from netmodel.collectives.tree import double_tree, parents, tree_egress
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers

WRITTEN = sorted(
    (name, kind)
    for name, module in ALGORITHMS.items()
    if hasattr(module, "schedule")
    for kind in module.KINDS
)


def replay(steps, ranks, kind):
    """Follow what every rank holds of each other's contribution, as a set a block."""
    held = [{rank} for rank in range(ranks)]
    for each in steps:
        for _ in range(each.repeat):
            before = [set(known) for known in held]
            for src, dst in zip(each.src.tolist(), each.dst.tolist(), strict=True):
                held[dst] |= before[src]
    return held


@given(
    st.sampled_from(
        [pair for pair in WRITTEN if pair[1] in ("all_reduce", "all_gather", "all_to_all")]
    ),
    st.integers(1, 5),
    st.sampled_from([1, 2, 4]),
)
@settings(max_examples=80, deadline=None)
def test_everybody_hears_of_everybody(pair, domains, local):
    """The least that any collective must do, checked by following who could know of whom."""
    name, kind = pair
    ranks = domains * local
    if ranks < 2:
        ranks, local = 2, 1
    held = replay(schedule(name, kind, ranks, local), ranks, kind)
    assert all(known == set(range(ranks)) for known in held)


@pytest.mark.parametrize(("domains", "local"), [(1, 8), (2, 8), (4, 8), (8, 4), (16, 1), (32, 2)])
@pytest.mark.parametrize(("name", "kind"), WRITTEN)
def test_the_closed_form_counts_the_bytes_of_the_schedule(name, kind, domains, local):
    """The busiest domain's bytes, sent on all its NICs alike, are the closed form's egress."""
    ranks = domains * local
    tiers = Tiers(
        names=("nvlink", "leaf"),
        unit=(local, ranks),
        bandwidth=(450e9, 50e9),
        latency=(0.0, 0.0),
        links=("a", "b"),
    )
    counted = ALGORITHMS[name].traffic(kind, 1.0, group_of(tiers.span(ranks)))
    matrix = traffic_matrix(schedule(name, kind, ranks, local), ranks)
    blocks = matrix.reshape(domains, local, domains, local).sum(axis=(1, 3))
    np.fill_diagonal(blocks, 0)
    if name in ("one_shot", "two_shot") and domains > 1:
        assert counted.egress[0] == 0  # one domain only
        return
    if name == "pat" and local > 1:
        return  # one GPU a node only
    out, into = blocks.sum(axis=1), blocks.sum(axis=0)
    busiest = np.maximum(out, into).max() / local
    expected = counted.egress[0]
    if name == "p2p":
        busiest *= local  # one message crosses, over one NIC
    if name == "bruck":  # the last rank of a domain sends beyond it in every step
        rank = np.arange(ranks)
        beyond = np.where(rank[:, None] // local != rank // local, matrix, 0)
        busiest = beyond.sum(axis=1).max()
    assert busiest == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("nodes", range(2, 40))
def test_the_double_tree_is_two_spanning_trees_in_which_nobody_works_twice(nodes):
    for parent in double_tree(nodes):
        root = int(np.flatnonzero(parent < 0)[0])
        for node in range(nodes):
            climbed = 0
            while node != root:
                node = int(parent[node])
                climbed += 1
            assert climbed <= 2 * np.ceil(np.log2(nodes))
        assert np.bincount(parent[parent >= 0], minlength=nodes).max() <= 2
    inner = [set(parent[parent >= 0].tolist()) for parent in double_tree(nodes)]
    if nodes % 2 == 0 and nodes > 2:
        assert not inner[0] & inner[1]


@pytest.mark.parametrize("nodes", range(2, 40))
def test_no_unit_of_a_double_tree_sends_more_than_the_closed_form_says(nodes):
    """2 S at most, S between two: counted on the real edges."""
    sent = egress(schedule("tree", "all_reduce", nodes), nodes)
    assert sent.max() == tree_egress(1.0, nodes)


def test_the_first_tree_is_that_of_nccl():
    assert parents(8).tolist() == [-1, 2, 4, 2, 0, 6, 4, 6]


@pytest.mark.parametrize(("domains", "local"), [(2, 8), (4, 8), (16, 4)])
def test_a_ring_between_domains_stays_on_its_rail(domains, local):
    src, dst, _ = pairs(schedule("ring", "all_reduce", domains * local, local))
    across = src // local != dst // local
    assert across.any()
    assert (src[across] % local == dst[across] % local).all()


def test_pairs_and_matrix_hold_the_same_bytes():
    steps = schedule("halving_doubling", "all_reduce", 12)
    src, dst, share = pairs(steps)
    matrix = traffic_matrix(steps, 12)
    assert matrix[src, dst].tolist() == pytest.approx(share.tolist())
    assert matrix.sum() == pytest.approx(share.sum())
    assert egress(steps, 12).tolist() == pytest.approx(matrix.sum(axis=1).tolist())


def test_what_cannot_be_written_out_is_refused():
    with pytest.raises(InputError, match="leaves the reduction to switches"):
        schedule("nvls", "all_reduce", 8)
    with pytest.raises(InputError, match="tree cannot do all_to_all"):
        schedule("tree", "all_to_all", 8)
    with pytest.raises(InputError, match="no algorithm is named 'rign'"):
        schedule("rign", "all_reduce", 8)
    with pytest.raises(InputError, match="do not divide"):
        schedule("ring", "all_reduce", 12, 8)
