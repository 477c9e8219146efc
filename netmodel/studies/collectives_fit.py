"""Fit the library's constants to measured collectives.

The rows to fit, their priors and limits stand in ``collectives_constants.csv`` itself: a row with a
``prior`` is a free number, one with a ``tie`` follows another, the rest is assumed. Residuals are
of log time with a soft L1 loss; each system's rows weigh less the more it has; priors are
log-normal and weak.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives.group import Group, group_of
from netmodel.collectives.kinds import link_kind, network_kind
from netmodel.collectives.library import CONSTANTS, Library, Table, find_library
from netmodel.collectives.select import ALGORITHMS, admit, candidates
from netmodel.collectives.traffic import Traffic, price
from netmodel.network.tiers import Span
from netmodel.studies.collectives_data import Case

FloatArray = npt.NDArray[np.float64]

SCALE = 0.08  # residuals of log time beyond this count linearly, not squared
LARGE, LARGE_SCALE = 2**24, 0.04  # publishers agree twice as well from 16 MiB up
PRIOR_SCALE = 0.15  # a constant one spread off its prior costs as much as a row off by this
CROWDING = 0.15  # a system with k rows weighs k**(1 - 2 * CROWDING) rows


@dataclass(frozen=True, slots=True)
class Parameter:
    """One free number: the rows that take its value, its prior and limit."""

    rows: tuple[tuple[str, str, str], ...]
    prior: float
    spread: float
    limit: float


def parameters(path: Path | str = CONSTANTS) -> list[Parameter]:
    """Read the free numbers of a table of constants."""
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    ties: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        if row["tie"]:
            ties.setdefault(row["tie"], []).append((row["scope"], row["key"], row["field"]))
    return [
        Parameter(
            rows=(
                (row["scope"], row["key"], row["field"]),
                *ties.get(f"{row['scope']}/{row['key']}/{row['field']}", ()),
            ),
            prior=float(row["prior"]),
            spread=float(row["spread"]),
            limit=float(row["limit"] or "inf"),
        )
        for row in rows
        if row["prior"]
    ]


@dataclass(frozen=True, slots=True)
class _Task:
    """Cases that one algorithm and protocol serve: their counts, ready to be priced."""

    kind: str
    algorithm: str
    protocol: str
    rows: npt.NDArray[np.int64]
    size: FloatArray
    traffic: Traffic
    group: Group


class Problem:
    """All cases laid out once, so that one evaluation prices each (algorithm, protocol) once.

    Parameters
    ----------
    cases : sequence of Case
        What was measured.
    table : mapping
        Constants with which NCCL's choice is made; its tables do not depend on fitted ones.
    """

    def __init__(self, cases: Sequence[Case], table: Table) -> None:
        self.cases = cases
        self.measured = np.array([case.measured for case in cases])
        keys = [_library_key(case) for case in cases]
        self.libraries = sorted(set(keys))
        place = {key: index for index, key in enumerate(self.libraries)}
        self.which = np.array([place[key] for key in keys])
        self.tasks: list[_Task] = []
        self._lay_out(table)

    def _lay_out(self, table: Table) -> None:
        """Find each case's candidates; where NCCL's tables decide there is one."""
        wanted: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
        groups: dict[tuple[int, str, str], list[int]] = {}
        for index, case in enumerate(self.cases):
            groups.setdefault((self.which[index], case.kind, case.algorithm), []).append(index)
        for (which, kind, algorithm), rows in groups.items():
            library = find_library(table, *self.libraries[which])
            group, size = _group(self.cases, rows), _sizes(self.cases, rows)
            found = candidates(kind, group, library, algorithm, "auto")
            for (name, proto, _), (padded, where) in zip(
                found, admit(kind, size, group, library, found), strict=True
            ):
                for row, chosen, competing in zip(
                    rows,
                    np.broadcast_to(where, len(rows)).tolist(),
                    np.broadcast_to(padded, len(rows)).tolist(),
                    strict=True,
                ):
                    if chosen:
                        wanted.setdefault((kind, name, proto), []).append((row, competing))
        for (kind, name, proto), entries in wanted.items():
            rows = [row for row, _ in entries]
            group, size = _group(self.cases, rows), np.array([size for _, size in entries])
            self.tasks.append(
                _Task(
                    kind=kind,
                    algorithm=name,
                    protocol=proto,
                    rows=np.array(rows),
                    size=size,
                    traffic=ALGORITHMS[name].traffic(kind, size, group),
                    group=group,
                )
            )

    def times(self, table: Table) -> FloatArray:
        """Predicted time of every case with these constants [s]."""
        libraries = [find_library(table, *key) for key in self.libraries]
        best = np.full(len(self.cases), np.inf)
        for task in self.tasks:
            library = _stack(libraries, self.which[task.rows], task.algorithm, task.protocol)
            found = price(
                task.kind,
                task.size,
                task.traffic,
                task.group,
                library,
                task.algorithm,
                task.protocol,
            ).time
            quicker = found < best[task.rows]
            best[task.rows] = np.where(quicker, found, best[task.rows])
        return best


def _library_key(case: Case) -> tuple[str, str, str, bool, str]:
    return (
        case.generation,
        link_kind(case.intra_link),
        network_kind(case.inter_link, case.generation),
        case.in_network,
        case.launcher,
    )


def _sizes(cases: Sequence[Case], rows: Sequence[int]) -> FloatArray:
    return np.array([cases[row].size for row in rows])


def _group(cases: Sequence[Case], rows: Sequence[int]) -> Group:
    """Lay cases side by side: a domain, then a network tier that single domains never use."""
    spans = [cases[row].tiers.span(cases[row].ranks) for row in rows]
    ranks = np.array([cases[row].ranks for row in rows])
    across = np.array([len(span.names) > 1 for span in spans])
    nic = np.array([float(span.bandwidth[-1]) for span in spans])
    return group_of(
        Span(
            ranks=ranks,
            names=("nvlink", "leaf"),
            members=(np.array([int(span.members[0]) for span in spans]), ranks),
            bandwidth=(
                np.array([float(span.bandwidth[0]) for span in spans]),
                np.where(across, nic, np.inf),
            ),
            latency=(0.0, max(float(span.latency[-1]) for span in spans)),
            links=("", ""),
        )
    )


def _stack(
    libraries: Sequence[Library], which: npt.NDArray[np.int64], algorithm: str, protocol: str
) -> Library:
    """One library whose constants are arrays, a value for each case of a task."""

    def column(values: Sequence[Any]) -> Any:
        if all(value is None for value in values):
            return None
        return np.array([value or 0.0 for value in values], float)[which]

    def merged(values: Sequence[Any], **kept: Any) -> Any:
        names = [f.name for f in fields(values[0]) if f.name not in kept]
        columns = {name: column([getattr(value, name) for value in values]) for name in names}
        return replace(values[0], **columns, **kept)

    algorithms = [each.algorithms[algorithm] for each in libraries]
    fit = merged(
        algorithms,
        extra={protocol: column([each.extra[protocol] for each in algorithms])},
        ramp={protocol: column([each.ramp[protocol] for each in algorithms])},
    )
    stacked: Library = merged(
        libraries,
        generation="",
        link="",
        transport="",
        multicast=False,
        in_network=False,
        measured_tuner=False,
        algorithms={algorithm: fit},
        protocols={protocol: merged([each.protocols[protocol] for each in libraries])},
    )
    return stacked


@dataclass(frozen=True, slots=True)
class Fit:
    """Outcome of a fit: values by row, their relative deviation, and the counts."""

    table: Mapping[tuple[str, str, str], float]
    deviation: Mapping[tuple[str, str, str], float]
    parameters: int
    rows: int


def fit(
    problem: Problem,
    table: Table,
    free: Sequence[Parameter],
    *,
    used: npt.NDArray[np.bool_],
    start: Table | None = None,
    evaluations: int = 40,
) -> Fit:
    """Fit the free numbers to the cases marked as used.

    Parameters
    ----------
    problem : Problem
        All cases.
    table : mapping
        Constants that are not fitted.
    free : sequence of Parameter
        What is.
    used : bool array
        Cases that count.
    start : mapping, optional
        Where to start instead of at the priors.
    evaluations : int
        Jacobians at most.
    """
    from scipy.optimize import least_squares

    systems = np.array([case.system for case in problem.cases])
    _, inverse, counts = np.unique(systems[used], return_inverse=True, return_counts=True)
    weights = counts[inverse].astype(float) ** -CROWDING
    weights /= np.sqrt(np.mean(weights**2))
    logs = np.log(problem.measured)
    sizes = np.array([case.size for case in problem.cases])[used]
    scale = np.where(sizes < LARGE, SCALE, LARGE_SCALE)
    prior = np.log([each.prior for each in free])
    spread = np.array([each.spread for each in free])
    upper = np.log([each.limit for each in free])
    initial = prior if start is None else np.log([start[each.rows[0]] for each in free])

    def filled(vector: FloatArray) -> dict[tuple[str, str, str], float]:
        values = dict(table)
        for each, value in zip(free, np.exp(vector).tolist(), strict=True):
            values.update(dict.fromkeys(each.rows, value))
        return values

    def residuals(vector: FloatArray) -> FloatArray:
        error = (np.log(problem.times(filled(vector))) - logs)[used] / scale
        soft = np.sign(error) * SCALE * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0)) * weights
        return np.concatenate([soft, PRIOR_SCALE * (vector - prior) / spread])

    solution = least_squares(
        residuals,
        np.minimum(initial, upper - 1e-3),
        bounds=(-np.inf, upper),
        x_scale="jac",
        max_nfev=evaluations,
    )
    variance = 2.0 * solution.cost / max(int(used.sum()) - len(free), 1)
    covariance = np.linalg.pinv(solution.jac.T @ solution.jac) * variance
    deviation = np.sqrt(np.diag(covariance)).tolist()
    return Fit(
        table=filled(solution.x),
        deviation={each.rows[0]: value for each, value in zip(free, deviation, strict=True)},
        parameters=len(free),
        rows=int(used.sum()),
    )


def write_constants(found: Fit, path: Path | str, source: Path | str = CONSTANTS) -> None:
    """Write a fit as a table of constants, with the priors and ties of the one it came from."""
    with Path(source).open(newline="") as file:
        rows = list(csv.DictReader(file))
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            key = (row["scope"], row["key"], row["field"])
            row["value"] = f"{found.table[key]:.4g}"
            row["deviation"] = f"{found.deviation[key]:.2g}" if key in found.deviation else ""
            writer.writerow(row)
