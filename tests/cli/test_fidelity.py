"""``--fidelity``, ``--routing``, ``--placement`` and ``--seed`` mean the same in every verb."""

import json

import pytest

COLLECTIVE = ("collective", "all_to_all", "--cluster", "dgx-superpod-h100", "--sizes", "1GiB")
STEP = ("step", "--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b", "--gpus", "64")


@pytest.fixture
def ask(call):
    """Run a verb and read its JSON."""
    return lambda *words: json.loads(call(*words, "--json"))


@pytest.mark.parametrize("fidelity", ["contention", "flow"])
def test_a_collective_names_the_links_that_it_waits_for(ask, fidelity):
    answer = ask(*COLLECTIVE, "--gpus", "64", "--fidelity", fidelity)
    plain = ask(*COLLECTIVE, "--gpus", "64")
    assert plain["links"] == []
    assert answer["rows"][0]["time_s"] == pytest.approx(plain["rows"][0]["time_s"], rel=0.01)
    first = answer["links"][0]
    assert set(first) == {"cluster", "name", "tier", "bytes_B", "utilisation", "groups"}
    assert first["tier"] == "host-leaf"
    assert first["bytes_B"] == pytest.approx(2**30 * 56 / 64)


def test_dispatch_is_timed_on_the_graph_too(ask):
    words = ("collective", "dispatch", *COLLECTIVE[2:], "--gpus", "64")
    closed, graph = ask(*words), ask(*words, "--fidelity", "contention")
    assert graph["rows"][0]["time_s"] == pytest.approx(closed["rows"][0]["time_s"], rel=0.01)
    assert graph["links"]


def test_routing_and_placement_matter(ask):
    words = (*COLLECTIVE, "--gpus", "256", "--set", "fabric.oversubscription=4")
    times = [
        ask(*words, "--fidelity", "contention", *more)["rows"][0]["time_s"]
        for more in ((), ("--placement", "random", "--seed", "1"), ("--placement", "random-hosts"))
    ]
    assert times[0] < min(times[1:])


def test_a_file_places_ranks(ask, tmp_path):
    listed = tmp_path / "hosts.txt"
    listed.write_text("\n".join(f"node{host:04d}-gpu0" for host in range(8)), encoding="utf-8")
    words = (*COLLECTIVE, "--gpus", "8", "--fidelity", "contention")
    spread = ask(*words, "--placement", str(listed))["rows"][0]
    assert spread["bottleneck"] == "leaf"
    assert spread["time_s"] > 5 * ask(*words)["rows"][0]["time_s"]


def test_an_unknown_placement_is_refused(netmodel):
    done = netmodel(*COLLECTIVE, "--placement", "everywhere", check=False)
    assert done.returncode == 2
    assert "neither packed" in done.stderr


def test_a_step_names_links_and_adds_up(ask):
    closed, graph = ask(*STEP), ask(*STEP, "--fidelity", "contention", "--routing", "static")
    assert graph["step_time_s"] == pytest.approx(closed["step_time_s"], rel=0.01)
    assert sum(graph["breakdown_s"].values()) == pytest.approx(graph["step_time_s"], rel=1e-9)
    shared = graph["bottleneck"]["shared"]
    assert [link["name"] for link in shared] == graph["bottleneck"]["links"]


def test_a_scaling_curve_keeps_its_shape(ask):
    words = ("scale", *STEP[1:5], "--gpus", "32,64")
    closed, graph = ask(*words), ask(*words, "--fidelity", "contention")
    for one, other in zip(closed["points"], graph["points"], strict=True):
        assert other["efficiency"] == pytest.approx(one["efficiency"], rel=0.01)
