"""DGX SuperPOD: every row of NVIDIA's cable tables, counted on generated graphs."""

import numpy as np
import pytest
from netmodel.topology import load_cluster

# nodes, leaf, spine, core, node-leaf, leaf-spine, spine-core
# docs.nvidia.com/dgx-superpod, B200 architecture
B200 = [
    (64, 16, 8, 0, 512, 512, 0),
    (128, 32, 16, 0, 1024, 1024, 0),
    (256, 64, 32, 0, 2048, 2048, 0),
    (512, 128, 128, 64, 4096, 4096, 4096),
    (1024, 256, 256, 128, 8192, 8192, 8192),
    (2048, 512, 512, 256, 16384, 16384, 16384),
]
# B300 (Spectrum-X), Table 3
B300 = [
    (64, 16, 8, 0, 512, 512, 0),
    (128, 32, 16, 0, 1024, 1024, 0),
    (256, 64, 32, 0, 2048, 2048, 0),
    (512, 128, 64, 0, 4096, 4096, 0),
    (1024, 256, 128, 0, 8192, 8192, 0),
]
# B300 XDR, Table 3; its last row prints 9,216 GPUs beside 1,296 nodes and 10,368 cables
XDR = [
    (72, 8, 4, 0, 576, 576, 0),
    (144, 16, 8, 0, 1152, 1152, 0),
    (288, 32, 18, 0, 2304, 2304, 0),
    (576, 64, 36, 0, 4608, 4608, 0),
    (1296, 144, 72, 0, 10368, 10368, 0),
]
ROWS = [
    (name, row)
    for name, rows in (
        ("dgx-superpod-b200", B200),
        ("dgx-superpod-h100", B200),
        ("dgx-superpod-b300", B300),
        ("dgx-superpod-b300-xdr", XDR),
    )
    for row in rows
]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}-{row[0]}" for name, row in ROWS])
def test_every_row_of_the_cable_tables(name, row, count):
    made = count(load_cluster(name).wiring(8 * row[0]))
    switches = tuple(made.nodes[kind] for kind in ("leaf", "spine", "core"))
    cables = tuple(made.cables[tier] for tier in ("host-leaf", "leaf-spine", "spine-core"))
    assert switches + cables == row[1:]


@pytest.mark.parametrize(
    ("name", "hosts", "ports"),
    [("dgx-superpod-b200", 2048, 32), ("dgx-superpod-b300-xdr", 1296, 72)],
)
def test_a_leaf_has_as_many_ports_down_as_up(name, hosts, ports, count):
    """32 of each of a QM9700, 72 of each of a Q3400; eight leaves a unit, one for each rail."""
    wiring = load_cluster(name).wiring(8 * hosts)
    leaves = wiring.of_kind("leaf")
    for tier in ("host-leaf", "leaf-spine"):
        used = np.zeros(wiring.n_nodes, int)
        for group in wiring.cables:
            if group.tier == tier:
                cables = np.broadcast_to(group.cables, len(group.a))
                np.add.at(used, group.a, cables)
                np.add.at(used, group.b, cables)
        assert set(used[leaves].tolist()) == {ports}
    assert len(leaves) == 8 * hosts // ports
    assert set(count(wiring).degree[leaves].tolist()) == {2 * ports}


def test_a_512_node_plan_is_four_pods_of_80_switches(count):
    """apetops-us.com: per pod 32 leaf + 32 spine + 16 core, 320 switches in all."""
    wiring = load_cluster("dgx-superpod-h100").wiring(4096)
    assert count(wiring).switches == 320
    spines = next(block for block in wiring.blocks if block.kind == "spine")
    assert spines.shape == (1, 4, 32)


def test_the_gb200_unit_is_the_one_in_nvidias_fabric_dump(count):
    """32 leaves of 18 hosts and 18 uplinks, two cables to each of 9 full spines."""
    wiring = load_cluster("gb200-nvl72").wiring(576)
    made = count(wiring)
    assert (made.nodes["leaf"], made.nodes["spine"]) == (32, 9)
    assert set(made.degree[wiring.of_kind("leaf")]) == {36}
    assert set(made.degree[wiring.of_kind("spine")]) == {64}
    (uplinks,) = (group for group in wiring.cables if group.tier == "leaf-spine")
    assert uplinks.cables == 2


def test_the_four_unit_h100_pod_of_127_nodes_keeps_its_switches(count):
    """RA-11333-001: one node of 128 gives its ports to the fabric manager."""
    made = count(load_cluster("dgx-superpod-h100").wiring(127 * 8))
    assert (made.nodes["leaf"], made.nodes["spine"]) == (32, 16)
    assert made.cables["host-leaf"] == 1016
