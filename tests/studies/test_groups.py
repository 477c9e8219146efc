"""Groups of hosts are those of the graph, and nothing is counted twice."""

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.errors import InputError
from netmodel.network.metrics import host_count
from netmodel.studies.groups import accelerators, census, components, groups
from netmodel.topology import cluster_names

MIX = nm.load_cluster("hybrid-a100-h100-mi300x")


@pytest.mark.parametrize("name", cluster_names())
def test_hosts_and_gpus_of_the_groups_are_those_of_the_graph(name):
    cluster = nm.load_cluster(name)
    wiring = cluster.wiring(min(cluster.gpus, 1000))
    found = groups(cluster, wiring)
    assert sum(group.hosts for group in found) == host_count(wiring)
    assert sum(group.gpus for group in found) == len(wiring.gpus)
    assert [group.accelerator for group in found] == list(census(wiring))


@settings(max_examples=20, deadline=None)
@given(hosts=st.integers(1, 60))
def test_what_can_fail_is_shared_out_whole(hosts):
    wiring = MIX.wiring(8 * hosts)
    counted = census(wiring)
    for per, whole in components(wiring).items():
        assert sum(own[per] for own in counted.values()) == pytest.approx(whole)
    assert all(own["gpu"] == 8 * own["node"] for own in counted.values())


def test_each_group_has_the_cables_of_its_own_nics():
    """Eight NICs a host, and cables between switches by GPUs."""
    wiring = MIX.wiring(96)
    counted = census(wiring)
    between = components(wiring)["cable"] - 96
    assert [own["cable"] for own in counted.values()] == pytest.approx([32 + between / 3] * 3)


def test_a_graph_says_the_same_as_its_cluster():
    graph = nm.load_cluster(MIX.graph(96))
    ours, theirs = groups(MIX, MIX.wiring(96)), groups(graph, graph.wiring())
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.accelerator, mine.gpus, mine.hosts) == (
            other.accelerator,
            other.gpus,
            other.hosts,
        )
        assert other.item == f"{mine.accelerator} host"
        assert other.rows[0] == mine.rows[0]


def test_a_host_of_the_users_own_has_no_row():
    (group,) = groups(nm.load_cluster("leonardo"), nm.load_cluster("leonardo").wiring(64))
    assert group.rows == ()
    assert group.item == "custom host"


def test_gpus_that_are_not_the_hosts_own_are_named():
    pod = nm.load_cluster("dgx-superpod-h100", overrides=("nodes.accelerator=MI250X",))
    (group,) = groups(pod, pod.wiring(64))
    assert group.names == ("DGX-H100 with MI250X",)
    assert group.item == "DGX-H100 host with MI250X"


def test_accelerators_are_in_rank_order():
    names = accelerators(MIX.wiring(24)).tolist()
    assert names == ["A100-SXM-80GB"] * 8 + ["H100-SXM"] * 8 + ["MI300X"] * 8


def test_a_graph_whose_gpus_name_nothing_is_refused():
    graph = nm.load_cluster("dgx-superpod-h100").graph(16)
    for _, data in graph.nodes(data=True):
        data.pop("accelerator", None)
    with pytest.raises(InputError, match="no attribute accelerator"):
        nm.goodput(graph, checkpoint_size=1e12)
    with pytest.raises(InputError, match="no attribute accelerator"):
        nm.cost(graph)


def test_a_graph_may_name_its_gpus_by_an_alias():
    graph = nm.load_cluster("dgx-superpod-h100").graph(16)
    for _, data in graph.nodes(data=True):
        if data["kind"] == "gpu":
            data["accelerator"] = "h100"
    assert nm.cost(graph).bill.gpus_held == {"H100-SXM": 16}


def test_hosts_that_a_graph_does_not_number_are_shared_out_by_gpus():
    graph = MIX.graph(96)
    for _, data in graph.nodes(data=True):
        data.pop("node", None)
    counted = census(nm.load_cluster(graph).wiring())
    assert [own["node"] for own in counted.values()] == pytest.approx([4, 4, 4])
    assert [own["gpu"] for own in counted.values()] == [32, 32, 32]
