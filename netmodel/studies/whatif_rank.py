"""Every single fault of a fabric, ranked by what it costs the job.

Cables and switches that the fabric cannot tell apart, and that carry the same of every message,
cost the same: one of each such class is broken, the others are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import ModelError
from netmodel.graph import NODE_KINDS, SWITCH_KINDS, TIERS, IntArray
from netmodel.network import Loads
from netmodel.network.lumping import colours
from netmodel.studies.job_traffic import USUAL, Job, Routing, Shape, growth, stretched
from netmodel.studies.layouts import Choice, Request, choose
from netmodel.studies.price_list import Quote
from netmodel.studies.whatif import lost, price_dict, rent_of
from netmodel.training.pieces import pieces

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.workload import Model

DIGITS = 9
"""Loads that agree to so many digits are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One single fault, and how many others cost the same.

    Attributes
    ----------
    pattern : str
        One of them, for ``--fail``.
    what : str
        Tier of the cable, or kind of the node.
    count : int
        Faults alike, this one included.
    step_time : float
        Afterwards [s]; infinite where the job stops.
    slowdown : float
        Over the sound fabric.
    because : str
        The collective that is slowed most and the link that it waits for; who lost whom where the
        job stops.
    """

    pattern: str
    what: str
    count: int
    step_time: float
    slowdown: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Single faults of a fabric, those that hurt most first.

    Attributes
    ----------
    model, cluster : str
        Names.
    gpus : int
        Of the job.
    choice : Choice
        Its layout.
    before : float
        Step time on the sound fabric [s].
    faults : tuple of Fault
        One of each class.
    rent : Quote
        Of one GPU [USD/s].
    """

    model: str
    cluster: str
    gpus: int
    choice: Choice
    before: float
    faults: tuple[Fault, ...]
    rent: Quote

    @property
    def count(self) -> int:
        """All single faults."""
        return sum(each.count for each in self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel whatif`` without a change."""
        return {
            "model": self.model,
            "cluster": self.cluster,
            "gpus": self.gpus,
            "before": {"step_time_s": self.before},
            "faults": self.count,
            "price": price_dict(self.rent),
            "ranking": [self.row(each) for each in self.faults],
        }

    def row(self, each: Fault) -> dict[str, Any]:
        """Return one fault with units in the keys; null where the job stops."""
        loss = lost(self.rent, self.gpus, each.slowdown)
        return {
            "fault": each.pattern,
            "what": each.what,
            "alike": each.count,
            "after_s": each.step_time,
            "slowdown": each.slowdown,
            "stops_the_job": not np.isfinite(each.slowdown),
            "because": each.because,
            "lost_per_hour_usd": loss.typical if loss else None,
        }


def rank_faults(
    model: Model,
    cluster: Cluster,
    *,
    gpus: int,
    request: Request | None = None,
    routing: Routing = USUAL,
    rent: float | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Ranking:
    """Break every cable, NIC and switch of the network in turn, and time the step.

    Parameters
    ----------
    routing : Routing
        How the fabric routes, and which GPUs run the job.
    rent : float, optional
        Of one GPU [USD/s].
    report : callable, optional
        Called after each class with how many are done, of how many.
    """
    choice = choose(model, cluster, gpus, request or Request())
    given = pieces(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )
    usual = Job.of(given, cluster)
    reference = usual.loads(usual.wiring)
    job = Job.of(given, cluster, routing)
    sound = reference if routing == USUAL else job.loads(job.wiring)
    before = stretched(given, growth(sound, reference)).step_time
    singles = list(single_faults(job, sound))
    found: list[Fault] = []
    known: dict[str, tuple[float, str]] = {}
    for number, (pattern, what, count) in enumerate(singles):
        same = _only_cable(job, pattern)
        if same not in known:
            known[same] = _afterwards(job, same, sound, reference)
        after, because = known[same]
        found.append(
            Fault(
                pattern=pattern,
                what=what,
                count=count,
                step_time=after,
                slowdown=after / before,
                because=because,
            )
        )
        if report is not None:
            report(number + 1, len(singles))
    found.sort(key=lambda each: (-each.slowdown, -each.count))
    return Ranking(
        model=model.name,
        cluster=cluster.name,
        gpus=gpus,
        choice=choice,
        before=before,
        faults=tuple(found),
        rent=rent_of(cluster.accelerator.name, rent),
    )


def _only_cable(job: Job, pattern: str) -> str:
    """Return the fault of a NIC's cable, which is as good as that of the NIC if it has no other."""
    wiring, nodes = job.wiring, job.ways.network
    node = wiring.number.get(pattern, -1)
    if node < 0 or NODE_KINDS[nodes.kind[node]] != "nic":
        return pattern
    links = np.flatnonzero((nodes.source == node) & (nodes.layer >= TIERS["host-leaf"]))
    if len(links) != 1 or nodes.cables[links[0]] != 1:
        return pattern
    link = int(links[0]) % (nodes.n_links // 2)
    return "1 of " + ":".join(wiring.names([nodes.source[link], nodes.target[link]]))


def _afterwards(
    job: Job, pattern: str, sound: dict[Shape, Loads], reference: dict[Shape, Loads]
) -> tuple[float, str]:
    """Return the step time under a fault, infinite where the job stops, and why [s]."""
    try:
        loads = job.hurt([pattern])
    except ModelError as cut:
        return float("inf"), cut.found
    after = stretched(job.given, growth(loads, reference)).step_time
    return float(after), _because(loads, sound)


def _because(loads: dict[Shape, Loads], sound: dict[Shape, Loads]) -> str:
    """Name the traffic that grew most and its busiest link."""
    times = growth(loads, sound)
    if not times:
        return ""
    worst = max(times, key=lambda shape: times[shape])
    if times[worst] < 1 + 1e-6:
        return ""
    link = loads[worst].hottest(1)[0].name
    return f"{worst.how} of {worst.ranks:,} take {times[worst]:.2f}x on {link}"


def single_faults(job: Job, sound: dict[Shape, Loads]) -> Iterator[tuple[str, str, int]]:
    """Yield one fault of each class, what it breaks, and how many are alike."""
    wiring = job.wiring
    forth, back = _signatures(job, sound)
    source = np.concatenate([group.a for group in wiring.cables])
    target = np.concatenate([group.b for group in wiring.cables])
    kind = np.repeat(np.arange(len(wiring.blocks)), [block.size for block in wiring.blocks])
    kinds = [block.kind for block in wiring.blocks]
    start = np.unique([kinds[i] for i in kind], return_inverse=True)[1].astype(int)
    if len(job.ranks) < len(wiring.gpus):
        taken = np.zeros(wiring.n_nodes, int)
        taken[wiring.gpus[job.ranks]] = 1
        start = 2 * start + taken
    node = colours(
        start,
        np.concatenate([source, target]),
        np.concatenate([target, source]),
        np.concatenate([forth, back]).astype(float),
    )
    first = 0
    for group in wiring.cables:
        size = len(group.a)
        if TIERS[group.tier] >= TIERS["host-leaf"] and size:
            rows = np.arange(first, first + size)
            ends = np.stack([node[group.a], node[group.b], forth[rows], back[rows]], axis=1)
            cables = np.broadcast_to(np.asarray(group.cables), size)
            _, chosen, which = np.unique(ends, axis=0, return_index=True, return_inverse=True)
            alike = np.bincount(which.ravel(), cables)
            for one, count in zip(chosen, alike, strict=True):
                pair = ":".join(wiring.names([group.a[one], group.b[one]]))
                yield f"1 of {pair}", f"{group.tier} cable", int(count)
        first += size
    for name in ("nic", *SWITCH_KINDS):
        nodes = wiring.of_kind(name)
        if len(nodes):
            _, chosen, alike = np.unique(node[nodes], return_index=True, return_counts=True)
            for one, count in zip(chosen, alike, strict=True):
                yield wiring.names([nodes[one]])[0], name, int(count)


def _signatures(job: Job, sound: dict[Shape, Loads]) -> tuple[IntArray, IntArray]:
    """Number what each cable carries of every message, there and back: equal where all is equal."""
    network = next(iter(sound.values())).network if sound else None
    size = sum(len(group.a) for group in job.wiring.cables)
    if network is None:
        return np.zeros(size, int), np.zeros(size, int)
    rows = [network.capacity, *(loads.bytes for loads in sound.values())]
    alike = np.zeros(network.n_links, int)
    for row in rows:
        scale = float(np.max(row, initial=0.0)) or 1.0
        level = np.unique(np.round(row / scale, DIGITS), return_inverse=True)[1]
        alike = np.unique(alike * (int(level.max()) + 1) + level, return_inverse=True)[1]
    return alike[:size], alike[size:]
