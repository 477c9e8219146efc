"""Two-shot all-reduce: reduce a share from all peers, then read all shares; two steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.schedule import Step, step
from netmodel.collectives.traffic import Traffic

NAME = "two_shot"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("ll", "simple")


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count two steps, each of (n - 1)/n of the buffer through every port of one domain."""
    return Traffic(
        steps=2,
        hops=tuple(0 for _ in group.tiers),
        port=2.0 * size * (group.local - 1) / group.local,
        egress=tuple(0.0 * size for _ in group.tiers),
        copy=size / group.ranks,
    )


def schedule(kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out both steps, each an exchange of shares among all."""
    src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
    return [step(src, dst, 1.0 / ranks, 2)]
