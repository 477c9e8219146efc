"""A search returns layouts that are possible, fit, and are the fastest of all it looked at."""

from itertools import product

import netmodel as nm
import pytest
from netmodel.errors import InputError, ModelError
from netmodel.studies.layouts import Request
from netmodel.studies.search import search
from netmodel.studies.search_ranked import rank
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
    assert found.evaluated == found.feasible == len(found.times) > 10_000


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


def test_a_search_prints_its_best_and_why_the_others_are_slower(found):
    lines = str(found).splitlines()
    assert f"{found.evaluated:,} layouts" in lines[0]
    assert lines[2:] == [str(each) for each in found.why]


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


def test_the_published_layout_of_deepseek_v3_is_among_the_best():
    """arXiv:2412.19437 s3.2: PP16, EP64, ZeRO-1, DualPipe, no tensor parallelism."""
    model, cluster = nm.load_model("deepseek-v3"), nm.load_cluster("deepseek-h800-mpft")
    ranked = rank(model, cluster, 2048, Request(strategy="pp=16,micro_batch=1,zero=1"), top=1)
    assert ranked.published.step.strategy.ep == 64
    assert ranked.found.evaluated > 10_000
    assert ranked.published.faster < 0.05


def test_only_the_best_is_found_without_timing_everything():
    for model, gpus, batch in (("llama-3.1-8b", 64, 256), ("mixtral-8x7b", 96, 480)):
        shape = nm.load_model(model)
        every = search(shape, H100, gpus, seq_len=4096, global_batch=batch, top=3)
        some = search(shape, H100, gpus, seq_len=4096, global_batch=batch, top=3, exhaustive=False)
        assert [each.step_time for each in some.best] == [each.step_time for each in every.best]
        assert some.best[0].strategy == every.best[0].strategy
        assert some.evaluated < every.evaluated / 2
        assert some.pareto == ()
        alone = search(shape, H100, gpus, seq_len=4096, global_batch=batch, top=1, exhaustive=False)
        assert alone.best[0].step_time == every.best[0].step_time
        assert alone.evaluated < some.evaluated


def test_a_near_layout_shortens_a_search_and_changes_nothing():
    once = search(LLAMA, H100, 64, seq_len=4096, global_batch=256, top=1, exhaustive=False)
    twice = search(LLAMA, H100, 128, seq_len=4096, global_batch=256, top=1, exhaustive=False)
    near = once.best[0].strategy
    led = search(
        LLAMA, H100, 128, seq_len=4096, global_batch=256, top=1, exhaustive=False, near=near
    )
    assert led.best[0].step_time == twice.best[0].step_time
    assert led.evaluated <= twice.evaluated


def test_a_near_layout_that_is_impossible_here_is_no_hindrance():
    near = Strategy(tp=8, pp=8, dp=1, global_batch=1)
    plain = search(LLAMA, H100, 32, seq_len=4096, global_batch=128, top=1, exhaustive=False)
    led = search(
        LLAMA, H100, 32, seq_len=4096, global_batch=128, top=1, exhaustive=False, near=near
    )
    assert led.best[0].strategy == plain.best[0].strategy


def test_the_front_falls_and_no_layout_beats_it(found):
    times = [each.step_time for each in found.pareto]
    needs = [each.memory for each in found.pareto]
    assert times == sorted(times)
    assert needs == sorted(needs, reverse=True)
    assert found.pareto[0].step_time == found.best[0].step_time
    for seconds, need in zip(found.times[::97], found.needs[::97], strict=True):
        assert any(t <= seconds and n <= need for t, n in zip(times, needs, strict=True))


def test_the_share_of_faster_layouts_counts_them(found):
    assert found.faster(found.best[0].step_time) == 0.0
    assert found.faster(float("inf")) == 1.0
    middle = float(sorted(found.times)[len(found.times) // 4])
    assert found.faster(middle) == pytest.approx(0.25, abs=0.01)


def test_a_fixed_replica_count_stays_and_an_unknown_field_is_refused():
    result = search(LLAMA, H100, 32, seq_len=4096, global_batch=128, fixed={"dp": 4}, top=3)
    assert {each.strategy.dp for each in result.best} == {4}
    with pytest.raises(InputError, match="depth"):
        search(LLAMA, H100, 32, seq_len=4096, global_batch=128, fixed={"depth": 4})
