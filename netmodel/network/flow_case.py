"""Read a flow case: links, and flows with explicit routes and start times.

The format is one JSON object, plain or gzipped::

    {"links": [{"id": 0, "bw_Bps": 5e10, "lat_s": 5e-7}, ...],
     "flows": [{"route": [0, 3], "bytes": 1048576, "start_s": 0.0}, ...]}

Other keys (names, end points, the oracle that a case may carry) are left alone.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import FloatArray, IntArray

LIMIT = 256 * 2**20
"""Largest case that is read, unpacked [B]: about three million flows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowCase:
    """The arguments of :func:`netmodel.network.flows.simulate_flows`, under the same names."""

    capacity: FloatArray
    latency: FloatArray
    indptr: IntArray
    links: IntArray
    size: FloatArray
    start: FloatArray


def read_case(path: Path) -> FlowCase:
    """Return the case in a ``.json`` or ``.json.gz`` file.

    Raises
    ------
    InputError
        Naming the file, the field and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(LIMIT + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return parse_case(packed, where=str(path))


def parse_case(content: bytes, *, where: str) -> FlowCase:
    """Return the case that a file's bytes hold; ``where`` names the file in errors."""
    data = _json(_unpacked(content, where), where)
    if not isinstance(data, dict):
        raise InputError(f"is {_kind(data)}, not an object with links and flows", where=where)
    links, flows = _list(data, "links", where), _list(data, "flows", where)
    index: dict[Any, int] = {}
    capacity, latency = np.empty(len(links)), np.empty(len(links))
    for i, link in enumerate(links):
        at = f"{where} links[{i}]"
        row = _object(link, at)
        capacity[i] = _number(row, "bw_Bps", at, above=0.0)
        latency[i] = _number(row, "lat_s", at)
        name = row.get("id")
        if isinstance(name, bool) or not isinstance(name, int | str):
            raise InputError(f"is {_kind(name)}, not a number or a name", where=f"{at}.id")
        if index.setdefault(name, i) != i:
            raise InputError(f"{name!r} is the id of links[{index[name]}] too", where=f"{at}.id")
    hops: list[int] = []
    ends = np.zeros(len(flows) + 1, np.int64)
    size, start = np.empty(len(flows)), np.empty(len(flows))
    for i, flow in enumerate(flows):
        at = f"{where} flows[{i}]"
        row = _object(flow, at)
        size[i] = _number(row, "bytes", at)
        start[i] = _number(row, "start_s", at, least=-math.inf)
        route = _list(row, "route", at)
        try:
            hops += [index[name] for name in route]
        except (KeyError, TypeError):
            _no_link(route, index, at)
        ends[i + 1] = len(hops)
    return FlowCase(
        capacity=capacity,
        latency=latency,
        indptr=ends,
        links=np.array(hops, np.int64),
        size=size,
        start=start,
    )


def _unpacked(content: bytes, where: str) -> bytes:
    """Undo gzip where it was used, reading no more than the limit."""
    if content[:2] == b"\x1f\x8b":
        unpack = zlib.decompressobj(wbits=31)
        try:
            content = unpack.decompress(content, LIMIT + 1)
        except zlib.error as error:
            raise InputError(f"is a broken gzip file: {error}", where=where) from error
        if len(content) <= LIMIT and not unpack.eof:
            raise InputError("is a gzip file that was cut short", where=where)
    if len(content) > LIMIT:
        raise InputError(
            f"holds more than {LIMIT // 2**20} MiB",
            where=where,
            remedy="Split the case, or call netmodel.network.simulate_flows with arrays.",
        )
    return content


def _json(content: bytes, where: str) -> Any:
    """Return what the text holds; NaN and Infinity, which JSON lacks, are refused."""

    def refuse(word: str) -> NoReturn:
        raise InputError(f"holds {word}, which JSON does not know", where=where)

    try:
        return json.loads(content, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg}", where=f"{where}:{error.lineno}:{error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is not text: byte {error.start} is not UTF-8", where=where) from error
    except RecursionError as error:
        raise InputError("is nested too deeply", where=where) from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError("holds a number that is too long", where=where) from error


def _kind(value: Any) -> str:
    """Name a JSON value's type."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "missing" if value is None else names.get(type(value), "a number")


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"is {_kind(value)}, not an object", where=where)
    return value


def _list(row: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = row.get(key)
    if not isinstance(value, list):
        raise InputError(f"{key} is {_kind(value)}, not a list", where=where)
    return value


def _number(
    row: Mapping[str, Any], key: str, where: str, *, least: float = 0.0, above: float = -math.inf
) -> float:
    """Return a finite number within its bound."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{key} is {_kind(value)}, not a number", where=where)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{key} is not finite", where=where)
    if number < least or number <= above:
        bound = "above zero" if above == 0.0 else "zero or more"
        raise InputError(f"{key} is {number:g}, it must be {bound}", where=where)
    return number


def _no_link(route: list[Any], index: Mapping[Any, int], where: str) -> NoReturn:
    """Say which entry of a route is no link."""
    for hop, name in enumerate(route):
        if not isinstance(name, int | str) or name not in index:
            shown = repr(name) if isinstance(name, int | str) else _kind(name)
            raise InputError(f"{shown} is the id of no link", where=f"{where}.route[{hop}]")
    raise AssertionError("every entry is a link")
