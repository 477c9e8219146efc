"""Which family each part of a step belongs to, and its ink: compute cool, communication warm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from netmodel.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    YELLOW,
)


@dataclass(frozen=True, slots=True)
class Family:
    """Parts that are drawn as one.

    Attributes
    ----------
    words : frozenset of str
        A part belongs here when its name holds one of these words.
    text : str
        Colour of its label, dark enough to read on white.
    hatch : str
        Second cue beside the colour.
    """

    label: str
    words: frozenset[str]
    color: str
    text: str
    hatch: str = ""


COMPUTE = Family("compute", frozenset(), BLUE, BLUE)
FAMILIES = (
    COMPUTE,
    Family("recompute", frozenset({"recompute", "recomputation"}), SKY, "#2b86bb"),
    Family("tensor parallel", frozenset({"tp"}), PURPLE, "#b0558a", "\\\\\\\\"),
    Family("context parallel", frozenset({"cp"}), YELLOW, "#8f8a00", "\\\\\\\\"),
    Family(
        "expert parallel", frozenset({"ep", "dispatch", "combine"}), VERMILION, VERMILION, "////"
    ),
    Family("pipeline sends", frozenset({"pp"}), "#8c510a", "#8c510a", "...."),
    Family("data parallel", frozenset({"dp", "edp"}), ORANGE, "#b87f00", "////"),
    Family("overlap cost", frozenset({"interference"}), "#9e9ac8", "#6a64a4"),
    Family("bubble", frozenset({"bubble", "imbalance"}), GREY, SOFT),
    Family("other", frozenset({"optimizer", "launch", "overhead", "stragglers"}), GREEN, GREEN),
)
"""In the order in which they are stacked, from the ground up."""


def family(part: str) -> Family:
    """Return the family of a part of the breakdown; what has no word of its own is compute.

    >>> family("ep_exposed:leaf").label
    'expert parallel'
    """
    words = set(re.split(r"[^a-z0-9]+", part.lower()))
    return next((each for each in FAMILIES if each.words & words), COMPUTE)


def by_family(breakdown: Mapping[str, float]) -> dict[str, float]:
    """Add up the parts of each family, in stacking order; families of no time are left out."""
    sums = dict.fromkeys((each.label for each in FAMILIES), 0.0)
    for part, seconds in breakdown.items():
        sums[family(part).label] += float(seconds)
    return {label: seconds for label, seconds in sums.items() if seconds}


def ink(label: str) -> Family:
    """Return the family of that label."""
    return next(each for each in FAMILIES if each.label == label)
