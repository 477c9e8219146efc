"""Fit one system's own constants to its nccl-tests logs, and write them as a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel import catalog
from netmodel.collectives import Library, Operation, library, time
from netmodel.errors import InputError
from netmodel.network import tiers
from netmodel.studies.collectives_log import Run, busbw, read_log

if TYPE_CHECKING:
    from netmodel.network.tiers import Tiers
    from netmodel.topology import Cluster

FloatArray = npt.NDArray[np.float64]

TIME_SPREAD, SHARE_SPREAD = 0.7, 0.12
"""How far, in log, a system's latencies and efficiencies may well lie from those of its kind."""
SCALE, PRIOR_SCALE = 0.08, 0.1
LARGEST_SHARE = 0.985


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Constants of one system.

    Attributes
    ----------
    cluster : str
        Design that was fitted.
    constants, before : dict
        By name (``launch``, ``step``, ``hop`` [s]; ``port``, ``multicast``, ``network``), fitted
        and as shipped.
    deviation : dict
        Relative standard deviation of each.
    half_size : dict
        Size at which each run reaches half of its best bus bandwidth [B].
    rows : list of dict
        Every size of every run: measured, before and after.
    runs : tuple of Run
        What was read.
    document : dict
        The cluster's specification with the constants in ``software.collectives``.
    """

    cluster: str
    constants: dict[str, float]
    before: dict[str, float]
    deviation: dict[str, float]
    half_size: dict[str, float]
    rows: list[dict[str, Any]]
    runs: tuple[Run, ...]
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``netmodel calibrate nccl-tests``."""
        return {
            "cluster": self.cluster,
            "fitted_numbers": len(self.constants),
            "measured_rows": len(self.rows),
            "constants": self.constants,
            "shipped": self.before,
            "relative_deviation": self.deviation,
            "half_size_B": self.half_size,
            "median_abs_pct": {
                name: _median([row[f"{name}_error_pct"] for row in self.rows])
                for name in ("shipped", "fitted")
            },
            "unread_lines": sum({run.source: run.unread for run in self.runs}.values()),
            "cut_rows": sum(run.cut for run in self.runs),
            "repeated_rows": sum(run.repeated for run in self.runs),
            "rows": self.rows,
        }


def calibrate_nccl_tests(
    logs: Sequence[Path | str],
    *,
    cluster: str | None = None,
    kind: str | None = None,
    gpus: int | None = None,
) -> Calibration:
    """Fit a system's constants to its logs.

    Parameters
    ----------
    logs : sequence of path
        Output of nccl-tests, text or JSON.
    cluster : str, optional
        Design of the system; the only shipped one with the same GPU when left out.
    kind, gpus : str, int, optional
        What the logs do not say.

    Raises
    ------
    InputError
        When a log cannot be read, or no design has its GPU.
    """
    from scipy.optimize import least_squares

    from netmodel.topology import load_cluster
    from netmodel.topology.load import load_document

    runs = tuple(run for log in logs for run in read_log(log, kind=kind, ranks=gpus))
    name = cluster or design_of(runs[0])
    design = load_cluster(name)
    spans = [tiers(design.wiring(run.ranks)) for run in runs]
    shipped = [library_of(design, run, span) for run, span in zip(runs, spans, strict=True)]
    widest = max(range(len(runs)), key=lambda index: runs[index].ranks)
    free = _free(shipped[widest], runs, spans)
    names = list(free)
    start = np.log([free[each] for each in names])
    spread = np.array(
        [TIME_SPREAD if each in ("launch", "step", "hop") else SHARE_SPREAD for each in names]
    )
    limit = np.array(
        [np.inf if each in ("launch", "step", "hop") else np.log(LARGEST_SHARE) for each in names]
    )

    def predicted(vector: FloatArray) -> list[FloatArray]:
        overlay = dict(zip(names, np.exp(vector).tolist(), strict=True))
        return [
            run_times(run, span, library_of(design, run, span, overlay))
            for run, span in zip(runs, spans, strict=True)
        ]

    logs_measured = np.log(np.concatenate([run.best_time for run in runs]))

    def residuals(vector: FloatArray) -> FloatArray:
        error = (np.log(np.concatenate(predicted(vector))) - logs_measured) / SCALE
        soft = np.sign(error) * SCALE * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0))
        return np.concatenate([soft, PRIOR_SCALE * (vector - start) / spread])

    solution = least_squares(
        residuals,
        np.minimum(start, limit - 1e-3),
        bounds=(-np.inf, limit),
        x_scale="jac",
        max_nfev=30,
    )
    variance = 2.0 * solution.cost / max(len(logs_measured) - len(names), 1)
    covariance = np.linalg.pinv(solution.jac.T @ solution.jac) * variance
    constants = dict(zip(names, np.exp(solution.x).tolist(), strict=True))
    before, after = predicted(start), predicted(solution.x)
    document = dict(load_document(name).data)
    software = dict(document.get("software") or {})
    software["collectives"] = {each: _worded(each, value) for each, value in constants.items()}
    document["software"] = software
    return Calibration(
        cluster=design.name,
        constants=constants,
        before=dict(free),
        deviation=dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
        half_size={f"{run.kind} on {run.ranks}": half_size(run) for run in runs},
        rows=[
            {
                "log": run.source,
                "collective": run.kind,
                "gpus": run.ranks,
                "bytes": size,
                "measured_s": measured,
                "shipped_s": old,
                "fitted_s": new,
                "shipped_error_pct": 100 * (old / measured - 1),
                "fitted_error_pct": 100 * (new / measured - 1),
            }
            for run, olds, news in zip(runs, before, after, strict=True)
            for size, measured, old, new in zip(
                run.size.tolist(), run.best_time.tolist(), olds.tolist(), news.tolist(), strict=True
            )
        ],
        runs=runs,
        document=document,
    )


def design_of(run: Run) -> str:
    """Name the only shipped cluster whose GPU is that of a log.

    Raises
    ------
    InputError
        When the log names no GPU, or not exactly one shipped cluster has it.
    """
    from netmodel.topology import cluster_names, load_cluster

    remedy = "Add --cluster with the design of this system."
    if not run.gpu:
        raise InputError("does not name its GPU", where=run.source, remedy=remedy)
    try:
        wanted = catalog.accelerator(run.gpu).name
    except InputError:
        wanted = next(
            (name for word in run.gpu.replace("-", " ").split() for name in _named(word)), ""
        )
    able = [name for name in cluster_names() if load_cluster(name).accelerator.name == wanted]
    if len(able) == 1:
        return able[0]
    if able:
        found = f"{len(able)} shipped clusters have the GPU {run.gpu!r}"
        choice = f"Add --cluster with one of {', '.join(able)}, or your own."
        raise InputError(found, where=run.source, remedy=choice)
    raise InputError(f"no shipped cluster has the GPU {run.gpu!r}", where=run.source, remedy=remedy)


def _named(word: str) -> list[str]:
    try:
        return [catalog.accelerator(word).name]
    except InputError:
        return []


def library_of(
    design: Cluster, run: Run, span: Tiers, overlay: dict[str, float] | None = None
) -> Library:
    """Constants of a run on a design, with an overlay in place of the design's own."""
    own = design.software.get("collectives") if overlay is None else overlay
    return library(
        design.accelerator.generation,
        span.links[0],
        span.links[-1] if len(span.links) > 1 else None,
        launcher="single_process" if run.single_process else "processes",
        overlay=own,
    )


def run_times(run: Run, span: Tiers, constants: Library, **forced: str) -> FloatArray:
    """Predicted times of a run [s]."""
    call = Operation(kind=run.kind, size=run.size, ranks=run.ranks)
    found = time(call, span.span(run.ranks), constants, **forced)
    return np.broadcast_to(np.asarray(found.time, float), run.size.shape)


def _free(shipped: Library, runs: Sequence[Run], spans: Sequence[Tiers]) -> dict[str, float]:
    """Constants that these runs can tell, at their shipped values."""
    free = {"launch": float(shipped.launch), "port": float(shipped.algorithms["ring"].port)}
    if any(span.unit[0] > 2 for span in spans):
        free["step"] = float(shipped.step)
    if any(run.ranks > span.unit[0] for run, span in zip(runs, spans, strict=True)):
        free["hop"] = float(shipped.hop)
        free["network"] = float(shipped.algorithms["ring"].network)
    if shipped.multicast and any(run.kind == "all_reduce" for run in runs):
        free["multicast"] = float(shipped.algorithms["nvls"].port)
    return free


def _worded(name: str, value: float) -> str | float:
    """A constant as a cluster file holds it."""
    return f"{value * 1e6:.4g} us" if name in ("launch", "step", "hop") else round(value, 4)


def half_size(run: Run) -> float:
    """Size at which a run first reaches half of its best bus bandwidth, interpolated in log [B]."""
    rate = busbw(run)
    best = float(rate.max())
    first = int(np.argmax(rate >= best / 2))
    if first == 0:
        return float(run.size[0])
    low, high = np.log(rate[first - 1]), np.log(rate[first])
    share = (np.log(best / 2) - low) / (high - low)
    return float(run.size[first - 1] * (run.size[first] / run.size[first - 1]) ** share)


def _median(errors: Sequence[float]) -> float:
    return float(np.median(np.abs(errors)))
