"""Young's and Daly's intervals, and the optimum by brute force."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from netmodel.studies.checkpoints import (
    best_interval,
    daly_interval,
    effective_share,
    young_interval,
)

MEAN = st.floats(10.0, 1e8)
RATIO = st.floats(1e-8, 3.0)


@given(mean_time=MEAN, ratio=RATIO, restart=st.floats(0, 1e3))
def test_the_best_interval_equals_brute_force(mean_time, ratio, restart):
    """No interval on a fine grid trains more, and the best of the grid lies beside it."""
    assume(restart < 100 * mean_time)
    stall = ratio * mean_time
    best = best_interval(stall=stall, mean_time=mean_time)
    grid = best * np.linspace(0.25, 4.0, 3751)
    shares = effective_share(grid, stall=stall, mean_time=mean_time, restart=restart)
    reached = effective_share(best, stall=stall, mean_time=mean_time, restart=restart)
    assert shares.max() <= reached * (1 + 1e-12)
    assert grid[shares.argmax()] == pytest.approx(best, rel=0.02)


@given(mean_time=MEAN, ratio=st.floats(1e-9, 1e-3))
def test_young_and_daly_are_near_where_checkpoints_are_short(mean_time, ratio):
    stall = ratio * mean_time
    best = best_interval(stall=stall, mean_time=mean_time)
    assert daly_interval(stall=stall, mean_time=mean_time) == pytest.approx(best, rel=1e-4)
    assert young_interval(stall=stall, mean_time=mean_time) == pytest.approx(best, rel=0.03)


@given(
    interval=st.floats(1, 1e5),
    stall=st.floats(0, 1e3),
    mean_time=MEAN,
    restart=st.floats(0, 1e4),
    worse=st.floats(1.01, 10),
)
def test_less_of_anything_bad_never_trains_less(interval, stall, mean_time, restart, worse):
    base = effective_share(interval, stall=stall, mean_time=mean_time, restart=restart)
    assert 0 <= base <= 1 + 1e-12
    for changed in (
        effective_share(interval, stall=stall * worse, mean_time=mean_time, restart=restart),
        effective_share(interval, stall=stall, mean_time=mean_time / worse, restart=restart),
        effective_share(interval, stall=stall, mean_time=mean_time, restart=restart * worse),
    ):
        assert changed <= base * (1 + 1e-12)


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=4))
def test_a_curve_equals_its_points(intervals):
    how = {"stall": 30.0, "mean_time": 1e4, "restart": 600.0}
    curve = effective_share(np.array(intervals), **how)
    assert curve.tolist() == [effective_share(each, **how) for each in intervals]


def test_without_interruptions_only_checkpoints_cost():
    assert effective_share(90.0, stall=10.0, mean_time=math.inf, restart=600.0) == pytest.approx(
        0.9
    )
    assert best_interval(stall=10.0, mean_time=math.inf) == math.inf
    assert best_interval(stall=0.0, mean_time=1e4) == 0.0


def test_a_simulation_of_random_interruptions_agrees():
    """A thousand weeks with an interruption every hour, replayed event by event."""
    interval, stall, mean_time, restart = 600.0, 30.0, 3600.0, 300.0
    rng = np.random.default_rng(1)
    clock = trained = 0.0
    failure = rng.exponential(mean_time)
    while clock < 2e7:
        if failure >= clock + interval + stall:
            clock += interval + stall
            trained += interval
            continue
        clock = failure
        failure = clock + rng.exponential(mean_time)
        while failure < clock + restart:  # again during the restart
            clock = failure
            failure = clock + rng.exponential(mean_time)
        clock += restart
    expected = effective_share(interval, stall=stall, mean_time=mean_time, restart=restart)
    assert trained / clock == pytest.approx(expected, rel=0.01)
