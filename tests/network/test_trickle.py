"""Sparse traffic spread along the links that it reaches: the same bytes as spread everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.graph import from_networkx
from netmodel.network import traffic
from netmodel.network.arrays import compile_network
from netmodel.network.load import link_loads
from netmodel.network.ports import Ways
from netmodel.network.trickle import is_sparse, trickle

from .conftest import dragonfly, leaf_spine, three_tier, torus

WAYS = {
    name: Ways(compile_network(wiring))
    for name, wiring in {
        "rails": from_networkx(leaf_spine(rail=True)),
        "three tiers": from_networkx(three_tier()),
        "dragonfly": from_networkx(dragonfly()),
        "torus": torus((4, 4)),
    }.items()
}
STAGES = {f"{name} {which}": (WAYS[name], which) for name in WAYS for which in ("up", "out")}


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(STAGES)), st.sampled_from(["", "_direct"]), st.data())
def test_bytes_are_those_of_the_dense_way(name, direct, data):
    ways, which = STAGES[name]
    stage = getattr(ways, which + (direct if which == "out" else ""))
    if not len(stage.endpoints):
        return
    shape = (stage.n_groups, stage.width)
    cell = st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1))
    cells = np.array(data.draw(st.lists(cell, min_size=1, max_size=6)))
    matrix = np.zeros(shape)
    matrix[cells[:, 0], cells[:, 1]] = data.draw(st.sampled_from([1.0, 3.0, 1e9]))
    matrix[stage.distance_of_groups < 0] = 0.0
    dense = np.zeros(len(stage.arcs.source))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netmodel.network.stage.is_sparse", lambda matrix: False)
        dense = stage.spray(matrix)
    assert trickle(stage, matrix) == pytest.approx(dense, rel=1e-12, abs=1e-12)


def test_a_ring_is_sparse_and_an_exchange_is_not():
    ways = WAYS["torus"]
    assert is_sparse(np.eye(32))
    assert not is_sparse(np.ones((32, 32)))
    ring = traffic.ring(np.arange(16), 1.0)
    assert link_loads(ways, ring).bytes.sum() >= 16
