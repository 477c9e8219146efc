"""Flows that share links: laws of draining, SimGrid's answers, and cases done by hand."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.network import flows as flows_room
from netmodel.network.flow_case import parse_case, read_case
from netmodel.network.flows import simulate_flows
from netmodel.network.maxmin import maxmin_rates

ORACLE = Path(__file__).parents[1] / "data" / "flow_oracle"
CASES = sorted(ORACLE.glob("v*"))
MIB = 2**20


def rows(routes):
    """Routes as compressed rows."""
    indptr = np.cumsum([0, *(len(route) for route in routes)])
    return indptr, np.array([link for route in routes for link in route], int)


ENGINES = ["links", "arrays", *(["compiled"] if flows_room.has_numba() else [])]


def only(patch, engine):
    """Run everything in one engine: event by event over links, or by whole arrays."""
    patch.setattr(flows_room, "has_numba", lambda: engine == "compiled")
    patch.setattr(flows_room, "CROWD", -1 if engine == "arrays" else 10**9)
    patch.setattr(flows_room, "CREDIT", 10**9)
    patch.setattr(flows_room, "MANY", -1)


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    only(monkeypatch, request.param)
    return request.param


@st.composite
def loads(draw):
    """Draw up to 6 links, and up to 16 flows that start at few different times."""
    links = draw(st.integers(1, 6))
    column = st.lists(st.sampled_from([4.0, 10.0, 25.0]), min_size=links, max_size=links)
    capacity = np.array(draw(column))
    latency = np.array(draw(st.lists(st.floats(0, 1), min_size=links, max_size=links)))
    route = st.lists(st.integers(0, links - 1), min_size=1, max_size=4, unique=True)
    routes = draw(st.lists(route, min_size=1, max_size=16))
    n = len(routes)
    size = draw(st.lists(st.sampled_from([1.0, 20.0, 33.0, 100.0]), min_size=n, max_size=n))
    start = draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=n, max_size=n))
    return capacity, latency, routes, np.array(size), np.array(start)


def rated_at_every_event(capacity, latency, routes, size, start):
    """Rate all active flows anew at every event, with nothing remembered but bytes left."""
    joins = start + np.array([latency[route].sum() for route in routes])
    left, ends, now = size.copy(), np.full(len(routes), np.inf), joins.min()
    while np.isinf(ends).any():
        active = np.flatnonzero((joins <= now) & np.isinf(ends))
        later = joins[joins > now].min(initial=np.inf)
        rates = maxmin_rates(capacity, *rows([routes[flow] for flow in active]))
        step = min((left[active] / rates).min(initial=np.inf), later - now)
        left[active] -= rates * step
        now = later if step == later - now else now + step
        ends[active[left[active] <= 1e-9]] = now
    return ends


@settings(max_examples=50, deadline=None)
@given(loads(), st.sampled_from(ENGINES))
def test_flows_end_as_if_all_were_rated_anew_at_every_event(load, engine):
    capacity, latency, routes, size, start = load
    with pytest.MonkeyPatch.context() as patch:
        only(patch, engine)
        ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    assert ends == pytest.approx(rated_at_every_event(*load), rel=1e-7)


@settings(max_examples=50, deadline=None)
@given(loads(), st.integers(-1, 6), st.integers(0, 64), st.integers(1, 4))
def test_handing_over_between_engines_changes_nothing(load, crowd, credit, patience):
    capacity, latency, routes, size, start = load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows_room, "CROWD", crowd)
        patch.setattr(flows_room, "CREDIT", credit)
        patch.setattr(flows_room, "PATIENCE", patience)
        ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    assert ends == pytest.approx(rated_at_every_event(*load), rel=1e-7)


@settings(max_examples=50, deadline=None)
@given(loads())
def test_no_link_carries_its_flows_sooner_than_it_can(load):
    """From the first that joins to the last that ends, a link needs bytes over bandwidth."""
    capacity, latency, routes, size, start = load
    ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    joins = start + np.array([latency[route].sum() for route in routes])
    for link in range(len(capacity)):
        on = [flow for flow, route in enumerate(routes) if link in route]
        for first, last in itertools.product(on, on):
            inside = [f for f in on if joins[f] >= joins[first] and ends[f] <= ends[last]]
            needs = size[inside].sum() / capacity[link]
            assert ends[last] - joins[first] >= needs * (1 - 1e-9) or not inside


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0, 20)), min_size=1, max_size=20))
def test_a_link_with_work_never_rests(flows):
    """Whoever shares it, one link ends its last byte when a queue would."""
    size, start = np.array(flows).T
    ends = simulate_flows([2.0], [0.0], *rows([[0]] * len(flows)), size, start)
    clock = 0.0
    for at, each in sorted(zip(start, size, strict=True)):
        clock = max(clock, at) + each / 2.0
    assert ends.max() == pytest.approx(clock, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(loads(), st.randoms(use_true_random=False))
def test_names_and_order_change_nothing(load, random):
    capacity, latency, routes, size, start = load
    names, order = list(range(len(capacity))), list(range(len(routes)))
    random.shuffle(names)
    random.shuffle(order)
    inverse = np.argsort(names)
    shuffled = rows([[names[link] for link in routes[flow]] for flow in order])
    ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    again = simulate_flows(
        capacity[inverse], latency[inverse], *shuffled, size[order], start[order]
    )
    assert again == pytest.approx(ends[order], rel=1e-9)


def test_a_flow_that_joins_a_link_which_rounding_overfills_gets_its_share(engine):
    """The rates of held flows add up to 4e-16 more than the link has."""
    routes = [[1], [3, 0], [0, 1], [0], [0], [3, 0], [0, 3]]
    load = (
        np.array([10.0, 4.0, 4.0, 10.0, 4.0, 4.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        routes, np.array([20.0, 20.0, 1.0, 1.0, 1.0, 20.0, 20.0]),
        np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
    )  # fmt: skip
    capacity, latency, _, size, start = load
    ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    assert ends == pytest.approx(rated_at_every_event(*load), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(loads(), st.sampled_from([1e-3, 8.0, 1e9]))
def test_bytes_and_bandwidths_in_another_unit_end_at_the_same_time(load, unit):
    capacity, latency, routes, size, start = load
    ends = simulate_flows(capacity, latency, *rows(routes), size, start)
    again = simulate_flows(capacity * unit, latency, *rows(routes), size * unit, start)
    assert again == pytest.approx(ends, rel=1e-9)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.split("_")[0])
def test_every_flow_ends_when_simgrid_says(path, engine):
    case = read_case(path)
    open_file = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rb") as file:
        published = json.load(file)["oracle"]["finish_s"]
    ends = simulate_flows(
        case.capacity, case.latency, case.indptr, case.links, case.size, case.start
    )
    assert ends == pytest.approx(np.array(published), rel=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_and_the_compiled_one_to_the_last_bit(engine):
    case = read_case(CASES[2])
    load = (case.capacity, case.latency, case.indptr, case.links, case.size, case.start)
    ends = []
    for each in ("links", engine):
        with pytest.MonkeyPatch.context() as patch:
            only(patch, each)
            ends.append(simulate_flows(*load).tolist())
    assert ends[0] == pytest.approx(ends[1], rel=1e-12 if engine == "arrays" else 0, abs=0)


def test_there_are_four_cases_of_simgrid():
    assert len(CASES) == 4


def test_a_dumbbell_ends_its_short_flow_first(engine):
    """100 B and 300 B at 5 B/s each; from 20 s on the long one has 10 B/s."""
    routes = [[0, 2, 3], [1, 2, 4]]
    capacity = [50.0, 50, 10, 50, 50]
    ends = simulate_flows(capacity, np.zeros(5), *rows(routes), [100.0, 300.0], 0.0)
    assert ends.tolist() == [20.0, 40.0]


def test_a_parking_lot_frees_the_long_flow_when_its_last_neighbour_ends(engine):
    """The long flow has 5 B/s while any neighbour stays: 100 B by 20 s, 100 B more by 30 s."""
    routes = [[0, 1, 2], [0], [1], [2]]
    ends = simulate_flows(np.full(3, 10.0), np.zeros(3), *rows(routes), [200.0, 25, 50, 100], 0.0)
    assert ends.tolist() == [30.0, 5.0, 10.0, 20.0]


def test_a_late_flow_slows_an_early_one(engine):
    ends = simulate_flows([10.0], [0.0], *rows([[0], [0]]), [100.0, 100.0], [0.0, 5.0])
    assert ends.tolist() == [15.0, 20.0]


def test_latency_delays_when_a_flow_begins_to_share_and_nothing_else(engine):
    """The far flow joins at 5 s, so this is the case above."""
    ends = simulate_flows(
        np.array([10.0, 99]), [0.0, 5.0], *rows([[0], [1, 0]]), [100.0, 100.0], 0.0
    )
    assert ends.tolist() == [15.0, 20.0]


def test_a_bottleneck_that_ends_moves_the_next_one(engine):
    """Link 0: 3 B/s each for a, b, c; link 1 leaves d 17 B/s, until c ends and d has all 20."""
    routes = [[0], [0], [0, 1], [1]]
    ends = simulate_flows([9.0, 20.0], np.zeros(2), *rows(routes), [90.0, 90, 30, 370], 0.0)
    assert ends == pytest.approx([70 / 3, 70 / 3, 10.0, 20.0], rel=1e-12)


def test_a_flow_without_links_or_bytes_ends_when_it_joins():
    ends = simulate_flows([10.0], [2.0], *rows([[], [0], [0]]), [100.0, 0.0, 10.0], [1.0, 1.0, 1.0])
    assert ends.tolist() == [1.0, 3.0, 4.0]


def test_a_clock_that_counts_from_1970_costs_no_digits(engine):
    """A microsecond apart at 1.7e9 s: the second still finds the first one active."""
    start = 1.7e9 + np.array([0.0, 2.0**-20])
    ends = simulate_flows([1e9], [0.0], *rows([[0], [0]]), [8000.0, 8000.0], start)
    assert ends - 1.7e9 == pytest.approx([15e-6, 16e-6], abs=3e-7)


def test_a_sprayed_flow_uses_each_path_for_its_part(engine):
    """Half of a crosses each of two links of 10, b the one and c the other: 6.67 B/s for all."""
    indptr, links = rows([[0, 1], [0], [1]])
    parts = [0.5, 0.5, 1.0, 1.0]
    capacity, latency = [10.0, 10.0], [2.0, 4.0]
    alone = simulate_flows(capacity, latency, [0, 2], [0, 1], 100.0, 0.0, parts=[0.5, 0.5])
    assert alone == pytest.approx([3.0 + 100 / 20])
    ends = simulate_flows(
        capacity, [0.0, 0.0], indptr, links, [100.0, 50.0, 100.0], 0.0, parts=parts
    )
    assert ends == pytest.approx([15.0, 7.5, 15.0])


@settings(max_examples=50, deadline=None)
@given(loads(), st.integers(1, 4), st.sampled_from(ENGINES))
def test_flows_sprayed_over_copies_of_a_fabric_end_as_on_one(load, copies, engine):
    capacity, latency, routes, size, start = load
    n = len(capacity)
    sprayed = [[link + n * copy for copy in range(copies) for link in route] for route in routes]
    parts = np.full(sum(map(len, sprayed)), 1 / copies)
    every = (np.tile(capacity / copies, copies), np.tile(latency, copies), *rows(sprayed))
    with pytest.MonkeyPatch.context() as patch:
        only(patch, engine)
        ends = simulate_flows(*every, size, start, parts=parts)
    assert ends == pytest.approx(
        simulate_flows(capacity, latency, *rows(routes), size, start), rel=1e-7
    )


def test_no_flows_end_never():
    assert simulate_flows([1.0], [0.0], *rows([]), [], []).tolist() == []


def test_a_crowd_of_equal_flows_costs_one():
    ends = simulate_flows([10.0], [0.0], *rows([[0]] * 5000), 2.0, 0.0)
    assert ends == pytest.approx(np.full(5000, 1000.0), rel=1e-12)


def star(ranks):
    """Two links a rank, up and down, around one switch."""
    return lambda src, dst: [src, ranks + dst]


def fat_tree(ranks, per_leaf):
    """Two links a rank, then two links a leaf to the spine."""

    def route(src, dst):
        a, b = src // per_leaf, dst // per_leaf
        leaf = [] if a == b else [2 * ranks + a, 2 * ranks + ranks // per_leaf + b]
        return [src, *leaf, ranks + dst]

    return route


def all_to_all(capacity, route, ranks, buffer):
    pairs = [(src, dst) for src in range(ranks) for dst in range(ranks) if src != dst]
    routes = rows([route(src, dst) for src, dst in pairs])
    return simulate_flows(capacity, np.zeros(len(capacity)), *routes, buffer / ranks, 0.0).max()


def test_a_ring_all_reduce_around_a_switch_takes_2_36_ms():
    """ASTRA-sim's switch case: 8 ranks, 64 MiB, 50e9 B/s, 500 ns; 14 steps of an eighth each."""
    ranks, route = 8, star(8)
    routes = rows([route(rank, (rank + 1) % ranks) for rank in range(ranks)])
    clock = 0.0
    for _ in range(2 * (ranks - 1)):
        latency = np.full(2 * ranks, 250e-9)
        ends = simulate_flows(np.full(2 * ranks, 50e9), latency, *routes, 64 * MIB / ranks, clock)
        clock = ends.max()
    assert clock == pytest.approx(2.36e-3, rel=0.01)
    assert clock == pytest.approx(14 * (500e-9 + 8 * MIB / 50e9), rel=1e-9)


def test_an_all_to_all_of_64_ranks_takes_1_32_ms_on_a_crossbar():
    time = all_to_all(np.full(128, 50e9), star(64), 64, 64 * MIB)
    assert time == pytest.approx(1.32e-3, rel=0.01)
    assert time == pytest.approx(63 / 64 * 64 * MIB / 50e9, rel=1e-9)


def test_an_all_to_all_of_64_ranks_takes_4_70_ms_on_a_4_to_1_fat_tree():
    """8 ranks a leaf share uplinks worth 2; 56 of the 63 partners lie beyond them."""
    capacity = np.array([50e9] * 128 + [100e9] * 16)
    time = all_to_all(capacity, fat_tree(64, 8), 64, 64 * MIB)
    assert time == pytest.approx(4.70e-3, rel=0.01)
    assert time == pytest.approx(8 * 56 * MIB / 100e9, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"capacity": [0.0]}, "capacity"),
        ({"capacity": [-1.0]}, "capacity"),
        ({"latency": [-1.0]}, "latency, size"),
        ({"latency": [0.0, 0.0]}, "latency"),
        ({"size": [-1.0]}, "latency, size"),
        ({"size": [np.inf]}, "size"),
        ({"start": [np.nan]}, "start"),
        ({"links": [3]}, "links"),
        ({"parts": [0.0]}, "parts"),
        ({"size": [1e300], "capacity": [1e-300]}, "size, capacity"),
        ({"parts": [2.0]}, "parts"),
    ],
)
def test_impossible_arrays_are_refused(changes, where):
    given = {"capacity": [1.0], "latency": [0.0], "indptr": [0, 1], "links": [0]}
    given |= {"size": [1.0], "start": [0.0]} | changes
    with pytest.raises(InputError) as caught:
        simulate_flows(**given)
    assert caught.value.where == where


LINK = {"id": 0, "bw_Bps": 1e9, "lat_s": 0.0}
FLOW = {"route": [0], "bytes": 10, "start_s": 0.0}


def case_text(link=LINK, flow=FLOW, **more):
    return json.dumps({"links": [link], "flows": [flow], **more}).encode()


def test_a_case_is_read_by_its_link_ids():
    text = json.dumps(
        {
            "links": [LINK | {"id": 9}, LINK | {"id": "up", "bw_Bps": 5e9, "lat_s": 1e-6}],
            "flows": [FLOW | {"route": ["up", 9]}, FLOW | {"route": [9], "start_s": -1}],
        }
    ).encode()
    for content in (text, gzip.compress(text)):
        case = parse_case(content, where="case")
        assert case.capacity.tolist() == [1e9, 5e9]
        assert case.latency.tolist() == [0.0, 1e-6]
        assert case.indptr.tolist() == [0, 2, 3]
        assert case.links.tolist() == [1, 0, 0]
        assert case.start.tolist() == [0.0, -1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "case:1:1: is not JSON"),
        (b"{", "case:1:2: is not JSON"),
        (b"\xff", "case: is not text: byte 0"),
        (b"[]", "case: is a list"),
        (b"{}", "case: links is missing"),
        (b'{"links": 3}', "case: links is a number"),
        (b"[" * 100_000, "case: is nested too deeply"),
        (b'{"links": ' + b"9" * 5000 + b"}", "case: holds a number that is too long"),
        (b'{"links": NaN}', "case: holds NaN"),
        (gzip.compress(b"{}")[:-9], "case: is a gzip file that was cut short"),
        (b"\x1f\x8bnonsense", "case: is a broken gzip file"),
        (case_text(link=7), "case links[0]: is a number, not an object"),
        (case_text(link=LINK | {"bw_Bps": 0}), "case links[0]: bw_Bps is 0, it must be above zero"),
        (case_text(link=LINK | {"bw_Bps": "9"}), "case links[0]: bw_Bps is a text, not a number"),
        (case_text(link=LINK | {"bw_Bps": True}), "case links[0]: bw_Bps is true or false"),
        (case_text(link=LINK | {"bw_Bps": 10**400}), "case links[0]: bw_Bps is not finite"),
        (case_text(link=LINK | {"lat_s": -1}), "case links[0]: lat_s is -1, it must be zero or"),
        (case_text(link=LINK | {"id": []}), "case links[0].id: is a list"),
        (case_text(flow=FLOW | {"bytes": -5}), "case flows[0]: bytes is -5, it must be zero or"),
        (case_text(flow=FLOW | {"start_s": None}), "case flows[0]: start_s is missing"),
        (case_text(flow=FLOW | {"route": 0}), "case flows[0]: route is a number, not a list"),
        (case_text(flow=FLOW | {"route": [0, 7]}), "case flows[0].route[1]: 7 is the id of no"),
        (case_text(flow=FLOW | {"route": [{}]}), "case flows[0].route[0]: an object is the id"),
        (case_text(links=[LINK, LINK]), "case links[1].id: 0 is the id of links[0] too"),
    ],
)
def test_a_broken_case_is_refused_in_one_line_that_names_the_field(content, message):
    with pytest.raises(InputError) as caught:
        parse_case(content, where="case")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr("netmodel.network.flow_case.LIMIT", 2**20)
    with pytest.raises(InputError, match="holds more than 1 MiB"):
        parse_case(gzip.compress(bytes(8 * 2**20)), where="bomb")


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_case(tmp_path / "none.json")
