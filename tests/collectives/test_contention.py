"""The rungs agree per algorithm: closed form, most loaded link, and flows on the same graph."""

import pytest
from netmodel.collectives import ALGORITHMS, Operation, library, time
from netmodel.collectives.group import group_of
from netmodel.collectives.on_graph import time_on_graph
from netmodel.collectives.placed import Fabric
from netmodel.collectives.select import usable
from netmodel.network import faults
from netmodel.topology import load_cluster

CLUSTERS = ("dgx-superpod-h100", "deepseek-h800-mpft", "dgx-superpod-a100")
WIRINGS = {name: load_cluster(name).wiring(64) for name in CLUSTERS}
FABRICS = {name: Fabric.of(wiring) for name, wiring in WIRINGS.items()}
SHARP = library("hopper", "NVLink4", "InfiniBand-NDR", in_network=True)
RUNS = [(name, kind) for name, module in ALGORITHMS.items() for kind in sorted(module.KINDS)]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize(("name", "kind"), RUNS)
def test_the_most_loaded_link_is_what_the_closed_form_says(name, kind, cluster):
    """64 GPUs in eight nodes: one group, and eight side by side with a GPU of each node."""
    fabric = FABRICS[cluster]
    for ranks, stride in ((64, 1), (8, 8), (8, 1)):
        span = fabric.tiers.span(ranks, stride)
        if usable(name, kind, group_of(span), SHARP) is not True:
            continue
        call = Operation(kind=kind, size=2.0**30, ranks=ranks)
        closed = time(call, span, SHARP, algorithm=name).time
        found = time_on_graph(call, fabric, SHARP, stride=stride, algorithm=name).time
        assert found == pytest.approx(closed, rel=0.01)


FLOWS = (
    ("ring", "all_reduce"),
    ("ring", "all_gather"),
    ("pairwise", "all_to_all"),
    ("hierarchical", "all_reduce"),
    ("halving_doubling", "all_reduce"),
)


@pytest.mark.parametrize(("name", "kind"), FLOWS)
def test_flows_take_as_long_as_the_closed_form(name, kind):
    fabric = FABRICS["dgx-superpod-h100"]
    call = Operation(kind=kind, size=2.0**30, ranks=64)
    closed = time(call, fabric.tiers.span(64), SHARP, algorithm=name).time
    found = time_on_graph(call, fabric, SHARP, algorithm=name, fidelity="flow").time
    assert found == pytest.approx(closed, rel=0.01)


def test_a_nic_at_half_its_rate_stretches_all_who_wait_for_it():
    fabric = FABRICS["dgx-superpod-h100"]
    hurt = Fabric.of(faults.apply(WIRINGS["dgx-superpod-h100"], "node0000-nic0 at 50%"))
    call = Operation(kind="all_gather", size=2.0**33, ranks=64)
    usual = time_on_graph(call, fabric, SHARP)
    found = time_on_graph(call, hurt, SHARP)
    assert 1.5 * usual.time < found.time <= 2 * usual.time
    assert found.links(1)[0].name.startswith("node0000-nic0")
