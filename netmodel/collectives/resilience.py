"""What one bad cable costs each collective: its time on a damaged graph against the sound one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netmodel.collectives.library import Library
from netmodel.collectives.on_graph import GraphTiming, time_on_graph
from netmodel.collectives.ops import Operation
from netmodel.collectives.placed import Fabric
from netmodel.errors import ModelError
from netmodel.graph import Wiring
from netmodel.network.faults import apply
from netmodel.network.resilience import Slowdown

USUAL = (
    "all_reduce",
    "reduce_scatter",
    "all_gather",
    "broadcast",
    "reduce",
    "all_to_all",
    "send_recv",
)
"""Collectives of a whole job."""


def collective_slowdowns(
    wiring: Wiring,
    failures: Iterable[str],
    library: Library,
    *,
    kinds: Iterable[str] = USUAL,
    size: float = 2.0**30,
    stride: int = 1,
    ranks: int | None = None,
    algorithm: str = "auto",
    policies: Iterable[str] = ("adaptive", "static"),
    fidelity: str = "contention",
) -> list[Slowdown]:
    """Return the slow-down of each collective under each failure and routing policy.

    Parameters
    ----------
    wiring : Wiring
        The sound fabric.
    failures : iterable of str
        One at a time; patterns of :mod:`netmodel.network.faults`. For the usual three, a
        leaf-spine cable, a NIC, a leaf, see :func:`netmodel.network.single_failures`.
    library : Library
        Latencies and efficiencies; algorithms are chosen as on the sound fabric.
    kinds : iterable of str
        Collectives.
    size : float
        As nccl-tests counts it [B].
    stride, ranks : int, optional
        Groups; the whole job when left out.
    algorithm : str
        Force one.
    policies : iterable of str
        Routing policies, by default with and without adaptive routing.
    fidelity : str
        ``contention`` or ``flow``.

    Returns
    -------
    list of Slowdown
        In the order failure, collective, policy; infinite where a way is missing. A failure that
        takes GPUs leaves a smaller job.
    """
    kinds, policies = tuple(kinds), tuple(policies)
    options: dict[str, Any] = {"stride": stride, "fidelity": fidelity, "algorithm": algorithm}
    sound = {policy: Fabric.of(wiring, policy=policy) for policy in policies}
    before: dict[tuple[str, str], GraphTiming] = {}
    for kind in kinds:
        for policy, fabric in sound.items():
            call = Operation(kind=kind, size=size, ranks=ranks or len(fabric.gpus) // stride)
            before[kind, policy] = time_on_graph(call, fabric, library, **options)
    found = []
    for failure in failures:
        damaged = apply(wiring, failure)
        hurt: dict[str, Fabric] = {}
        for (kind, policy), was in before.items():
            try:
                if policy not in hurt:
                    hurt[policy] = Fabric.of(damaged, policy=policy)
                fabric = hurt[policy]
                whole = len(fabric.gpus) == len(sound[policy].gpus)
                call = Operation(kind=kind, size=size, ranks=ranks or len(fabric.gpus) // stride)
                rated = was.group if whole and fabric.n_tiers == sound[policy].n_tiers else None
                now = time_on_graph(call, fabric, library, group=rated, **options)
                after, busiest = float(now.time), [link.name for link in now.links(1)]
            except ModelError as cut:
                after, busiest = float("inf"), [cut.found]
            found.append(
                Slowdown(
                    failure=failure,
                    traffic=kind,
                    policy=policy,
                    before=float(was.time),
                    after=after,
                    bottleneck=busiest[0] if busiest else "",
                )
            )
    return found
