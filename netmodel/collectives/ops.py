"""The vocabulary of communication: what a group of ranks can be asked to do.

``workload`` says with these words what a model needs; the rest of this room times them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
