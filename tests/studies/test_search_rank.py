"""The fastest and the front are those of plain loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.studies.search_rank import fastest, front

POINTS = st.lists(
    st.tuples(st.integers(1, 30).map(float), st.integers(1, 30).map(float)), min_size=1, max_size=60
)


@settings(max_examples=50)
@given(POINTS, st.integers(1, 70))
def test_the_fastest_are_sorted_by_time_then_memory_then_place(points, count):
    times, needs = (np.array(column) for column in zip(*points, strict=True))
    found = fastest(times, needs, count).tolist()
    ranked = sorted(range(len(points)), key=lambda i: (*points[i], i))
    assert found == ranked[:count]


@settings(max_examples=50)
@given(POINTS)
def test_the_front_holds_what_nothing_beats(points):
    times, needs = (np.array(column) for column in zip(*points, strict=True))
    found = front(times, needs, 30.0).tolist()
    kept = {points[i] for i in found}
    beaten = {a for a in points if any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in points)}
    assert kept == set(points) - beaten
    assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)
    assert len(kept) == len(found)
