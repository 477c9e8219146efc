"""The table of factors: complete, possible, and found from the specific to the general."""

import re
from pathlib import Path

import pytest
from netmodel.catalog import accelerator
from netmodel.studies.training_rows import Case, cases
from netmodel.training.factors import factors, markdown, names, software_keys, table
from netmodel.training.frameworks import frameworks, software, software_of


def test_every_share_is_below_one():
    """No efficiency above what the hardware is rated for."""
    shares = ("gemm_", "attention", "batched", "memory", "grouped", "tp_exposed", "dp_exposed")
    for factor in table().values():
        if factor.name.startswith(shares) and factor.name != "attention_speed":
            assert 0 < factor.value < 1, factor


def test_a_release_times_its_share_stays_below_one():
    """Speeds are relative; what a GPU attains under any release is still below its peak."""
    rows = table()
    fastest = max(each.value for each in rows.values() if each.name == "speed")
    clock = {key: each.value for (name, key), each in rows.items() if name == "clock"}
    for (name, key), each in rows.items():
        if name.startswith("gemm_") and key not in ("ampere", "A100-PCIe"):
            assert each.value * fastest * (clock.get("GB300", 1) if key == "blackwell" else 1) < 1
        elif name.startswith("gemm_"):
            old = [rows["speed", one].value for one in ("default", "bigscience")]
            assert each.value * max(old) < 1


def test_every_factor_has_a_default_and_says_what_it_is():
    for name, key in table():
        assert (name, "default") in table()
        factor = table()[name, key]
        assert factor.meaning
        assert factor.unit
        assert factor.basis


def test_fitted_numbers_are_fewer_than_one_for_fifteen_of_the_rows_they_rest_on():
    """The shipped factors rest on the packaged rows that state enough to be timed."""
    rows = sum(isinstance(each, Case) for each in cases())
    fitted = [each for each in table().values() if each.basis == "fitted"]
    assert len(fitted) < rows / 15


def test_fitted_numbers_carry_an_uncertainty():
    for factor in table().values():
        assert (factor.sigma > 0) == (factor.basis == "fitted"), factor


def test_a_release_falls_back_to_the_newest_before_it_then_to_its_framework():
    keys = software_keys("nemo", "25.04", "megatron-core")
    assert keys[0] == "nemo@25.04"
    assert "nemo@25.05" not in keys
    assert keys[-2:] == ("nemo", "megatron-core")
    assert software_keys("nemo", "24.12", "megatron-core")[0] == "nemo@24.03"


def test_an_unknown_framework_takes_the_defaults():
    gpu = accelerator("H100")
    unknown = factors(gpu, software("my-own-trainer", "1.0").keys)
    assert unknown["speed"] == 1.0
    assert unknown["gemm_bf16"] == table()["gemm_bf16", "hopper"].value


def test_an_unknown_gpu_takes_the_defaults():
    found = factors(accelerator("L40S"), software().keys)
    assert found["gemm_bf16"] == table()["gemm_bf16", "default"].value


@pytest.mark.parametrize("name", frameworks())
def test_every_framework_says_where_its_habits_are_documented(name):
    described = software(name)
    assert described.source
    assert described.defaults["zero"] in (0, 1, 2, 3)


def test_software_is_taken_from_the_question_then_the_cluster_then_the_default():
    stated = {"framework": "hai-llm", "version": "2024.12"}
    assert software_of("nemo 24.07", stated).version == "24.07"
    assert software_of(None, stated).framework == "hai-llm"
    assert software_of(None, {}).framework == "default"
    assert software_of(("mlperf", "23.09"), {}).framework == "mlperf"


def test_the_documented_table_is_the_shipped_one():
    """docs/models/factors.md lists every factor with its value and uncertainty."""
    page = Path(__file__).parents[2] / "docs" / "models" / "factors.md"
    text = page.read_text(encoding="utf-8")
    assert markdown() in text
    assert re.findall(r"^- \*\*(\w+)\*\*: ", text, re.MULTILINE) == list(names())


@pytest.mark.parametrize(
    ("gpu", "generation"), [("H100", "hopper"), ("B200", "blackwell"), ("MI300X", "cdna3")]
)
def test_a_gpu_keeps_its_own_factors_under_software_that_nobody_names(gpu, generation):
    """That framework is called `default`, as the rows are that hold for every GPU."""
    found = factors(accelerator(gpu), software().keys)
    for name in ("gemm_bf16", "gemm_fp8"):
        assert found[name] == table()[name, generation].value
