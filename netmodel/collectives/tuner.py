"""NCCL's own estimate of each algorithm and protocol, by which it chooses.

The estimate ranks; it is no prediction: the constants are NCCL's built-in ones, kept in
``catalog/data/collectives_tuner.csv``, and know nothing of a system's measured latencies.

References
----------
.. [1] NVIDIA/nccl, ``src/graph/tuning.cc``: ``ncclTopoTuneModel``, ``ncclTopoGetAlgoTime``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from netmodel.collectives.group import Group, counted
from netmodel.collectives.library import PROTOCOLS
from netmodel.numeric import PLAIN, both, choose, floor_log2, larger, smaller

TABLES = Path(__file__).parents[1] / "catalog" / "data" / "collectives_tuner.csv"

P2P_LL_BYTES = 16384
"""Point-to-point messages up to this size go out as LL (``NCCL_P2P_LL_THRESHOLD``) [B]."""


@lru_cache(maxsize=1)
def _tables() -> dict[tuple[str, str], tuple[float, ...]]:
    with TABLES.open(newline="") as file:
        return {
            (row["table"], row["key"]): tuple(float(x) for x in row["first"].split())
            if row["table"] == "correction"
            else (float(row["first"]), float(row["second"]), float(row["third"]))
            for row in csv.DictReader(file)
        }


@dataclass(frozen=True, slots=True)
class Tuner:
    """Which of NCCL's tables hold: row of a GPU generation, and kind of scale-up link."""

    generation: str
    link: str

    @property
    def domain(self) -> str:
        """Row that tells NCCL's idea of a domain's bandwidth."""
        return "pcie" if self.link == "pcie" else self.generation

    @property
    def steps(self) -> str:
        """Table of the latency of one step inside a domain."""
        return "pcie" if self.link == "pcie" else "nvlink"


def tuner_of(generation: str, link: str) -> Tuner:
    """Find the tables of a generation, those of the nearest one where NCCL has none.

    >>> tuner_of("rubin", "nvlink").generation, tuner_of("cdna3", "xgmi").generation
    ('blackwell', 'hopper')
    """
    near = {"volta": "volta", "ampere": "ampere", "ada": "ampere"}
    newest = {"blackwell": "blackwell", "rubin": "blackwell"}
    return Tuner({**near, **newest}.get(generation, "hopper"), link)


def estimate(
    kind: str, size: Any, group: Group, tuner: Tuner, algorithm: str, protocol: str
) -> Any:
    """NCCL's estimate of one candidate [us]; infinite where NCCL would not consider it.

    Parameters
    ----------
    kind : str
        Operation.
    size : float or array
        As nccl-tests counts it [B].
    group : Group
        Where the members lie; of it only the counts matter, since NCCL's rates are nominal.
    tuner : Tuner
        Whose tables hold.
    algorithm, protocol : str
        The candidate.
    """
    if algorithm in ("pairwise", "p2p"):
        message = size / group.ranks if algorithm == "pairwise" else size
        small = message <= P2P_LL_BYTES
        return choose(small == (protocol == "ll"), 0.0, float("inf"))
    if protocol == "ll128" and tuner.link == "pcie":
        return float("inf")
    if algorithm == "ring":
        return _ring(kind, size, group, tuner, PROTOCOLS.index(protocol))
    if algorithm == "tree":
        return _tree(size, group, tuner, PROTOCOLS.index(protocol))
    if algorithm == "pat":
        return _pat(size, group, tuner)
    return _nvls(size, group, tuner)


Windows = tuple[tuple[Any, Any], ...]
"""For each candidate, the least size at which NCCL picks it and the size from which it no longer
does [B]; infinite and zero where it never does."""

GRID = 2.0 ** (np.arange(0, 37 * 4 + 1) / 4)
"""Sizes at which windows are looked for: 1 B to 128 GiB, four to an octave [B]."""


def windows(
    kind: str, group: Group, tuner: Tuner, candidates: tuple[tuple[str, str, Any], ...]
) -> Windows:
    """Find between which sizes NCCL picks each candidate (algorithm, protocol, where usable).

    What is usable, and so the windows, follows from the counts of a group: of many groups, each
    combination is looked at once.
    """
    counts = (group.ranks, group.local, group.units)
    if all(type(each) in PLAIN for each in counts):
        if all(where is True for _, _, where in candidates):
            return _windows_once(kind, group.ranks, group.local, group.units, tuner, candidates)
        return _windows(kind, group, tuner, candidates)
    shape = np.broadcast_shapes(*(np.shape(each) for each in counts))
    columns = np.stack([np.broadcast_to(each, shape).ravel() for each in counts])
    if columns.dtype.kind != "i":
        return _windows(kind, group, tuner, candidates)
    different, first, back = np.unique(
        (columns[0] * BASE + columns[1]) * BASE + columns[2], return_index=True, return_inverse=True
    )
    if 2 * len(different) > columns.shape[1]:
        return _windows(kind, group, tuner, candidates)
    few = tuple(
        (name, proto, np.broadcast_to(where, shape).ravel()[first])
        for name, proto, where in candidates
    )
    found = _windows(kind, counted(*columns[:, first]), tuner, few)
    return tuple((low[back].reshape(shape), high[back].reshape(shape)) for low, high in found)


BASE = 2**21
"""Above any count of ranks: three counts are one whole number."""


@lru_cache(maxsize=4096)
def _windows_once(
    kind: str,
    ranks: float,
    local: float,
    units: float,
    tuner: Tuner,
    candidates: tuple[tuple[str, str, Any], ...],
) -> Windows:
    found = _windows(kind, counted(ranks, local, units), tuner, candidates)
    return tuple((float(first), float(last)) for first, last in found)


def _windows(
    kind: str, group: Group, tuner: Tuner, candidates: tuple[tuple[str, str, Any], ...]
) -> Windows:
    shape = np.broadcast_shapes(*(np.shape(x) for x in (group.ranks, group.local, group.units)))
    sizes = GRID.reshape(-1, *(1 for _ in shape))
    ranking = [
        np.broadcast_to(
            choose(where, estimate(kind, sizes, group, tuner, name, proto), np.inf),
            (len(GRID), *shape),
        )
        for name, proto, where in candidates
    ]
    winner = np.argmin(np.stack(ranking), axis=0)
    found = []
    for index in range(len(candidates)):
        picked = winner == index
        ever = picked.any(axis=0)
        first = np.where(picked[0], 0.0, GRID[np.argmax(picked, axis=0)])
        after = len(GRID) - np.argmax(picked[::-1], axis=0)
        last = np.where(picked[-1], np.inf, GRID[np.minimum(after, len(GRID) - 1)])
        found.append((np.where(ever, first, np.inf), np.where(ever, last, 0.0)))
    return tuple(found)


def _by_nodes(table: str, group: Group, row: str) -> Any:
    """Read a bandwidth cap [GB/s] for one, two, or more domains."""
    one, two, more = _tables()[table, row]
    return choose(group.units <= 1, one, choose(group.units <= 2, two, more))


def _bus(group: Group, tuner: Tuner) -> tuple[Any, Any]:
    """Bus bandwidth [GB/s] and channels that NCCL's search would find, at nominal NIC rate."""
    tables = _tables()
    inside, channels, _ = tables["domain", tuner.domain]
    across, per_channel, _ = tables["network_channels", "all"]
    many = group.units > 1
    shared = smaller(inside, group.local * per_channel)
    return choose(many, shared, inside), choose(many, across, channels)


def _ring(kind: str, size: Any, group: Group, tuner: Tuner, proto: int) -> Any:
    tables = _tables()
    n = group.ranks
    bus, channels = _bus(group, tuner)
    steps = {"all_reduce": 2 * (n - 1), "broadcast": n, "reduce": n}.get(kind, n - 1)
    hops = (2 if kind == "all_reduce" else 1) * (group.units - 1)
    inside = tables[tuner.steps, "ring"][proto]
    slowest = choose(group.units > 1, max(inside, tables["overhead", "network"][proto]), inside)
    if kind in ("broadcast", "reduce"):
        latency = tables["base", "ring"][proto] + inside
    else:
        latency = (
            tables["base", "ring"][proto]
            + (steps - hops) * slowest
            + hops * tables["network", "ring"][proto]
        )
    if proto == 0:
        bandwidth = smaller(_ll_max(group, tuner), 0.5 * bus)
    elif proto == 1:
        per_channel = _by_nodes("ring_ll128", group, tuner.generation)
        bandwidth = smaller(0.92 * bus, channels * per_channel)
    else:
        bandwidth = bus
        if kind == "all_reduce":
            crowded = both(group.units > 1, size / (channels * n) >= 64)
            latency = choose(crowded, latency * 1.4, latency)
    return latency + size / (bandwidth * n / larger(steps, 1)) / 1e3


def _ll_max(group: Group, tuner: Tuner) -> Any:
    """LL's cap: the generation's inside a domain, the host CPU's (Intel) across [GB/s]."""
    inside = _tables()["ll_max", tuner.generation][0]
    return choose(group.units > 1, _by_nodes("ll_max", group, "volta"), inside)


def _tree(size: Any, group: Group, tuner: Tuner, proto: int) -> Any:
    tables = _tables()
    bus, channels = _bus(group, tuner)
    row = tuner.generation
    latency = tables["base", "tree"][proto] + 2 * (
        (group.local - 1) * tables[tuner.steps, "tree"][proto]
        + floor_log2(group.units) * tables["network", "tree"][proto]
    )
    bandwidth = smaller(0.92 * bus, channels * _by_nodes("tree_simple", group, row))
    if proto == 0:
        bandwidth = smaller(bandwidth / 3.8, _ll_max(group, tuner))
    elif proto == 1:
        payload = choose(group.units > 1, 120 / 128, 7 / 9)
        bandwidth = smaller(bandwidth * payload, channels * _by_nodes("tree_ll128", group, row))
    return latency + size / (bandwidth * 0.5 * _correction(size, PROTOCOLS[proto])) / 1e3


def _correction(size: Any, protocol: str) -> Any:
    """Share of its bandwidth that NCCL expects of a tree at this size, by powers of two."""
    table = (*_tables()["correction", protocol], 1.0)
    last = len(table) - 1
    bin_ = smaller(floor_log2(larger(size, 64.0) / 64.0), last)
    return table[bin_] if isinstance(bin_, int) else np.asarray(table)[bin_]


def _nvls(size: Any, group: Group, tuner: Tuner) -> Any:
    tables = _tables()
    n = group.ranks
    inside, _, efficiency = tables["domain", tuner.domain]
    across, _, nvls_channels = tables["network_channels", "all"]
    latency, _, hop = tables["nvls", "all"]
    bus, _ = _bus(group, tuner)
    alone = 2.0 * inside * efficiency * (nvls_channels - 1) / nvls_channels
    shared = smaller(
        smaller(
            2.0 * inside / across * efficiency * (across - 1) / across,
            bus / across * choose(group.units <= 2, 2.0, 1.0),
        ),
        _by_nodes("nvls_tree", group, tuner.generation),
    )
    bandwidth = choose(group.units > 1, shared * across, alone)
    latency = latency + 2 * floor_log2(group.units) * hop
    return latency + size * (2 * (n - 1) / n) / bandwidth / 1e3


def _pat(size: Any, group: Group, tuner: Tuner) -> Any:
    tables = _tables()
    base, hop, share = tables["pat", "all"]
    at_once, per_rank, _ = tables["pat", "steps"]
    bus, _ = _bus(group, tuner)
    latency = base + floor_log2(group.units) * hop / at_once + per_rank * group.ranks
    return latency + size / (share * bus) / 1e3
