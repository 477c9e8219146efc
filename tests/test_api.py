"""``import netmodel as nm``: the Python face."""

import subprocess
import sys

import netmodel as nm
import networkx as nx
import numpy as np
import pytest


def test_importing_the_package_imports_nothing_heavy():
    script = "import sys, netmodel; print([m for m in ('numpy', 'networkx') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_every_public_name_is_there_and_has_words():
    for name in nm.__all__:
        if not name.startswith("__"):
            assert getattr(nm, name).__doc__
    assert dir(nm) == sorted(nm.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="stpe"):
        nm.stpe  # noqa: B018 - the access is what fails


def test_names_and_objects_are_the_same_question():
    by_name = nm.step("llama-3.1-8b", "dgx-superpod-h100", "tp=2,global_batch=64", gpus=16)
    cluster, model = nm.load_cluster("dgx-superpod-h100"), nm.load_model("llama-3.1-8b")
    strategy = nm.Strategy(tp=2, dp=8, global_batch=64)
    by_object = nm.step(model, cluster, strategy, gpus=16)
    assert by_name.step_time == pytest.approx(by_object.step_time, rel=1e-12)


def test_dp_and_batch_follow_where_an_object_leaves_them_out():
    step = nm.step("llama-3.1-8b", "dgx-superpod-h100", nm.Strategy(tp=4), gpus=32)
    assert step.strategy.dp == 8
    assert step.strategy.global_batch % 8 == 0


def test_any_graph_is_a_cluster():
    """CONTRACTS: any nx.Graph with the documented attributes."""
    graph = nm.load_cluster("dgx-superpod-h100").graph(64)
    assert isinstance(graph, nx.Graph)
    layout = "tp=8,global_batch=64"
    ours = nm.step("llama-3.1-8b", "dgx-superpod-h100", layout, gpus=64)
    theirs = nm.step("llama-3.1-8b", graph, layout, gpus=64)
    assert theirs.step_time == pytest.approx(ours.step_time, rel=1e-9)


def test_a_graph_that_is_no_fabric_is_refused():
    with pytest.raises(nm.InputError):
        nm.load_cluster(nx.path_graph(3))


def test_a_collective_takes_one_size_or_many():
    one = nm.collective("all_reduce", 2**30, "dgx-superpod-h100", 64)
    many = nm.collective("all_reduce", [2**20, 2**30], "dgx-superpod-h100", 64)
    assert one.time[0] == many.time[1]
    assert (many.time >= many.lower_bound).all()


def test_a_search_and_a_curve_are_one_call_each():
    best = nm.search("llama-3.1-8b", "dgx-superpod-h100", 16, global_batch=64, top=3).best
    assert len(best) == 3
    curve = nm.scale("llama-3.1-8b", "dgx-superpod-h100", [8, 16], "tp=2,global_batch=64")
    assert curve.efficiency[0] == 1.0
    assert nm.plot_efficiency(curve).get_ylabel() == "Efficiency (%)"


def test_a_price_and_a_goodput_are_one_call_each():
    priced = nm.cost("dgx-superpod-h100", 512, rent=2 / 3600, facility=True)
    assert priced.bill.total > priced.bill.network > 0
    assert priced.figure("rent").typical == 2 / 3600
    assert nm.cost("dgx-superpod-h100", 512, stated={"DGX-H100": 1e6}).bill.total > 64e6
    run = nm.cost("deepseek-h800-mpft", 2048, model="deepseek-v3", tokens=1e12)
    lost = nm.cost("deepseek-h800-mpft", 2048, model="deepseek-v3", tokens=1e12, interruptions=True)
    left = nm.goodput("deepseek-h800-mpft", 2048, model="deepseek-v3", tokens=1e12)
    assert lost.time == pytest.approx(run.time / left.effective)
    assert left.time == pytest.approx(lost.time)
    alone = nm.goodput("deepseek-h800-mpft", 2048, model="deepseek-v3", spares=1)
    assert (alone.run, alone.spares, alone.state) == (None, 1, left.state)
    assert nm.goodput("deepseek-h800-mpft", checkpoint_size=1e12).state == 1e12
    assert nm.cost_figure(priced).axes
    assert nm.goodput_figure(left).axes


def test_a_graph_is_priced_as_the_cluster_it_came_from():
    design = nm.load_cluster("hybrid-a100-h100-mi300x")
    ours, theirs = nm.cost(design, 96), nm.cost(design.graph(96))
    assert theirs.bill.total == pytest.approx(ours.bill.total)
    assert theirs.bill.gpus_held == ours.bill.gpus_held
    mine = nm.goodput(design, 96, checkpoint_size=1e12)
    assert nm.goodput(design.graph(96), checkpoint_size=1e12).rate == pytest.approx(mine.rate)


def test_a_run_without_a_model_is_refused():
    with pytest.raises(nm.InputError, match="model"):
        nm.cost("dgx-superpod-h100", 64, tokens=1e12)
    with pytest.raises(nm.InputError, match="checkpoint"):
        nm.goodput("dgx-superpod-h100", 64)


def test_a_collective_of_several_kinds_waits_for_the_slowest():
    design = nm.load_cluster("hybrid-a100-h100-mi300x")
    sizes = [2.0**k for k in range(10, 34, 4)]
    mix = nm.collective("all_reduce", sizes, design, 96)
    pure = [nm.collective("all_reduce", sizes, design.only(kind), 96) for kind in range(3)]
    assert mix.time.tolist() == np.max([each.time for each in pure], axis=0).tolist()
    assert (mix.time >= mix.lower_bound).all()
    assert set(mix.slowest) <= set(design.accelerators())
    assert nm.collective("all_reduce", sizes, design, 24).slowest
    assert not nm.collective("all_reduce", sizes, design.only(1), 24).slowest


def test_a_collective_on_a_graph_of_several_kinds_is_refused():
    graph = nm.load_cluster("hybrid-a100-h100-mi300x").graph(24)
    with pytest.raises(nm.InputError, match="of 3 kinds"):
        nm.collective("all_reduce", 1e6, graph, 24)
    assert nm.collective("all_reduce", 1e6, graph, 8).time > 0


def test_overrides_reach_the_graph():
    """Narrower uplinks can only slow an exchange over them."""
    free, narrow = (
        nm.load_cluster("dgx-superpod-h100", overrides=(f"fabric.oversubscription={ratio}",))
        for ratio in (1, 4)
    )
    fast, slow = (nm.collective("all_to_all", 1e9, each, 1024).time[0] for each in (free, narrow))
    assert slow > 1.5 * fast


def test_an_explanation_is_asked_by_name():
    found = nm.explain("llama-3.1-8b", "dgx-superpod-h100", 64, "tp=2,global_batch=64")
    assert sum(found.waterfall.values()) == pytest.approx(found.points[0].step_time, rel=1e-9)
    assert str(found).startswith(found.summary)
