"""The rungs agree per algorithm: closed form, most loaded link, and flows on the same graph."""

import numpy as np
import pytest
from netmodel.collectives import ALGORITHMS, library
from netmodel.collectives.contention import UNIT, line_time, messages, pattern, stretch
from netmodel.collectives.group import group_of
from netmodel.collectives.select import usable
from netmodel.errors import InputError
from netmodel.network import Ways, compile_network, faults, flow_time, tiers
from netmodel.topology import load_cluster

CLUSTERS = ("dgx-superpod-h100", "deepseek-h800-mpft", "dgx-superpod-a100")
WIRINGS = {name: load_cluster(name).wiring(64) for name in CLUSTERS}
WAYS = {name: Ways(compile_network(wiring)) for name, wiring in WIRINGS.items()}
SHARP = library("hopper", "NVLink4", "InfiniBand-NDR", in_network=True)
RUNS = [(name, kind) for name, module in ALGORITHMS.items() for kind in sorted(module.KINDS)]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize(("name", "kind"), RUNS)
def test_the_most_loaded_link_is_what_the_closed_form_says(name, kind, cluster):
    """64 GPUs in eight nodes, one group or eight side by side, a GPU of each node."""
    fabric = tiers(WIRINGS[cluster])
    whole, rails = np.arange(64)[None], np.arange(64).reshape(8, 8).T
    for groups, span in ((whole, fabric.span(64)), (rails, fabric.span(8, 8))):
        if usable(name, kind, group_of(span), SHARP) is True and messages(
            name, kind, groups.shape[1], int(group_of(span).local)
        ):
            found = stretch(name, kind, groups, span, WAYS[cluster])
            assert found == pytest.approx(1, rel=0.01)


FLOWS = (
    ("ring", "all_reduce"),
    ("ring", "all_gather"),
    ("pairwise", "all_to_all"),
    ("hierarchical", "all_reduce"),
    ("halving_doubling", "all_reduce"),
)


@pytest.mark.parametrize(("name", "kind"), FLOWS)
def test_flows_take_as_long_as_the_closed_form(name, kind):
    """Max-min shared flows of the whole schedule, its latency aside."""
    span = tiers(WIRINGS["dgx-superpod-h100"]).span(64)
    traffic = pattern(name, kind, np.arange(64)[None], 8)
    taken = flow_time(WAYS["dgx-superpod-h100"], [traffic])
    assert taken == pytest.approx(line_time(name, kind, group_of(span)), rel=0.01)


def test_a_lost_cable_stretches_the_rails_that_used_it():
    wiring = WIRINGS["dgx-superpod-h100"]
    hurt = faults.apply(wiring, "node0000-nic0 at 50%")
    span, groups = tiers(wiring).span(64), np.arange(64)[None]
    found = stretch("ring", "all_reduce", groups, span, compile_network(hurt))
    assert found == pytest.approx(2, rel=0.01)


def test_bytes_laid_on_the_graph_are_those_of_the_schedule():
    traffic = pattern("ring", "all_reduce", np.arange(16).reshape(2, 8), 8)
    assert traffic.total == pytest.approx(2 * 8 * 2 * 7 / 8 * UNIT)


def test_a_group_that_its_domain_does_not_divide_is_refused():
    span = tiers(WIRINGS["dgx-superpod-h100"]).span(12)
    with pytest.raises(InputError, match="do not divide 12 ranks"):
        stretch("ring", "all_reduce", np.arange(12)[None], span, WAYS["dgx-superpod-h100"])
