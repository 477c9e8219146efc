"""Hold a user's nccl-tests log against what the fabric should give, and say what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives import Library, bus_factor
from netmodel.network import tiers
from netmodel.studies.collectives_calibrate import library_of, run_times
from netmodel.studies.collectives_log import Run, read_log
from netmodel.units import format_percent, format_time

if TYPE_CHECKING:
    from netmodel.network.tiers import Tiers
    from netmodel.topology import Cluster

FloatArray = npt.NDArray[np.float64]

LARGE = 64 * 2**20
"""Messages from here up show bandwidth [B]."""
SMALL = 16384
"""Messages up to here show latency [B]."""
TOLERANCE = 0.2
"""Shortfall of bandwidth that is still taken for normal: nine in ten published rows lie closer."""
ALIKE = 0.06
"""A hypothesis explains a run when it comes so close, in the median."""
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One run beside its expectation.

    Attributes
    ----------
    run : Run
        What was measured.
    cluster : str
        What it is held against.
    expected : array
        Expected time of each size [s].
    reached : float
        Median share of the expected bandwidth from ``start`` up.
    start : float
        Least size that counts [B].
    latency : float or None
        Measured over expected time of small messages; None when there are none.
    passed : bool
        Whether the bandwidth is within the tolerance.
    verdict : str
        One sentence.
    """

    run: Run
    cluster: str
    expected: FloatArray
    reached: float
    start: float
    latency: float | None
    passed: bool
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of ``netmodel check``."""
        factor = float(bus_factor(self.run.kind, self.run.ranks))
        return {
            "log": self.run.source,
            "cluster": self.cluster,
            "collective": self.run.kind,
            "gpus": self.run.ranks,
            "passed": self.passed,
            "verdict": self.verdict,
            "reached": self.reached,
            "from_B": self.start,
            "latency_ratio": self.latency,
            "unread_lines": self.run.unread,
            "cut_rows": self.run.cut,
            "repeated_rows": self.run.repeated,
            "rows": [
                {
                    "bytes": size,
                    "measured_s": measured,
                    "expected_s": expected,
                    "measured_busbw_Bps": factor * size / measured,
                    "expected_busbw_Bps": factor * size / expected,
                    "reached": expected / measured,
                }
                for size, measured, expected in zip(
                    self.run.size.tolist(),
                    self.run.best_time.tolist(),
                    self.expected.tolist(),
                    strict=True,
                )
            ],
        }


def check_log(
    log: Path | str,
    cluster: Cluster,
    *,
    tolerance: float = TOLERANCE,
    kind: str | None = None,
    gpus: int | None = None,
) -> list[Check]:
    """Check every run of a log against a cluster.

    Parameters
    ----------
    log : path
        Output of nccl-tests, text or JSON.
    cluster : Cluster
        Design that the system should follow.
    tolerance : float
        Shortfall of bandwidth that still passes.
    kind, gpus : str, int, optional
        What the log does not say.

    Raises
    ------
    InputError
        When the log cannot be read or has more GPUs than the design holds.
    """
    return [_check(run, cluster, tolerance) for run in read_log(log, kind=kind, ranks=gpus)]


def _check(run: Run, cluster: Cluster, tolerance: float) -> Check:
    fabric = tiers(cluster.wiring(run.ranks))
    constants = library_of(cluster, run, fabric)
    expected = run_times(run, fabric, constants)
    start = LARGE if (run.size >= LARGE).any() else float(np.quantile(run.size, 0.75))
    large, small = run.size >= start, run.size <= SMALL
    reached = float(np.median((expected / run.best_time)[large]))
    latency = float(np.median((run.best_time / expected)[small])) if small.any() else None
    passed = reached >= 1 - tolerance
    return Check(
        run=run,
        cluster=cluster.name,
        expected=expected,
        reached=reached,
        start=start,
        latency=latency,
        passed=passed,
        verdict=_verdict(run, fabric, constants, large, reached, start, latency, passed=passed),
    )


def _verdict(
    run: Run,
    fabric: Tiers,
    constants: Library,
    large: npt.NDArray[np.bool_],
    reached: float,
    start: float,
    latency: float | None,
    *,
    passed: bool,
) -> str:
    """Put the finding and the likeliest cause into a sentence."""
    text = (
        f"{run.kind} reaches {format_percent(reached)} of what this fabric should give from "
        f"{_binary(start)} up"
    )
    if not passed:
        cause = likeliest_cause(run, fabric, constants, large)
        text += f"; looks like {cause}" if cause else "; no single fault explains it"
    if latency is not None and latency > SLOW:
        floor = format_time(float(run.best_time[run.size <= SMALL].min()))
        text += (
            f"; small messages take {latency:.1f} times as long as expected ({floor}): look at "
            "the launcher, GPUDirect RDMA and the host's power settings"
        )
    return f"{text}."


SLOW = 1.8
"""Small messages that take so much longer are worth a word."""


def likeliest_cause(
    run: Run, fabric: Tiers, constants: Library, large: npt.NDArray[np.bool_]
) -> str:
    """Name the fault whose prediction comes closest to the run; empty when none comes close."""
    measured = np.log(run.best_time[large])
    best, cause = ALIKE, ""
    for name, times in _hypotheses(run, fabric, constants):
        off = float(np.median(np.abs(np.log(times[large]) - measured)))
        if off < best:
            best, cause = off, name
    return cause


def _hypotheses(run: Run, fabric: Tiers, constants: Library) -> Iterator[tuple[str, FloatArray]]:
    """Yield faults and the times that they would give."""
    domain = fabric.unit[0]
    if run.ranks > domain:
        for missing in range(1, min(domain, 8)):
            share = 1 - missing / min(domain, 8)
            slower = _with_network(fabric, share)
            noun = "NICs" if missing > 1 else "NIC"
            words = f"{COUNTS[missing]} {noun} of {COUNTS[min(domain, 8)]} missing"
            yield words, run_times(run, slower, constants)
        yield (
            "traffic staged through host memory (no GPUDirect RDMA)",
            run_times(run, _with_network(fabric, 0.25), constants),
        )
    if run.kind == "all_reduce" and constants.multicast:
        yield (
            "NVLink SHARP (NVLS) being off",
            run_times(run, fabric, replace(constants, multicast=False)),
        )
    for share, words in (
        (0.5, "half of the NVLinks"),
        (0.1, "peers reached over PCIe, not NVLink"),
    ):
        yield words, run_times(run, _with_port(fabric, share), constants)


def _with_network(fabric: Tiers, share: float) -> Tiers:
    rates = tuple(rate if tier == 0 else rate * share for tier, rate in enumerate(fabric.bandwidth))
    return replace(fabric, bandwidth=rates, uniform_bandwidth=rates)


def _with_port(fabric: Tiers, share: float) -> Tiers:
    rates = (fabric.bandwidth[0] * share, *fabric.bandwidth[1:])
    return replace(fabric, bandwidth=rates, uniform_bandwidth=rates)


def _binary(size: float) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size:.4g} B"
