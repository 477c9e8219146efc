"""Spares and waits follow from hosts in repair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.studies.spares import enough_spares, poisson_quantile, wait_for_repair
from scipy import stats


@settings(max_examples=40, deadline=None)
@given(mean=st.floats(1e-3, 500), chance=st.floats(0.01, 0.999))
def test_quantiles_are_those_of_scipy(mean, chance):
    assert abs(poisson_quantile(mean, chance) - stats.poisson.ppf(chance, mean)) <= 1
    assert stats.poisson.cdf(poisson_quantile(mean, chance), mean) >= chance - 1e-9


@given(in_repair=st.floats(0, 100))
def test_enough_spares_are_ready_as_often_as_promised(in_repair):
    spares = enough_spares(in_repair)
    assert stats.poisson.cdf(spares - 1, in_repair) >= 0.99 - 1e-9


@given(in_repair=st.floats(0, 50), spares=st.integers(0, 60))
def test_one_more_spare_never_waits_longer(in_repair, spares):
    waits = [wait_for_repair(in_repair, spares + more, 3600.0) for more in (0, 1)]
    assert 0 <= waits[1] <= waits[0] <= 3600.0 * (1 + 1e-9)


def test_without_spares_and_other_failures_the_whole_repair_is_waited_for():
    assert wait_for_repair(0.0, 0, 86400.0) == pytest.approx(86400.0)
    assert wait_for_repair(0.0, 1, 86400.0) == 0.0


def test_waits_are_the_poisson_sum():
    n = np.arange(3, 200)
    expected = (stats.poisson.pmf(n, 2.5) * 3600 / (n + 1)).sum()
    assert wait_for_repair(2.5, 3, 3600.0) == pytest.approx(expected)
