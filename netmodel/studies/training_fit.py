"""Fit the factors of a training step on published rows.

Least squares on the logarithm of the step time, robust (soft-L1) against rows that no physics
explains, with weak log-normal priors. Shares of a rated peak or bandwidth are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray
from netmodel.studies.training_batch import Batch, Key, batch, table_values
from netmodel.studies.training_rows import DATA, Case, cases, measured_step_time
from netmodel.training.factors import Factor, table

SPREAD = 0.03
"""Residual (of the logarithm) beyond which a row counts linearly, not squared."""
SHARES = ("gemm_", "attention", "batched", "memory", "grouped", "tp_exposed", "dp_exposed")
"""Factors that are shares, which have an upper bound."""
CEILING = 0.95
"""That bound: no kernels attain more of a rated peak over whole layers."""
LEAST_SIGMA = 0.01


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


def fit(
    cases: Sequence[Case],
    *,
    without: Sequence[bool] | None = None,
    start: FloatArray | None = None,
    stacked: Batch | None = None,
    evaluations: int = 30,
    from_shipped: bool = False,
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
    from_shipped : bool
        Believe the shipped values with their uncertainty, not what was believed before them: for
        new rows beside the packaged ones.
    """
    from scipy.optimize import least_squares

    made = batch(cases) if stacked is None else stacked
    rows = list(table().values())
    values = table_values() if start is None else start
    free = free_rows(rows)
    measured = np.log([measured_step_time(case) for case in cases])
    kept = np.ones(len(cases)) if without is None else np.where(without, 0.0, 1.0)
    believed = [
        (each.value, each.sigma) if from_shipped else (each.prior, each.prior_sigma)
        for each in (rows[i] for i in free)
    ]
    prior = np.log([value for value, _ in believed])
    firm = np.array([max(sigma, LEAST_SIGMA) for _, sigma in believed])
    upper = np.array([np.log(CEILING) if rows[i].name.startswith(SHARES) else np.inf for i in free])
    upper[[i for i, at in enumerate(free) if rows[at].name == "attention_speed"]] = np.inf

    def residuals(x: FloatArray) -> FloatArray:
        now = values.copy()
        now[free] = np.exp(x)
        errors = np.log(made.step_times(now)) - measured
        return np.concatenate([errors * kept, SPREAD * (x - prior) / firm])

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


def calibrate_training(path: str | Path | None = None, *, evaluations: int = 30) -> dict[str, Any]:
    """Fit the factors on a CSV in the schema of ``training_measured.csv``.

    Parameters
    ----------
    path : path, optional
        The user's rows; the packaged ones by default. A user's rows move the shipped factors as
        far as both uncertainties allow.

    Returns
    -------
    dict
        ``factors``: every row of the table with its new value and uncertainty; ``rows`` used and
        ``fitted`` numbers; ``before`` and ``after``: median and 90th percentile of the error [%].
    """
    known = [each for each in cases(DATA if path is None else path) if isinstance(each, Case)]
    if not known:
        raise InputError(
            "no row states enough to time a step",
            where=str(path),
            remedy="Run netmodel validate training --data on it: it says which columns lack.",
        )
    made = batch(known)
    measured = np.array([measured_step_time(case) for case in known])
    before = made.step_times(table_values()) / measured - 1
    found = fit(known, stacked=made, evaluations=evaluations, from_shipped=path is not None)
    sigma = dict(zip(found.free.tolist(), found.sigma.tolist(), strict=True))
    rows = list(table().values())
    return {
        "rows": len(known),
        "fitted": len(found.free),
        "before": _spread_of(before),
        "after": _spread_of(np.expm1(found.errors)),
        "factors": [
            {
                "name": each.name,
                "key": each.key,
                "value": float(found.values[i]),
                "sigma": sigma.get(i),
                "prior": each.prior,
                "prior_sigma": each.prior_sigma,
                "unit": each.unit,
                "basis": each.basis,
                "meaning": each.meaning,
            }
            for i, each in enumerate(rows)
        ],
    }


def _spread_of(errors: FloatArray) -> dict[str, float]:
    size = 100 * np.abs(errors)
    return {"median_abs_pct": float(np.median(size)), "p90_abs_pct": float(np.percentile(size, 90))}
