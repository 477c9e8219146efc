"""Whose bytes cross a link, against the paths themselves."""

import numpy as np
import pytest
from netmodel.network import Ways, compile_network, link_loads, routes
from netmodel.network import traffic as patterns

GB = 1e9


@pytest.fixture(scope="module")
def rails(fabric):
    return Ways(compile_network(fabric.leaf_spine(8, 4, 2, rail=True)))


def test_an_incast_is_named_by_its_senders(rails):
    sent = patterns.flows(np.array([4, 8, 12]), np.zeros(3, int), 1e9)
    loads = link_loads(rails, sent)
    hot = loads.hottest(1)[0]
    assert hot.name == "leaf-0-0:n0-nic0"
    shared = loads.sharers(hot.link)
    assert shared.receivers == ("n0-nic0",)
    assert shared.senders == ("n1-nic0", "n2-nic0", "n3-nic0")
    assert (shared.pairs, str(shared)) == (3, "n1-nic0, n2-nic0, n3-nic0 -> n0-nic0")


@pytest.mark.parametrize("policy", ["adaptive", "ecmp", "static"])
def test_links_without_bytes_have_no_sharers_and_loaded_ones_have(policy, rails):
    sent = patterns.permutation(np.arange(32), 1e9, np.random.default_rng(3))
    loads = link_loads(rails, sent, policy=policy)
    for link in np.flatnonzero(rails.network.layer > 1):
        assert (loads.sharers(int(link)).pairs > 0) == (loads.bytes[link] > 0)


def test_sharers_of_a_hashed_link_are_the_ends_of_its_paths(rails):
    sent = patterns.permutation(np.arange(32), 1e9, np.random.default_rng(4))
    found = routes(rails, sent.source, sent.target, policy="ecmp")
    loads = link_loads(rails, sent, policy="ecmp")
    names = rails.network.wiring.names
    for link in np.flatnonzero(rails.network.layer == 3):
        on = found.flow[(found.paths == link).any(axis=1)]
        ports = rails.port[rails.forwarder[sent.source[on], rails.rail[sent.target[on]]], 0]
        assert set(loads.sharers(int(link)).senders) == set(names(ports))


def test_an_exchange_that_was_counted_names_who_may_cross(rails, monkeypatch):
    monkeypatch.setattr("netmodel.network.ledger.LISTED", 0)
    loads = link_loads(rails, patterns.all_to_all(np.arange(32), 1e9))
    uplink = loads.network.link_names(range(loads.network.n_links)).index("leaf-0-2:spine-1")
    shared = loads.sharers(uplink)
    assert shared.senders == tuple(f"n{host}-nic2" for host in range(4))
    assert shared.receivers == tuple(f"n{host}-nic2" for host in range(4, 8))
    assert shared.pairs == 16
    assert str(shared).endswith("and 1 more")
