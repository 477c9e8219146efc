"""Accelerators: names that people give them, and numbers that physics allows."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.errors import InputError

ALL = [catalog.accelerator(name) for name in catalog.names("accelerators")]


def test_lower_precision_is_never_slower() -> None:
    for row in ALL:
        rates = [
            max(row.peak.get(name, 0.0) for name in group)
            for group in (("fp32",), ("bf16", "fp16"), ("fp8", "int8"), ("fp4",))
        ]
        stated = [rate for rate in rates if rate]
        assert stated == sorted(stated), row.name


def test_measured_products_stay_below_the_rated_peak() -> None:
    for row in ALL:
        for precision in ("bf16", "fp8"):
            fact = row.facts.get(f"max_matmul_{precision}")
            if fact is not None:
                assert fact.basis == "measured"
                assert 0.4 < float(fact.value) / row.rate(precision) < 1, row.name


def test_numbers_are_of_their_kind() -> None:
    """Rates of tera- to petaflops, gigabytes of memory, and no FLOP/s taken for TFLOP/s."""
    for row in ALL:
        assert row.peak, row.name
        assert all(1e13 <= rate <= 1e17 for rate in row.peak.values()), row.name
        assert 16e9 <= row.memory <= 320e9, row.name
        assert 5e11 <= row.memory_bandwidth <= 3e13, row.name
        assert row.power is None or 100 <= row.power <= 2000, row.name
        assert row.sms is None or 50 <= row.sms <= 400, row.name
        assert row.scaleup_bandwidth is None or 10e9 < row.scaleup_bandwidth < 2e12, row.name


def test_scale_up_bandwidth_is_that_of_its_links() -> None:
    """What the vendor states for the chip equals links per chip x bandwidth of a link."""
    for row in ALL:
        if row.scaleup_link is not None:
            link = catalog.link(row.scaleup_link)
            total = link.bandwidth * (link.links_per_gpu or 1)
            assert row.scaleup_bandwidth == pytest.approx(total, rel=0.01), row.name


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("A100", "A100-SXM-80GB"),
        ("A100-80GB", "A100-SXM-80GB"),
        ("A100-40GB", "A100-SXM-40GB"),
        ("A100-SXM-40GB", "A100-SXM-40GB"),
        ("A100-SXM", "A100-SXM-80GB"),
        ("A100-PCIe", "A100-PCIe-40GB"),
        ("a100 pcie 80gb", "A100-PCIe-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM-40GB"),
        ("H100", "H100-SXM"),
        ("H100-80GB", "H100-SXM"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("H200-SXM", "H200-SXM"),
        ("H800", "H800-SXM"),
        ("B200", "B200-SXM"),
        ("GB300", "GB300"),
        ("V100-SXM3", "V100-SXM3-32GB"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("Trillium", "TPU-v6e"),
        ("TPU v5p", "TPU-v5p"),
        ("trn2", "Trainium2"),
    ],
)
def test_names_find_their_row(asked: str, found: str) -> None:
    assert catalog.accelerator(asked).name == found


def test_a_stated_memory_and_power_replace_those_of_the_row() -> None:
    """CONTRACTS: a variant's stated memory or power is used, the rest assumed and said."""
    variant, usual = catalog.accelerator("H100-96GB-500W"), catalog.accelerator("H100")
    assert (variant.memory, variant.power) == (96e9, 500.0)
    assert variant.name == "H100-96GB-500W"
    assert variant.peak == usual.peak
    assert variant.facts["memory"].source == "stated in 'H100-96GB-500W'"
    assert (usual.memory, usual.power) == (80e9, 700.0)


@given(gigabytes=st.integers(1, 999))
def test_any_memory_in_a_name_is_taken_as_stated(gigabytes: int) -> None:
    assert catalog.accelerator(f"H200-{gigabytes}GB").memory == gigabytes * 1e9


def test_the_h800_is_an_h100_with_slower_links() -> None:
    """arXiv:2505.09343: 43.73 % MFU is 432 TFLOP/s; 400 GB/s NVLink in both directions."""
    h800, h100 = catalog.accelerator("H800"), catalog.accelerator("H100")
    assert h800.peak["bf16"] == h100.peak["bf16"]
    assert h800.rate("bf16") * 0.4373 == pytest.approx(432e12, rel=2e-3)
    assert h800.scaleup_bandwidth == 200e9
    assert h800.sms == 132


def test_a_precision_without_a_rate_is_refused() -> None:
    with pytest.raises(InputError, match=r"V100-SXM2-32GB has no published bf16 rate. Use one of"):
        catalog.accelerator("V100").rate("bf16")


def test_a_gpu_outside_the_catalog_is_refused() -> None:
    with pytest.raises(InputError, match=r"no accelerator is named 'B210'. Did you mean"):
        catalog.accelerator("B210")


def test_rows_are_values() -> None:
    """Equal names give equal rows, which can be dictionary keys and be sent to another process."""
    row = catalog.accelerator("H100")
    assert {row: 1}[catalog.accelerator("NVIDIA H100 80GB HBM3")] == 1
    assert pickle.loads(pickle.dumps(row)) == row
    assert row != catalog.accelerator("H100-500W")
