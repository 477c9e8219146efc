"""Tori, meshes, hypercubes, HyperX and HammingMesh."""

import networkx as nx
import numpy as np
import pytest
from netmodel.errors import InputError
from netmodel.graph import to_networkx
from netmodel.topology import load_cluster, make_cluster
from netmodel.topology.lattice import lattice_pairs


def chips(gpus, **fabric):
    """A cluster of bare accelerators."""
    return make_cluster(
        {
            "name": "chips",
            "description": "bare accelerators",
            "sources": ["hand-made"],
            "gpus": gpus,
            "nodes": {"accelerator": "TPU-v4", "gpus": 1, "nics": 0},
            "fabric": {"link": "ICI-v4", **fabric},
        }
    )


@pytest.mark.parametrize(
    ("shape", "cables", "diameter", "bisection"),
    [((4, 4, 4), 192, 6, 32), ((16, 16, 16), 12288, 24, 512), ((16, 16), 512, 16, 32)],
)
def test_torus_counts(shape, cables, diameter, bisection):
    n = int(np.prod(shape))
    wiring = chips(n, family="torus", shape=list(shape), dimensions=len(shape)).wiring()
    (group,) = wiring.cables
    assert len(group.a) == cables
    ends = np.concatenate([group.a, group.b])
    assert set(np.bincount(ends)) == {2 * len(shape)}
    assert (np.sign(group.a - n / 2 + 0.5) != np.sign(group.b - n / 2 + 0.5)).sum() == bisection
    reach = nx.single_source_shortest_path_length(to_networkx(wiring), "node0000-gpu0")
    assert max(reach.values()) == diameter  # all nodes are alike
    assert len(reach) == n


@pytest.mark.parametrize("shape", [(3,), (8,), (3, 5), (4, 6), (5, 5), (3, 4, 6), (3, 3, 3, 4)])
def test_the_torus_formulas(shape):
    """Cables n N, 2n at a node, half the extents across; a ring is a torus of one dimension."""
    n = int(np.prod(shape))
    a, b, _ = lattice_pairs(shape, wrap=True)
    graph = nx.Graph(zip(a.tolist(), b.tolist(), strict=True))
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (n, len(shape) * n)
    assert {degree for _, degree in graph.degree} == {2 * len(shape)}
    assert nx.eccentricity(graph, 0) == sum(extent // 2 for extent in shape)
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    if shape[longest] % 2 == 0:
        half = np.indices(shape)[longest].ravel() < shape[longest] // 2
        assert (half[a] != half[b]).sum() == 2 * n // shape[longest]


def test_a_cube_without_wrap_is_a_mesh_with_96_open_ports():
    wiring = chips(64, family="torus", shape=[4, 4, 4], wrap=False).wiring()
    (group,) = wiring.cables
    assert len(group.a) == 144
    assert 64 * 6 - 2 * 144 == 6 * 16 == 96


def test_short_dimensions_of_a_tpu_slice_do_not_wrap():
    cluster = load_cluster("tpu-v4")
    assert [len(cluster.wiring(n).cables[0].a) for n in (8, 64, 4096)] == [12, 192, 12288]


def test_a_dimension_of_two_has_one_cable_a_pair():
    a, _, cables = lattice_pairs((2, 2), wrap=True)
    assert len(a) == 4
    assert cables.tolist() == [1, 1, 1, 1]
    assert len(lattice_pairs((1, 3), wrap=True)[0]) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 60, 61, 100])
def test_any_number_of_chips_makes_a_connected_torus(count):
    assert nx.is_connected(chips(count, family="torus").graph())
    assert nx.is_connected(chips(count, family="hypercube").graph())


def test_a_full_hypercube():
    graph = chips(16, family="hypercube").graph()
    assert graph.number_of_edges() == 32
    assert nx.diameter(graph) == 4
    assert nx.is_isomorphic(nx.Graph(graph.edges), nx.hypercube_graph(4))


@pytest.mark.parametrize(
    ("shape", "hosts", "switches", "endpoints", "radix", "cables"),
    [
        ((8, 8), 8, 64, 512, 22, 448),
        ((16, 16), 16, 256, 4096, 46, 3840),
        ((4, 4, 4), 4, 64, 256, 13, 288),
    ],
)
def test_hyperx_counts(
    shape, hosts, switches, endpoints, radix, cables, count, one_nic_hosts, diameter
):
    cluster = one_nic_hosts(
        endpoints, family="hyperx", shape=list(shape), hosts_per_router=hosts, radix=radix
    )
    wiring = cluster.wiring()
    made = count(wiring)
    assert (made.switches, made.cables["local"]) == (switches, cables)
    assert set(made.degree[wiring.of_kind("router")]) == {radix}
    assert cluster.max_gpus == endpoints
    assert diameter(wiring) == len(shape)


def test_hamming_mesh_boards_meet_on_row_and_column_switches(count):
    """Every accelerator of a 2x2 board has two cables on the board and two to switches."""
    wiring = load_cluster("hamming-mesh-2x2").wiring()
    made = count(wiring)
    assert set(made.degree[wiring.gpus]) == {4}
    assert made.cables["ici"] == 4 * 256
    assert made.cables["host-leaf"] == 2 * 1024
    assert made.nodes["leaf"] == 2 * 16 + 2 * 16
    assert set(made.degree[wiring.of_kind("leaf")]) == {2 * 16}


def test_hamming_mesh_of_single_chips_gives_each_four_cables_to_two_switches(count):
    cluster = chips(36, family="hamming-mesh", board=[1, 1], grid=[6, 6])
    wiring = cluster.wiring()
    made = count(wiring)
    assert set(made.degree[wiring.gpus]) == {4}
    assert made.nodes["leaf"] == 12
    assert nx.is_connected(cluster.graph(5))


def test_a_hamming_mesh_row_must_fit_one_switch():
    with pytest.raises(InputError, match="needs 80 ports on one switch, it has 64"):
        chips(16, family="hamming-mesh", board=[2, 2], grid=[4, 40], radix=64)


@pytest.mark.parametrize(("name", "published"), [("tpu-v5e", 1.6e12), ("tpu-v6e", 3.2e12)])
def test_the_bisection_of_a_tpu_pod_is_as_published(name, published):
    """docs.cloud.google.com/tpu: 1.6 and 3.2 TB/s across the middle of 16x16 chips."""
    (group,) = load_cluster(name).wiring().cables
    across = (group.a < 128) != (group.b < 128)
    assert across.sum() * group.bandwidth == published
