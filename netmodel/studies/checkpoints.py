r"""When to save, and what interruptions leave of the time: Young, Daly, and the exact optimum.

Interruptions come at random, one in M seconds on average. A checkpoint stops training for d
seconds after every w seconds of work, and an interruption costs R seconds until work goes on from
the last checkpoint. Work, checkpoint and restart are repeated until they pass without an
interruption; then the expected time of one interval is [1]_

.. math:: T(w) = M e^{R/M} \left(e^{(w+d)/M} - 1\right)

and the share of time that trains is w / T(w). It is largest where
(1 - w/M) e^{(w+d)/M} = 1; Young's sqrt(2 d M) [2]_ is that for d << M.

References
----------
.. [1] J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps",
       Future Generation Computer Systems 22 (2006), equation 13.
.. [2] J. W. Young, "A first order approximation to the optimum checkpoint interval",
       Communications of the ACM 17 (1974).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Real = float | npt.NDArray[np.float64]

STEPS = 60
"""Of Newton's method; about six are needed."""

SHORT, LONG = 1e-10, 30.0
"""Checkpoints over mean time below and above which a limit is exact in floating point."""


def effective_share(interval: Real, *, stall: Real, mean_time: Real, restart: Real) -> Real:
    """Share of time that trains; all four broadcast.

    Parameters
    ----------
    interval : float or array
        Work between two checkpoints, w [s].
    stall : float or array
        For which one stops training, d [s].
    mean_time : float or array
        Between interruptions, M [s]; may be infinite.
    restart : float or array
        From an interruption until work goes on, R [s].

    Examples
    --------
    >>> round(effective_share(3600.0, stall=60.0, mean_time=86400.0, restart=600.0), 4)
    0.9563
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        odds = np.expm1((interval + stall) / mean_time)
        expected = mean_time * np.exp(restart / mean_time) * odds
        share = np.where(np.isinf(mean_time), interval / (interval + stall), interval / expected)
    return share if share.ndim else float(share)


def young_interval(*, stall: Real, mean_time: Real) -> Real:
    """Return Young's first-order interval [s]: sqrt(2 d M)."""
    return np.sqrt(2 * stall * mean_time)


def daly_interval(*, stall: Real, mean_time: Real) -> Real:
    """Return Daly's higher-order interval [s]; the mean time itself where d >= 2 M.

    Examples
    --------
    >>> round(daly_interval(stall=60.0, mean_time=86400.0))
    3180
    """
    ratio = stall / (2 * mean_time)
    series = np.sqrt(2 * stall * mean_time) * (1 + np.sqrt(ratio) / 3 + ratio / 9) - stall
    return np.where(ratio < 1, series, mean_time)[()]


def best_interval(*, stall: float, mean_time: float) -> float:
    """Return the interval at which most of the time trains [s], exactly.

    With x = w / M it solves ln(1 - x) + x + d / M = 0 by Newton's method from below.
    A checkpoint that costs nothing is taken all the time; without interruptions, never.

    Examples
    --------
    >>> round(best_interval(stall=60.0, mean_time=86400.0))
    3180
    """
    if not stall:
        return 0.0
    if math.isinf(mean_time):
        return math.inf
    d = stall / mean_time
    if d < SHORT or d > LONG:
        return float(daly_interval(stall=stall, mean_time=mean_time))
    x = -math.expm1(-math.sqrt(2 * d) - d)  # above the root, so that the steps come down to it
    for _ in range(STEPS):
        step = (math.log1p(-x) + x + d) * (1 - x) / -x
        x -= step
        if abs(step) <= 1e-15 * x:
            break
    return x * mean_time
