"""DeepSeek's comparison of five networks of 64-port switches (arXiv:2505.09343 Table 3)."""

import pytest
from netmodel.topology import load_cluster
from netmodel.topology.slim_fly import counts

BUILT = {  # cluster: GPUs, switches, cables between switches
    "deepseek-h800-mrft": (2048, 96, 2048),  # FT2
    "deepseek-h800-mpft": (16384, 768, 16384),
    "fat-tree-64": (65536, 5120, 131072),
    "dragonfly-64": (261632, 16352, 384272),
}


@pytest.mark.parametrize("name", BUILT)
def test_switches_and_cables(name, count):
    endpoints, switches, cables = BUILT[name]
    made = count(load_cluster(name).wiring(endpoints))
    assert (made.cables["host-leaf"], made.switches, made.between_switches) == (
        endpoints,
        switches,
        cables,
    )


def test_the_slim_fly_column_follows_from_its_formula_alone():
    row = counts(28)
    assert (row.hosts, row.routers, row.cables) == (32928, 1568, 32928)


def test_the_dragonfly_has_253456_local_and_130816_global_cables(count):
    made = count(load_cluster("dragonfly-64").wiring())
    assert (made.cables["local"], made.cables["global"]) == (253456, 130816)


@pytest.mark.parametrize(
    ("protocol", "same_leaf", "cross_leaf"), [("ib", 2.8e-6, 3.7e-6), ("roce", 3.6e-6, 5.6e-6)]
)
def test_latency_between_nics_is_that_of_table_5(protocol, same_leaf, cross_leaf):
    """CPU-side end to end, 64 bytes: the NIC's latency includes its PCIe port."""
    import networkx as nx

    name = {"ib": "deepseek-h800-mrft", "roce": "reference-ethernet"}[protocol]
    graph = load_cluster(name).graph(512)
    nics = [n for n, kind in graph.nodes(data="kind") if kind == "nic"]
    kinds = ("nic", "leaf", "spine")
    fabric = graph.subgraph(n for n, kind in graph.nodes(data="kind") if kind in kinds)
    delay = nx.get_node_attributes(graph, "latency")

    def latency(a, b):
        path = nx.shortest_path(fabric, a, b)
        cables = sum(fabric.edges[pair]["latency"] for pair in nx.utils.pairwise(path))
        return cables + sum(delay[node] for node in path)

    rail = [n for n in nics if graph.nodes[n]["rail"] == 0]
    assert latency(rail[0], rail[1]) == pytest.approx(same_leaf, rel=1e-9)
    assert latency(rail[0], rail[-1]) == pytest.approx(cross_leaf, rel=1e-9)
