"""Max-min fair rates: feasible, fair, and blind to names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.network.maxmin import maxmin_rates


def rows(routes):
    """Routes as compressed rows."""
    indptr = np.cumsum([0, *(len(route) for route in routes)])
    return indptr, np.array([link for route in routes for link in route], int)


@st.composite
def networks(draw, equal=False):
    """Draw up to 8 links and up to 24 flows over one to four different links each."""
    links = draw(st.integers(1, 8))
    bandwidth = st.just(10.0) if equal else st.floats(0.5, 100.0)
    capacity = np.array(draw(st.lists(bandwidth, min_size=links, max_size=links)))
    route = st.lists(st.integers(0, links - 1), min_size=1, max_size=4, unique=True)
    routes = draw(st.lists(route, min_size=1, max_size=24))
    return capacity, routes


def loads(capacity, routes, rates):
    total = np.zeros(len(capacity))
    for route, rate in zip(routes, rates, strict=True):
        total[route] += rate
    return total


@settings(max_examples=50, deadline=None)
@given(networks())
def test_no_link_carries_more_than_it_can(network):
    capacity, routes = network
    rates = maxmin_rates(capacity, *rows(routes))
    assert np.all(rates > 0)
    assert np.all(loads(capacity, routes, rates) <= capacity * (1 + 1e-9))


@settings(max_examples=50, deadline=None)
@given(st.one_of(networks(), networks(equal=True)))
def test_every_flow_crosses_a_full_link_on_which_no_flow_is_faster(network):
    """Max-min fairness means no more than that, and only one allocation has it."""
    capacity, routes = network
    rates = maxmin_rates(capacity, *rows(routes))
    full = loads(capacity, routes, rates) >= capacity * (1 - 1e-9)
    fastest = np.zeros(len(capacity))
    for route, rate in zip(routes, rates, strict=True):
        fastest[route] = np.maximum(fastest[route], rate)
    for route, rate in zip(routes, rates, strict=True):
        assert any(full[link] and rate >= fastest[link] * (1 - 1e-9) for link in route)


def one_link_at_a_time(capacity, routes):
    """Textbook filling: close the one link with the smallest share, then look again."""
    free, rates = capacity.copy(), np.zeros(len(routes))
    open_flows = set(range(len(routes)))
    while open_flows:
        crossing = {
            link: [flow for flow in open_flows if link in routes[flow]]
            for link in range(len(capacity))
        }
        share, link = min((free[link] / len(on), link) for link, on in crossing.items() if on)
        for flow in crossing[link]:
            rates[flow] = share
            free[routes[flow]] -= share
            open_flows.remove(flow)
    return rates


@settings(max_examples=50, deadline=None)
@given(networks())
def test_closing_all_local_bottlenecks_equals_closing_one_link_at_a_time(network):
    capacity, routes = network
    rates = maxmin_rates(capacity, *rows(routes))
    assert rates == pytest.approx(one_link_at_a_time(capacity, routes), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(networks(), st.randoms(use_true_random=False))
def test_names_of_links_and_order_of_flows_change_nothing(network, random):
    capacity, routes = network
    rates = maxmin_rates(capacity, *rows(routes))
    names = list(range(len(capacity)))
    order = list(range(len(routes)))
    random.shuffle(names)
    random.shuffle(order)
    renamed = np.empty_like(capacity)
    renamed[names] = capacity
    shuffled = [[names[link] for link in routes[flow]] for flow in order]
    assert maxmin_rates(renamed, *rows(shuffled)) == pytest.approx(rates[order], rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(networks(), st.lists(st.integers(1, 4), min_size=24, max_size=24))
def test_a_weight_stands_for_so_many_equal_flows(network, weights):
    capacity, routes = network
    weights = weights[: len(routes)]
    copies = [route for route, n in zip(routes, weights, strict=True) for _ in range(n)]
    one = maxmin_rates(capacity, *rows(routes), np.array(weights, float))
    each = maxmin_rates(capacity, *rows(copies))
    assert np.repeat(one, weights) == pytest.approx(each, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(networks(), st.integers(0, 7), st.floats(1.0, 10.0))
def test_the_slowest_flow_never_loses_by_more_bandwidth(network, link, factor):
    capacity, routes = network
    before = maxmin_rates(capacity, *rows(routes)).min()
    wider = capacity.copy()
    wider[link % len(capacity)] *= factor
    assert maxmin_rates(wider, *rows(routes)).min() >= before * (1 - 1e-9)


def test_a_dumbbell_shares_its_middle():
    """Three pairs on access links of 10 share a middle link of 6."""
    capacity = np.array([10.0, 10, 10, 6, 10, 10, 10])
    rates = maxmin_rates(capacity, *rows([[i, 3, 4 + i] for i in range(3)]))
    assert rates.tolist() == [2.0, 2.0, 2.0]


def test_a_parking_lot_gives_the_long_flow_half_of_every_link():
    rates = maxmin_rates(np.full(4, 10.0), *rows([[0, 1, 2, 3], [0], [1], [2], [3]]))
    assert rates.tolist() == [5.0] * 5


def test_two_bottlenecks_fill_at_their_own_level():
    """Link 0 gives three flows 3 each; the one that goes on leaves 17 of link 1."""
    rates = maxmin_rates(np.array([9.0, 20.0]), *rows([[0], [0], [0, 1], [1]]))
    assert rates.tolist() == [3.0, 3.0, 3.0, 17.0]


def test_a_flow_that_crosses_no_link_is_not_slowed():
    assert maxmin_rates(np.array([8.0]), *rows([[], [0], []])).tolist() == [np.inf, 8.0, np.inf]


def test_a_dead_link_stops_only_its_own_flows():
    assert maxmin_rates(np.array([0.0, 8.0]), *rows([[0, 1], [1]])).tolist() == [0.0, 8.0]


def test_a_link_crossed_twice_is_paid_twice():
    assert maxmin_rates(np.array([9.0]), *rows([[0, 0], [0]])).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("capacity", "indptr", "links", "weights", "where"),
    [
        ([-1.0], [0, 1], [0], None, "capacity"),
        ([np.nan], [0, 1], [0], None, "capacity"),
        ([1.0], [0, 2], [0], None, "indptr"),
        ([1.0], [1, 1], [0], None, "indptr"),
        ([1.0], [0, 1], [1], None, "links"),
        ([1.0], [0, 1], [-1], None, "links"),
        ([1.0], [0, 1], [0], [0.0], "weights"),
        ([1.0], [0, 1], [0], [1.0, 1.0], "weights"),
    ],
)
def test_impossible_arrays_are_refused(capacity, indptr, links, weights, where):
    with pytest.raises(InputError) as caught:
        maxmin_rates(np.array(capacity), np.array(indptr), np.array(links), weights)
    assert caught.value.where == where
