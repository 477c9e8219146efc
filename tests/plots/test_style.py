"""Marks of every figure: labels that never collide, plain GPU axes, the same bytes again."""

import itertools
import subprocess
import sys

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.plots import picture, scaling_figure
from netmodel.plots.style import gpu_axis, new_figure, spread, style


@given(st.lists(st.floats(-0.5, 1.5), max_size=12), st.floats(0.01, 0.3))
def test_labels_keep_their_order_and_their_distance(wanted, gap):
    placed = spread(wanted, gap, 0.0, 1.0)
    least = min(gap, 1 / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    for one, other in itertools.pairwise(order):
        assert placed[other] - placed[one] >= least - 1e-9
    assert all(-1e-9 <= each <= 1 + 1e-9 for each in placed)


@given(st.lists(st.floats(0, 1), max_size=8, unique=True), st.floats(0.01, 0.2))
def test_labels_that_have_room_stay_where_they_are(wanted, gap):
    far = sorted(wanted)
    if all(b - a > gap for a, b in itertools.pairwise(far)):
        assert spread(wanted, gap, 0.0, 1.0) == pytest.approx(wanted, abs=1e-9)


def test_gpu_counts_are_printed_plainly():
    ax = new_figure(4, 3).add_subplot()
    gpu_axis(ax, [256, 65536])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["256", "65,536"]
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_figure_gives_the_same_bytes(curve, suffix):
    once, again = (picture(scaling_figure(curve), suffix) for _ in range(2))
    assert once == again
    assert len(once) > 5_000


def test_bytes_do_not_depend_on_the_process(tmp_path):
    """Ids inside an SVG come from a fixed salt, not from chance."""
    script = (
        "import hashlib; from netmodel.plots import picture, plot_waterfall\n"
        "figure = plot_waterfall({'compute': 1.0, 'bubble': 0.5}).figure\n"
        "print(hashlib.sha256(picture(figure, '.svg')).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_the_style_ends_with_the_figure():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "netmodel"
    assert dict(mpl.rcParams) == before


def test_no_figure_opens_a_window_library():
    script = (
        "import sys; from netmodel.plots import plot_waterfall, picture\n"
        "picture(plot_waterfall({'compute': 1.0}).figure, '.png')\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_room_itself_does_not_import_matplotlib():
    script = "import sys, netmodel.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
