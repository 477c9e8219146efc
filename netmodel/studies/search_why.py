"""Why one layout is slower than another: what it does differently, and where its time goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmodel.units import format_time
from netmodel.workload import Strategy

if TYPE_CHECKING:
    from netmodel.training import Step

NEGLIGIBLE = 1e-4
"""Share of a step below which a difference is not told."""
MOST = 4
"""Parts that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What separates a layout from the best one.

    Attributes
    ----------
    slower : float
        Its step time less that of the best [s].
    changes : mapping
        Fields of the strategy that differ: value of the best, value of the other.
    parts : mapping of str to float
        Parts of the breakdown: the other less the best [s]; they add up to ``slower``.
    """

    slower: float
    changes: Mapping[str, tuple[Any, Any]]
    parts: Mapping[str, float]

    @property
    def share(self) -> float:
        """How much slower, over the step of the best."""
        return self.slower / self._best

    _best: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, SI units in the keys."""
        return {
            "slower_s": self.slower,
            "changes": {name: list(pair) for name, pair in self.changes.items()},
            "parts_s": dict(self.parts),
            "text": str(self),
        }

    def __str__(self) -> str:
        """Say it in a line, the largest parts first."""
        words = " ".join(f"{name}={other}" for name, (_, other) in self.changes.items())
        told = sorted(self.parts.items(), key=lambda part: -abs(part[1]))
        told = [part for part in told if abs(part[1]) > NEGLIGIBLE * self._best][:MOST]
        where = ", ".join(
            f"{name} {'+' if seconds > 0 else '-'}{format_time(abs(seconds))}"
            for name, seconds in told
        )
        sign = "+" if self.slower >= 0 else "-"
        return (
            f"{words or 'the same layout'}: {sign}{format_time(abs(self.slower))}"
            f"{f' ({where})' if where else ''}"
        )


def why(best: Step, other: Step) -> Why:
    """Compare a layout with the best one."""
    names = dict.fromkeys((*best.breakdown, *other.breakdown))
    return Why(
        slower=other.step_time - best.step_time,
        changes=changes(best.strategy, other.strategy),
        parts={
            name: other.breakdown.get(name, 0.0) - best.breakdown.get(name, 0.0) for name in names
        },
        _best=best.step_time,
    )


def changes(best: Strategy, other: Strategy) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, with both values."""
    pairs = {
        name: (getattr(best, name), getattr(other, name))
        for name in Strategy.__slots__  # in the order of the class
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
