"""One-shot all-reduce: every rank reads the whole buffer of all others; one step, most bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic

NAME = "one_shot"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count one step and n - 1 whole buffers through every port of one domain."""
    return Traffic(
        steps=1,
        hops=tuple(0 for _ in group.tiers),
        port=size * (group.local - 1),
        egress=tuple(0.0 * size for _ in group.tiers),
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out the one step."""
    src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
    return [step(src, dst, 1.0)]
