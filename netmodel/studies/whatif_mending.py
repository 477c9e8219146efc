"""Whether to run on with a fault, or to stop the job and mend: when which pays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netmodel.catalog.failures import recovery
from netmodel.network import faults
from netmodel.studies.job_traffic import Job, hosts_of

AT = re.compile(r"(?P<what>.+?)\s+at\s+(?P<rest>[\d.]+)\s*%\s*$")
"""A pattern, and what is left of what it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """Whether to stop the job and mend, or to run on.

    Attributes
    ----------
    how : str
        ``re-cable or use a spare``, after which all is as before; ``drain``, which leaves the
        replicas of the hit hosts out.
    stop : float
        How long the job stands still [s].
    speed : float
        Tokens a second afterwards, over those before the fault.
    pays_after : float
        The change pays where the fault would stay longer than this [s]; infinite where never.
    """

    how: str
    stop: float
    speed: float
    pays_after: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; null where it never pays."""
        return {
            "how": self.how,
            "stop_s": self.stop,
            "speed": self.speed,
            "pays_after_s": self.pays_after,
        }


def mending(
    job: Job, patterns: Sequence[str], slowdown: float, stop: float | None = None
) -> tuple[Mending, ...]:
    """Say when it pays to stop and mend, and to go on without the hit hosts.

    Parameters
    ----------
    job : Job
        On the sound fabric.
    patterns : sequence of str
        Faults and stragglers.
    slowdown : float
        Of the step under them.
    stop : float, optional
        How long the job stands still [s]; a published restart when left out.
    """
    pause = recovery().restart if stop is None else stop
    found = [_mended("re-cable or use a spare", pause, 1.0, slowdown)]
    hit = hit_hosts(job, patterns)
    replicas = int(job.given.strategy.dp)
    lost_replicas = _replicas(job, hit)
    if 0 < lost_replicas < replicas:
        speed = (replicas - lost_replicas) / replicas
        hosts = "its host" if len(hit) == 1 else f"{len(hit)} hosts"
        found.append(_mended(f"drain {hosts}", pause, speed, slowdown))
    return tuple(found)


def _mended(how: str, stop: float, speed: float, slowdown: float) -> Mending:
    """Weigh a pause against the speed that it gains.

    Over a time T, running on gives T / slowdown, pausing gives (T - stop) speed.
    """
    gain = speed - 1 / slowdown
    pays = stop * speed / gain if gain > 1e-12 else float("inf")
    return Mending(how=how, stop=stop, speed=speed, pays_after=pays)


def hit_hosts(job: Job, patterns: Sequence[str]) -> set[int]:
    """Return the hosts that hold a broken part or an end of a broken cable."""
    damage = faults.Damage.none(job.wiring)
    for text in patterns:
        found = AT.match(text)
        damage.inflict(job.wiring, found["what"] if found else text)
    hit = ~damage.alive
    start = 0
    for group in job.wiring.cables:
        broken = damage.cables[start : start + len(group.a)] < 1
        hit[group.a[broken]] = hit[group.b[broken]] = True
        start += len(group.a)
    node = job.wiring.attribute("node", -1.0).astype(int)
    return set(node[hit & (node >= 0)].tolist())


def _replicas(job: Job, hosts: set[int]) -> int:
    """Count the data-parallel replicas that have a rank on some hosts."""
    on = np.flatnonzero(np.isin(hosts_of(job.wiring)[job.ranks], list(hosts)))
    strategy = job.given.strategy
    stride = {"tp": strategy.tp, "cp": strategy.cp, "dp": strategy.dp, "pp": strategy.pp}
    inner = 1
    for name in strategy.order.split("-"):
        if name == "dp":
            break
        inner *= int(stride.get(name, 1))
    return len(np.unique(on // inner % int(strategy.dp)))
