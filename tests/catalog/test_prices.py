"""Prices are dated, ordered, and reproduce the totals they were derived from."""

import re

import pytest
from netmodel import catalog


def test_prices_are_dated_and_ordered() -> None:
    for name in catalog.names("prices"):
        price = catalog.price(name)
        assert price.low <= price.typical <= price.high, name
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", price.date), name
        assert price.region
        assert price.what
        assert price.source


def test_prices_are_in_si_units() -> None:
    assert catalog.price("gpu-hour-h800").typical == pytest.approx(2 / 3600)
    assert catalog.price("power-dgx-h100").high == 10200


@pytest.mark.parametrize(
    ("switches", "links", "millions"),
    [(96, 2048, 9), (768, 16384, 72), (5120, 131072, 491), (1568, 32928, 146)],
)
def test_isca_table_3_follows_from_two_prices(switches: int, links: int, millions: float) -> None:
    """FT2, multi-plane, FT3 and Slim Fly of arXiv:2505.09343 Table 3, to its rounding."""
    cost = switches * catalog.price("switch-isca-table3").typical
    cost += links * catalog.price("link-isca-table3").typical
    assert cost == pytest.approx(millions * 1e6, rel=0.005, abs=0.5e6)


@pytest.mark.parametrize(
    ("tiers", "links", "dollars"), [(1, 512, 0.676e6), (2, 2048, 2.621e6), (3, 98304, 124.5e6)]
)
def test_cable_prices_reproduce_the_cost_sheet(tiers: int, links: int, dollars: float) -> None:
    """One link of each tier count: 512, 1,024 and 32,768 GPUs of the H100 cost sheet."""
    price = catalog.price(f"link-{tiers}-tier").typical
    assert price * links == pytest.approx(dollars, rel=2e-3)
