"""The bill of a fabric is its parts, each with a published price or none."""

import netmodel as nm
import pytest
from netmodel import catalog
from netmodel.studies.bill import bill


@pytest.fixture(scope="module")
def superpod():
    cluster = nm.load_cluster("dgx-superpod-h100")
    return bill(cluster, cluster.wiring(1024))


def by_item(found):
    return {line.item: line for line in found.lines}


def test_parts_are_counted_from_the_graph(superpod):
    """Four scalable units: 128 hosts, 32 leaves and 16 spines, a cable for each NIC and uplink."""
    lines = by_item(superpod)
    assert lines["DGX-H100 host"].count == 128
    assert lines["QM9700 switch"].count == 48
    assert lines["host-leaf InfiniBand-NDR cable"].count == 1024


def test_the_sum_is_counts_times_prices(superpod):
    expected = (
        128 * catalog.price("node-h100").typical
        + 48 * catalog.price("switch-ib-400g-64").typical
        + 2048 * catalog.price("link-400g").typical
    )
    assert superpod.total == pytest.approx(expected)
    assert superpod.network == pytest.approx(expected - 128 * catalog.price("node-h100").typical)


def test_the_network_share_is_near_the_published_sheet(superpod):
    """The H100 cost sheet: 9.9 % of node plus network at 1,024 GPUs."""
    assert superpod.network / superpod.total == pytest.approx(0.099, abs=0.005)


def test_every_price_names_its_source_and_date(superpod):
    for line in superpod.lines:
        assert (line.price is None) is (line.source == "")
    assert all("2024-08" in line.source for line in superpod.lines if line.source)


def test_a_missing_price_leaves_the_sum_open_and_is_named():
    cluster = nm.load_cluster("deepseek-h800-mpft")
    found = bill(cluster, cluster.wiring(256))
    assert found.total is None
    assert found.network is not None
    assert any("DeepSeek-H800 host" in note for note in found.notes)
    assert found.known_price == pytest.approx(found.network)


def test_fire_flyer_draws_what_was_published():
    """arXiv:2408.14158: just over 3 MW for the cluster; hosts at 2,500 W."""
    cluster = nm.load_cluster("fire-flyer-2")
    found = bill(cluster, cluster.wiring())
    assert found.known_power == pytest.approx(3.1e6, rel=0.05)
