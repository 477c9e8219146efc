"""The vocabulary of communication: what a group of ranks can be asked to do.

``workload`` says with these words what a model needs; the rest of this room times them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

KINDS = (
    "all_reduce",
    "reduce_scatter",
    "all_gather",
    "all_to_all",
    "broadcast",
    "reduce",
    "send_recv",
    "dispatch",
    "combine",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One collective operation of one group.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    size : float or array
        Buffer as nccl-tests counts it [B]: all-reduce, broadcast, reduce: the buffer; all-gather:
        the gathered output; reduce-scatter: the whole input; all-to-all: one rank's send buffer;
        send-recv: the message; dispatch and combine: one rank's tokens x top-k x bytes a vector.
    ranks : int or array
        Members of the group.
    """

    kind: str
    size: Any
    ranks: Any


def bus_factor(kind: str, ranks: Any) -> Any:
    """Return busbw over algbw, as nccl-tests defines it (``doc/PERFORMANCE.md``).

    >>> bus_factor("all_reduce", 8)
    1.75
    """
    if kind == "all_reduce":
        return 2 * (ranks - 1) / ranks
    if kind in ("reduce_scatter", "all_gather", "all_to_all"):
        return (ranks - 1) / ranks
    return 1.0


def distinct_targets(groups: Any, experts: Any, top_k: Any) -> Any:
    r"""Return the expected number of different groups among a token's experts.

    .. math:: D(G) = G \left(1 - \binom{E - E/G}{k} \Big/ \binom{E}{k}\right)

    for k experts drawn without replacement from E, E/G of them in each group.

    Examples
    --------
    >>> [round(distinct_targets(g, 256, 8), 4) for g in (1, 2, 8, 64, 256)]
    [1.0, 1.993, 5.2947, 7.6758, 8.0]
    """
    spread = all(isinstance(each, int | float) for each in (groups, experts, top_k))
    if spread:
        return _distinct(groups, experts, top_k)
    return np.asarray(np.frompyfunc(_distinct, 3, 1)(groups, experts, top_k), float)


@lru_cache(maxsize=4096)
def _distinct(groups: float, experts: float, top_k: float) -> float:
    groups = min(groups, experts)
    if groups <= 1:
        return 1.0
    inside = experts / groups
    missed = 1.0
    for drawn in range(round(min(top_k, experts))):
        missed *= max(experts - inside - drawn, 0.0) / (experts - drawn)
    return min(float(groups), float(top_k), groups * (1.0 - missed))
