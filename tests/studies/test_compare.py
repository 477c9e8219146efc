"""Clusters side by side: the published fabrics, equal money, and the inverse question."""

import netmodel as nm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.errors import InputError, ModelError
from netmodel.graph import Block, Cables, Wiring
from netmodel.studies.compare import bandwidth_lost, compare
from netmodel.studies.compare_target import Target, cheapest, least, reach, reaches
from netmodel.studies.explain_elasticity import changed
from netmodel.studies.layouts import Request
from netmodel.studies.price_list import PriceList
from netmodel.training.pieces import pieces

ISCA = [
    ("fat-tree-64", ("fabric.tiers=2", "gpus=2048"), 2048, 96, 2048, 4390),
    ("deepseek-h800-mpft", (), 16384, 768, 16384, 4390),
    ("fat-tree-64", (), 65536, 5120, 131072, 7500),
]
"""arXiv:2505.09343 Table 3: fabric, overrides, endpoints, switches, links between them, USD per
endpoint."""

POD, H800 = "dgx-superpod-h100", "deepseek-h800-mpft"


def designs(*names, **overrides):
    return [(name, nm.load_cluster(name, **overrides)) for name in names]


def thin(*ratios):
    return [
        (f"{POD} {r}", nm.load_cluster(POD, overrides=(f"fabric.oversubscription={r}",)))
        for r in ratios
    ]


@pytest.mark.parametrize(("name", "overrides", "gpus", "switches", "links", "price"), ISCA)
def test_fabrics_against_isca25_table3(name, overrides, gpus, switches, links, price):
    found = compare(
        designs(name, overrides=overrides), gpus=[gpus], prices=PriceList(name="isca-table3")
    )
    (entry,) = found.entries
    assert (entry.switches, entry.links) == (switches, links)
    network = entry.cost.bill.network_purchase
    assert network.typical / gpus == pytest.approx(price, rel=0.05)
    assert entry.step is None
    assert entry.tokens_per_joule is None


def test_network_shares_against_the_h100_sheet():
    """The 2024-08 cost sheet: 9.9 % of node plus network in two tiers, 14.6 % in three."""
    found = compare(designs(POD), gpus=[1024, 16384]).entries
    shares = [each.cost.bill.network_share.typical for each in found]
    assert shares == pytest.approx([0.099, 0.146], abs=0.005)


@pytest.mark.parametrize(
    ("name", "gpus", "share"),
    [
        ("rail-only", 512, 0.046),
        (POD, 1024, 0.099),
        (H800, 16384, 0.099),
        ("fat-tree-64", 32768, 0.146),
    ],
)
def test_tiers_against_the_h100_sheet(name, gpus, share):
    """Its own list of prices: 4.6, 9.9 and 14.6 % in one, two and three tiers."""
    prices = PriceList(name="h100-sheet")
    (entry,) = compare(
        designs(name, overrides=("nodes=DGX-H100",)), gpus=[gpus], prices=prices
    ).entries
    assert entry.cost.bill.network_share.typical == pytest.approx(share, abs=0.0006)


HDR = ("fabric.switch=QM8700", "fabric.link=InfiniBand-HDR")
TABLE_III = [
    ("fire-flyer-2", (), "gpus=12800 max_gpus=12800 sites.gpus=6400", "fire-flyer-2", 120, 3.0),
    ("fat-tree-64", HDR, "gpus=12800 nodes=Fire-Flyer-2", "fire-flyer-2", 200, 5.1),
    ("fat-tree-64", HDR, "gpus=10000 nodes=DGX-A100", "dgx-a100", 1457, 17.4),
]
"""Two zones of 60 switches, three layers for one NIC a node, three layers for eight."""


@pytest.mark.parametrize(("name", "parts", "more", "node", "switches", "percent"), TABLE_III)
def test_network_shares_against_fire_flyer_table_iii(name, parts, more, node, switches, percent):
    """arXiv:2408.14158: 122, 200 and 1,320 switches for 1,250 nodes; ours for DGX A100 are 1,457.

    In its own unit of price, cables in that of a switch. The trees are full, the nodes are not on
    all of their ports: the price of 1,250 is spread over them.
    """
    cluster = nm.load_cluster(name, overrides=(*parts, *more.split()))
    hosts = len(np.unique(cluster.wiring(cluster.gpus).attribute("node", -1.0)[: cluster.gpus]))
    prices = {
        "any-switch": catalog.price("relative-switch-hdr").typical,
        "any-host": catalog.price(f"relative-node-{node}").typical * 1250 / hosts,
        "any-cable": 0.0,
    }
    found = compare([(name, cluster)], gpus=[cluster.gpus], prices=PriceList(stated=prices))
    (entry,) = found.entries
    assert entry.switches == switches
    assert 100 * entry.cost.bill.network_share.typical == pytest.approx(percent, rel=0.08)


@pytest.fixture(scope="module")
def pair():
    return compare(designs(POD, H800), [nm.load_model("gpt3-175b")], gpus=[1024])


def test_tokens_are_counted_by_the_dollar_and_the_joule(pair):
    for each in pair.entries:
        assert each.tokens_per_s == each.step.tokens_per_s_per_gpu * 1024
        rented = each.tokens_per_s / (1024 * each.cost.figure("rent").typical)
        assert each.tokens_per_dollar_rented.typical == pytest.approx(rented)
        power = each.cost.figure("load").typical
        assert each.tokens_per_joule.typical == pytest.approx(each.tokens_per_s / power)
        low, high = each.tokens_per_dollar_rented.low, each.tokens_per_dollar_rented.high
        assert low <= rented <= high


def test_every_dollar_names_its_source_and_date(pair):
    said = " ".join(pair.notes)
    assert "gpu-hour-h100" in said
    assert "2026-05" in said
    assert "gpu-hour-h800" in said
    assert all(each.tokens_per_dollar_owned.low > 0 for each in pair.entries)


def test_a_part_without_a_price_is_named_and_leaves_owning_open():
    (one,) = compare(designs("leonardo"), gpus=[1024]).entries
    assert one.tokens_per_dollar_owned is None
    assert any("custom host" in note for note in one.cost.notes)


def test_what_cannot_take_part_is_left_out_with_a_reason():
    found = compare(designs(POD, "fire-flyer-2"), gpus=[16384])
    assert [each.label for each in found.entries] == [POD]
    ((label, why),) = found.left_out
    assert label == "fire-flyer-2"
    assert "ends at 10,000" in why
    assert "fire-flyer-2: left out" in found.notes[0]
    with pytest.raises(ModelError):
        compare(designs("fire-flyer-2"), gpus=[16384])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (POD, {"nic": 1 / 8, "leaf": 1 / 8, "spine": 1 / 16}),
        ("fire-flyer-2", {"nic": 1.0, "leaf": 1.0, "spine": 1 / 4}),
        ("fat-tree-64", {"nic": 1 / 8, "leaf": 1.0, "spine": 1 / 32}),
    ],
)
def test_what_one_fault_takes_of_a_hosts_bandwidth(name, expected):
    """Rails keep seven eighths of a host; one leaf, or one NIC, may be all of it.

    At 1,024 GPUs the SuperPOD has 16 spines, Fire-Flyer 2 (140 uplinks) four.
    """
    found = bandwidth_lost(nm.load_cluster(name).wiring(1024))
    assert found == pytest.approx(expected)


@given(st.lists(st.floats(1, 100), min_size=1, max_size=8))
def test_the_largest_of_a_hosts_cables_is_its_largest_loss(rates):
    n = len(rates)
    wiring = Wiring(
        name="host",
        blocks=(
            Block(kind="nic", shape=(n,), label="nic{0}", attributes={"node": 0}),
            Block(kind="leaf", shape=(n,), label="leaf{0}"),
        ),
        cables=(
            Cables(
                a=np.arange(n),
                b=np.arange(n) + n,
                bandwidth=np.array(rates, float),
                latency=0.0,
                cables=1,
                link="x",
                tier="host-leaf",
            ),
        ),
    )
    lost = bandwidth_lost(wiring)
    assert lost["nic"] == lost["leaf"] == pytest.approx(max(rates) / sum(rates))


def test_fault_tolerance_is_that_of_every_single_fault():
    """Hosts of one NIC lose their job with it; those on rails go on."""
    model = nm.load_model("llama-3.1-8b")
    rails, single = compare(designs(POD, "fire-flyer-2"), [model], gpus=[64], faults=True).entries
    assert rails.stopping == 0
    assert 1 < rails.worst < 3
    assert single.stopping >= 16
    assert single.to_dict()["single_faults"]["count"] == single.faults.count


def test_equal_money_buys_more_of_the_cheaper():
    found = compare(thin(1, 8), [nm.load_model("gpt3-175b")], gpus=[1024], equal_money=True)
    assert found.budget == found.entries[0].cost.bill.purchase.typical
    assert all(each.cost.bill.purchase.typical <= found.budget for each in found.entries)
    assert found.entries[0].gpus == 1024
    with pytest.raises(InputError, match="no complete price"):
        compare(designs("leonardo"), gpus=[1024], equal_money=True)
    with pytest.raises(ModelError, match="buys none"):
        compare(designs(POD), budget=1000.0)


@pytest.fixture(scope="module")
def needs():
    """GPT-3 on growing fabrics of one design, for 85 % of the efficiency of 1,024 GPUs."""
    model, clusters, target = nm.load_model("gpt3-175b"), thin(1, 8), Target(kind="mfu", value=0.37)
    found = compare(clusters, [model], gpus=[4096])
    return found, reaches(found, clusters, [model], target, baseline=1024)


def test_needed_bandwidth_is_just_enough(needs):
    found, (wide, _) = needs
    (entry, _), model, cluster = found.entries, nm.load_model("gpt3-175b"), thin(1)[0][1]
    one = pieces(
        model,
        cluster,
        entry.choice.strategy,
        gpus=4096,
        seq_len=entry.choice.seq_len,
        software=entry.choice.software,
    )
    outside = tuple(range(1, len(one.fabric.names)))

    def mfu(factor):
        other = one.with_fabric(changed(one.fabric, outside, "bandwidth", factor))
        return entry.step.mfu * entry.step.step_time / other.step_time

    factor = wide.nic_bandwidth / wide.nic_now
    assert wide.now == pytest.approx(entry.step.mfu, rel=1e-9)
    assert mfu(factor) == pytest.approx(0.37, rel=1e-4)
    assert mfu(factor * 0.98) < 0.37


def test_tolerable_oversubscription_agrees_with_the_varied_fabric(needs):
    """Between what a fabric wired 1:1 reaches and one wired 8:1 does not."""
    _, (wide, narrow) = needs
    assert wide.met
    assert not narrow.met
    assert 1 < wide.oversubscription < 8
    assert wide.oversubscription == pytest.approx(narrow.oversubscription, rel=0.05)
    ratio = wide.oversubscription
    model = nm.load_model("gpt3-175b")
    better, worse = compare(
        thin(round(ratio * 0.8, 2), round(ratio * 1.25, 2)), [model], gpus=[4096]
    ).entries
    assert better.step.mfu > 0.37 > worse.step.mfu


def test_the_largest_cluster_reaches_the_target_and_the_next_does_not(needs):
    _, (wide, _) = needs
    model = nm.load_model("gpt3-175b")
    sizes = compare(thin(1), [model], gpus=[wide.largest, 2 * wide.largest]).entries
    assert sizes[0].step.mfu >= 0.37 > sizes[1].step.mfu


def test_the_cheapest_that_reaches_it_is_named(needs):
    _, found = needs
    assert cheapest(found) is found[0]
    assert cheapest(found[1:]) is None


def test_efficiency_is_that_of_a_scaling_curve():
    from netmodel.studies.scale import scale

    model, ((label, cluster),) = nm.load_model("gpt3-175b"), designs(POD)
    (entry,) = compare([(label, cluster)], [model], gpus=[4096]).entries
    target = Target(kind="efficiency", value=0.8)
    found = reach(model, cluster, target, entry, baseline=1024, request=Request())
    assert found.now == pytest.approx(scale(model, cluster, [1024, 4096]).efficiency[-1])


@given(st.floats(1, 1000), st.floats(1, 1000))
def test_bisection_finds_the_edge(edge, above):
    found = least(lambda x: x >= edge, 1.0, 1000.0)
    assert found == pytest.approx(edge, rel=1e-5)
    assert (least(lambda x: x >= edge, above, above) is None) == (above < edge)


@pytest.mark.parametrize("wrong", [("speed", 0.9), ("mfu", 0.0), ("efficiency", 1.5)])
def test_a_target_is_something_that_can_be_reached(wrong):
    with pytest.raises(InputError):
        Target(kind=wrong[0], value=wrong[1])
