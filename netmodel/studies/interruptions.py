"""What interrupts a job: published causes, scaled to the GPUs, hosts and cables it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netmodel import catalog
from netmodel.catalog.failures import Campaign, campaign, usual_campaign
from netmodel.studies.groups import census, components

if TYPE_CHECKING:
    from netmodel.graph import Wiring

SHARED = (
    "GPUs of several kinds: each fails at the rates of its generation, and so do its hosts and the "
    "cables of its NICs; cables between switches are shared out by GPUs"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """One cause on this cluster.

    Attributes
    ----------
    what, per : str
        Cause; what it is counted per.
    components : float
        How many of those the job has.
    rate : float
        Of the job [1/s].
    takes_host_out : bool
    source : str
    of : str
        Accelerators whose components they are, where groups of GPUs fail at rates of their own.
    """

    what: str
    per: str
    components: float
    rate: float
    takes_host_out: bool
    source: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """Published rates and what fails at them.

    Attributes
    ----------
    rates : Campaign
    of : str
        Accelerators.
    counts : mapping of str to float
        Their components.
    """

    rates: Campaign
    of: str
    counts: Mapping[str, float]

    @property
    def planned(self) -> float:
        """Planned interruptions a second [1/s]."""
        return self.rates.planned * self.counts["node"]

    def causes(self, *, named: bool) -> tuple[Interruption, ...]:
        """Scale every published cause to what there is of its component."""
        return tuple(
            Interruption(
                what=cause.what,
                per=cause.per,
                of=self.of if named else "",
                components=self.counts[cause.per],
                rate=cause.rate * self.counts[cause.per],
                takes_host_out=cause.takes_host_out,
                source=cause.source,
            )
            for cause in self.rates.causes
        )


def observed(wiring: Wiring, stated: str | None = None) -> tuple[Observed, ...]:
    """Return the published rates that hold for a fabric, each with what fails at them.

    Parameters
    ----------
    stated : str, optional
        A set that holds for all; else each accelerator has that of its generation.
    """
    if stated:
        return (Observed(campaign(stated, where="--rates"), "", components(wiring)),)
    found: dict[str, tuple[Campaign, list[str], dict[str, float]]] = {}
    for name, own in census(wiring).items():
        rates = usual_campaign(catalog.accelerator(name).generation)
        _, names, counts = found.setdefault(rates.name, (rates, [], {}))
        names.append(name)
        for per, count in own.items():
            counts[per] = counts.get(per, 0) + count
    return tuple(Observed(rates, " and ".join(names), own) for rates, names, own in found.values())
