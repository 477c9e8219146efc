"""Causes are scaled to what there is of their component, group by group."""

import netmodel as nm
import pytest
from netmodel.catalog.failures import campaign
from netmodel.errors import InputError
from netmodel.studies.interruptions import observed

MIX = nm.load_cluster("hybrid-a100-h100-mi300x")
META = nm.load_cluster("meta-24k-roce")


def test_one_kind_of_gpu_has_one_set_of_rates():
    (only,) = observed(META.wiring(16384))
    assert only.rates.name == "llama-3-405b"
    assert {cause.of for cause in only.causes(named=False)} == {""}
    for cause, published in zip(only.causes(named=True), only.rates.causes, strict=True):
        assert cause.of == "H100-SXM"
        assert cause.rate == published.rate * only.counts[published.per]


def test_each_generation_has_its_own():
    ampere, newer = observed(MIX.wiring(96))
    assert (ampere.rates.name, ampere.of) == ("rsc-1", "A100-SXM-80GB")
    assert (newer.rates.name, newer.of) == ("llama-3-405b", "H100-SXM and MI300X")
    assert (ampere.counts["gpu"], newer.counts["gpu"]) == (32, 64)
    assert newer.planned == pytest.approx(8 * campaign("llama-3-405b").planned)


def test_stated_rates_are_those_of_all():
    (only,) = observed(MIX.wiring(96), "opt-175b")
    assert only.counts["node"] == 12


def test_an_unknown_set_offers_the_known():
    with pytest.raises(InputError, match="--rates"):
        observed(MIX.wiring(96), "opt")
