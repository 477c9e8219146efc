"""Cables by length: which medium reaches how far, and what its two ends draw."""

from __future__ import annotations

from dataclasses import dataclass

from netmodel.catalog import table

LENGTHS = ("host-leaf", "local", "leaf-spine", "spine-core", "global")
"""Tiers with a usual length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """Copper, or one kind of optics.

    Attributes
    ----------
    name : str
    reach : float or None
        Longest cable [m]; None where nothing ends it that was published.
    switch_end, nic_end : float
        Power of the plug in a switch, in a NIC [W].
    source : str
        Of the power.
    """

    name: str
    reach: float | None
    switch_end: float
    nic_end: float
    source: str


def usual_length(tier: str) -> float | None:
    """Length of a cable of a tier where nobody states one [m]; None for other tiers."""
    return table.number(table.rows("cabling").get(tier, {}), "length")


def medium(link: str, length: float) -> Medium | None:
    """Return what a cable of a catalog link is made of at a length: the first that reaches.

    The farthest-reaching one where none does; None where nothing was published for the link.

    >>> medium("InfiniBand-NDR", 2.0).name, medium("InfiniBand-NDR", 30.0).name
    ('copper', 'multimode')
    """
    words = table.word(table.rows("cabling").get(link, {}), "media").split()
    media = [_medium(name) for name in words]
    fits = [each for each in media if each.reach is None or length <= each.reach]
    return next(iter(fits), media[-1] if media else None)


def _medium(name: str) -> Medium:
    facts = table.rows("cabling")[name]
    return Medium(
        name=name,
        reach=table.number(facts, "reach"),
        switch_end=table.need(facts, "switch_end"),
        nic_end=table.need(facts, "nic_end"),
        source=facts["switch_end"].source,
    )
