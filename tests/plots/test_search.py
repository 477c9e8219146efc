"""The picture of a search shows the front, the best, and the published layout."""

import netmodel as nm
import pytest
from netmodel.plots.search import plot_front, search_figure
from netmodel.studies.layouts import Request
from netmodel.studies.search_ranked import rank


@pytest.fixture(scope="module")
def ranked():
    model, cluster = nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft")
    return rank(model, cluster, 2048, Request(strategy="tp=1,pp=16,cp=1,etp=1"), top=2)


def test_the_line_is_the_front(ranked):
    line = next(each for each in plot_front(ranked).lines if each.get_drawstyle() == "steps-pre")
    front = [each for each in ranked.found.pareto if each.step_time <= 4 * ranked.found.times.min()]
    assert line.get_ydata().tolist() == [each.step_time for each in front]
    assert line.get_xdata().tolist() == [each.memory / 1e9 for each in front]


def test_best_and_published_are_marked(ranked):
    axes = plot_front(ranked)
    marks = {each.get_marker(): each.get_ydata()[0] for each in axes.lines}
    assert marks["o"] == ranked.found.best[0].step_time
    assert marks["D"] == ranked.published.step.step_time
    assert {"best", "published"} <= {text.get_text() for text in axes.texts}


def test_the_figure_says_how_many_layouts_and_who_published(ranked):
    words = " ".join(text.get_text() for text in search_figure(ranked).texts).replace("\n", " ")
    assert f"{ranked.found.evaluated:,} layouts" in words
    assert ranked.published.source in words
