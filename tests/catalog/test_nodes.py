"""Nodes, links, switches and NICs fit each other."""

import pytest
from netmodel import catalog

ALL = [catalog.node(name) for name in catalog.names("nodes")]


def test_every_part_of_a_node_is_in_the_catalog() -> None:
    for node in ALL:
        assert catalog.accelerator(node.accelerator).name == node.accelerator
        for link in (node.scaleup_link, node.pcie_link):
            assert link is None or catalog.link(link).name == link, node.name
        assert node.nic is None or catalog.nic(node.nic).name == node.nic
        assert (node.nic is None) == (node.nics == 0), node.name


def test_nvswitches_carry_all_links_of_all_gpus() -> None:
    """Each GPU uses all its NVLinks, and no NVSwitch has more cables than ports."""
    switched = [node for node in ALL if node.scaleup == "nvswitch"]
    assert len(switched) > 12
    for node in switched:
        assert node.nvswitch is not None
        assert node.scaleup_link is not None
        chip = catalog.switch(node.nvswitch)
        assert sum(node.nvswitch_links) == catalog.link(node.scaleup_link).links_per_gpu, node.name
        assert max(node.nvswitch_links) * node.scaleup_domain <= chip.ports, node.name
        assert chip.port_bandwidth == catalog.link(node.scaleup_link).bandwidth, node.name
        assert int(node.facts["nvswitches"].value) == len(node.nvswitch_links), node.name


def test_a_mesh_or_bridge_uses_no_more_links_than_a_chip_has() -> None:
    for node in ALL:
        if node.scaleup in ("mesh", "bridge"):
            assert node.scaleup_link is not None
            links = catalog.link(node.scaleup_link).links_per_gpu
            used = node.pair_links * (node.scaleup_domain - 1)
            assert links is not None
            assert 0 < used <= links, node.name


def test_domains_and_hosts_divide_each_other() -> None:
    for node in ALL:
        small, large = sorted((node.gpus, node.scaleup_domain))
        assert large % small == 0, node.name
        if node.pcie_switches:
            assert node.gpus % node.pcie_switches == 0, node.name
        if node.nics:
            assert max(node.gpus, node.nics) % min(node.gpus, node.nics) == 0, node.name


@pytest.mark.parametrize(
    ("name", "scaleout"),
    [
        ("AWS-p4d", 50e9),
        ("AWS-p5", 400e9),
        ("AWS-p5en", 400e9),
        ("AWS-p6-b200", 400e9),
        ("AWS-p6-b300", 800e9),
        ("GCP-A3-High", 100e9),
        ("GCP-A3-Mega", 200e9),
        ("DGX-H100", 400e9),
        ("DGX-B300", 800e9),
    ],
)
def test_nics_add_up_to_the_published_bandwidth_of_the_host(name: str, scaleout: float) -> None:
    """stas00/ml-engineering network/README.md states the total of one direction."""
    node = catalog.node(name)
    assert node.nic is not None
    assert node.nics * catalog.nic(node.nic).bandwidth == scaleout


def test_published_nodes() -> None:
    nvl72 = catalog.node("GB200-NVL72")
    assert (nvl72.gpus, nvl72.scaleup_domain, len(nvl72.nvswitch_links)) == (4, 72, 18)
    fire_flyer = catalog.node("Fire-Flyer-2")
    assert (fire_flyer.scaleup_domain, fire_flyer.gpus_per_nic) == (2, 8)
    assert (fire_flyer.root_port_gpus, fire_flyer.root_port_bandwidth) == (2, 37e9)
    assert catalog.node("AWS-p5").gpus_per_nic == 0.25
    assert catalog.node("DGX-A100").nvswitch_links == (2,) * 6


def test_every_accelerator_has_a_host_of_its_own() -> None:
    for name in catalog.names("accelerators"):
        usual = catalog.accelerator(name).usual_node
        assert usual is None or catalog.node(usual).accelerator == name
    for name in ("H100", "A100", "H800", "B200", "B300", "GB200", "GB300", "MI300X", "TPU-v5p"):
        assert catalog.accelerator(name).usual_node is not None


def test_latencies_add_up_to_the_measured_end_to_end_times() -> None:
    """arXiv:2505.09343 Table 5: 2.8 / 3.7 us by InfiniBand, 3.6 / 5.6 us by RoCE."""
    for cable, switch, adapter in (
        ("InfiniBand-NDR", "QM9700", "ConnectX-7"),
        ("Ethernet-400G", "Tomahawk4", "ConnectX-7-RoCE"),
    ):
        link, box, nic = catalog.link(cable), catalog.switch(switch), catalog.nic(adapter)
        for switches, field in ((1, "end_to_end_same_leaf"), (3, "end_to_end_cross_leaf")):
            total = 2 * nic.latency + (switches + 1) * link.latency + switches * box.latency
            assert total == pytest.approx(link.facts[field].value, rel=1e-9)


def test_usable_bandwidth_is_below_the_rated_one() -> None:
    for name in catalog.names("links"):
        link = catalog.link(name)
        if link.usable_bandwidth is not None:
            assert 0.6 < link.usable_bandwidth / link.bandwidth < 1, name


def test_switch_ports_add_up_to_the_published_capacity() -> None:
    """QM9700 51.2 Tb/s in both directions; Tomahawk 4 25.6 Tb/s; Rosetta 12.8 Tb/s."""
    for name, bits in (("QM9700", 25.6e12), ("Tomahawk4", 25.6e12), ("Rosetta", 12.8e12)):
        box = catalog.switch(name)
        assert box.ports * box.port_bandwidth * 8 == bits
