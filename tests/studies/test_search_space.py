"""The space of a search holds every layout that the rules allow, each once."""

from dataclasses import replace
from itertools import product

import netmodel as nm
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.studies.search_space import (
    MICRO_BATCHES,
    ORDERS,
    SCHEDULES,
    VIRTUAL,
    Word,
    distinct,
    divisors,
    recomputes,
    sites,
    space,
)
from netmodel.workload import Strategy, possible

MIXTRAL = nm.load_model("mixtral-8x7b")


def room(gpus=24, batch=48, **fixed):
    return space(MIXTRAL, gpus, 4096, Strategy(global_batch=batch), 8, fixed)


def layouts(where):
    """Every layout of a space in plain numbers."""
    for standing in where.classes():
        for schedule, vpp in where.words(standing):
            good = sites(MIXTRAL, where, schedule, vpp)
            for order in where.orders:
                own = distinct(where, order, where.zero)
                for (row, zero), site in product(enumerate(where.zero), np.flatnonzero(good)):
                    if own[row, site]:
                        yield where.layout(Word(order, "none", schedule, vpp), zero, int(site))


def test_no_layout_comes_twice_and_all_keep_the_rules():
    found = list(layouts(room(micro_batch=1, cp=(1, 2))))
    assert len({str(each) for each in found}) == len(found) > 2000
    for each in found[::50]:
        assert possible(MIXTRAL, each, 24, 4096)
        assert each.gpus == 24


def test_the_space_is_that_of_plain_loops():
    fixed = {"tp": 2, "etp": 1, "cp": (1, 2), "zero": 1, "order": ORDERS[0]}
    found = {str(each) for each in layouts(room(**fixed))}
    looped = set()
    for cp, pp, ep, size, schedule, vpp in product(
        (1, 2), divisors(24), divisors(8), MICRO_BATCHES, SCHEDULES, (1, *VIRTUAL)
    ):
        cuts = 2 * cp * pp
        if 24 % cuts or pp > MIXTRAL.layers or (vpp > 1) != (schedule == "interleaved"):
            continue
        each = Strategy(
            tp=2, cp=cp, pp=pp, dp=24 // cuts, ep=ep, vpp=vpp, micro_batch=size, global_batch=48,
            schedule=schedule,
        )  # fmt: skip
        if not possible(MIXTRAL, each, 24, 4096) or (pp == 1 and schedule != "1f1b"):
            continue
        if schedule == "interleaved" and each.micro_batches % pp:
            continue
        looped.add(str(each))
    assert found == looped
    assert len(found) > 100


def test_a_list_of_sites_gives_the_layouts_of_the_grid():
    where = room()
    places = np.arange(0, int(np.prod(where.shape)), 37)
    listed = where.listed(places)
    word = Word(ORDERS[1], "full", "zb-v", 1)
    for index, place in enumerate(places[:50]):
        if where.gpus % (cuts(where, place)) == 0:
            assert listed.layout(word, 2, index) == where.layout(word, 2, int(place))


def cuts(where, place):
    each = where.layout(Word(ORDERS[0], "none", "1f1b", 1), 0, int(place))
    return each.tp * each.cp * each.pp


def test_a_space_knows_what_it_holds():
    where = room(pp=(1, 2, 4))
    inside = Strategy(tp=2, pp=4, dp=3, global_batch=48, ep=2)
    assert where.holds(MIXTRAL, inside)
    for other in ({"pp": 3, "dp": 4}, {"overlap_tp": True}, {"ep": 16}, {"recompute": "core+mlp"}):
        assert not where.holds(MIXTRAL, replace(inside, **other))


def test_without_a_pipeline_there_is_one_schedule_and_one_order():
    found = [each for each in layouts(room(pp=1)) if each.pp == 1]
    assert {each.schedule for each in found} == {"1f1b"}
    assert {each.order for each in found} == {ORDERS[0]}


def test_cheap_modules_and_whole_layers_can_be_recomputed():
    assert recomputes(nm.load_model("deepseek-v3"), flash=True) == (
        "none", "norm+mla_up+activation", "moe", "full",
    )  # fmt: skip
    assert "mlp" in recomputes(nm.load_model("llama-3.1-8b"), flash=True)
    assert "selective" in recomputes(nm.load_model("gpt3-175b"), flash=False)


@settings(max_examples=50)
@given(st.integers(1, 20_000))
def test_divisors_divide(number):
    found = divisors(number)
    assert found == [each for each in range(1, number + 1) if number % each == 0]
