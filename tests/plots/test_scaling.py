"""The scaling figure says what its data say."""

import pytest
from netmodel.plots import plot_efficiency, plot_time_per_token, scaling_figure


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_curve_goes_through_the_efficiencies(curve):
    ax = plot_efficiency(curve)
    line = next(each for each in ax.lines if len(each.get_xdata()) == len(curve.points))
    assert line.get_xdata().tolist() == [8, 16, 32, 64, 128, 256]
    assert line.get_ydata().tolist() == pytest.approx([100 * each for each in curve.efficiency])


def test_the_ideal_line_is_dashed_and_at_100(curve):
    ax = plot_efficiency(curve)
    ideal = next(each for each in ax.lines if each.get_linestyle() == "--")
    assert set(ideal.get_ydata()) == {100}
    assert "ideal" in texts(ax)


def test_measured_points_are_markers_without_a_line(curve):
    ax = plot_efficiency(curve)
    marks = next(each for each in ax.lines if each.get_marker() == "D")
    assert marks.get_linestyle() == "None"
    assert marks.get_xdata().tolist() == [32]
    assert marks.get_ydata().tolist() == pytest.approx([90.0])


def test_a_curve_without_measurements_claims_none(curve):
    curve.measured = []
    assert not [text for text in texts(plot_efficiency(curve)) if "published" in text]


def test_bars_are_as_tall_as_a_token_costs(curve):
    ax = plot_time_per_token(curve)
    for k, point in enumerate(curve.points):
        tops = [bars[k].get_y() + bars[k].get_height() for bars in ax.containers]
        assert max(tops) == pytest.approx(1e6 / point.tokens_per_s_per_gpu)


def test_every_size_names_what_limits_it(curve):
    shown = texts(plot_time_per_token(curve))
    assert [text for text in shown if text in ("nvlink", "leaf")] == ["nvlink"] * 3 + ["leaf"] * 3


def test_the_figure_has_its_caption_and_no_legend_box(curve):
    figure = scaling_figure(curve)
    words = " ".join(text.get_text() for text in figure.texts)
    assert curve.caption in words
    assert "256 GPUs" in words
    assert all(ax.get_legend() is None for ax in figure.axes)


def test_one_size_alone_is_a_figure_too(curve):
    curve.points = curve.points[:1]
    assert len(scaling_figure(curve).axes) == 2
