"""Ranges keep their order through sums, products, quotients and shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.studies.amounts import Range, exactly, total

ranges = st.lists(st.floats(1e-3, 1e9), min_size=3, max_size=3).map(lambda v: Range(*sorted(v)))


@given(ranges, ranges)
def test_every_operation_brackets_what_any_pair_of_values_gives(a, b):
    """Worst and best case of the parts are worst and best case of the result."""
    for x in (a.low, a.typical, a.high):
        for y in (b.low, b.typical, b.high):
            for made, value in (
                (a + b, x + y),
                (a * b, x * y),
                (a / b, x / y),
                (a.share_with(b), x / (x + y)),
            ):
                assert made.low <= value * (1 + 1e-12)
                assert value <= made.high * (1 + 1e-12)


@given(ranges, ranges)
def test_shares_of_two_add_up_to_one(a, b):
    assert a.share_with(b).typical + b.share_with(a).typical == pytest.approx(1)
    assert a.share_with(b).low + b.share_with(a).high == pytest.approx(1)


@given(st.lists(ranges, max_size=5))
def test_a_sum_is_open_when_a_part_is(parts):
    added = total(parts)
    assert added is not None
    assert added.typical == pytest.approx(sum(part.typical for part in parts))
    assert total([*parts, None]) is None


def test_one_value_is_a_range_of_no_width():
    assert exactly(2.0) == Range(2.0, 2.0, 2.0)
    assert exactly(2.0).words("{:g}".format) == "2"


@pytest.mark.parametrize("values", [(2, 1, 3), (1, 3, 2), (-1, 0, 1), (float("nan"), 1, 2)])
def test_what_does_not_rise_from_zero_is_refused(values):
    with pytest.raises(InputError, match="rise from zero"):
        Range(*values)
