"""Placements: who runs where, and what it does to a ring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.network import PLACEMENTS, compile_network, link_loads, place
from netmodel.network import traffic as patterns
from netmodel.network.placement import listed


@pytest.fixture(scope="module")
def rails(fabric):
    return fabric.wire(fabric.leaf_spine(8, 4, 2, rail=True))


@settings(max_examples=30, deadline=None)
@given(how=st.sampled_from(PLACEMENTS), ranks=st.integers(1, 32), seed=st.integers(0, 99))
def test_every_rank_has_a_gpu_of_its_own(rails, how, ranks, seed):
    gpus = place(rails, ranks, how, seed)
    assert len(set(gpus.tolist())) == len(gpus) == ranks
    assert set(gpus.tolist()) <= set(range(32))


def test_placements_by_hand(rails):
    assert place(rails, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert place(rails, 8, "strided").tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    hosts = place(rails, 32, "random-hosts", 1).reshape(8, 4)
    assert (np.diff(hosts, axis=1) == 1).all()
    assert (place(rails, 32, "random", 1) != place(rails, 32, "random", 2)).any()


def test_a_ring_wants_its_neighbours_near(rails):
    network, sent = compile_network(rails), {}
    for how in ("packed", "strided"):
        loads = link_loads(network, patterns.ring(place(rails, 32, how), 1e9))
        sent[how] = loads.bytes[network.layer > 1].sum()
    assert sent["packed"] < sent["strided"] / 2


def test_a_list_of_names_places_ranks(rails):
    assert listed(rails, ["n1-gpu2", "n0-gpu0"]).tolist() == [6, 0]
    with pytest.raises(InputError, match=r"^hosts.txt:2: no GPU is named 'n1-gpu9'"):
        listed(rails, ["n1-gpu2", "n1-gpu9"], where="hosts.txt")
    with pytest.raises(InputError, match="n1-gpu2 runs rank 0 and rank 1"):
        listed(rails, ["n1-gpu2", "n1-gpu2"])


def test_wrong_placements_are_refused(rails):
    with pytest.raises(InputError, match="33 ranks on a fabric of 32 GPUs"):
        place(rails, 33)
    with pytest.raises(InputError, match="no placement is named 'rand'"):
        place(rails, 4, "rand")
