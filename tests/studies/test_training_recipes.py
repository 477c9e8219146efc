"""Memory of published runs: all of them fitted, and some said how much they took."""

import csv
from dataclasses import replace
from pathlib import Path

import netmodel
import numpy as np
import pytest
from netmodel.catalog import accelerator
from netmodel.catalog.models import model_names
from netmodel.catalog.recipes import published_recipe, published_recipes
from netmodel.studies.training_recipes import as_published
from netmodel.studies.training_rows import Case, cases
from netmodel.training.frameworks import frameworks, software
from netmodel.workload import Strategy, check_memory, load_model, memory
from netmodel.workload.fit import TOLERANCE
from netmodel.workload.strategy import check_recompute

GIB = 2**30
PRINTED = Path(netmodel.__file__).parent / "catalog/data/measured/memory_measured.csv"


@pytest.fixture(scope="module")
def ran() -> dict[str, Case]:
    return {each.id: each for each in cases() if isinstance(each, Case)}


def total(case: Case) -> float:
    return memory(case.model, case.strategy, case.seq_len, case.software.recipe)["total"]


CONTRADICTORY = {"mb-25.11-pt-gpt-oss-120b/04", "mb-25.09-pt-llama3-70b/02"}
"""Printed micro-batches that, with the printed accumulation and ranks, do not give the batch."""


def test_every_published_run_is_judged_to_fit(ran) -> None:
    """All 688 rows with a layout ran: none may need 8 % more than its GPU has."""
    over = {each.id for each in ran.values() if total(each) > (1 + TOLERANCE) * each.gpu.memory}
    assert len(ran) >= 688
    assert over == CONTRADICTORY


def test_printed_memory_of_bloom_s_layouts(ran) -> None:
    """nvidia-smi shows what the allocator has taken, which is never less than what is needed."""
    with PRINTED.open(newline="", encoding="utf-8") as lines:
        printed = {row["id"]: float(row["memory_GiB"]) for row in csv.DictReader(lines)}
    shares = np.array([total(ran[name]) / GIB / taken for name, taken in printed.items()])
    assert len(shares) >= 60
    assert np.median(shares) == pytest.approx(0.84, abs=0.02)
    assert np.percentile(shares, 10) > 0.78
    assert shares.max() < 1.05


def test_32_bit_gradients_cost_bloom_four_bytes_a_parameter() -> None:
    """From 02-28 its BF16 optimizer takes 4 bytes a parameter more, which are not sharded."""
    before, after = (software("bigscience", day).recipe for day in ("02.27", "02.28"))
    assert after.gradient - before.gradient == 4
    plan = Strategy(tp=4, pp=12, dp=8, micro_batch=2, global_batch=2048, recompute="full")
    held = [memory(load_model("bloom-176b"), plan, 2048, each) for each in (before, after)]
    more = held[1]["gradients"] - held[0]["gradients"]
    assert more == pytest.approx(2 * held[0]["weights"], rel=1e-12)


def test_the_recipe_of_a_framework_makes_a_run_fit() -> None:
    """Llama 3 70B on 64 GB200 under FSDP keeps the activations of 40 layers in host memory."""
    model, gpu, code = load_model("llama-3-70b"), accelerator("GB200"), software("megatron-bridge")
    plan = Strategy(dp=64, zero=3, micro_batch=2, global_batch=256, precision="fp8")
    assert memory(model, plan, 8192, code.recipe)["total"] > 1.5 * gpu.memory
    kept, made, said = as_published(model, gpu, plan, code, 8192, ["recompute"])
    assert kept == plan
    assert made.recipe.offload == 40 / 80
    assert said == ["activations of 40 layers in host memory"]
    check_memory(model, kept, 8192, gpu.memory, made.recipe)


def test_what_a_source_states_is_not_taken_from_the_recipe() -> None:
    model, gpu, code = load_model("deepseek-v3"), accelerator("H100"), software("megatron-bridge")
    plan = Strategy(tp=2, pp=8, dp=64, ep=64, vpp=4, global_batch=8192, schedule="interleaved")
    assert as_published(model, gpu, plan, code, 4096, ["recompute"])[0].recompute == "mla_up+mlp"
    assert as_published(model, gpu, plan, code, 4096, [])[0] == plan


def test_an_unstated_micro_batch_is_halved_until_it_fits() -> None:
    model, gpu, code = load_model("gpt-310b"), accelerator("H100"), software("megatron-lm")
    plan = Strategy(tp=8, pp=16, dp=8, micro_batch=8, global_batch=512)
    kept, _, said = as_published(model, gpu, plan, code, 4096, ["micro_batch"])
    check_memory(model, kept, 4096, gpu.memory, code.recipe)
    twice = replace(kept, micro_batch=2 * kept.micro_batch)
    assert memory(model, twice, 4096, code.recipe)["total"] > (1 + TOLERANCE) * gpu.memory
    assert len(said) == np.log2(8 / kept.micro_batch)
    assert as_published(model, gpu, plan, code, 4096, [])[0] == plan


@pytest.mark.parametrize("each", published_recipes(), ids=lambda e: f"{e.model} on {e.accelerator}")
def test_every_recipe_names_what_the_catalog_knows(each) -> None:
    assert each.framework in frameworks()
    assert each.model in model_names()
    assert not each.accelerator or accelerator(each.accelerator).name == each.accelerator
    assert check_recompute(each.recompute, "") == each.recompute
    assert each.dispatcher in ("", "deepep", "alltoall")
    assert 0 <= each.offload_layers <= load_model(each.model).layers
    assert each.source


def test_a_model_without_a_recipe_has_none() -> None:
    assert published_recipe("megatron-bridge", "26.02", "no-such-model", "GB200", "fp8", 3) is None
    assert published_recipe("megatron-bridge", "26.02", "llama-3-70b", "GB200", "fp8", 1) is None
