"""The bill of a fabric is its parts, each with a published price or none."""

import json

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.errors import InputError
from netmodel.studies.bill import bill, tally
from netmodel.studies.cost import cost
from netmodel.studies.price_list import PriceList
from netmodel.topology import cluster_names

H100 = ("nodes=DGX-H100",)


def billed(name, gpus, prices="published", overrides=(), **stated):
    cluster = nm.load_cluster(name, overrides=overrides)
    return bill(cluster, cluster.wiring(gpus), PriceList(name=prices, stated=stated))


@pytest.fixture(scope="module")
def superpod():
    return billed("dgx-superpod-h100", 1024)


def by_item(found):
    return {line.item: line for line in found.lines}


@settings(max_examples=20, deadline=None)
@given(hosts=st.integers(1, 400), price=st.floats(1, 1e6))
def test_hosts_cost_what_their_number_says(hosts, price):
    """A price that is stated comes first, and its sum is counted in the purchase."""
    found = billed("deepseek-h800-mpft", 8 * hosts, **{"DeepSeek-H800": price})
    assert found.hosts_purchase.typical == pytest.approx(hosts * price)
    assert found.purchase.typical == pytest.approx(hosts * price + found.network)


@settings(max_examples=15, deadline=None)
@given(gpus=st.integers(8, 4096))
def test_low_typical_and_high_keep_their_order(gpus):
    found = billed("dgx-superpod-h100", gpus)
    for value in (found.purchase, found.network_purchase, found.network_share, found.load):
        assert value.low <= value.typical <= value.high
    assert 0 < found.network_share.low <= found.network_share.high < 1


def test_parts_are_counted_from_the_graph(superpod):
    """Four scalable units: 128 hosts, 32 leaves and 16 spines, a cable for each NIC and uplink."""
    lines = by_item(superpod)
    assert lines["DGX-H100 host"].count == 128
    assert lines["QM9700 switch"].count == 48
    assert lines["host-leaf InfiniBand-NDR cable"].count == 1024
    assert superpod.inside == {"H100-SXM": 1024, "NVSwitch3": 512, "ConnectX-7": 1024}


def test_the_sum_is_counts_times_prices(superpod):
    expected = (
        128 * catalog.price("node-h100").typical
        + 48 * catalog.price("switch-ib-400g-64").typical
        + 2048 * catalog.price("link-400g").typical
    )
    assert superpod.total == pytest.approx(expected)
    assert superpod.network == pytest.approx(expected - 128 * catalog.price("node-h100").typical)


@pytest.mark.parametrize(
    ("name", "gpus", "share"),
    [
        ("rail-only", 512, 0.046),
        ("dgx-superpod-h100", 1024, 0.099),
        ("deepseek-h800-mpft", 16384, 0.099),
        ("fat-tree-64", 32768, 0.146),
    ],
)
def test_network_shares_of_the_h100_sheet(name, gpus, share):
    """4.6, 9.9 and 14.6 % of node plus network: one, two and three tiers."""
    found = billed(name, gpus, "h100-sheet", H100)
    assert found.network_share.typical == pytest.approx(share, abs=0.0006)


@pytest.mark.parametrize(("gpus", "dollars"), [(512, 1883), (1024, 4248), (32768, 6613)])
def test_network_dollars_a_gpu_of_the_h100_sheet(gpus, dollars):
    name = {512: "rail-only", 1024: "dgx-superpod-h100", 32768: "fat-tree-64"}[gpus]
    found = billed(name, gpus, "h100-sheet", H100)
    assert found.network / gpus == pytest.approx(dollars, rel=0.002)


@pytest.mark.parametrize(
    ("name", "gpus", "millions", "thousand_each"),
    [("deepseek-h800-mpft", 16384, 72, 4.39), ("fat-tree-64", 65536, 491, 7.5)],
)
def test_isca25_table_3_from_the_graph(name, gpus, millions, thousand_each):
    """arXiv:2505.09343 Table 3: MPFT and FT3, switches and links between switches."""
    found = billed(name, gpus, "isca-table3")
    assert found.network == pytest.approx(millions * 1e6, rel=0.01)
    assert found.network / gpus == pytest.approx(thousand_each * 1e3, rel=0.01)
    assert found.total == found.network


@pytest.mark.parametrize(
    ("switches", "links", "endpoints", "millions", "thousand_each"),
    [
        (96, 2048, 2048, 9, 4.39),
        (768, 16384, 16384, 72, 4.39),
        (5120, 131072, 65536, 491, 7.5),
        (1568, 32928, 32928, 146, 4.4),
        (16352, 384272, 261632, 1522, 5.8),
    ],
)
def test_isca25_table_3_from_its_counts(switches, links, endpoints, millions, thousand_each):
    """All five columns within the 5 % that the two derived prices carry."""
    found = tally({"switch-isca-table3": switches, "link-isca-table3": links})
    assert found.total == pytest.approx(millions * 1e6, rel=0.05)
    assert found.total / endpoints == pytest.approx(thousand_each * 1e3, rel=0.05)


@pytest.mark.parametrize(
    ("switches", "node", "share"),
    [
        (122, "relative-node-fire-flyer-2", 350 / 11600),
        (200, "relative-node-fire-flyer-2", 600 / 11850),
        (1320, "relative-node-dgx-a100", 4000 / 23000),
    ],
)
def test_network_shares_of_fire_flyer_table_iii(switches, node, share):
    """arXiv:2408.14158 Table III: 3.0, 5.1 and 17.4 %, from one price a switch."""
    found = tally({"relative-switch-hdr": switches, node: 1250})
    assert found.network_share.low - 0.0005 <= share <= found.network_share.high + 0.0005
    assert found.network_share.typical == pytest.approx(share, rel=0.05)


def test_the_popular_basis_is_the_price_of_the_gpus(superpod):
    gpus = 1024 * catalog.price("gpu-h100").typical
    assert superpod.network_over_gpus.typical == pytest.approx(superpod.network / gpus)
    assert superpod.network_over_gpus.typical > superpod.network_share.typical


def test_every_price_names_its_row_source_and_date(superpod):
    for line in superpod.lines:
        assert line.row in catalog.names("prices")
        assert line.date in line.source
        assert "2024-08" in line.source


@pytest.mark.parametrize("name", cluster_names())
def test_every_dollar_of_a_named_cluster_names_its_row_source_and_date(name):
    """Also what rents, and what draws power: a row, who published it, and the month."""
    cluster = nm.load_cluster(name)
    gpus = min(cluster.gpus, 1024)
    found = cost(cluster, gpus)
    for line in found.bill.lines:
        if line.unit is None:
            assert any(line.item in note for note in found.notes)
        elif line.row != "included":
            row = catalog.price(line.row)
            assert (line.unit.low, line.unit.high) == (row.low, row.high)
            assert (line.source, line.date) == (f"{row.source} ({row.date})", row.date)
            assert {row.facts[field].source for field in ("typical", "date", "what")}
        if line.load is not None:
            assert line.load_source or line.kind == "switch"
    for term in found.terms:
        assert (term.value is None) == term.source.startswith("no published row")
        assert (
            term.value is None or catalog.price(term.source.partition(":")[0]).date in term.source
        )
    assert found.to_dict()["groups"] == json.loads(json.dumps(found.to_dict()["groups"]))


UNPRICED = {
    *("frontier", "hamming-mesh-2x2", "leonardo"),  # hosts of their own, or Slingshot
    *("reference-torus", "tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7x"),  # rented, not sold
}


def test_all_named_clusters_but_these_have_a_whole_bill():
    priced = {
        name for name in cluster_names() if billed(name, min(256, nm.load_cluster(name).gpus)).total
    }
    assert set(cluster_names()) - priced == UNPRICED


def test_hdr_switches_are_priced_with_their_cables():
    """arXiv:2408.14158 Table III counts a switch with its cables: these add nothing."""
    found = billed("selene", 2240)
    lines = by_item(found)
    assert lines["leaf-spine InfiniBand-HDR cable"].sum.typical == 0
    assert found.network == pytest.approx(
        lines["QM8700 switch"].count * catalog.price("switch-hdr").typical
    )


def test_derived_rows_follow_from_what_they_cite():
    """Fire-Flyer's host and HDR switch from Table III, a tray from its rack, switches by rate."""
    unit = catalog.price("node-a100").typical / catalog.price("relative-node-dgx-a100").typical
    host = catalog.price("relative-node-fire-flyer-2").typical
    switch = catalog.price("relative-switch-hdr")
    assert catalog.price("node-fire-flyer-2").typical == pytest.approx(unit * host, rel=1e-4)
    assert catalog.price("switch-hdr").typical == pytest.approx(unit * switch.typical, rel=1e-4)
    assert catalog.price("switch-hdr").low == pytest.approx(unit * switch.low, rel=1e-3)
    assert catalog.price("node-gb200-tray").typical * 18 == pytest.approx(3e6, rel=1e-5)
    rated = catalog.switch("QM9700")
    for name, row in (("SN5600", "switch-eth-800g-64"), ("Q3400", "switch-ib-800g-144")):
        other = catalog.switch(name)
        times = other.ports * other.port_bandwidth / (rated.ports * rated.port_bandwidth)
        expected = times * catalog.price("switch-ib-400g-64").typical
        assert catalog.price(row).typical == pytest.approx(expected)


def test_a_host_with_other_gpus_costs_what_the_host_of_those_gpus_does():
    found = billed("dgx-superpod-h100", 64, overrides=("nodes.accelerator=B200",))
    (host,) = found.hosts
    assert host.item == "DGX-H100 host with B200-SXM"
    assert host.row == "node-b200"
    assert host.power == host.load.high == catalog.node("DGX-B200").power


@settings(max_examples=10, deadline=None)
@given(hosts=st.integers(3, 96))
def test_the_bill_of_a_mix_is_that_of_its_groups(hosts):
    """Hosts of each kind cost what as many of them do in a pure cluster."""
    found = billed("hybrid-a100-h100-mi300x", 8 * hosts)
    assert sum(line.gpus for line in found.hosts) == 8 * hosts
    for line in found.hosts:
        (pure,) = billed(
            "hybrid-a100-h100-mi300x", line.gpus, overrides=(f"nodes={line.part}",)
        ).hosts
        assert (line.sum, line.load, line.count) == (pure.sum, pure.load, pure.count)
    assert found.purchase.typical == pytest.approx(
        found.network + sum(line.sum.typical for line in found.hosts)
    )


def test_a_missing_price_leaves_the_sum_open_and_is_named():
    found = billed("leonardo", 256)
    assert found.total is None
    assert found.network_share is None
    assert found.network is not None
    assert any("custom host" in note for note in found.notes)
    assert found.known_price == pytest.approx(found.network)


def test_fire_flyer_draws_what_was_published():
    """arXiv:2408.14158: just over 3 MW for the cluster, under 4; hosts at 2,500 W."""
    found = billed("fire-flyer-2", 10000)
    assert 3.0e6 < found.load.typical < 4.0e6
    assert found.known_power == pytest.approx(3.1e6, rel=0.05)


def test_2048_h800_draw_at_most_what_256_rated_nodes_do():
    """256 nodes of 10.2 kW are 2.6 MW; optics of two tiers come on top."""
    found = billed("deepseek-h800-mpft", 2048)
    optics = sum(line.power * line.count for line in found.lines if line.kind == "cable")
    assert found.load.high - optics == pytest.approx(256 * 10200)
    assert optics < 0.03 * found.load.high
    assert found.load.typical < found.load.high
    assert found.idle < found.load.typical


def test_length_decides_between_copper_and_optics():
    cluster = nm.load_cluster("dgx-superpod-h100")
    wiring = cluster.wiring(256)
    near = by_item(bill(cluster, wiring, lengths={"host-leaf": 2.0}))
    far = by_item(bill(cluster, wiring, lengths={"host-leaf": 90.0}))
    item = "host-leaf InfiniBand-NDR cable"
    assert (near[item].medium, far[item].medium) == ("copper", "single-mode")
    assert near[item].power < far[item].power


def test_an_unknown_price_list_offers_the_known():
    with pytest.raises(InputError, match="isca-table3"):
        PriceList(name="isca-table")
