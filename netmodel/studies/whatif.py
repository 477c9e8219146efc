"""What a fault, a slow GPU, another part or another routing changes: before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import InputError
from netmodel.network import Loads, faults
from netmodel.studies.amounts import Range, exactly
from netmodel.studies.job_traffic import (
    USUAL,
    Job,
    Routing,
    Shape,
    growth,
    shapes_of,
    stretched,
)
from netmodel.studies.layouts import Choice, Request, choose
from netmodel.studies.price_list import PriceList, Quote
from netmodel.studies.whatif_mending import AT, Mending, mending
from netmodel.studies.whatif_purchase import Purchase, purchase
from netmodel.training.compose import Sum
from netmodel.training.messages import Message
from netmodel.training.pieces import Pieces, pieces
from netmodel.training.step import answer

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step
    from netmodel.workload import Model

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different afterwards.

    Attributes
    ----------
    fail, degrade : tuple of str
        Patterns of :mod:`netmodel.network.faults`; those of ``degrade`` end in ``at 50%``.
    straggler : tuple of str
        Patterns of nodes with ``at 80%``: GPUs that compute at that part of their speed.
    reroute : str
        Routing policy afterwards; empty for the same.
    cluster : Cluster or None
        The cluster afterwards, where parts of it were exchanged.
    words : str
        How ``cluster`` differs.
    """

    fail: tuple[str, ...] = ()
    degrade: tuple[str, ...] = ()
    straggler: tuple[str, ...] = ()
    reroute: str = ""
    cluster: Cluster | None = None
    words: str = ""

    def __post_init__(self) -> None:
        for text in self.fail:
            if AT.match(text):
                raise InputError(
                    f"{text!r} says what is left", where="--fail", remedy="Use --degrade."
                )
        for option, texts in (("--degrade", self.degrade), ("--straggler", self.straggler)):
            for text in texts:
                if not AT.match(text):
                    raise InputError(
                        f"{text!r} does not say what is left",
                        where=option,
                        remedy=f"Write {text + ' at 50%'!r}.",
                    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every fault of the fabric."""
        return self.fail + self.degrade

    def __str__(self) -> str:
        """Say it in a line."""
        words = [
            *(f"{each} fails" for each in self.fail),
            *(f"{each}" for each in self.degrade),
            *(f"{each} of its speed" for each in self.straggler),
            *([self.words] if self.words else []),
            *([f"{self.reroute} routing"] if self.reroute else []),
        ]
        return ", ".join(words) or "nothing changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collective:
    """One kind of message before and after.

    Attributes
    ----------
    name : str
        Dimension and operation: ``dp reduce_scatter``.
    before, after : float
        Of one of them, the largest, when nothing else runs [s].
    link : str
        The busiest link afterwards; its tier where the links were not asked.
    """

    name: str
    before: float
    after: float
    link: str

    @property
    def slowdown(self) -> float:
        """After over before."""
        return self.after / self.before

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "collective": self.name,
            "before_s": self.before,
            "after_s": self.after,
            "slowdown": self.slowdown,
            "bottleneck": self.link,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A step before and after a change.

    Attributes
    ----------
    model, cluster : str
        Names.
    change : Change
    choice : Choice
        The layout, the same before and after.
    before, after : Step
    collectives : tuple of Collective
        Those that cross links, the most slowed first.
    rent : Quote
        Price of one GPU [USD/s], with row, source and date.
    mending : tuple of Mending
        Empty for what is no fault.
    purchase : Purchase or None
        What other parts cost and draw; None where no parts were exchanged.
    """

    model: str
    cluster: str
    change: Change
    choice: Choice
    before: Step
    after: Step
    collectives: tuple[Collective, ...]
    rent: Quote
    mending: tuple[Mending, ...] = ()
    purchase: Purchase | None = None

    @property
    def slowdown(self) -> float:
        """Step time after over before."""
        return float(self.after.step_time / self.before.step_time)

    @property
    def lost(self) -> Range | None:
        """Rent that buys nothing [USD/h]; None without a price, or where nothing is lost."""
        return lost(self.rent, int(self.before.gpus), self.slowdown)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel whatif``."""
        return {
            "model": self.model,
            "cluster": self.cluster,
            "change": str(self.change),
            "slowdown": self.slowdown,
            "collectives": [each.to_dict() for each in self.collectives],
            "lost_per_hour_usd": self.lost.to_dict() if self.lost else None,
            "saved_per_hour_usd": _saved(self),
            "price": price_dict(self.rent),
            "purchase": self.purchase.to_dict() if self.purchase else None,
            "mending": [each.to_dict() for each in self.mending],
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }


def _saved(found: WhatIf) -> dict[str, float] | None:
    """Rent that the same work costs less an hour of the job as it was [USD/h]."""
    if found.slowdown >= 1 or found.rent.price is None:
        return None
    whole = found.rent.price * (HOUR * int(found.before.gpus))
    return (whole * (1 - found.slowdown)).to_dict()


def price_dict(rent: Quote) -> dict[str, Any] | None:
    """Return what a GPU costs and who says so."""
    if rent.price is None:
        return None
    return {
        **(rent.price * HOUR).to_dict("_usd_per_gpu_hour"),
        "row": rent.row,
        "source": rent.source,
        "date": rent.date,
    }


def rent_of(accelerator: str, stated: float | None = None) -> Quote:
    """Return the rent of one accelerator [USD/s]: as stated, else the catalog's row."""
    if stated is not None:
        return Quote(price=exactly(stated), row="stated", source="as stated")
    return PriceList().quote([f"gpu-hour-{accelerator}"])


def lost(rent: Quote, gpus: int, slowdown: float) -> Range | None:
    """Return what GPUs cost while they wait [USD/h]."""
    if rent.price is None or slowdown < 1:
        return None
    return rent.price * (HOUR * gpus * (1 - 1 / slowdown))


def whatif(
    model: Model,
    cluster: Cluster,
    change: Change,
    *,
    gpus: int,
    request: Request | None = None,
    routing: Routing = USUAL,
    rent: float | None = None,
    stop: float | None = None,
) -> WhatIf:
    """Time one step before and after a change, under one layout.

    Parameters
    ----------
    routing : Routing
        How the fabric routes before, and which GPUs run the job.
    rent : float, optional
        Of one GPU [USD/s]; the catalog's when left out.
    stop : float, optional
        How long the job stands still to be mended [s]; a published restart when left out.

    Raises
    ------
    InputError
        When a pattern names nothing.
    ModelError
        When a rank is gone or has lost another one: the job stops.
    """
    choice = choose(model, cluster, gpus, request or Request())
    before = given = _pieces(model, cluster, gpus, choice)
    if routing != USUAL:
        job = Job.of(given, cluster, routing)
        before = stretched(given, growth(job.loads(job.wiring), _reference(given, cluster)))
    then = change.cluster or cluster
    after = changed = _pieces(model, then, gpus, choice) if change.cluster else given
    job = Job.of(changed, then, routing)
    loads: dict[Shape, Loads] = {}
    if change.patterns or change.reroute or routing != USUAL:
        loads = job.hurt(change.patterns, change.reroute)
        reference = job.loads(job.wiring) if routing == USUAL else _reference(changed, then)
        after = stretched(changed, growth(loads, reference))
    slow = _slow_gpus(job, change)
    first, last = before.sum(), summed(after, slow)
    made = (_step(before, first), _step(after, last))
    times = float(last.step_time / first.step_time)
    saved = float(first.step_time - last.step_time)
    hurt = (*change.patterns, *change.straggler)
    return WhatIf(
        model=model.name,
        cluster=cluster.name,
        change=change,
        choice=choice,
        before=made[0],
        after=made[1],
        collectives=_collectives(before, after, loads),
        rent=rent_of(cluster.accelerator.name, rent),
        mending=mending(job, hurt, times, stop) if hurt else (),
        purchase=purchase(cluster, then, gpus, saved) if change.cluster else None,
    )


def _pieces(model: Model, cluster: Cluster, gpus: int, choice: Choice) -> Pieces:
    return pieces(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
    )


def _reference(given: Pieces, cluster: Cluster) -> dict[Shape, Loads]:
    """Load the sound fabric as the closed form stands for it."""
    job = Job.of(given, cluster)
    return job.loads(job.wiring)


def _step(given: Pieces, added: Sum) -> Step:
    """Turn sums into the answer that ``netmodel step`` gives."""
    return answer(
        given.model,
        given.strategy,
        given.seq_len,
        given.accelerator,
        given.software,
        added,
        given.messages,
        given.fabric,
    )


def summed(given: Pieces, speed: float = 1.0) -> Sum:
    """Add a step up in which one pipeline rank's GPU computes at part of its speed.

    Every micro-batch passes that rank, taken to be the fullest, so all work goes at its pace; only
    the bubble, the time in which it waits for the others, stays theirs. An upper bound: part of
    that wait may be filled by its own slower work.
    """
    sound = given.sum()
    if speed == 1.0:
        return sound
    gpu = given.accelerator
    slow = replace(
        gpu,
        peak={name: speed * each for name, each in gpu.peak.items()},
        memory_bandwidth=speed * gpu.memory_bandwidth,
    )
    added = given.with_accelerator(slow).sum()
    spared = added.parts["bubble"] - sound.parts["bubble"]
    if spared <= 0:
        return added
    bubble = {"bubble": sound.parts["bubble"]}
    return replace(
        added,
        step_time=added.step_time - spared,
        parts={**added.parts, **bubble},
        view={**added.view, **bubble},
    )


def _slow_gpus(job: Job, change: Change) -> float:
    """Return the speed of the slowest GPU of the job."""
    slowest = 1.0
    for text in change.straggler:
        found = AT.match(text)
        assert found is not None
        speed = float(found["rest"]) / 100
        if not 0 < speed <= 1:
            raise InputError(
                f"{text!r} leaves {found['rest']} % of the speed",
                where="--straggler",
                remedy="Give a part above 0 % and up to 100 %.",
            )
        hit = np.isin(_victims(job, found["what"]), job.ranks)
        if not hit.any():
            raise InputError(f"{found['what']!r} names no GPU of the job", where="--straggler")
        slowest = min(slowest, speed)
    return slowest


def _victims(job: Job, pattern: str) -> Any:
    """Return the GPUs, as their number in the fabric, that a pattern takes away."""
    damage = faults.Damage.none(job.wiring)
    damage.inflict(job.wiring, pattern)
    return np.flatnonzero(~damage.alive[job.wiring.gpus])


def _collectives(
    before: Pieces, after: Pieces, loads: Mapping[Shape, Loads]
) -> tuple[Collective, ...]:
    """Put the largest message of each kind side by side."""
    found: dict[str, Collective] = {}
    later = {_key(each): each for each in after.messages}
    for shape, messages in shapes_of(before).items():
        hot = loads[shape].hottest(1) if shape in loads else []
        for each in messages:
            count = float(each.demand.count)
            name = f"{each.demand.dimension} {each.demand.kind}"
            seconds = float(each.seconds) / count
            if name not in found or seconds > found[name].before:
                found[name] = Collective(
                    name=name,
                    before=seconds,
                    after=float(later[_key(each)].seconds) / count,
                    link=hot[0].name if hot else str(each.tier),
                )
    return tuple(sorted(found.values(), key=lambda each: -each.slowdown))


def _key(message: Message) -> tuple[str, str, str, str]:
    demand = message.demand
    return demand.dimension, demand.kind, demand.phase, demand.layer
