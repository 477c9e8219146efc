"""What vendors print about the inside of hosts, counted on the generated graph of one host."""

import numpy as np
import pytest
from netmodel.topology import load_cluster, make_cluster

SCALE_UP = ("nvlink", "xgmi")
HOSTS = {  # node: GPUs, NVSwitch chips, GB/s a GPU one way, NICs, GB/s of one NIC
    "DGX-A100": (8, 6, 300, 8, 25),
    "DGX-H100": (8, 4, 450, 8, 50),
    "DGX-H200": (8, 4, 450, 8, 50),
    "DeepSeek-H800": (8, 4, 200, 8, 50),
    "DGX-B200": (8, 2, 900, 8, 50),
    "DGX-B300": (8, 2, 900, 8, 100),
    "GB200-NVL72": (72, 18, 900, 72, 50),
    "JUPITER-Booster": (4, 0, 450, 4, 25),
    "Frontier-EX235a": (4, 0, 300, 4, 25),
}


def host(node, gpus):
    """One host on a switch of its own."""
    return make_cluster(
        {
            "name": "one",
            "description": "one host",
            "sources": ["hand-made"],
            "gpus": gpus,
            "nodes": {"name": node},
            "fabric": {"family": "fat-tree", "radix": 144, "link": "InfiniBand-XDR"},
        }
    ).wiring()


def rate(group):
    """Bandwidth of each edge of a group [B/s]."""
    return np.broadcast_to(np.asarray(group.bandwidth, float), len(group.a))


@pytest.mark.parametrize("node", HOSTS)
def test_gpus_switches_and_nics_of_a_host(node, count):
    gpus, chips, bandwidth, nics, port = HOSTS[node]
    wiring = host(node, gpus)
    made = count(wiring)
    assert (made.nodes["gpu"], made.nodes["nvswitch"], made.nodes["nic"]) == (gpus, chips, nics)
    sent = np.zeros(wiring.n_nodes)
    for group in wiring.cables:
        if group.tier in SCALE_UP:
            np.add.at(sent, group.a, rate(group))
            np.add.at(sent, group.b, rate(group))
        if group.tier == "host-leaf":
            assert rate(group) == pytest.approx(np.full(nics, port * 1e9))
    assert sent[wiring.gpus] == pytest.approx(np.full(gpus, bandwidth * 1e9))


@pytest.mark.parametrize(("node", "each"), [("DGX-A100", 2), ("GB200-NVL72", 1)])
def test_every_gpu_has_as_many_links_to_each_nvswitch(node, each, count):
    """An A100 two to each of 6 chips, a B200 of a rack one to each of 18."""
    gpus, chips, *_ = HOSTS[node]
    (group,) = (group for group in host(node, gpus).cables if group.tier == "nvlink")
    assert len(group.a) == gpus * chips
    assert set(np.broadcast_to(group.cables, len(group.a))) == {each}


def test_grace_hoppers_of_jupiter_reach_each_other_at_150_gb_a_second():
    (group,) = (group for group in host("JUPITER-Booster", 4).cables if group.tier == "nvlink")
    assert rate(group) == pytest.approx(np.full(6, 150e9))


def test_a_dgx_a100_has_four_pcie_switches(count):
    assert count(host("DGX-A100", 8)).nodes["pcie_switch"] == 4


def test_gb200_trays_hold_four_gpus_whose_cpu_links_carry_450_gb_a_second():
    wiring = host("GB200-NVL72", 72)
    cpus = set(wiring.of_kind("cpu").tolist())
    links = [
        (a, b, each)
        for group in wiring.cables
        if group.tier == "pcie"
        for a, b, each in zip(group.a.tolist(), group.b.tolist(), rate(group), strict=True)
    ]
    gpus = set(wiring.gpus.tolist())
    c2c = [each for a, b, each in links if {a, b} & gpus and {a, b} & cpus]
    assert len(cpus) == 36  # two to a tray of four GPUs, 18 trays
    assert c2c == [450e9] * 72


@pytest.mark.parametrize(
    ("name", "hosts", "gpus"),
    [
        ("eos", 576, 4608),
        ("selene", 280, 2240),
        ("dgx-superpod-a100", 140, 1120),
        ("dgx-superpod-gb200", 128 * 18, 9216),  # 128 racks of 18 trays
        ("dgx-superpod-h100", 511, 4088),  # imbue: some ports go to the fabric manager
    ],
)
def test_published_clusters_have_their_hosts_and_one_port_a_gpu(name, hosts, gpus, count):
    wiring = load_cluster(name).wiring(gpus)
    made = count(wiring)
    node = wiring.attribute("node", -1.0)[wiring.gpus]
    assert (len(np.unique(node)), made.nodes["gpu"]) == (hosts, gpus)
    assert made.cables["host-leaf"] == made.nodes["nic"] == gpus
