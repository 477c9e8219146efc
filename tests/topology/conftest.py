"""What the tests of this room share: counts of a wiring, and hosts that are one NIC."""

from collections import Counter

import numpy as np
import pytest
from netmodel.graph import SWITCH_KINDS
from netmodel.topology import make_cluster


def spread(group):
    """Cables of each edge of a group."""
    return np.broadcast_to(np.asarray(group.cables), len(group.a))


class Counts:
    """Nodes by kind, cables by tier, and cables at each node of a wiring."""

    def __init__(self, wiring):
        self.nodes, self.cables = Counter(), Counter()
        for block in wiring.blocks:
            self.nodes[block.kind] += block.size
        self.degree = np.zeros(wiring.n_nodes, int)
        for group in wiring.cables:
            self.cables[group.tier] += int(spread(group).sum())
            np.add.at(self.degree, group.a, spread(group))
            np.add.at(self.degree, group.b, spread(group))
        self.switches = sum(self.nodes[kind] for kind in SWITCH_KINDS)
        between = ("local", "leaf-spine", "spine-core", "global")
        self.between_switches = sum(self.cables[tier] for tier in between)


@pytest.fixture(scope="session")
def count():
    """Count what a wiring holds."""
    return Counts


@pytest.fixture(scope="session")
def one_nic_hosts():
    """Make a cluster of hosts with one GPU and one NIC, so that hosts are endpoints."""

    def make(gpus, **fabric):
        return make_cluster(
            {
                "name": "test",
                "description": "hosts of one GPU and one NIC",
                "sources": ["hand-made"],
                "gpus": gpus,
                "nodes": {
                    "accelerator": "H100-SXM",
                    "gpus": 1,
                    "nic": "ConnectX-7",
                    "nics": fabric.pop("nics", 1),
                    "nic_ports": fabric.pop("nic_ports", 1),
                },
                "fabric": {"link": "InfiniBand-NDR", **fabric},
            }
        )

    return make


@pytest.fixture(scope="session")
def diameter():
    """Cables on the longest shortest path between two switches."""

    def longest(wiring):
        import networkx as nx
        from netmodel.graph import to_networkx

        graph = to_networkx(wiring)
        kinds = nx.get_node_attributes(graph, "kind")
        return nx.diameter(graph.subgraph(n for n in graph if kinds[n] in SWITCH_KINDS))

    return longest
