"""A step timed on the routed graph: equal to the closed form without contention, never faster."""

from dataclasses import replace

import numpy as np
import pytest
from netmodel.errors import InputError
from netmodel.studies.layouts import Request, choose
from netmodel.topology import load_cluster
from netmodel.training import step
from netmodel.workload import load_model

CASES = [
    ("deepseek-h800-mpft", "deepseek-v3", 2048),
    ("dgx-superpod-h100", "llama-3.1-70b", 256),
    ("dgx-superpod-h100", "mixtral-8x7b", 128),
]
RUNGS = ("contention", "flow")


def timed(cluster, model, gpus, settings=(), **options):
    fabric, shape = load_cluster(cluster, settings), load_model(model)
    choice = choose(shape, fabric, gpus, Request())
    return step(
        shape,
        fabric,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
        **options,
    )


@pytest.mark.parametrize("fidelity", RUNGS)
@pytest.mark.parametrize(("cluster", "model", "gpus"), CASES)
def test_rungs_agree_where_nothing_is_contended(cluster, model, gpus, fidelity):
    expected = timed(cluster, model, gpus)
    found = timed(cluster, model, gpus, fidelity=fidelity)
    assert found.step_time == pytest.approx(expected.step_time, rel=0.01)
    assert sum(found.breakdown.values()) == pytest.approx(found.step_time, rel=1e-9)
    assert found.bottleneck["tier"] == expected.bottleneck["tier"]
    assert found.bottleneck["collective"] == expected.bottleneck["collective"]


def test_the_bottleneck_names_cables_and_who_shares_them():
    found = timed(*CASES[0], fidelity="contention").bottleneck
    assert found["links"][0] == found["shared"][0]["name"]
    assert "nic" in found["links"][0]
    assert found["shared"][0]["tier"] == "host-leaf"
    assert found["shared"][0]["utilisation"] == pytest.approx(1.0)
    assert found["shared"][0]["groups"] == [0]


def test_one_hash_a_message_never_makes_a_step_faster():
    spread, hashed = (
        timed(
            "dgx-superpod-h100",
            "llama-3.1-70b",
            1024,
            ("fabric.oversubscription=2",),
            fidelity="contention",
            routing=policy,
        )
        for policy in ("adaptive", "ecmp")
    )
    assert hashed.step_time >= spread.step_time * (1 - 1e-9)


def test_scattered_ranks_take_longer_than_packed_ones():
    """Tensor-parallel groups torn out of their NVLink domain wait for NICs."""
    packed, scattered = (
        timed(*CASES[1], fidelity="contention", placement=how) for how in ("packed", "random")
    )
    assert scattered.breakdown["tp"] > 5 * packed.breakdown["tp"]
    assert scattered.step_time > packed.step_time
    assert scattered.bottleneck["shared"][0]["tier"] != "nvlink"


def test_the_graph_takes_one_layout_at_a_time():
    fabric, shape = load_cluster("dgx-superpod-h100"), load_model("llama-3.1-8b")
    choice = choose(shape, fabric, 64, Request())
    many = replace(choice.strategy, micro_batch=np.array([1, 2]))
    with pytest.raises(InputError, match="one layout at a time"):
        step(shape, fabric, many, gpus=64, seq_len=4096, fidelity="contention")
