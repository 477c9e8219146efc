"""The goodput figure shows shares that fill the time, and every cause."""

import netmodel as nm
import pytest
from netmodel.plots import goodput_figure, plot_causes, plot_shares
from netmodel.studies.goodput import Policy, goodput


@pytest.fixture(scope="module")
def found():
    return goodput(nm.load_cluster("meta-24k-roce"), 16384, state=5.7e12)


def test_the_stack_reaches_one_hundred_percent_at_every_size(found):
    ax = plot_shares(found)
    top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(100)
    assert len(ax.collections) == len(found.shares)


def test_the_asked_size_is_marked_at_its_share(found):
    ax = plot_shares(found)
    mark = next(line for line in ax.lines if line.get_marker() == "o")
    assert list(mark.get_xdata()) == [16384]
    assert list(mark.get_ydata()) == pytest.approx([100 * found.effective])


def test_the_published_share_is_a_marker_and_named(found):
    ax = plot_shares(found)
    mark = next(line for line in ax.lines if line.get_marker() == "D")
    assert list(mark.get_ydata()) == [90]
    assert any("more than" in text.get_text() for text in ax.texts)


def test_every_cause_is_a_bar(found):
    ax = plot_causes(found)
    widths = sorted(bar.get_width() for bar in ax.patches)
    assert widths == pytest.approx(sorted(cause.rate * 86400 for cause in found.causes))


def test_the_figure_says_where_rates_come_from(found):
    words = " ".join(text.get_text() for text in goodput_figure(found).texts)
    assert "arXiv:2407.21783" in words
    assert "16,384 GPUs train" in words


def test_one_cause_and_a_tiny_cluster_are_a_figure_too():
    tiny = goodput(
        nm.load_cluster("dgx-superpod-a100"), 8, state=1e11, policy=Policy(rates="rsc-2")
    )
    assert len(goodput_figure(tiny).axes) == 2
