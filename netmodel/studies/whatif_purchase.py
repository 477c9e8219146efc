"""What other parts cost and draw: the bill after a change less the bill before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmodel.studies.amounts import Range
from netmodel.studies.bill import Bill, Line, bill

if TYPE_CHECKING:
    from netmodel.topology import Cluster


@dataclass(frozen=True, slots=True)
class Difference:
    """One amount less another; may be below zero.

    Attributes
    ----------
    low, typical, high : float
        Low prices less low prices, and so on, from the least to the most.
    """

    low: float
    typical: float
    high: float

    def __truediv__(self, divisor: float) -> Difference:
        return Difference(self.low / divisor, self.typical / divisor, self.high / divisor)

    def to_dict(self, suffix: str = "") -> dict[str, float]:
        """Return ``low``, ``typical`` and ``high``, with the unit in the key."""
        return {
            f"low{suffix}": self.low,
            f"typical{suffix}": self.typical,
            f"high{suffix}": self.high,
        }

    def words(self, write: Callable[[float], str]) -> str:
        """Write the typical value with its sign, and the range where there is one.

        >>> Difference(-2, -1, 3).words(str), Difference(1, 1, 1).words(str)
        ('-1 (-2 to +3)', '+1')
        """

        def signed(value: float) -> str:
            return ("+" if value > 0 else "-" if value < 0 else "") + write(abs(value))

        low, typical, high = signed(self.low), signed(self.typical), signed(self.high)
        return typical if low == high else f"{typical} ({low} to {high})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """Two bills of the same GPUs, and the step time that the second saves.

    Attributes
    ----------
    before, after : Bill
        Both at today's prices of new parts: nothing is sold, and no work is charged.
    saved : float
        Step time before less after [s].
    same_host : tuple of str
        Hosts that differ in a part which has no price of its own.
    """

    before: Bill
    after: Bill
    saved: float
    same_host: tuple[str, ...] = ()

    @property
    def difference(self) -> Difference | None:
        """Purchase after less before [USD]; None where a part that differs has no price."""
        return _difference(self.changed, lambda line: line.unit)

    @property
    def power(self) -> Difference | None:
        """Power at work after less before [W]; None where a host that differs has no figure."""
        hosts = [line for line, _ in self.changed if line.kind == "host" and line.load is None]
        if hosts:
            return None
        known = [(line, count) for line, count in self.changed if line.load]
        return _difference(known, lambda line: line.load)

    @property
    def per_second_saved(self) -> Difference | None:
        """Purchase for every second of step time saved [USD/s]; None where none is."""
        if self.difference is None or self.saved <= 0:
            return None
        return self.difference / self.saved

    @property
    def changed(self) -> list[tuple[Line, int]]:
        """Lines whose number differs, with how many more there are afterwards."""
        held: dict[tuple[str, str, float | None], tuple[Line, int]] = {}
        for made, sign in ((self.before, -1), (self.after, 1)):
            for line in made.lines:
                at = (line.item, line.row, line.length)
                held[at] = line, held.get(at, (line, 0))[1] + sign * line.count
        return [(line, count) for line, count in held.values() if count]

    @property
    def notes(self) -> tuple[str, ...]:
        """Which parts are missing, and who says what the others cost."""
        parts = [line for line, _ in self.changed]
        unpriced = [line.item for line in parts if line.unit is None and line.counted]
        unknown = [line.item for line in parts if line.load is None and line.kind != "host"]
        rows = dict.fromkeys(
            f"{line.item}: {line.row}: {line.source}" for line in parts if line.row
        )
        return (
            *(f"no price of its own for what differs in {name}" for name in self.same_host),
            *((f"no published price for {', '.join(unpriced)}",) if unpriced else ()),
            *(
                (f"no published power for {', '.join(unknown)}: left out of the difference",)
                if unknown
                else ()
            ),
            *rows,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object ``purchase`` of ``netmodel whatif``."""
        return {
            "before_usd": _plain(self.before.purchase),
            "after_usd": _plain(self.after.purchase),
            "difference_usd": _plain(self.difference),
            "power_before_W": _plain(self.before.load),
            "power_after_W": _plain(self.after.load),
            "power_difference_W": _plain(self.power),
            "usd_per_s_of_step_saved": _plain(self.per_second_saved),
            "changed": [{**line.to_dict(), "count": count} for line, count in self.changed],
            "notes": list(self.notes),
        }


def _plain(value: Range | Difference | None) -> dict[str, float] | None:
    return value.to_dict() if value else None


def _difference(
    changed: list[tuple[Line, int]], amount: Callable[[Line], Range | None]
) -> Difference | None:
    """Add up what is bought less what is not; None where an amount is missing."""
    sums = [0.0, 0.0, 0.0]
    for line, count in changed:
        each = amount(line)
        if each is None:
            if line.counted:
                return None
            continue
        for at, value in enumerate((each.low, each.typical, each.high)):
            sums[at] += count * value
    return Difference(min(sums), sums[1], max(sums))


def purchase(before: Cluster, after: Cluster, gpus: int, saved: float) -> Purchase:
    """Bill a cluster as it is and with other parts.

    Parameters
    ----------
    saved : float
        Step time before less after [s].
    """
    alike = [
        old.name
        for old, new in zip(before.hosts, after.hosts, strict=False)
        if old != new and (old.name, old.accelerator) == (new.name, new.accelerator)
    ]
    return Purchase(
        before=bill(before, before.wiring(gpus)),
        after=bill(after, after.wiring(gpus)),
        saved=saved,
        same_host=tuple(dict.fromkeys(alike)),
    )
