"""Which price row a part is bought at: the parts' own, one publication's, or the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netmodel import catalog
from netmodel.catalog.prices import price_list
from netmodel.catalog.table import aliases, key
from netmodel.errors import unknown_name
from netmodel.studies.amounts import ZERO, Range, exactly, priced

PUBLISHED = "published"
LISTS = {
    PUBLISHED: "each part at its own published price",
    "isca-table3": "arXiv:2505.09343 Table 3: one price a switch, one a link between switches",
    "h100-sheet": "the H100 cost sheet of 2024-08: node, switch, cable by number of tiers",
}
"""Lists by name, and what they are; what they say of a part is in ``price_lists.csv``."""

INCLUDED, OUTSIDE = "included", "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of one part.

    Attributes
    ----------
    price : Range or None
        Of one [USD]; None where none was published.
    row, source, date : str
        Catalog row; who published it and when. Empty without one.
    counted : bool
        False where the list leaves such parts out of its sums.
    """

    price: Range | None = None
    row: str = ""
    source: str = ""
    date: str = ""
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Where prices come from.

    Attributes
    ----------
    name : str
        One of :data:`LISTS`.
    stated : mapping of str to float
        The user's own prices by part [USD]; they come first.
    """

    name: str = PUBLISHED
    stated: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in LISTS:
            raise unknown_name("price list", self.name, LISTS, where="--prices")

    def quote(self, names: Sequence[str]) -> Quote:
        """Return the price of a part.

        Parameters
        ----------
        names : sequence of str
            What the part is called, the most exact name first.
        """
        stated = {key(name): value for name, value in self.stated.items()}
        for name in names:
            if key(name) in stated:
                return Quote(price=exactly(stated[key(name)]), row="stated", source="as stated")
        known = self._rows()
        row = next((known[key(name)] for name in names if key(name) in known), None)
        if row == INCLUDED:
            return Quote(price=ZERO, row=INCLUDED, source=f"in the price of a switch, {self.name}")
        if row is None or row == OUTSIDE:
            return Quote(counted=row is None)
        price = catalog.price(row)
        return Quote(price=priced(price), row=price.name, source=price.source, date=price.date)

    def _rows(self) -> Mapping[str, str]:
        """Price row by part."""
        listed = price_list(self.name)
        return {**aliases("prices"), **listed} if self.name == PUBLISHED else listed
