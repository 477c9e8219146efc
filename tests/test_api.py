"""``import netmodel as nm``: the Python face."""

import subprocess
import sys

import netmodel as nm
import networkx as nx
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
