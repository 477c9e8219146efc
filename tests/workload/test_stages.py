"""Layers on pipeline stages, and micro-batches in flight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.workload import Model, Strategy, in_flight, load_model, stage_layers
from netmodel.workload.layout import SCHEDULES
from netmodel.workload.stages import layer_counts
from tests.workload.shapes import LLAMA, MODELS, assert_equals_singles, models

STAGE_FIELDS = ("index", "dense", "moe", "embedding", "head", "mtp")


@given(
    model=models,
    p=st.integers(1, 12),
    balanced=st.booleans(),
    schedule=st.sampled_from(SCHEDULES),
)
def test_no_rank_holds_more_than_the_fullest_and_none_is_negative(
    model: Model, p: int, balanced: bool, schedule: str
) -> None:
    strategy = Strategy(pp=p, schedule=schedule, balanced_stages=balanced)
    stages = stage_layers(model, strategy)
    for stage in stages.distinct:
        assert stage.dense >= 0
        assert stage.moe >= 0
        assert stage.layers <= -(-(model.layers + 2) // p)
    assert p * stages.middle.layers >= model.layers * (1 - 1e-12) or balanced


@given(model=models, p=st.integers(1, 12), balanced=st.booleans())
def test_dealt_layers_can_add_up_to_the_model(model: Model, p: int, balanced: bool) -> None:
    """First, last and p - 2 others of the full or the next smaller size hold every layer."""
    first, full, last = layer_counts(model, Strategy(pp=p, balanced_stages=balanced))
    if p == 1:
        assert first == last == model.layers
        return
    others = model.layers - first - last
    assert (p - 2) * (full - 1) <= others <= (p - 2) * full


@given(model=models, schedule=st.sampled_from(SCHEDULES))
def test_embedding_and_head_lie_once_on_the_pipeline(model: Model, schedule: str) -> None:
    for p in (1, 2, 4, 8):
        stages = stage_layers(model, Strategy(pp=p, schedule=schedule)).distinct
        assert sum(stage.embedding * stage.copies for stage in stages) == 1
        assert sum(stage.head * stage.copies for stage in stages) == 1


@given(model=models, balanced=st.booleans(), schedule=st.sampled_from(SCHEDULES))
def test_an_array_of_depths_equals_its_members(model: Model, balanced: bool, schedule: str) -> None:
    depths = [1, 2, 3, 4, 6, 8]
    plan = Strategy(schedule=schedule, balanced_stages=balanced, global_batch=32)
    many = stage_layers(model, replace(plan, pp=np.array(depths)))
    singles = [stage_layers(model, replace(plan, pp=p)) for p in depths]
    for rank in ("first", "middle", "last"):
        for field in STAGE_FIELDS:
            answers = getattr(getattr(many, rank), field)
            expected = [getattr(getattr(one, rank), field) for one in singles]
            assert_equals_singles(answers, expected)
        flying = in_flight(replace(plan, pp=np.array(depths)), getattr(many, rank).index)
        alone = [
            in_flight(replace(plan, pp=p), getattr(one, rank).index)
            for p, one in zip(depths, singles, strict=True)
        ]
        assert_equals_singles(flying, alone)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_dense_layers_at_the_front_lie_on_the_first_stage(model: Model) -> None:
    stages = stage_layers(model, Strategy(pp=4))
    opening = model.moe.first_dense if model.moe else stages.first.layers
    assert stages.first.dense >= min(opening, stages.first.layers)


def test_deepseek_v3_on_sixteen_stages() -> None:
    """61 layers: most ranks 4, three ranks 3, the dense ones in front."""
    stages = stage_layers(load_model("deepseek-v3"), Strategy(pp=16))
    assert (stages.first.dense, stages.first.moe) == (3, 0)
    assert stages.middle.moe == 4
    assert stages.last.moe == 3
    assert (stages.last.head, stages.last.mtp) == (1, 1)


def test_balanced_stages_of_bloom() -> None:
    """70 layers and two ends on 12 stages: 6 a stage, 5 at both ends (arXiv:2211.05100)."""
    plan = Strategy(pp=12, balanced_stages=True)
    assert layer_counts(load_model("bloom-176b"), plan) == (5, 6, 5)


def test_llama_405b_leaves_both_ends_one_layer_short() -> None:
    """arXiv:2407.21783 section 3.3.2: 126 layers on 16 stages, one less on the first and last."""
    assert layer_counts(load_model("llama-3.1-405b"), Strategy(pp=16)) == (7, 8, 7)


@pytest.mark.parametrize(
    ("schedule", "vpp", "first", "last"),
    [
        ("gpipe", 1, 64, 64),
        ("1f1b", 1, 8, 1),
        ("zb-h1", 1, 8, 1),
        ("zb-v", 1, 8, 8),
        ("dualpipe", 1, 9, 9),
        ("interleaved", 3, 8 + 7 / 3, (2 * 8 + 1) / 3),
    ],
)
def test_micro_batches_in_flight(schedule: str, vpp: int, first: float, last: float) -> None:
    """training_formulas sections 3.2 and 4; interleaved: p (1 + (p - 1) / (p v))."""
    plan = Strategy(pp=8, vpp=vpp, schedule=schedule, global_batch=64)
    assert in_flight(plan, 0) == pytest.approx(first, rel=1e-12)
    assert in_flight(plan, 7) == pytest.approx(last, rel=1e-12)


@given(schedule=st.sampled_from(SCHEDULES), m=st.integers(1, 64), p=st.integers(2, 16))
def test_never_more_in_flight_than_there_are(schedule: str, m: int, p: int) -> None:
    plan = Strategy(pp=p, schedule=schedule, global_batch=m)
    flying = [in_flight(plan, i) for i in range(p)]
    assert all(0 < each <= m for each in flying)
    assert flying == sorted(flying, reverse=True)


def test_without_a_pipeline_one_rank_is_first_and_last() -> None:
    (stage,) = stage_layers(LLAMA, Strategy()).distinct
    assert (stage.dense, stage.embedding, stage.head) == (16, 1, 1)
