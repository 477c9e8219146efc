"""A comparison names every field that differs, and its parts add up."""

import netmodel as nm
import pytest
from netmodel.studies.search import search
from netmodel.studies.search_why import changes, why
from netmodel.workload import Strategy


@pytest.fixture(scope="module")
def found():
    model, cluster = nm.load_model("mixtral-8x7b"), nm.load_cluster("dgx-superpod-h100")
    return search(model, cluster, 64, seq_len=4096, global_batch=256, top=6)


def test_the_parts_add_up_to_the_difference(found):
    for other, each in zip(found.best[1:], found.why, strict=True):
        assert sum(each.parts.values()) == pytest.approx(each.slower, rel=1e-9, abs=1e-12)
        assert each.slower == other.step_time - found.best[0].step_time >= 0


def test_every_field_that_differs_is_named(found):
    for other, each in zip(found.best[1:], found.why, strict=True):
        for name in Strategy.__slots__:
            same = getattr(other.strategy, name) == getattr(found.best[0].strategy, name)
            assert same == (name not in each.changes)
        assert each.changes


def test_a_line_says_what_differs_and_where_time_goes(found):
    text = str(found.why[0])
    name, (_, other) = next(iter(found.why[0].changes.items()))
    assert f"{name}={other}" in text
    assert "+" in text


def test_a_layout_differs_from_itself_in_nothing(found):
    same = why(found.best[0], found.best[0])
    assert (same.slower, same.changes) == (0.0, {})
    assert set(same.parts.values()) == {0.0}


def test_changes_hold_both_values():
    assert changes(Strategy(tp=2), Strategy(tp=4)) == {"tp": (2, 4)}
