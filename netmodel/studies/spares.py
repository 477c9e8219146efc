"""Hosts kept ready: how many, and how long a job waits when none is left."""

from __future__ import annotations

import math

ENOUGH = 0.99
"""Chance that a spare is ready, where nobody says how many there are."""


def poisson_quantile(mean: float, chance: float) -> int:
    """Return the smallest count that is not passed with at least this chance.

    Examples
    --------
    >>> poisson_quantile(2.0, 0.9), poisson_quantile(419.0, 0.975)
    (4, 460)
    """
    log_term, below, count = -mean, 0.0, 0
    while True:
        below += math.exp(log_term)
        if below >= chance or count > mean + 40 * math.sqrt(mean) + 40:
            return count
        count += 1
        log_term += math.log(mean) - math.log(count) if mean else -math.inf


def enough_spares(in_repair: float, chance: float = ENOUGH) -> int:
    """Return how many spares are ready with this chance when a host fails.

    Parameters
    ----------
    in_repair : float
        Hosts in repair on average: failures a second times the time of a repair.

    Notes
    -----
    Failures at random and any repair time: the number in repair is Poisson (the M/G/inf queue).
    A spare is ready when fewer hosts than spares are in repair.
    """
    return poisson_quantile(in_repair, chance) + 1


def wait_for_repair(in_repair: float, spares: int, repair: float) -> float:
    """Return how long a failed host's job waits on average for another host [s].

    The job goes on with a spare while there is one. With n >= spares hosts in repair already it
    waits for the first of n + 1 to come back, repair / (n + 1) on average where repairs take a
    random (exponential) time of mean ``repair``.
    """
    waited, log_term = 0.0, -in_repair
    for n in range(int(in_repair + 40 * math.sqrt(in_repair) + 40) + spares):
        if n:
            log_term += math.log(in_repair) - math.log(n) if in_repair else -math.inf
        if n >= spares:
            waited += math.exp(log_term) * repair / (n + 1)
    return waited
