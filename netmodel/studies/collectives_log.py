"""Read nccl-tests (and rccl-tests) output: the text of any version, and ``-J`` JSON.

Columns are found by the names in the header, units by the line under it; what a launcher writes in
front of a line (``[1,0]<stdout>:``, ``worker-0:``) is taken off. Lines that are understood by
nobody are counted, never dropped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives import bus_factor
from netmodel.errors import InputError
from netmodel.studies.collectives_data import KIND_OF

LARGEST = 64 * 2**20
"""A log above this size is something else [B]."""
PREFIX = re.compile(
    r"^(?:\[\d+,\d+\]<std\w+>:?\s?|\[[\w.\-]+\]:?\s|\d{1,6}:\s|[A-Za-z][\w.\-/]*:\s(?=\s*[#\d])"
    r"|\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\s+(?:\w+\s+F\s+)?)"
)
DEVICE = re.compile(r"#\s+Rank\s+(\d+)\s+.*?\bon\s+(\S+)\s+device\s+\d+\s+\[[^\]]*\]\s*(.*)")
PROGRAM = re.compile(r"\b([a-z_]+)_perf\b")
THREADS = re.compile(r"#\s*nThread\s+(\d+)\s+nGpus\s+(\d+)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
TIME_NAMES = frozenset({"time", "cputime"})

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One table of one log.

    Attributes
    ----------
    source : str
        File.
    kind : str
        Operation, in our words.
    ranks, nodes : int
        GPUs; hosts that the device list names.
    gpu : str
        Name of the first device; may be empty.
    single_process : bool
        Whether one process drove several GPUs.
    size, time, in_place : array
        Sizes [B], out-of-place and in-place times [s], in the order of size; times that a table
        lacks are NaN.
    unread, cut, repeated : int
        Lines of the file that were not understood; rows cut short or with impossible numbers; rows
        that several ranks printed alike.
    """

    source: str
    kind: str
    ranks: int
    nodes: int
    gpu: str
    single_process: bool
    size: FloatArray
    time: FloatArray
    in_place: FloatArray
    unread: int
    cut: int
    repeated: int

    @property
    def best_time(self) -> FloatArray:
        """Out-of-place times, in-place where there are no others [s]."""
        return np.where(np.isnan(self.time), self.in_place, self.time)


@dataclass(slots=True)
class _Table:
    """What is being gathered for one run."""

    program: str = ""
    columns: list[str] = field(default_factory=list)
    scale: float = 1e-6
    rows: dict[float, list[tuple[float, float]]] = field(default_factory=dict)
    ratios: list[float] = field(default_factory=list)
    ranks: set[int] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    gpu: str = ""
    threads: int = 0
    per_process: int = 0
    cut: int = 0
    repeated: int = 0


def read_log(path: Path | str, *, kind: str | None = None, ranks: int | None = None) -> list[Run]:
    """Read every table of a log.

    Parameters
    ----------
    path : path
        Text or JSON.
    kind, ranks : str, int, optional
        What the log does not say.

    Raises
    ------
    InputError
        When the file is no log, holds no table, or does not say which operation or how many GPUs.
    """
    path = Path(path)
    text = _text(path)
    if text.lstrip().startswith("{"):
        tables, unread = _from_json(text, path)
    else:
        tables, unread = _from_text(text)
    if not any(table.rows for table in tables):
        cut = sum(table.cut for table in tables)
        found = f"has no row of an nccl-tests table ({unread:,} lines unread, {cut:,} cut short)"
        raise InputError(
            found, where=str(path), remedy="Give the output of all_reduce_perf or a sister."
        )
    return [_run(table, path, unread, kind, ranks) for table in tables if table.rows]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"is {path.stat().st_size:,} bytes, a log has at most {LARGEST:,}", where=str(path)
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if b"\0" in content:
        raise InputError("is a binary file, not a log", where=str(path))
    text = content.decode("utf-8", errors="replace")
    if not text.strip():
        raise InputError("is empty", where=str(path))
    return text


def _from_text(text: str) -> tuple[list[_Table], int]:
    tables = [_Table()]
    unread = 0
    for line in _lines(text):
        table = tables[-1]
        names = PROGRAM.findall(line)
        if names and names[-1] in KIND_OF:
            if table.rows and names[-1] != table.program:
                tables.append(_Table(ranks=set(), program=names[-1]))
            else:
                table.program = names[-1]
        elif line.startswith("#"):
            _comment(line, table)
        elif not _row(line, table):
            unread += 1
    return tables, unread


def _lines(text: str) -> Iterator[str]:
    """Lines with content, without what a launcher wrote in front."""
    for raw in text.splitlines():
        line = raw
        while (found := PREFIX.match(line)) is not None:
            line = line[found.end() :]
        line = line.strip()
        if line:
            yield line


def _comment(line: str, table: _Table) -> None:
    """Take devices, header and units from a comment line."""
    device = DEVICE.match(line)
    if device:
        table.ranks.add(int(device.group(1)))
        table.hosts.add(device.group(2))
        table.gpu = table.gpu or device.group(3).strip()
        return
    threads = THREADS.match(line)
    if threads:
        table.threads = int(threads.group(1)) * int(threads.group(2))
        table.per_process = int(threads.group(2))
        return
    words = line.lstrip("# ").split()
    if "size" in words and TIME_NAMES & set(words) and "busbw" in words:
        table.columns = words
    elif table.columns and words and words[0] == "(B)":
        unit = next((word.strip("()") for word in words if word.strip("()") in SECONDS), None)
        if unit is None:
            raise InputError(
                f"the unit line names no time: {' '.join(words)}",
                where="nccl-tests table",
                remedy="Times are expected in (us).",
            )
        table.scale = SECONDS[unit]


def _row(line: str, table: _Table) -> bool:
    """Take one row of numbers; whether the line was one, whole or cut."""
    cells = line.split()
    if not table.columns or not cells[0].isdigit():
        return False
    times = [i for i, name in enumerate(table.columns) if name in TIME_NAMES]
    if len(cells) < len(table.columns) and len(cells) <= times[0] + 2:
        table.cut += 1
        return True
    # Blank cells (a missing root or redop) shift the rest, so places count from the right.
    shift = max(0, len(table.columns) - len(cells))
    size = _number(cells[0])
    first, second = (
        _number(cells[at - shift]) if at - shift < len(cells) else None
        for at in (times[0], times[-1])
    )
    if size is None or not size > 0 or first is None or not first > 0:
        if size == 0:
            return True
        table.cut += 1
        return True
    second = second if len(times) > 1 and second is not None and second > 0 else float("nan")
    algbw, busbw = (_number(cells[times[0] - shift + k]) for k in (1, 2))
    if algbw and busbw:
        table.ratios.append(busbw / algbw)
    seen = table.rows.setdefault(size, [])
    table.repeated += bool(seen)
    seen.append((first * table.scale, second * table.scale))
    return True


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _from_json(text: str, path: Path) -> tuple[list[_Table], int]:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"is no complete JSON ({error})", where=str(path)) from None
    table = _Table()
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list):
        raise InputError(
            "has no list 'results'",
            where=str(path),
            remedy="Give a file that -J of nccl-tests wrote.",
        )
    config = document.get("config") if isinstance(document.get("config"), dict) else {}
    for word in (document.get("program"), *_words(document.get("args"))):
        for name in PROGRAM.findall(str(word)):
            table.program = name if name in KIND_OF else table.program
    devices = config.get("devices", document.get("devices"))
    for device in devices if isinstance(devices, list) else []:
        if isinstance(device, dict):
            table.ranks.add(int(device.get("rank", len(table.ranks))))
            table.hosts.add(str(device.get("hostname", "")))
            table.gpu = table.gpu or str(device.get("device_info", ""))
    table.threads = int(config.get("nthreads", 1)) * int(config.get("ngpus", 0))
    table.per_process = int(config.get("ngpus", 0))
    for result in results:
        _result(result, table)
    return [table], 0


def _words(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _result(result: Any, table: _Table) -> None:
    """Take one record of JSON results."""
    halves = [
        result.get(name) if isinstance(result, dict) else None
        for name in ("out_of_place", "in_place")
    ]
    times = [
        _number(str(half.get("time", half.get("cpu_time")))) if isinstance(half, dict) else None
        for half in halves
    ]
    size = _number(str(result.get("size"))) if isinstance(result, dict) else None
    if not size or size < 0 or not any(times):
        table.cut += 1
        return
    for half in halves:
        if isinstance(half, dict) and half.get("alg_bw") and half.get("bus_bw"):
            table.ratios.append(float(half["bus_bw"]) / float(half["alg_bw"]))
    first, second = ((time or float("nan")) * 1e-6 for time in times)
    seen = table.rows.setdefault(size, [])
    table.repeated += bool(seen)
    seen.append((first, second))


def _run(table: _Table, path: Path, unread: int, kind: str | None, ranks: int | None) -> Run:
    count = ranks or len(table.ranks) or (table.threads if table.threads > 1 else 0)
    name = kind or KIND_OF.get(table.program)
    ratio = float(np.median(table.ratios)) if table.ratios else None
    if name is None and ratio is not None and ratio > 1.0 and count:
        name = "all_reduce" if abs(ratio - 2 * (count - 1) / count) < 0.02 else None
    if name is None:
        raise InputError(
            "does not say which collective ran",
            where=str(path),
            remedy="Add --collective all_reduce (or all_gather, ...).",
        )
    if not count and name == "all_reduce" and ratio is not None and 1.0 <= ratio < 2.0:
        count = round(2 / (2 - ratio))
    if count < 2:
        raise InputError(
            "does not say how many GPUs took part", where=str(path), remedy="Add --gpus N."
        )
    size = np.array(sorted(table.rows))
    pairs = np.array([np.median(np.array(table.rows[each]), axis=0) for each in size.tolist()])
    return Run(
        source=str(path),
        kind=name,
        ranks=count,
        nodes=max(1, len(table.hosts)),
        gpu=table.gpu,
        single_process=table.per_process > 1,
        size=size,
        time=pairs[:, 0],
        in_place=pairs[:, 1],
        unread=unread,
        cut=table.cut,
        repeated=table.repeated,
    )


def busbw(run: Run) -> FloatArray:
    """Bus bandwidth of a run, from its times [B/s]."""
    return run.size / run.best_time * float(bus_factor(run.kind, run.ranks))
