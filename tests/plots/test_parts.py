"""Families of parts: nothing is lost, nothing is drawn twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.plots.parts import FAMILIES, by_family, family, ink

PARTS = st.dictionaries(
    st.sampled_from(
        ["compute", "bubble", "ep_dispatch", "tp_all_reduce", "dp", "edp", "optimizer", "pp", "x"]
    ),
    st.floats(0, 1e3),
)


@given(PARTS)
def test_families_add_up_to_the_step(breakdown):
    assert sum(by_family(breakdown).values()) == pytest.approx(sum(breakdown.values()), rel=1e-12)


@pytest.mark.parametrize(
    ("part", "label"),
    [
        ("compute_attention", "compute"),
        ("tp_reduce_scatter", "tensor parallel"),
        ("edp_all_gather", "data parallel"),
        ("ep_dispatch:leaf", "expert parallel"),
        ("pipeline_bubble", "bubble"),
        ("step_up", "compute"),
    ],
)
def test_a_part_is_known_by_its_words(part, label):
    """Whole words: ``step`` holds no ``ep``."""
    assert family(part).label == label


def test_families_differ_in_colour_and_have_one_label():
    assert len({each.color for each in FAMILIES}) == len(FAMILIES)
    assert all(ink(each.label) is each for each in FAMILIES)
