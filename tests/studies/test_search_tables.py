"""Array results are those of one layout at a time, to the last bit."""

import netmodel as nm
import numpy as np
import pytest
from netmodel.studies.search_rank import Ranking
from netmodel.studies.search_run import every, promising
from netmodel.studies.search_space import space
from netmodel.studies.search_tables import Evaluator
from netmodel.training import step
from netmodel.training.frameworks import software
from netmodel.training.step import tiers_of
from netmodel.workload import Strategy, check_strategy

CASES = (
    ("mixtral-8x7b", "dgx-superpod-a100", 48, "bf16", ("megatron-core", "")),
    ("llama-3.1-8b", "dgx-superpod-h100", 24, "fp8", ("nemo", "")),
    ("deepseek-v2-lite", "deepseek-h800-mpft", 64, "fp8", ("hai-llm", "")),
    ("gpt3-175b", "gb200-nvl72", 144, "bf16", ("torchtitan", "")),
)


def evaluator(model, cluster, gpus, precision, chosen, **fixed):
    shape, fabric = nm.load_model(model), nm.load_cluster(cluster)
    base = Strategy(global_batch=4 * gpus, precision=precision, overlap_ep=shape.moe is not None)
    tiers = tiers_of(fabric, gpus)
    room = space(shape, gpus, 2048, base, int(tiers.unit[0]), fixed)
    return Evaluator.of(shape, room, software(*chosen), fabric.accelerator, tiers), fabric


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_array_of_layouts_equals_its_layouts(case):
    timer, fabric = evaluator(*case)
    ranking = Ranking(float(fabric.accelerator.memory))
    every(timer, ranking)
    times, needs = ranking.all()
    gpus, chosen = case[2], software(*case[4])
    rng = np.random.default_rng(7)
    kinds = set()
    for index in rng.choice(len(times), 120, replace=False).tolist():
        layout = ranking.layout(index)
        check_strategy(timer.model, layout, gpus, 2048)
        alone = step(timer.model, fabric, layout, gpus=gpus, seq_len=2048, software=chosen)
        assert alone.step_time == times[index]
        assert alone.memory["total"] == needs[index] <= fabric.accelerator.memory
        kinds.add((layout.schedule, layout.zero, layout.order))
    assert len(kinds) > 10


def test_a_list_of_layouts_equals_the_grid():
    """What bounds leave is timed as a list, everything as a grid."""
    timer, fabric = evaluator(*CASES[0], tp=(1, 2), cp=1, etp=1)
    full, part = (Ranking(float(fabric.accelerator.memory)) for _ in range(2))
    every(timer, full)
    promising(timer.on(timer.room), part, 50)
    known = dict(zip(map(str, map(full.layout, range(len(full)))), full.all()[0], strict=True))
    for index, seconds in enumerate(part.all()[0]):
        assert known[str(part.layout(index))] == seconds
    assert sorted(part.all()[0])[:50] == sorted(full.all()[0])[:50]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_no_layout_beats_its_bound(case):
    """DualPipe and each order have a bound of their own; no recompute or ZeRO is below it."""
    timer, fabric = evaluator(*case)
    ranking = Ranking(float(fabric.accelerator.memory))
    every(timer, ranking)
    bounds = {order: timer.least(order) for order in timer.room.orders}
    tightest = np.inf
    for room, word, site, times in zip(
        ranking.rooms, ranking.words, ranking.site, ranking.times, strict=True
    ):
        if room.shape != timer.room.shape:
            continue
        bound = bounds[word.order][word.schedule == "dualpipe"][site]
        assert (times >= bound).all()
        tightest = min(tightest, float((times / bound).min(initial=np.inf)))
    assert tightest < 1.5
