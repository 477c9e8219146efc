"""Slim Fly: MMS graphs of diameter 2, also over fields that are no integers modulo q."""

import networkx as nx
import numpy as np
import pytest
from netmodel.errors import InputError
from netmodel.topology import load_cluster
from netmodel.topology.galois import galois_field, prime_power
from netmodel.topology.slim_fly import counts, router_pairs

TABLE = {  # q: routers, network radix, cables, hosts a router, hosts
    5: (50, 7, 175, 4, 200),
    7: (98, 11, 539, 6, 588),
    13: (338, 19, 3211, 10, 3380),
    17: (578, 25, 7225, 13, 7514),
    19: (722, 29, 10469, 15, 10830),
    25: (1250, 37, 23125, 19, 23750),
    27: (1458, 41, 29889, 21, 30618),
}


@pytest.mark.parametrize("q", TABLE)
def test_generated_graphs_have_the_published_size(q, count, one_nic_hosts):
    routers, radix, cables, each, hosts = TABLE[q]
    wiring = one_nic_hosts(hosts, family="slim-fly", q=q, radix=radix + each).wiring()
    made = count(wiring)
    assert (made.switches, made.cables["local"], made.cables["host-leaf"]) == (
        routers,
        cables,
        hosts,
    )
    assert set(made.degree[wiring.of_kind("router")]) == {radix + each}
    size = counts(q)
    assert (size.routers, size.network_radix, size.cables, size.hosts) == (
        routers,
        radix,
        cables,
        hosts,
    )


@pytest.mark.parametrize("q", [3, 4, 5, 7, 8, 9, 13, 16, 17, 19, 25, 27])
def test_every_two_routers_are_at_most_two_cables_apart(q):
    a, b = router_pairs(q)
    n = 2 * q * q
    joined = np.zeros((n, n), np.float32)
    joined[a, b] = joined[b, a] = 1
    assert joined.sum() == 2 * len(a)  # no pair twice, none with itself
    within_two = joined @ joined + joined + np.eye(n, dtype=np.float32)
    assert within_two.min() > 0


def test_q_5_is_the_hoffman_singleton_graph():
    a, b = router_pairs(5)
    graph = nx.Graph(zip(a.tolist(), b.tolist(), strict=True))
    assert nx.girth(graph) == 5
    assert nx.diameter(graph) == 2
    assert nx.is_isomorphic(graph, nx.hoffman_singleton_graph())


def test_no_graph_of_q_28_exists():
    with pytest.raises(
        InputError, match=r"q = 28 is not a prime power.*Use one of 25, 27, 29"
    ) as error:
        load_cluster("slim-fly-27", ["fabric.q=28"])
    assert error.value.where == "--set fabric.q=28"


@pytest.mark.parametrize("q", [4, 8, 9, 25, 27])
def test_fields_keep_the_laws_of_arithmetic(q):
    """Commutative, associative, distributive, every non-zero element invertible."""
    field = galois_field(q)
    add, multiply = field.add, field.multiply
    e = np.arange(q)
    assert (add == add.T).all()
    assert (multiply == multiply.T).all()
    x, y, z = np.meshgrid(e, e, e, indexing="ij")
    assert (add[add[x, y], z] == add[x, add[y, z]]).all()
    assert (multiply[multiply[x, y], z] == multiply[x, multiply[y, z]]).all()
    assert (multiply[x, add[y, z]] == add[multiply[x, y], multiply[x, z]]).all()
    assert (np.sort(multiply[1:, 1:], axis=1) == np.arange(1, q)).all()
    assert sorted(field.powers) == list(range(1, q))


def test_prime_powers_are_told_from_other_numbers():
    assert [q for q in range(2, 33) if prime_power(q)] == [
        2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 19, 23, 25, 27, 29, 31, 32,
    ]  # fmt: skip
