"""The pipeline picture draws each task once, where it ran."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from netmodel.plots.gantt import gantt_figure, plot_gantt
from netmodel.plots.style import picture
from netmodel.training.orders import pipeline_order
from netmodel.training.simulator import Durations, simulate


def run(schedule="1f1b", *, ranks=4, micro_batches=8, chunks=1, send=0.0, unit=1e-3):
    order = pipeline_order(schedule, ranks=ranks, micro_batches=micro_batches, chunks=chunks)
    return simulate(
        order, Durations(forward=unit, backward=2 * unit, weight=unit, send=send * unit)
    )


def boxes(ax, row=None):
    """Corners of all boxes, of those in one row when given."""
    found = [path.vertices for each in ax.collections for path in each.get_paths()]
    if row is not None:
        found = [box for box in found if abs(box[:4, 1].mean() - row) < 0.5]
    return found


def numbers(ax):
    return [text.get_text() for text in ax.texts if text.get_text().isdigit()]


@pytest.mark.parametrize(
    ("schedule", "chunks"), [("1f1b", 1), ("interleaved", 2), ("zb-h1", 1), ("dualpipe", 1)]
)
def test_every_task_is_one_box(schedule, chunks):
    timeline = run(schedule, chunks=chunks)
    assert len(boxes(plot_gantt(timeline))) == timeline.order.tasks


def test_boxes_cover_what_the_rank_computes():
    timeline = run("dualpipe")
    ax = plot_gantt(timeline)
    for rank in range(4):
        area = sum(np.ptp(box[:4, 0]) * np.ptp(box[:4, 1]) for box in boxes(ax, rank))
        assert area == pytest.approx(0.70 * timeline.busy[rank] * 1e3, rel=1e-9)


def test_rank_zero_is_on_top_and_says_how_idle_it_is():
    timeline = run()
    ax = plot_gantt(timeline)
    low, high = ax.get_ylim()
    assert low > high
    assert next(label.get_text() for label in ax.get_yticklabels()) == "rank 0"
    assert [text.get_text() for text in ax.texts if "idle" in text.get_text()] == ["idle 27%"] * 4


def test_boxes_carry_their_micro_batch_where_there_is_room():
    assert sorted(numbers(plot_gantt(run())), key=int) == sorted(
        [str(i) for i in range(8)] * 2 * 4, key=int
    )
    assert numbers(plot_gantt(run(micro_batches=512))) == []


def test_messages_lie_under_the_row_of_their_sender():
    timeline = run(send=0.25)
    free, costly = plot_gantt(run()), plot_gantt(timeline)
    assert len(boxes(costly)) - len(boxes(free)) == 2 * 3 * 8
    sent = next(
        each
        for each in costly.collections
        if isinstance(each, PolyCollection) and len(each.get_paths()) == 48
    )
    rows = {round(float(path.vertices[:4, 1].mean() - 0.43), 6) for path in sent.get_paths()}
    assert rows == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize(("unit", "name"), [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")])
def test_the_time_axis_has_a_unit_of_its_size(unit, name):
    ax = plot_gantt(run(unit=unit))
    assert ax.get_xlabel() == f"Time ({name})"
    assert ax.get_xlim()[1] == pytest.approx(33.0)


def test_a_window_shows_only_its_part():
    ax = plot_gantt(run(), window=(0.0, 0.004))
    assert ax.get_xlim() == pytest.approx((0.0, 4.0))
    assert len(boxes(ax)) == 4 + 3 + 2 + 1


def test_later_stages_of_a_rank_are_lighter():
    ax = plot_gantt(run("zb-v"))
    colors = {tuple(each.get_facecolor()[0]) for each in ax.collections if len(each.get_paths())}
    assert len(colors) == 3 * 2  # forward, input and weight gradient, on two stages


def test_the_headline_says_how_busy_and_the_foot_of_what():
    words = [text.get_text() for text in gantt_figure(run(), setting="made up").texts]
    assert words[0] == "1F1B keeps 4 pipeline ranks busy 73% of a step"
    assert words[1] == "8 micro-batches in 33 ms, at most 4 held at once by one rank"
    assert "made up" in words
    assert {"forward", "backward", "idle"} <= set(words)
    assert "sending" not in words
    assert gantt_figure(run(), title="Mine").texts[0].get_text() == "Mine"


def test_the_same_step_gives_the_same_picture():
    once, twice = (picture(gantt_figure(run("dualpipe")), ".svg") for _ in range(2))
    assert once == twice
