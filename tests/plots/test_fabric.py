"""Fabrics as layers: every node and cable is counted once."""

import netmodel as nm
import numpy as np
import pytest
from netmodel.plots import fabric_figure
from netmodel.plots.layers import ROWS, bundles, counts, positions


def words(figure):
    return [text.get_text() for text in [*figure.texts, *figure.axes[0].texts]]


def test_bundles_hold_every_cable_and_byte(fabric):
    wiring = fabric(4)
    found = {(each.low, each.high): each for each in bundles(wiring)}
    assert found["nic", "leaf"].cables == 32
    assert found["nic", "leaf"].bandwidth == pytest.approx(32 * 50e9)
    assert found["leaf", "spine"].bandwidth == pytest.approx(32 * 50e9)
    total = sum(np.broadcast_to(group.bandwidth, group.a.shape).sum() for group in wiring.cables)
    assert sum(each.bandwidth for each in found.values()) == pytest.approx(total)


def test_nodes_stand_in_their_host_and_on_their_row(fabric):
    wiring = fabric(4)
    x, row = positions(wiring)
    gpus = wiring.gpus
    assert (np.floor(x[gpus] * 4) == np.repeat(np.arange(4), 8)).all()
    assert {ROWS[each] for each in row[wiring.of_kind("leaf")]} == {"leaf"}
    for kind in ("gpu", "leaf", "spine"):
        places = x[wiring.of_kind(kind)]
        assert len(np.unique(places)) == len(places)
        assert ((places > 0) & (places < 1)).all()


def test_a_small_fabric_is_drawn_node_by_node(fabric):
    shown = words(fabric_figure(fabric(4), title="toy"))
    assert "8 leaves" in shown
    assert "32 GPUs" in shown
    assert "4 NVSwitches" in shown


def test_a_large_fabric_is_drawn_as_layers_with_counts(fabric):
    wiring = fabric(128)
    shown = " ".join(words(fabric_figure(wiring, title="toy")))
    assert counts(wiring)["gpu"] == 1024
    assert "1,024 GPUs" in shown
    assert "1,024 cables host-leaf" in shown


def test_a_narrow_tier_says_how_narrow(fabric):
    shown = " ".join(words(fabric_figure(fabric(128, oversubscription=4), title="toy")))
    assert "25 % of the widest" in shown


def test_what_is_down_is_crossed_out(fabric):
    whole = fabric_figure(fabric(2), title="toy").axes[0]
    broken = fabric_figure(fabric(2), title="toy", failed=["host0-gpu1", "leaf0 - spine1"]).axes[0]

    def crosses(ax):
        return sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "x")

    assert crosses(whole) == 0
    # the GPU, its NVLink and its PCIe cable, and the one between the switches
    assert crosses(broken) == 4


def test_a_large_fabric_lists_what_is_down(fabric):
    shown = " ".join(words(fabric_figure(fabric(128), title="toy", failed=["leaf3"])))
    assert "down: leaf3" in shown


def test_a_hot_cable_is_thick(fabric):
    ax = fabric_figure(fabric(2), title="toy", load={("leaf0", "spine1"): 1.0}).axes[0]
    widths = [width for each in ax.collections for width in np.ravel(each.get_linewidths())]
    assert sum(width > 3 for width in widths) == 1


def test_a_bridge_is_as_fast_as_its_tier_says():
    """A cable between two GPUs is the way out of both: 300 GB/s one way, not half of it."""
    from netmodel.network import tiers

    wiring = nm.load_cluster("fire-flyer-2").wiring(1024)
    figure = fabric_figure(wiring, title="")
    written = "\n".join(text.get_text() for ax in figure.axes for text in ax.texts)
    assert tiers(wiring).bandwidth[0] == 300e9
    assert "nvlink 300 GB/s a GPU, one way" in written
