"""Published interruptions add up and become rates."""

import pytest
from netmodel.catalog.cabling import LENGTHS, medium, usual_length
from netmodel.catalog.failures import (
    COMPONENTS,
    campaign,
    campaign_names,
    recovery,
    usual_campaign,
)
from netmodel.errors import InputError


def test_causes_of_llama_3_add_up_to_the_published_totals():
    """arXiv:2407.21783 Table 5: 419 unexpected interruptions; 268 of them by GPUs."""
    found = campaign("llama-3-405b")
    assert sum(cause.count for cause in found.causes) == 419
    assert found.facts["interruptions"].value == 419
    assert sum(cause.count for cause in found.causes if cause.per == "gpu") == 268


def test_a_gpu_is_at_fault_once_in_thousands_of_days():
    """268 in 54 days of 16,384 GPUs: one in 3,301 days and GPU."""
    rate = sum(cause.rate for cause in campaign("llama-3-405b").causes if cause.per == "gpu")
    assert 1 / rate / 86400 == pytest.approx(16384 * 54 / 268)


@pytest.mark.parametrize(("name", "rate"), [("rsc-1", 6.50e-3), ("rsc-2", 2.34e-3)])
def test_rates_of_the_research_clusters_are_per_node_day(name, rate):
    (cause,) = campaign(name).causes
    assert cause.rate * 86400 == pytest.approx(rate)


def test_every_cause_has_a_component_a_text_and_a_source():
    for name in campaign_names():
        found = campaign(name)
        assert found.causes
        assert found.date
        for cause in found.causes:
            assert cause.per in COMPONENTS
            assert cause.what
            assert cause.source
            assert cause.rate > 0


def test_generations_have_their_usual_campaign():
    assert usual_campaign("hopper").name == "llama-3-405b"
    assert usual_campaign("ampere").name == "rsc-1"
    assert usual_campaign("tpu-v5p").name in campaign_names()


def test_recovery_names_its_sources():
    found = recovery()
    assert found.restart == 600
    assert found.storage_bandwidth == 2e12
    assert set(found.sources) == {"restart", "repair", "storage_bandwidth"}


def test_an_unknown_campaign_offers_the_known():
    with pytest.raises(InputError, match="llama-3-405b"):
        campaign("llama-3")


def test_longer_cables_draw_no_less():
    lengths = (1.0, 3.0, 10.0, 50.0, 80.0, 500.0)
    watts = [medium("InfiniBand-NDR", length).switch_end for length in lengths]
    assert watts == sorted(watts)
    assert medium("InfiniBand-HDR", 10.0).switch_end == 6
    assert medium("NVLink4", 1.0) is None


def test_every_fabric_tier_has_a_usual_length():
    assert all(usual_length(tier) > 0 for tier in LENGTHS)
    assert usual_length("nvlink") is None
