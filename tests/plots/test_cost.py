"""The cost figure shows the bill and the price of a GPU-hour."""

import netmodel as nm
import pytest
from netmodel.plots import cost_figure, plot_gpu_hour, plot_purchase
from netmodel.studies.cost import Terms, cost


@pytest.fixture(scope="module")
def priced():
    terms = Terms(electricity=0.1 / 3.6e6, facility=True)
    return cost(nm.load_cluster("dgx-superpod-h100"), 512, terms=terms)


@pytest.fixture(scope="module")
def unpriced():
    return cost(nm.load_cluster("frontier"), 800)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_bars_are_as_long_as_the_lines_of_the_bill(priced):
    ax = plot_purchase(priced)
    widths = [bar.get_width() for bar in ax.patches]
    expected = [line.sum.typical / 1e6 for line in priced.bill.lines[::-1]]
    assert widths == pytest.approx(expected)


def test_owned_parts_stack_to_the_price_of_a_gpu_hour(priced):
    ax = plot_gpu_hour(priced)
    owned = [bar for bar in ax.patches if bar.get_x() < 1]
    assert sum(bar.get_height() for bar in owned) == pytest.approx(priced.per_gpu_hour.typical)
    assert {"owned", "rented"} == {label.get_text() for label in ax.get_xticklabels()}


def test_what_is_not_published_is_said(unpriced):
    assert all("no published price" in text for text in texts(plot_purchase(unpriced)))
    shown = " ".join(texts(plot_gpu_hour(unpriced)))
    assert "no published" in shown


def test_the_figure_names_sources_and_dates(priced):
    words = " ".join(text.get_text() for text in cost_figure(priced).texts).replace("\n", " ")
    for line in priced.bill.lines:
        assert line.date in words
    assert "512 GPUs" in words
