"""What recompute repeats: nothing, a part, or the whole layer."""

from dataclasses import replace

import pytest
from hypothesis import given
from netmodel.workload import (
    GPT_2022,
    Strategy,
    Work,
    flops_per_token,
    layer_work,
    load_model,
    recomputed_work,
)
from netmodel.workload.layout import MODULES
from netmodel.workload.recompute import GEMMS, STREAMS
from tests.workload.shapes import LATENT, cases


def size(work: Work) -> tuple[float, float, float]:
    """FLOPs of products, FLOPs of attention, bytes."""
    return (
        sum(gemm.flops for gemm in work.gemms),
        sum(core.flops for core in work.attention),
        sum(stream.bytes for stream in work.streams),
    )


@given(case=cases())
def test_more_recompute_never_repeats_less_and_never_more_than_the_layer(case: tuple) -> None:
    model, plan = case
    steps = ["none", "norm", "norm+mla_up", "norm+mla_up+activation", "+".join(MODULES), "full"]
    for kind, work in layer_work(model, plan, 4096, GPT_2022).items():
        if kind in ("head", "embedding"):
            continue
        again = [size(recomputed_work(work, replace(plan, recompute=step))) for step in steps]
        assert again[0] == (0, 0, 0)
        assert again[-1] == size(work)
        for part in range(3):
            column = [each[part] for each in again]
            assert column == sorted(column)


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_hardware_flops_are_model_flops_and_what_is_repeated(recompute: str) -> None:
    """arXiv:2205.05198: three forwards, and once more what selective or full recompute runs."""
    model, plan = load_model("gpt-175b"), Strategy(recompute=recompute)
    works = layer_work(model, plan, 2048, GPT_2022)
    again = size(recomputed_work(works["dense"], plan))
    layer, head = size(works["dense"]), size(works["head"])
    run = 96 * (3 * (layer[0] + layer[1]) + again[0] + again[1]) + 3 * head[0]
    expected = flops_per_token(model, 2048, causal=False, recompute=recompute)
    assert run / 2048 == pytest.approx(expected, rel=1e-12)


def test_a_fused_core_is_not_run_again_by_itself() -> None:
    work = layer_work(LATENT, Strategy(), 4096)["dense"]
    assert recomputed_work(work, Strategy(recompute="selective")) == Work()


def test_every_name_in_the_tables_is_a_name_that_layers_use() -> None:
    plan = Strategy(precision="fp8")
    works = layer_work(LATENT, plan, 4096, GPT_2022).values()
    gemms = {gemm.name for work in works for gemm in work.gemms}
    streams = {stream.name for work in works for stream in work.streams}
    assert {name for names in GEMMS.values() for name in names} <= gemms
    assert {name for names in STREAMS.values() for name in names} <= streams
    assert set(GEMMS) | set(STREAMS) == set(MODULES)
