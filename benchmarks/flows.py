"""Time the flow simulator on the loads that packet and flow simulators find hard.

Prints the median of five runs of each load, with plain numpy and, where numba is installed
(extra `fast`), with the compiled kernel; compiling is done before the clock starts.

    python benchmarks/flows.py [RUNS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from netmodel.network import flow_kernel, flows
from netmodel.network.flow_case import FlowCase, read_case

STAGGERED = (
    Path(__file__).parents[1] / "tests/data/flow_oracle/v4_ft432_random10k_staggered.json.gz"
)


def case(links: int, routes: list[list[int]], size: np.ndarray, bandwidth: float) -> FlowCase:
    """Return flows that all start at once over equal links without latency."""
    return FlowCase(
        capacity=np.full(links, bandwidth),
        latency=np.zeros(links),
        indptr=np.cumsum([0, *(len(route) for route in routes)]),
        links=np.array([link for route in routes for link in route]),
        size=size,
        start=np.zeros(len(routes)),
    )


def leaf_spine_all_to_all(hosts: int = 256, leaves: int = 16, spines: int = 16) -> FlowCase:
    """Every host sends as much to every other; each flow takes a random spine."""
    rng = np.random.default_rng(1)
    routes = []
    for src in range(hosts):
        for dst in range(hosts):
            a, b = src * leaves // hosts, dst * leaves // hosts
            spine = int(rng.integers(spines))
            middle = [a * spines + spine, (leaves + b) * spines + spine] if a != b else []
            if src != dst:
                routes.append([src, *(2 * hosts + link for link in middle), hosts + dst])
    links = 2 * hosts + 2 * leaves * spines
    return case(links, routes, np.full(len(routes), 4e6), 12.5e9)


def fat_tree_distinct(k: int = 12, count: int = 8000) -> FlowCase:
    """Random pairs over random paths of a three-tier fat tree, no two of equal size."""
    rng = np.random.default_rng(1)
    half = k // 2
    hosts = k * half * half  # as many as there are links of each of the six kinds
    routes = []
    for src, dst in rng.integers(hosts, size=(count, 2)).tolist():
        dst = (dst + 1) % hosts if dst == src else dst
        a, b = src // half, dst // half  # edge switches
        agg, core = rng.integers(half, size=2).tolist()
        route = [src]
        if a != b:
            route.append(2 * hosts + a * half + agg)
            if a // half != b // half:
                up, down = (pod * half + agg for pod in (a // half, b // half))
                route += [4 * hosts + up * half + core, 5 * hosts + down * half + core]
            route.append(3 * hosts + b * half + agg)
        routes.append([*route, hosts + dst])
    return case(6 * hosts, routes, rng.uniform(1e6, 1e9, count), 12.5e9)


def seconds(load: FlowCase, runs: int) -> str:
    """Median wall time, and CPU time, which a busy machine disturbs less [s]."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        flows.simulate_flows(
            load.capacity, load.latency, load.indptr, load.links, load.size, load.start
        )
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return f"{statistics.median(walls):8.3f} ({statistics.median(cpus):.3f})".rjust(20)


def main(runs: int) -> None:
    """Print one line for each load."""
    loads: dict[str, Callable[[], FlowCase]] = {
        "all-to-all, 256 hosts, 65,280 flows": leaf_spine_all_to_all,
        "all-to-all, the same at 2:1": lambda: leaf_spine_all_to_all(spines=8),
        "fat tree k=12, 8,000 distinct sizes": fat_tree_distinct,
        "fat tree k=12, 10,000 staggered": lambda: read_case(STAGGERED),
    }
    installed = flows.has_numba()
    print(f"{f'median of {runs}, wall (CPU) seconds':38}{'numpy':>20}{'numba':>20}")
    for name, make in loads.items():
        load, line = make(), f"{name:38}"
        for compiled in (False, True)[: 1 + installed]:
            flows.has_numba = lambda compiled=compiled: compiled
            if compiled:
                flow_kernel.compiled()
                seconds(load, 1)
            line += seconds(load, runs)
        print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
