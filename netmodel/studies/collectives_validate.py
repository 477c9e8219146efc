"""``netmodel validate collectives``: every published row beside its prediction."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives import Operation, library, time
from netmodel.collectives.library import constants
from netmodel.studies.collectives_data import MEASURED, Case, read_cases, unstated
from netmodel.studies.collectives_fit import Fit, Problem, fit, parameters
from netmodel.studies.residuals import Residual, summary

FIT_ROWS = MEASURED.with_name("collectives_fit_rows.csv")
REGIMES = ((65536, "< 64 KiB"), (2**24, "64 KiB - 16 MiB"), (float("inf"), ">= 16 MiB"))


def validate_collectives(
    path: Path | str | None = None, *, held_out: bool = False
) -> dict[str, Any]:
    """Predict every row of a CSV and summarise the errors.

    Parameters
    ----------
    path : path, optional
        CSV in the schema of ``collectives_measured.csv``; the packaged one by default.
    held_out : bool
        Predict each system with constants refitted without it (about two minutes).

    Returns
    -------
    dict
        ``rows`` and ``summary``, as the command line prints them. ``launcher_unstated`` in the
        summary holds the errors without the words that tell how the ranks were started.
    """
    cases, skipped = read_cases(path)
    predicted = _held_out(cases) if held_out else None
    seen = _fitted_rows()
    residuals = []
    for index, case in enumerate(cases):
        seconds, names = predict(case)
        residuals.append(
            Residual(
                id=case.id,
                series=case.series,
                measured=case.measured,
                predicted=seconds if predicted is None else float(predicted[index]),
                metric="time_s",
                groups={**groups_of(case), **names},
                used_in_fit=not held_out and (case.id, case.measured) in seen,
                counted=not case.flagged,
            )
        )
    residuals += [
        Residual(
            id=row.id,
            series=row.series,
            measured=row.measured,
            predicted=None,
            metric="time_s",
            groups={},
            reason=row.reason,
        )
        for row in skipped
    ]
    told = summary(residuals)
    for name in ("algorithm", "protocol", "series_system"):
        told["by_group"].pop(name, None)
    systems = told["by_group"].get("system", {})
    medians = [each["median_abs_pct"] for each in systems.values()]
    told["median_over_systems_pct"] = float(np.median(medians)) if medians else None
    told["fitted_numbers"] = len(parameters())
    told["held_out"] = held_out
    if predicted is None:
        told["launcher_unstated"] = _launcher_unstated(cases, residuals)
    return {"rows": [each.to_dict() for each in residuals], "summary": told}


def predict(case: Case) -> tuple[float, dict[str, str]]:
    """Time of one case with the shipped constants [s], and what runs."""
    found = time(
        Operation(kind=case.kind, size=case.size, ranks=case.ranks),
        case.tiers.span(case.ranks),
        library(
            case.generation,
            case.intra_link,
            case.inter_link,
            in_network=case.in_network,
            launcher=case.launcher,
        ),
        algorithm=case.algorithm,
    )
    return float(found.time), {"algorithm": found.algorithm, "protocol": found.protocol}


def _launcher_unstated(cases: Sequence[Case], residuals: Sequence[Residual]) -> dict[str, Any]:
    """Errors where no row says how its ranks were started, and how many rows do."""
    blind = [unstated(case) for case in cases]
    told = summary(
        [
            each if before == after else replace(each, predicted=predict(after)[0])
            for before, after, each in zip(cases, blind, residuals, strict=False)
        ]
    )
    stated = sum(before != after for before, after in zip(cases, blind, strict=True))
    return {"rows_that_state_it": stated} | {
        name: told[name] for name in ("median_abs_pct", "p90_abs_pct")
    }


def groups_of(case: Case) -> dict[str, str]:
    """What a case is, for tables by group."""
    regime = next(name for limit, name in REGIMES if case.size < limit)
    return {
        "collective": case.kind,
        "generation": case.generation,
        "nodes": str(case.nodes),
        "size": regime,
        "system": case.system,
    }


@lru_cache(maxsize=1)
def _judged() -> dict[str, bool]:
    """Rows of the packaged data that a fit uses, or not, against their flag; each has a reason."""
    with FIT_ROWS.open(newline="") as file:
        return {row["id"]: row["use"] == "yes" for row in csv.DictReader(file)}


def usable_rows(cases: Sequence[Case]) -> npt.NDArray[np.bool_]:
    """Cases that a fit may use."""
    judged = _judged()
    return np.array([judged.get(case.id, not case.flagged) for case in cases])


@lru_cache(maxsize=1)
def _fitted_rows() -> frozenset[tuple[str, float]]:
    cases, _ = read_cases()
    used = usable_rows(cases)
    return frozenset(
        (case.id, case.measured) for case, use in zip(cases, used.tolist(), strict=True) if use
    )


def refit(path: Path | str | None = None) -> tuple[Fit, dict[str, Any]]:
    """Fit all free constants to a CSV of measurements, as the shipped ones were.

    Returns
    -------
    tuple
        The fit, and what ``netmodel calibrate collectives`` prints of it.
    """
    cases, _ = read_cases(path)
    shipped, free = constants(), parameters()
    problem = Problem(cases, shipped)
    used = usable_rows(cases)
    found = fit(problem, shipped, free, used=used)
    errors = np.abs(problem.times(found.table) / problem.measured - 1.0)[used]
    return found, {
        "fitted_numbers": found.parameters,
        "rows": found.rows,
        "median_abs_pct": float(100 * np.median(errors)),
        "constants": [
            {
                "constant": "/".join(each.rows[0]),
                "shipped": shipped[each.rows[0]],
                "fitted": found.table[each.rows[0]],
                "relative_deviation": found.deviation[each.rows[0]],
            }
            for each in free
        ],
    }


def _held_out(cases: Sequence[Case]) -> npt.NDArray[np.float64]:
    """Predict each system with constants that were fitted, from their priors, without it."""
    shipped, free = constants(), parameters()
    problem = Problem(cases, shipped)
    used = usable_rows(cases)
    systems = np.array([case.system for case in cases])
    times = problem.times(shipped)
    for system in dict.fromkeys(systems.tolist()):
        own = systems == system
        if used[own].any():
            found = fit(problem, shipped, free, used=used & ~own, evaluations=12)
            times = np.where(own, problem.times(found.table), times)
    return times
