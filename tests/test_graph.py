"""The graph vocabulary: arrays and networkx say the same, and bad graphs are refused."""

import networkx as nx
import numpy as np
import pytest
from netmodel import graph
from netmodel.errors import InputErrors


def two_nodes() -> graph.Wiring:
    """Two hosts of two GPUs with a NIC each, one leaf."""
    host = np.repeat(np.arange(2), 2)
    return graph.Wiring(
        name="pair",
        blocks=(
            graph.Block(
                kind="gpu", shape=(2, 2), label="node{0}-gpu{1}", attributes={"node": host}
            ),
            graph.Block(kind="nic", shape=(2,), label="node{0}-nic", attributes={"node": [0, 1]}),
            graph.Block(kind="leaf", shape=(1,), label="leaf-{0}", attributes={"latency": 3e-7}),
        ),
        cables=(
            graph.Cables(
                a=np.arange(4),
                b=4 + host,
                bandwidth=32e9,
                latency=0.0,
                cables=1,
                link="pcie4-x16",
                tier="pcie",
            ),
            graph.Cables(
                a=np.array([4, 5]),
                b=np.array([6, 6]),
                bandwidth=np.array([50e9, 25e9]),
                latency=1e-8,
                cables=np.array([2, 1]),
                link="hdr",
                tier="host-leaf",
            ),
        ),
    )


def test_a_wiring_becomes_the_graph_it_describes():
    made = graph.to_networkx(two_nodes())
    assert list(made)[:3] == ["node0-gpu0", "node0-gpu1", "node1-gpu0"]
    assert made.nodes["leaf-0"] == {"kind": "leaf", "latency": 3e-7}
    assert made.nodes["node1-gpu0"] == {"kind": "gpu", "node": 1}
    assert made.edges["node1-nic", "leaf-0"] == {
        "bandwidth": 25e9,
        "latency": 1e-8,
        "cables": 1,
        "link": "hdr",
        "tier": "host-leaf",
    }


def test_graph_to_arrays_and_back_loses_nothing():
    first = graph.to_networkx(two_nodes())
    again = graph.to_networkx(graph.from_networkx(first))
    assert list(again.nodes(data=True)) == list(first.nodes(data=True))
    assert {frozenset(e[:2]): e[2] for e in again.edges(data=True)} == {
        frozenset(e[:2]): e[2] for e in first.edges(data=True)
    }


def test_names_and_attributes_of_chosen_nodes():
    wiring = two_nodes()
    assert wiring.names([6, 0, 5]) == ["leaf-0", "node0-gpu0", "node1-nic"]
    assert wiring.attribute("latency", 0.0).tolist() == [0.0] * 6 + [3e-7]
    assert wiring.gpus.tolist() == [0, 1, 2, 3]


def test_a_graph_that_is_no_fabric_names_every_fault():
    bad = nx.Graph(name="bad")
    bad.add_node("a", kind="gpux")
    bad.add_node("b", kind="leaf")
    bad.add_edge("a", "b", bandwidth=0, latency=0, cables=1, link="x", tier="pcie")
    with pytest.raises(InputErrors) as caught:
        graph.check_graph(bad)
    text = str(caught.value).splitlines()
    assert len(text) == 3
    assert "kind is 'gpux'" in text[0]
    assert "above zero" in text[1]
    assert "no node of kind 'gpu'" in text[2]
