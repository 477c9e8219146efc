"""Predicted against measured: the rows and the summary that ``netmodel validate`` gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """One published row beside its prediction.

    Attributes
    ----------
    id, series : str
        Row and curve.
    measured, predicted : float, float or None
        In the row's metric; no prediction where the row is skipped.
    metric : str
        ``"time_s"``, ...
    groups : mapping
        What the row is, for tables by group: ``{"collective": "all_reduce", ...}``.
    used_in_fit : bool
        Whether the shipped calibration saw the row.
    reason : str
        Why the row is skipped; empty when it is not.
    counted : bool
        Whether the row enters the summary (rows that their publisher marks as degraded do not).
    """

    id: str
    series: str
    measured: float
    predicted: float | None
    metric: str
    groups: Mapping[str, str]
    used_in_fit: bool = False
    reason: str = ""
    counted: bool = True

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        assert self.predicted is not None
        return self.predicted / self.measured - 1.0

    def to_dict(self) -> dict[str, Any]:
        """Row in the form that ``--json`` and ``--csv`` print."""
        known = self.predicted is not None
        return {
            "id": self.id,
            "series": self.series,
            "measured": self.measured,
            "predicted": self.predicted,
            "metric": self.metric,
            "error_pct": 100.0 * self.error if known else None,
            "status": "ok" if known else "skipped",
            "reason": self.reason,
            "used_in_fit": self.used_in_fit,
            "counted": self.counted and known,
            **self.groups,
        }


def summary(residuals: Sequence[Residual]) -> dict[str, Any]:
    """Errors over all counted rows, and by each group that the rows name."""
    counted = [each for each in residuals if each.predicted is not None and each.counted]
    names = list(dict.fromkeys(name for each in counted for name in each.groups))
    by_group = {
        name: {
            value: _errors([each for each in counted if each.groups.get(name) == value])
            for value in dict.fromkeys(each.groups.get(name, "") for each in counted)
        }
        for name in names
    }
    whole = _errors(counted)
    return {
        "rows": len(residuals),
        "predicted": sum(each.predicted is not None for each in residuals),
        "counted": whole.pop("rows"),
        **whole,
        "by_group": by_group,
    }


def _errors(residuals: Sequence[Residual]) -> dict[str, Any]:
    if not residuals:
        return {
            "rows": 0,
            "median_abs_pct": None,
            "mean_abs_pct": None,
            "p90_abs_pct": None,
            "bias_pct": None,
        }
    errors = 100.0 * np.array([each.error for each in residuals])
    size = np.abs(errors)
    return {
        "rows": len(residuals),
        "median_abs_pct": float(np.median(size)),
        "mean_abs_pct": float(np.mean(size)),
        "p90_abs_pct": float(np.percentile(size, 90)),
        "bias_pct": float(np.median(errors)),
    }
