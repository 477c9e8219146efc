"""NCCL's own estimate of each algorithm and protocol, by which it chooses.

The estimate ranks; it is no prediction: the constants are NCCL's built-in ones, kept in
``catalog/data/collectives_tuner.csv``, and know nothing of a system's measured latencies.

References
----------
.. [1] NVIDIA/nccl, ``src/graph/tuning.cc``: ``ncclTopoTuneModel``, ``ncclTopoGetAlgoTime``.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from netmodel.collectives.group import Group
from netmodel.collectives.library import Library
from netmodel.collectives.real import both, choose, floor_log2, larger, smaller

TABLES = Path(__file__).parents[1] / "catalog" / "data" / "collectives_tuner.csv"
PROTOCOLS = ("ll", "ll128", "simple")
ROWS = ("volta", "ampere", "hopper", "blackwell")

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


def estimate(
    kind: str, size: Any, group: Group, library: Library, algorithm: str, protocol: str
) -> Any:
    """NCCL's estimate of one candidate [us]; infinite where NCCL would not consider it.

    Parameters
    ----------
    kind : str
        Operation.
    size : float or array
        As nccl-tests counts it [B].
    group, library : Group, Library
        Where the members lie, and whose tables hold.
    algorithm, protocol : str
        The candidate.
    """
    if algorithm in ("pairwise", "p2p"):
        message = size / group.ranks if algorithm == "pairwise" else size
        small = message <= P2P_LL_BYTES
        return choose(small == (protocol == "ll"), 0.0, float("inf"))
    if protocol == "ll128" and library.link == "pcie":
        return float("inf")
    if algorithm == "ring":
        return _ring(kind, size, group, library, PROTOCOLS.index(protocol))
    if algorithm == "tree":
        return _tree(size, group, library, PROTOCOLS.index(protocol))
    return _nvls(size, group, library)


def _by_nodes(table: str, group: Group, row: str) -> Any:
    """Read a bandwidth cap [GB/s] for one, two, or more domains."""
    one, two, more = _tables()[table, row]
    return choose(group.units <= 1, one, choose(group.units <= 2, two, more))


def _bus(group: Group, library: Library) -> tuple[Any, Any]:
    """Bus bandwidth [GB/s] and channels that NCCL's search would find."""
    tables = _tables()
    inside, channels, _ = tables["domain", library.tuner_row]
    across, share, _ = tables["network_channels", "all"]
    if not group.tiers:
        return inside, channels
    nics = group.local * (group.bandwidth[0] / 1e9) * share
    many = group.units > 1
    return choose(many, smaller(inside, nics), inside), choose(many, across, channels)


def _ring(kind: str, size: Any, group: Group, library: Library, proto: int) -> Any:
    tables = _tables()
    n = group.ranks
    bus, channels = _bus(group, library)
    steps = {"all_reduce": 2 * (n - 1), "broadcast": n, "reduce": n}.get(kind, n - 1)
    hops = (2 if kind == "all_reduce" else 1) * (group.units - 1)
    inside = tables[library.tuner_link, "ring"][proto]
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
        bandwidth = smaller(_ll_max(group, library), 0.5 * bus)
    elif proto == 1:
        per_channel = _by_nodes("ring_ll128", group, library.tuner_generation)
        bandwidth = smaller(0.92 * bus, channels * per_channel)
    else:
        bandwidth = bus
        if kind == "all_reduce":
            crowded = both(group.units > 1, size / (channels * n) >= 64)
            latency = choose(crowded, latency * 1.4, latency)
    return latency + size / (bandwidth * n / larger(steps, 1)) / 1e3


def _ll_max(group: Group, library: Library) -> Any:
    """LL's cap: the generation's inside a domain, the host CPU's (Intel) across [GB/s]."""
    inside = _tables()["ll_max", library.tuner_generation][0]
    return choose(group.units > 1, _by_nodes("ll_max", group, "volta"), inside)


def _tree(size: Any, group: Group, library: Library, proto: int) -> Any:
    tables = _tables()
    bus, channels = _bus(group, library)
    row = library.tuner_generation
    latency = tables["base", "tree"][proto] + 2 * (
        (group.local - 1) * tables[library.tuner_link, "tree"][proto]
        + floor_log2(group.units) * tables["network", "tree"][proto]
    )
    bandwidth = smaller(0.92 * bus, channels * _by_nodes("tree_simple", group, row))
    if proto == 0:
        bandwidth = smaller(bandwidth / 3.8, _ll_max(group, library))
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


def _nvls(size: Any, group: Group, library: Library) -> Any:
    tables = _tables()
    n = group.ranks
    inside, _, efficiency = tables["domain", library.tuner_row]
    across, _, nvls_channels = tables["network_channels", "all"]
    latency, _, hop = tables["nvls", "all"]
    bus, _ = _bus(group, library)
    alone = 2.0 * inside * efficiency * (nvls_channels - 1) / nvls_channels
    shared = smaller(
        smaller(
            2.0 * inside / across * efficiency * (across - 1) / across,
            bus / across * choose(group.units <= 2, 2.0, 1.0),
        ),
        _by_nodes("nvls_tree", group, library.tuner_generation),
    )
    bandwidth = choose(group.units > 1, shared * across, alone)
    latency = latency + 2 * floor_log2(group.units) * hop
    return latency + size / (bandwidth * n / (2 * (n - 1))) / 1e3
