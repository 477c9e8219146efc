"""A search returns layouts that are possible, fit, and are the fastest of all it looked at."""

from itertools import product

import netmodel as nm
import pytest
from netmodel.errors import InputError, ModelError
from netmodel.studies.search import divisors, search
from netmodel.training import step
from netmodel.workload import Strategy, check_strategy, memory, possible

LLAMA = nm.load_model("llama-3.1-8b")
H100 = nm.load_cluster("dgx-superpod-h100")


@pytest.fixture(scope="module")
def found():
    return search(LLAMA, H100, 32, seq_len=4096, global_batch=128, top=8)


def test_the_best_come_first_and_are_different(found):
    times = [each.step_time for each in found.best]
    assert times == sorted(times)
    assert len({str(each.strategy) for each in found.best}) == len(found.best) == 8


def test_every_layout_is_possible_and_fits(found):
    for each in found.best:
        check_strategy(LLAMA, each.strategy, 32, 4096)
        assert each.memory["total"] <= each.memory["capacity"]


def test_the_search_counts_what_it_timed(found):
    assert found.evaluated == found.feasible > 100


def test_no_layout_of_a_plain_loop_is_faster(found):
    """Brute force over a part of the space, one layout at a time."""
    best = found.best[0].step_time
    tried = 0
    for tp, pp, size, recompute in product((1, 2, 4, 8), (1, 2, 4), (1, 2, 4), ("none", "full")):
        layout = Strategy(
            tp=tp,
            pp=pp,
            dp=32 // (tp * pp),
            micro_batch=size,
            global_batch=128,
            recompute=recompute,
        )
        if not possible(LLAMA, layout, 32, 4096):
            continue
        if memory(LLAMA, layout, 4096)["total"] > H100.accelerator.memory:
            continue
        tried += 1
        seconds = step(LLAMA, H100, layout, gpus=32, seq_len=4096).step_time
        assert seconds >= best * (1 - 1e-12)
    assert tried > 20


def test_the_time_of_an_array_is_the_time_of_its_element(found):
    for each in found.best[:3]:
        alone = step(LLAMA, H100, each.strategy, gpus=32, seq_len=4096)
        assert alone.step_time == each.step_time


def test_what_is_fixed_stays_fixed():
    kept = {"pp": 2, "zero": 1, "recompute": "full"}
    result = search(LLAMA, H100, 32, seq_len=4096, global_batch=128, fixed=kept, top=5)
    for each in result.best:
        assert (each.strategy.pp, each.strategy.zero, each.strategy.recompute) == (2, 1, "full")


def test_a_search_repeats_itself():
    once, again = (search(LLAMA, H100, 16, seq_len=4096, global_batch=64, top=5) for _ in range(2))
    assert [str(a.strategy) for a in once.best] == [str(b.strategy) for b in again.best]


def test_a_batch_that_does_not_divide_has_no_answer():
    with pytest.raises(ModelError, match="no layout divides"):
        search(LLAMA, H100, 64, seq_len=4096, global_batch=1, fixed={"tp": 1, "pp": 1})


def test_a_model_that_is_too_large_says_by_how_much():
    model = nm.load_model("deepseek-v3")
    with pytest.raises(ModelError, match="GB more than it has"):
        search(model, H100, 16, seq_len=4096, global_batch=16)


def test_a_precision_that_the_accelerator_lacks_is_refused():
    cluster = nm.load_cluster("dgx-superpod-a100")
    with pytest.raises(InputError, match="fp8"):
        search(LLAMA, cluster, 16, seq_len=4096, global_batch=64, precision="fp8")


def test_divisors_divide():
    for number in (1, 7, 12, 61, 128):
        assert divisors(number) == [each for each in range(1, number + 1) if number % each == 0]
