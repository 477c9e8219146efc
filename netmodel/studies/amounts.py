"""Low, typical and high: what is known of a price or a power, carried through sums and shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmodel.errors import InputError

if TYPE_CHECKING:
    from netmodel.catalog import Price


@dataclass(frozen=True, slots=True)
class Range:
    """A quantity from low to high; all three are equal where one figure is known.

    Attributes
    ----------
    low, typical, high : float
        In SI or USD.
    """

    low: float
    typical: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.typical <= self.high:
            raise InputError(
                f"low, typical and high are {self.low:g}, {self.typical:g} and {self.high:g},"
                " they must rise from zero"
            )

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __mul__(self, factor: float | Range) -> Range:
        by = factor if isinstance(factor, Range) else exactly(factor)
        return Range(self.low * by.low, self.typical * by.typical, self.high * by.high)

    def __truediv__(self, divisor: float | Range) -> Range:
        """Divide; the lowest quotient is that of the highest divisor."""
        by = divisor if isinstance(divisor, Range) else exactly(divisor)
        return Range(self.low / by.high, self.typical / by.typical, self.high / by.low)

    def share_with(self, rest: Range) -> Range:
        """Return this over the sum of both; low where this is low and the rest high.

        >>> Range(1, 1, 2).share_with(Range(2, 3, 3)).typical
        0.25
        """
        return Range(
            self.low / (self.low + rest.high),
            self.typical / (self.typical + rest.typical),
            self.high / (self.high + rest.low),
        )

    def to_dict(self, suffix: str = "") -> dict[str, float]:
        """Return ``low``, ``typical`` and ``high``, with the unit in the key."""
        return {
            f"low{suffix}": self.low,
            f"typical{suffix}": self.typical,
            f"high{suffix}": self.high,
        }

    def words(self, write: Callable[[float], str]) -> str:
        """Write the typical value, and the range where there is one.

        >>> Range(1, 2, 3).words(str), Range(2, 2, 2).words(str)
        ('2 (1 to 3)', '2')
        """
        low, typical, high = write(self.low), write(self.typical), write(self.high)
        return typical if low == high else f"{typical} ({low} to {high})"


ZERO = Range(0.0, 0.0, 0.0)


def exactly(value: float) -> Range:
    """Return a range of one value."""
    return Range(value, value, value)


def priced(row: Price) -> Range:
    """Return the range of a catalog row."""
    return Range(row.low, row.typical, row.high)


def total(parts: Iterable[Range | None]) -> Range | None:
    """Sum; None where a part is."""
    added = ZERO
    for part in parts:
        if part is None:
            return None
        added = added + part
    return added
