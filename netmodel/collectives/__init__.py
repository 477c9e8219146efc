"""The time of one operation of one group.

An algorithm is one file with its schedule and its counts; :mod:`~netmodel.collectives.traffic`
prices counts, and the front door, :func:`time`, selects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netmodel.collectives.bounds import lower_bound
from netmodel.collectives.group import group_of
from netmodel.collectives.library import PROTOCOLS, Library, library
from netmodel.collectives.moe import MoeLibrary, MoeTiming, exchange, moe_library, vector_bytes
from netmodel.collectives.ops import KINDS, Operation, bus_factor
from netmodel.collectives.schedule import Step
from netmodel.collectives.select import ALGORITHMS, select
from netmodel.collectives.uneven import uneven_all_to_all
from netmodel.errors import InputError, unknown_name
from netmodel.network.tiers import Span
from netmodel.numeric import choose, is_plain, plain

__all__ = [
    "ALGORITHMS",
    "KINDS",
    "PROTOCOLS",
    "Library",
    "MoeLibrary",
    "MoeTiming",
    "Operation",
    "Step",
    "Timing",
    "bus_factor",
    "exchange",
    "library",
    "moe_library",
    "schedule",
    "time",
    "uneven_all_to_all",
    "vector_bytes",
]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an operation takes, and what decided it; scalars in, scalars out.

    Attributes
    ----------
    time : float or array
        From call to completion on the slowest rank [s].
    algorithm, protocol : str or array of str
        What runs.
    bottleneck : str or array of str
        Tier whose latency and bytes take longest.
    lower_bound : float or array
        Least time that the fabric allows [s].
    parts : mapping
        ``launch``, ``latency``, ``bandwidth``, ``ramp`` [s]; they add up to the time.
    """

    time: Any
    algorithm: Any
    protocol: Any
    bottleneck: Any
    lower_bound: Any
    parts: Mapping[str, Any]


def time(
    operation: Operation,
    span: Span,
    library: Library,
    *,
    algorithm: str = "auto",
    protocol: str = "auto",
) -> Timing:
    """Time one operation of one group while all its sister groups run too.

    Parameters
    ----------
    operation : Operation
        What, how large, among how many; sizes and ranks broadcast.
    span : Span
        Where the members lie on the fabric's tiers.
    library : Library
        Latencies and efficiencies, from :func:`library`.
    algorithm, protocol : str
        Force one, or let the quickest that NCCL would consider win.

    Raises
    ------
    InputError
        When a forced algorithm or protocol cannot serve the operation.

    Examples
    --------
    >>> from netmodel import collectives
    >>> from netmodel.network.tiers import Tiers
    >>> tiers = Tiers(names=("nvlink",), unit=(8,), bandwidth=(450e9,), latency=(0.0,),
    ...               links=("nvlink4",))
    >>> call = Operation(kind="all_reduce", size=2.0**33, ranks=8)
    >>> time(call, tiers.span(8), collectives.library("hopper", "nvlink4")).algorithm
    'nvls'
    """
    size, ranks = plain(operation.size), plain(operation.ranks)
    group = group_of(span, ranks)
    price, name, proto = select(operation.kind, size, group, library, algorithm, protocol)
    alone = ranks <= 1
    idle = alone if is_plain(size) and size > 0 else (size <= 0) | alone
    parts = {
        part: choose(idle, 0.0 * price.time, getattr(price, part))
        for part in ("launch", "latency", "bandwidth", "ramp")
    }
    return Timing(
        time=choose(idle, 0.0 * price.time, price.time),
        algorithm=name,
        protocol=proto,
        bottleneck=group.tier_name(price.bottleneck),
        lower_bound=choose(
            idle, 0.0 * price.time, lower_bound(operation.kind, size, group, library)
        ),
        parts=parts,
    )


def schedule(algorithm: str, kind: str, ranks: int, local: int = 1) -> list[Step]:
    """Write out an algorithm as messages between ranks, to lay on the links of a graph.

    Parameters
    ----------
    algorithm, kind : str
        One of :data:`ALGORITHMS` whose work is done by the ranks alone, and an operation of it.
    ranks, local : int
        Members; members of one domain, which divides them.

    Returns
    -------
    list of Step
        Steps in order; shares are of the size as nccl-tests counts it.

    Raises
    ------
    InputError
        When the algorithm is unknown, cannot do the operation, or leaves the work to switches.

    Examples
    --------
    >>> [(step.src.size, step.repeat) for step in schedule("ring", "all_reduce", 8)]
    [(8, 14)]
    """
    if algorithm not in ALGORITHMS:
        raise unknown_name("algorithm", algorithm, ALGORITHMS)
    module = ALGORITHMS[algorithm]
    if kind not in module.KINDS:
        raise InputError(f"{algorithm} cannot do {kind}", where="schedule")
    if not hasattr(module, "schedule"):
        raise InputError(
            f"{algorithm} leaves the reduction to switches, no rank sends it", where="schedule"
        )
    if local < 1 or ranks % local:
        raise InputError(f"{local} members a domain do not divide {ranks} ranks", where="schedule")
    found: list[Step] = module.schedule(kind, ranks, local)
    return found
