"""The figure of an explanation."""

import pytest
from netmodel.plots.waterfall import entry, explain_figure, plot_causes, plot_savings

FALLS = {
    "ideal": 2.0,
    "kernels:gemm": 1.0,
    "dp:leaf:bandwidth": 0.5,
    "bubble": -0.25,
    "overhead": 1e-4,
}


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_each_entry_starts_where_the_one_before_ends_and_the_last_bar_is_the_step():
    bars = [group[0] for group in plot_causes(FALLS).containers]
    at = 0.0
    for bar in bars[:-1]:
        assert bar.get_x() + min(bar.get_width(), 0) == pytest.approx(
            at + min(bar.get_width(), 0), abs=1e-9
        )
        at += bar.get_width()
    assert bars[-1].get_width() == pytest.approx(sum(FALLS.values()))
    assert at == pytest.approx(sum(FALLS.values()))


def test_entries_are_named_for_people_and_small_ones_drawn_together():
    assert labels(plot_causes(FALLS, start="the start")) == [
        "the start",
        "matrix products below peak",
        "data parallel (DP), leaf bandwidth",
        "bubble",
        "all others",
        "the real step",
    ]
    assert entry("ep:spine:contention") == "expert parallel (EP), spine contention"


def test_savings_are_what_a_tenth_more_gives_the_largest_first():
    slopes = {
        "leaf.bandwidth": -0.5,
        "gpu.flops": -1.0,
        "leaf.latency": 0.25,
        "core.bandwidth": 0.0,
        "global_batch": 0.9,
    }
    ax = plot_savings(slopes)
    assert labels(ax) == ["GPU FLOP/s", "leaf bandwidth", "leaf latency (less)"]
    widths = [group[0].get_width() for group in ax.containers]
    assert widths[0] == pytest.approx(100 * (1 - 1 / 1.1))
    assert widths == sorted(widths, reverse=True)


def test_the_figure_says_what_it_is_of_and_nothing_overlaps():
    figure = explain_figure(
        FALLS, {"leaf.bandwidth": -0.5}, title="One step", source="Made up. " * 60
    )
    words = [text.get_text() for text in figure.texts]
    assert words[0] == "One step"
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    foot = figure.texts[-1].get_window_extent()
    low, top = sorted(boxes, key=lambda box: box.y0)
    assert foot.y1 < low.y0 < low.y1 < top.y0
