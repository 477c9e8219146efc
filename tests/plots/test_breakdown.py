"""The waterfall of one step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.plots import plot_memory, plot_waterfall, step_figure

STEP = {"gemm": 3.0, "ep": 0.5, "bubble": 0.4, "optimizer": 0.1, "pp": 1e-9}


def test_each_part_starts_where_the_one_before_ends():
    bars = [group[0] for group in plot_waterfall(STEP).containers]
    ends = [0.0]
    for bar in bars[:-1]:
        assert bar.get_x() == pytest.approx(ends[-1], abs=1e-6)
        ends.append(bar.get_x() + bar.get_width())
    assert bars[-1].get_x() == 0
    assert bars[-1].get_width() == pytest.approx(sum(STEP.values()))


def test_a_part_of_no_size_is_left_out():
    names = [label.get_text() for label in plot_waterfall(STEP).get_yticklabels()]
    assert names == ["matrix products", "expert parallel (EP)", "bubble", "optimizer", "step"]


def test_hidden_communication_stands_apart_from_the_sum():
    ax = plot_waterfall(STEP, hidden={"dp": 0.7})
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[-2:] == ["step", "hidden: data parallel (DP)"]


@given(st.lists(st.floats(0, 1e11), min_size=1, max_size=6), st.floats(1e9, 2e11))
def test_memory_shows_what_is_over_capacity(held, capacity):
    ax = plot_memory({f"part{i}": each for i, each in enumerate(held)}, capacity)
    assert ax.get_xlim()[1] * 1e9 >= max(sum(held), capacity)


def test_the_figure_says_what_it_is_of():
    figure = step_figure(STEP, {}, {"weights": 1e10}, 8e10, title="One step", source="Made up.")
    words = [text.get_text() for text in figure.texts]
    assert words[0] == "One step"
    assert "Made up." in words
