"""Time the network engine on a three-tier fat tree of 65,536 GPUs with node internals.

Prints the median CPU time of five runs of each step, and the peak memory of all.

    python benchmarks/network.py [RUNS]
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from netmodel.graph import to_networkx
from netmodel.network import (
    compile_network,
    describe,
    faults,
    link_loads,
    single_failures,
    slowdowns,
    tiers,
)
from netmodel.network import traffic as patterns
from netmodel.topology import load_cluster

GPUS = 65_536


def median(run: Callable[[], object], runs: int) -> float:
    """Return the median CPU time of several runs [s]."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cluster = load_cluster("fat-tree-64")
    wiring = cluster.wiring(GPUS)
    network = compile_network(wiring)
    ranks = np.arange(GPUS)
    job = load_cluster("dgx-superpod-b200").wiring(2048)
    failures = single_failures(job).values()
    steps: dict[str, tuple[Callable[[], object], float]] = {
        "wiring": (lambda: load_cluster("fat-tree-64").wiring(GPUS), 1.0),
        "networkx graph": (lambda: to_networkx(wiring), 4.0),
        "compiled": (lambda: compile_network(wiring), 2.0),
        "tiers": (lambda: tiers(wiring), 0.2),
        "described": (lambda: describe(wiring), 2.0),
        "all-to-all loads": (lambda: link_loads(network, patterns.all_to_all(ranks, 1e9)), 3.0),
        "ring loads": (lambda: link_loads(network, patterns.ring(ranks, 1e9)), 3.0),
        "permutation, ecmp": (
            lambda: link_loads(
                network,
                patterns.permutation(ranks, 1e9, np.random.default_rng(0)),
                policy="ecmp",
            ),
            5.0,
        ),
        "5 % of cables broken": (lambda: faults.apply(wiring, "random cables 5% seed 1"), 1.0),
        "one bad cable, NIC, leaf of 2,048 GPUs": (lambda: slowdowns(job, failures), 10.0),
    }
    print(f"{'step':40s} {'CPU s':>8s} {'budget':>8s}")
    for name, (run, budget) in steps.items():
        print(f"{name:40s} {median(run, runs):8.3f} {budget:8.1f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
