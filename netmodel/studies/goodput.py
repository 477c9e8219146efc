"""What interruptions leave of a cluster: effective training time, days and dollars to N tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.catalog.failures import Campaign, Recovery, recovery
from netmodel.errors import InputError
from netmodel.studies.amounts import Range
from netmodel.studies.checkpoints import best_interval, effective_share, young_interval
from netmodel.studies.groups import census, components
from netmodel.studies.interruptions import SHARED, Interruption, observed
from netmodel.studies.spares import enough_spares, poisson_quantile, wait_for_repair
from netmodel.units import format_money, format_percent, format_time

if TYPE_CHECKING:
    from netmodel.studies.run import Run
    from netmodel.topology import Cluster

DAY = 86400.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a job is run; None where nobody said.

    Attributes
    ----------
    rates : str or None
        A published set of failure rates; the usual one of the accelerator's generation when None.
    restart, repair : float or None
        From an interruption to a running job, loading left out; until a host is back [s].
    storage_bandwidth : float or None
        Of the checkpoint storage, never more than the hosts' NICs carry [B/s].
    stall : float or None
        For which a checkpoint stops training [s]; the whole time of writing it when None.
    interval : float or None
        Work between two checkpoints [s]; the best when None.
    spares : int or None
        Hosts kept ready; enough for 99 % of failures when None.
    """

    rates: str | None = None
    restart: float | None = None
    repair: float | None = None
    storage_bandwidth: float | None = None
    stall: float | None = None
    interval: float | None = None
    spares: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("storage_bandwidth", 0.0), ("interval", 0.0)):
            value = getattr(self, name)
            if value is not None and not value > least:
                raise InputError(
                    f"{name.replace('_', ' ')} is {value:g}, it must be above zero",
                    where="--" + name.replace("_", "-"),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """What interruptions leave of one size.

    Attributes
    ----------
    cluster : str
    gpus, nodes : int
    rates : tuple of Campaign
        The published observations that the rates come from, one for each kind of GPU that has its
        own.
    causes : tuple of Interruption
    planned : float
        Planned interruptions a second [1/s].
    state : float
        One checkpoint [B].
    bandwidth, write, stall : float
        Of the storage as the hosts reach it [B/s]; time of writing; for which training stops [s].
    restart, repair, wait : float
        From interruption to running job; until a host is back; for a host where no spare is
        left, per interruption [s].
    spares : int
    interval : float
        Work between two checkpoints [s].
    stated_interval : bool
        Whether somebody chose it.
    sources : mapping of str to str
        Of restart, repair and storage bandwidth.
    run : Run or None
        With tokens, where days and dollars are asked for.
    rent : Range or None
        Of a GPU [USD/s].
    """

    cluster: str
    gpus: int
    nodes: int
    rates: tuple[Campaign, ...]
    causes: tuple[Interruption, ...]
    planned: float
    state: float
    bandwidth: float
    write: float
    stall: float
    restart: float
    repair: float
    wait: float
    spares: int
    interval: float
    stated_interval: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None
    rent: Range | None = None
    rent_source: str = ""

    @property
    def rate(self) -> float:
        """Unplanned interruptions a second [1/s]."""
        return sum(cause.rate for cause in self.causes)

    @property
    def mean_time(self) -> float:
        """Between unplanned interruptions [s]."""
        return 1 / self.rate if self.rate else math.inf

    @property
    def down(self) -> float:
        """From an interruption until work goes on [s].

        Restart, the wait for a host, loading the checkpoint, and the work done while the last
        checkpoint was still being written.
        """
        return self.restart + self.wait + self.write + (self.write - self.stall)

    @property
    def shares(self) -> dict[str, float]:
        """Where the time goes; adds up to one."""
        stopped = min(1.0, self.planned * (self.restart + self.write))
        trains = self._effective(self.interval)
        restarts = -math.expm1(-self.down / self.mean_time)
        saves = trains * self.stall / self.interval if self.interval else 0.0
        lost = max(0.0, 1 - trains - saves - restarts)
        parts = {"training": trains, "checkpoints": saves, "lost work": lost, "restarts": restarts}
        return {
            **{name: share * (1 - stopped) for name, share in parts.items()},
            "planned stops": stopped,
        }

    @property
    def effective(self) -> float:
        """Share of time that trains."""
        return self.shares["training"]

    def _effective(self, interval: float) -> float:
        """Share that trains between planned stops."""
        if not interval or math.isinf(interval):  # free checkpoints, or no interruption
            return math.exp(-self.down / self.mean_time)
        return float(
            effective_share(interval, stall=self.stall, mean_time=self.mean_time, restart=self.down)
        )

    def interruptions(self, duration: float, chance: float = 0.95) -> tuple[float, int, int]:
        """Return how many unplanned ones to expect, and the range they lie in with a chance.

        Parameters
        ----------
        duration : float
            [s].
        """
        mean = self.rate * duration
        tail = (1 - chance) / 2
        return mean, poisson_quantile(mean, tail), poisson_quantile(mean, 1 - tail)

    @property
    def time(self) -> float | None:
        """Of the run, interruptions included [s]."""
        if self.run is None or self.run.seconds is None:
            return None
        return self.run.seconds / self.effective

    @property
    def dollars(self) -> Range | None:
        """Rent of the run's GPUs and its spares [USD]."""
        if self.time is None or self.rent is None:
            return None
        held = self.gpus + self.spares * self.gpus / self.nodes
        return self.rent * (held * self.time)

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the figures come from."""
        return (
            *(f"failure rates: {each.what} ({each.source}, {each.date})" for each in self.rates),
            *((SHARED,) if len(self.rates) > 1 else ()),
            *(f"{name.replace('_', ' ')}: {source}" for name, source in self.sources.items()),
            *((f"rent: {self.rent_source}",) if self.rent_source and self.run else ()),
            *(self.run.notes if self.run else ()),
        )

    def __str__(self) -> str:
        """Print what is left in a few lines."""
        lines = [
            f"{self.cluster}, {self.gpus:,} GPUs: an interruption every "
            f"{format_time(self.mean_time)}, a checkpoint every {format_time(self.interval)}",
            *(f"  {name:<14}{format_percent(share)}" for name, share in self.shares.items()),
        ]
        if self.time is not None:
            lines.append(f"  {'time':<14}{format_time(self.time)}")
        if self.dollars is not None:
            lines.append(f"  {'rent':<14}{self.dollars.words(format_money)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel goodput``: SI, units in the keys."""
        mean, low, high = self.interruptions(DAY * 54)
        return {
            "cluster": self.cluster,
            "gpus": self.gpus,
            "nodes": self.nodes,
            "rates": ", ".join(each.name for each in self.rates),
            "interruptions_per_day": self.rate * DAY,
            "planned_per_day": self.planned * DAY,
            "interruptions_in_54_days": {"mean": mean, "low": low, "high": high},
            "mean_time_between_interruptions_s": self.mean_time,
            "checkpoint_B": self.state,
            "storage_bandwidth_Bps": self.bandwidth,
            "checkpoint_write_s": self.write,
            "checkpoint_stall_s": self.stall,
            "checkpoint_interval_s": self.interval,
            "young_interval_s": float(young_interval(stall=self.stall, mean_time=self.mean_time)),
            "restart_s": self.restart,
            "repair_s": self.repair,
            "down_s": self.down,
            "spares": self.spares,
            "effective": self.effective,
            "shares": self.shares,
            "published_effective": self.rates[0].effective if len(self.rates) == 1 else None,
            "causes": [
                {
                    "what": cause.what,
                    "per": cause.per,
                    "of": cause.of,
                    "components": cause.components,
                    "per_day": cause.rate * DAY,
                    "takes_host_out": cause.takes_host_out,
                    "source": cause.source,
                }
                for cause in self.causes
            ],
            "run": self.run.to_dict() if self.run else None,
            "time_s": self.time,
            "rent_usd": self.dollars.to_dict() if self.dollars else None,
            "notes": list(self.notes),
        }


def goodput(
    cluster: Cluster,
    gpus: int,
    *,
    state: float,
    policy: Policy | None = None,
    run: Run | None = None,
    rent: float | None = None,
) -> Goodput:
    """Say what interruptions leave of a job on so many GPUs.

    Parameters
    ----------
    state : float
        One checkpoint [B].
    policy : Policy, optional
        Rates, recovery, storage, interval, spares.
    run : Run, optional
        With tokens, for days and dollars.
    rent : float, optional
        Of a GPU [USD/s]; the catalog's range when left out.
    """
    from netmodel.studies.cost import rent_of

    if not state > 0:
        raise InputError(f"a checkpoint of {state:g} B", where="--checkpoint-size")
    policy = policy or Policy()
    wiring = cluster.wiring(gpus)
    published = observed(wiring, policy.rates)
    counts = components(wiring)
    usual = recovery()
    price, rent_source = rent_of({name: own["gpu"] for name, own in census(wiring).items()}, rent)
    carried = sum(
        float(np.broadcast_to(each.bandwidth, each.a.shape).sum())
        for each in wiring.cables
        if each.tier == "host-leaf"
    )
    found = Goodput(
        cluster=cluster.name,
        gpus=gpus,
        nodes=round(counts["node"]),
        rates=tuple(each.rates for each in published),
        causes=tuple(
            cause for each in published for cause in each.causes(named=len(published) > 1)
        ),
        planned=sum(each.planned for each in published),
        state=state,
        bandwidth=min(
            _chosen(policy.storage_bandwidth, usual.storage_bandwidth), carried or math.inf
        ),
        write=0.0,
        stall=0.0,
        restart=_chosen(policy.restart, usual.restart),
        repair=_chosen(policy.repair, usual.repair),
        wait=0.0,
        spares=0,
        interval=0.0,
        sources=_sources(policy, usual),
        run=run,
        rent=price,
        rent_source=rent_source,
    )
    return _settled(found, policy)


def _chosen(stated: float | None, usual: float) -> float:
    return usual if stated is None else stated


def _sources(policy: Policy, usual: Recovery) -> dict[str, str]:
    """Who says how long recovery takes and how fast the storage is."""
    names = ("restart", "repair", "storage_bandwidth")
    return {
        name: usual.sources[name] if getattr(policy, name) is None else "as stated"
        for name in names
    }


def _settled(found: Goodput, policy: Policy) -> Goodput:
    """Choose spares and interval, and time the checkpoint."""
    hosts_out = sum(cause.rate for cause in found.causes if cause.takes_host_out)
    in_repair = hosts_out * found.repair
    spares = policy.spares if policy.spares is not None else enough_spares(in_repair)
    wait = wait_for_repair(in_repair, spares, found.repair)
    write = found.state / found.bandwidth
    stall = write if policy.stall is None else policy.stall
    if stall > write:
        raise InputError(
            f"a checkpoint stops training for {stall:.3g} s but is written in {write:.3g} s",
            where="--checkpoint-stall",
            remedy="State at most the time of writing, or a slower --storage-bandwidth.",
        )
    best = best_interval(stall=stall, mean_time=found.mean_time)
    return replace(
        found,
        spares=spares,
        wait=wait * hosts_out / found.rate if found.rate else 0.0,
        write=write,
        stall=stall,
        interval=max(best, write) if policy.interval is None else policy.interval,
        stated_interval=policy.interval is not None,
    )


def by_component(found: Goodput) -> dict[str, float]:
    """Unplanned interruptions a second by what they are counted per."""
    kinds = dict.fromkeys(cause.per for cause in found.causes)
    return {per: sum(cause.rate for cause in found.causes if cause.per == per) for per in kinds}


def effective_curve(found: Goodput, sizes: Sequence[float]) -> list[dict[str, float]]:
    """Shares of time at other sizes of the same design, each at its own best interval.

    Components and spares grow with the GPUs; checkpoint, storage and recovery stay as they are.
    """
    curve = []
    for size in sizes:
        factor = size / found.gpus
        grown = replace(
            found,
            causes=tuple(
                replace(cause, components=cause.components * factor, rate=cause.rate * factor)
                for cause in found.causes
            ),
            planned=found.planned * factor,
        )
        interval = best_interval(stall=found.stall, mean_time=grown.mean_time)
        if not found.stated_interval:
            grown = replace(grown, interval=max(interval, found.write))
        curve.append(grown.shares)
    return curve
