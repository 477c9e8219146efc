"""``netmodel validate training``: every published step beside its prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netmodel.errors import NetmodelError
from netmodel.graph import FloatArray
from netmodel.studies.residuals import Residual, summary
from netmodel.studies.training_batch import Batch, batch, fabric, table_values
from netmodel.studies.training_fit import fit
from netmodel.studies.training_rows import (
    DATA,
    Case,
    Skipped,
    cases,
    measured_step_time,
    metric_of,
)
from netmodel.training.factors import peaks
from netmodel.workload import flops_per_token

SCALES = ((8, "up to 8 GPUs"), (64, "9-64"), (512, "65-512"), (4096, "513-4,096"))
LARGEST = "above 4,096"
LEAST_SIZES = 3
SWEEP = 2
"""Rows of one size in one family from which on the family is a sweep of layouts, not of sizes."""


def validate_training(
    path: Path | str | None = None, *, held_out: bool = False, stacked: Batch | None = None
) -> dict[str, Any]:
    """Predict every row of a CSV and summarise the errors.

    Parameters
    ----------
    path : path, optional
        CSV in the schema of ``training_measured.csv``; the packaged one by default.
    held_out : bool
        Predict each series with factors refitted without it (several minutes).
    stacked : Batch, optional
        The rows that can be timed, stacked, when at hand.

    Returns
    -------
    dict
        ``rows``, ``summary`` and ``scaling``, as the command line prints them.
    """
    read = [_placed(each) for each in cases(DATA if path is None else path)]
    known = [each for each in read if isinstance(each, Case)]
    seconds: FloatArray = np.zeros(0)
    if known:
        made = batch(known) if stacked is None else stacked
        seconds = held_out_times(known, made) if held_out else made.step_times(table_values())
    seen = _fitted(known) if path is not None else {case.id for case in known}
    times = {case.id: float(each) for case, each in zip(known, seconds, strict=True)}
    residuals = [_residual(each, times, held_out, seen) for each in read]
    notes = {case.id: list(case.assumptions) for case in known}
    return {
        "rows": [{**each.to_dict(), "assumptions": notes.get(each.id, [])} for each in residuals],
        "summary": summary(residuals),
        "scaling": scaling(known, seconds),
    }


def _placed(each: Case | Skipped) -> Case | Skipped:
    """Skip a row whose GPU has no usual node, or no rate in the row's precision."""
    if isinstance(each, Skipped):
        return each
    try:
        fabric(each.gpu, each.gpus, each.gpus_per_node, each.nic_bandwidth)
        peaks(each.gpu, each.strategy.precision)
    except NetmodelError as error:
        return Skipped(each.id, each.series, each.metric, each.measured, str(error))
    return each


def _fitted(known: Sequence[Case]) -> set[str]:
    """Rows of another file that are also in the packaged one."""
    shipped = {(each.id, each.measured) for each in cases() if isinstance(each, Case)}
    return {case.id for case in known if (case.id, case.measured) in shipped}


def _residual(
    each: Case | Skipped, times: dict[str, float], held_out: bool, seen: Iterable[str]
) -> Residual:
    """Put one row beside its prediction, in the row's own metric."""
    if isinstance(each, Skipped):
        return Residual(
            id=each.id, series=each.series, measured=each.measured, predicted=None,
            metric=each.metric, groups={}, reason=each.reason,
        )  # fmt: skip
    return Residual(
        id=each.id,
        series=each.series,
        measured=each.measured,
        predicted=float(metric_of(each, times[each.id])),
        metric=each.metric,
        groups={
            "framework": each.software.framework,
            "gpu": each.gpu.name,
            "kind": "moe" if each.model.moe else "dense",
            "scale": next((name for most, name in SCALES if each.gpus <= most), LARGEST),
        },
        used_in_fit=not held_out and each.id in seen,
    )


def held_out_times(known: Sequence[Case], made: Batch, evaluations: int = 6) -> FloatArray:
    """Time each series with factors that were refitted without it [s]."""
    seconds = np.empty(len(known))
    series = np.array([case.series for case in known])
    for name in dict.fromkeys(series.tolist()):
        away = series == name
        found = fit(known, without=away, stacked=made, evaluations=evaluations)
        seconds[away] = made.step_times(found.values)[away]
    return seconds


def families(known: Sequence[Case]) -> list[list[int]]:
    """Rows that differ in size only: of one series, model, precision and sequence length.

    A series in which every size has a model or length of its own (weak-scaling tables) is one
    family; a family with several rows of most sizes is a sweep of layouts and left out.
    """
    exact: dict[Any, list[int]] = {}
    whole: dict[str, list[int]] = {}
    for i, case in enumerate(known):
        model = (case.model.layers, case.model.hidden, case.strategy.precision, case.seq_len)
        exact.setdefault((case.series, *model), []).append(i)
        whole.setdefault(case.series, []).append(i)
    found = [members for members in exact.values() if _is_scaling(known, members)]
    taken = {known[members[0]].series for members in found}
    found += [
        members
        for name, members in whole.items()
        if name not in taken
        and _is_scaling(known, members)
        and len({known[i].gpus for i in members}) == len(members)
    ]
    return found


def _is_scaling(known: Sequence[Case], members: Sequence[int]) -> bool:
    counts = Counter(known[i].gpus for i in members)
    return len(counts) >= LEAST_SIZES and max(counts.values()) < SWEEP + 1


def scaling(known: Sequence[Case], seconds: FloatArray) -> dict[str, Any]:
    """Compare efficiency against the smallest size of each family [percent points].

    Efficiency is the model's FLOPs a second and GPU over those at the smallest size; ``curves``
    hold it in percent for every family, ``points`` the gaps beyond the smallest size.
    """
    points: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    found = families(known)
    for members in found:
        cases_here = sorted((known[i] for i in members), key=lambda case: case.gpus)
        order = sorted(members, key=lambda i: known[i].gpus)
        work = np.array(
            [
                float(flops_per_token(case.model, case.seq_len, causal=True))
                * case.strategy.global_batch
                * case.seq_len
                / case.gpus
                for case in cases_here
            ]
        )
        measured = work / np.array([measured_step_time(case) for case in cases_here])
        predicted = work / seconds[order]
        gap = 100 * (predicted / predicted[0] - measured / measured[0])
        curves.append(
            {
                "series": cases_here[0].series,
                "model": cases_here[0].model.name,
                "gpus": [case.gpus for case in cases_here],
                "measured_pct": (100 * (measured / measured[0])).tolist(),
                "predicted_pct": (100 * (predicted / predicted[0])).tolist(),
            }
        )
        points += [
            {"id": case.id, "gpus": case.gpus, "points": float(each)}
            for case, each in zip(cases_here[1:], gap[1:], strict=True)
        ]
    gaps = np.abs(np.array([float(each["points"]) for each in points] or [0.0]))
    return {
        "series": len(found),
        "median_abs_points": float(np.median(gaps)),
        "p90_abs_points": float(np.percentile(gaps, 90)),
        "points": points,
        "curves": curves,
    }
