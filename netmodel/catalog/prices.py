"""Prices and the power of parts: dated, with the range that their source gives."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from netmodel.catalog import table
from netmodel.catalog.table import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one thing costs, or draws.

    Attributes
    ----------
    name, what : str
        Canonical name; what it buys, in words.
    low, typical, high : float
        [USD] for things, [USD/s] for ``gpu-hour-``, [W] for ``power-`` and ``idle-``, in a paper's
        own unit for ``relative-``, [s] for ``lifetime``; ``pue`` has none. Where the source gives
        one figure all three are equal.
    date, region : str
        Month of the figure; country code, or ``any``.
    source : str
        Who published it.
    facts : mapping of str to Fact
        Every published row, with source.
    """

    name: str
    what: str
    low: float
    typical: float
    high: float
    date: str
    region: str
    source: str
    facts: Mapping[str, Fact] = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        table.above_zero("price", self.name, low=self.low, typical=self.typical, high=self.high)


def price(name: str, where: str = "") -> Price:
    """Return a price by name or alias.

    >>> price("switch-ib-400g-64").typical
    36000.0

    Raises
    ------
    InputError
        When no price has that name, offering the near ones.
    """
    name = table.canonical("prices", name, "price", where)
    facts = table.rows("prices")[name]
    typical = table.need(facts, "typical")
    low, high = table.number(facts, "low"), table.number(facts, "high")
    return Price(
        name=name,
        what=table.word(facts, "what"),
        low=typical if low is None else low,
        typical=typical,
        high=typical if high is None else high,
        date=table.word(facts, "date"),
        region=table.word(facts, "region"),
        source=facts["typical"].source,
        facts=facts,
    )


@cache
def price_list(name: str) -> Mapping[str, str]:
    """Return which price row a publication's list buys a part at, by part.

    Parts may be catalog names, ``any-host``, ``any-switch``, ``any-cable``, ``TIER-cable`` or
    ``N-tier-cable``; the rows ``included`` and ``outside`` stand for parts in the price of another
    and parts that the publication leaves out.

    >>> price_list("isca-table3")["any-switch"]
    'switch-isca-table3'
    """
    with (table.DATA / "price_lists.csv").open(encoding="utf-8", newline="") as lines:
        return {part: row for of, part, row in csv.reader(lines) if of == name}
