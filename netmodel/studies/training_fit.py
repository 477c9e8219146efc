"""Fit the factors of a training step on published rows.

Least squares on the logarithm of the step time, robust (soft-L1) against rows that no physics
explains, with weak log-normal priors; series with many rows are weighed down, so that no source
decides alone. Shares of a rated peak or bandwidth are bounded by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.studies.training_batch import Batch, Key, batch, table_values
from netmodel.studies.training_rows import Case, measured_step_time
from netmodel.training.factors import Factor, table

SPREAD = 0.03
"""Residual (of the logarithm) beyond which a row counts linearly, not squared."""
SHARES = ("gemm_", "attention", "batched", "memory", "grouped", "tp_exposed", "dp_exposed", "fsdp_")
"""Factors that are shares: below one."""
CEILING = 0.98


@dataclass(frozen=True, slots=True)
class Fit:
    """Fitted factors.

    Attributes
    ----------
    keys : tuple
        (name, key) of all factors.
    values : array
        All factors, fitted or not, in the order of ``keys``.
    free : int array
        Places of the fitted ones.
    sigma : array
        One standard deviation of each fitted one's logarithm, linearised.
    errors : array
        Logarithm of predicted over measured step time, row by row.
    """

    keys: tuple[Key, ...]
    values: FloatArray
    free: IntArray
    sigma: FloatArray
    errors: FloatArray


def free_rows(rows: Sequence[Factor]) -> IntArray:
    """Places of the factors that are fitted."""
    return np.array([i for i, each in enumerate(rows) if each.basis == "fitted"])


def row_weights(cases: Sequence[Case]) -> FloatArray:
    """Weigh a row by its framework's number of rows to the power -1/4, 1 for a framework of ten."""
    count = Counter(case.software.framework for case in cases)
    return np.array([(count[case.software.framework] / 10) ** -0.25 for case in cases])


def fit(
    cases: Sequence[Case],
    *,
    without: Sequence[bool] | None = None,
    start: FloatArray | None = None,
    stacked: Batch | None = None,
    evaluations: int = 30,
) -> Fit:
    """Fit the factors that the table marks as fitted.

    Parameters
    ----------
    cases : sequence of Case
    without : sequence of bool, optional
        Rows to leave out of the fit (they are still predicted).
    start : array, optional
        Values of all factors to start from; the table's by default.
    stacked : Batch, optional
        The cases, stacked, when at hand.
    evaluations : int
        Steps of the solver at most.
    """
    from scipy.optimize import least_squares

    made = batch(cases) if stacked is None else stacked
    rows = list(table().values())
    values = table_values() if start is None else start
    free = free_rows(rows)
    measured = np.log([measured_step_time(case) for case in cases])
    weights = row_weights(cases)
    if without is not None:
        weights = weights * ~np.asarray(without)
    prior = np.log([rows[i].prior for i in free])
    firm = np.array([rows[i].prior_sigma for i in free])
    upper = np.array([np.log(CEILING) if rows[i].name.startswith(SHARES) else np.inf for i in free])
    upper[[i for i, at in enumerate(free) if rows[at].name == "attention_speed"]] = np.inf

    def residuals(x: FloatArray) -> FloatArray:
        now = values.copy()
        now[free] = np.exp(x)
        errors = np.log(made.step_times(now)) - measured
        return np.concatenate([errors * weights, SPREAD * (x - prior) / firm])

    first = np.minimum(np.log(values[free]), upper - 1e-3)
    found = least_squares(
        residuals,
        first,
        bounds=(np.full(len(free), -np.inf), upper),
        loss="soft_l1",
        f_scale=SPREAD,
        max_nfev=evaluations,
        diff_step=1e-4,
        x_scale=0.1,
    )
    fitted = values.copy()
    fitted[free] = np.exp(found.x)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * SPREAD**2
    return Fit(
        keys=made.keys,
        values=fitted,
        free=free,
        sigma=np.sqrt(np.diag(covariance)),
        errors=np.log(made.step_times(fitted)) - measured,
    )
