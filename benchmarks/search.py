"""Step-time evaluations a second of a whole search, on one core, in process: median of five.

::

    python benchmarks/search.py [--runs 5]

Every layout of a published run is timed, rules, memory, ranking and front included; then the best
layouts alone, at nine sizes, as ``netmodel scale --strategy auto`` finds them. Nothing here runs on
more than one thread. Wall-clock time is printed beside CPU time, which a busy machine disturbs
less. Exits with 1 when a median of CPU time is over its budget.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import netmodel as nm
from netmodel.studies.layouts import Request
from netmodel.studies.scale import scale
from netmodel.studies.search_ranked import rank

RUNS = (("deepseek-v3", "deepseek-h800-mpft", 2048), ("llama-3.1-405b", "meta-24k-roce", 16384))
SIZES = tuple(256 * 2**k for k in range(9))
RATE = 1e6
"""Evaluations a CPU second that the larger search must reach."""
SEARCH, AUTO, MEMORY = 20.0, 3.0, 4.0
"""Budgets: one search and nine sizes [s], peak memory of the process [GB]."""


def timed(task: Callable[[], int], runs: int) -> tuple[int, float, float]:
    """Run a task; its count, and the medians of wall and CPU seconds."""
    walls, cpus, count = [], [], 0
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        count = task()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return count, median(walls), median(cpus)


def main() -> int:
    """Time both searches and the curves, and compare them with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    late = False
    print(f"{'median of ' + str(runs):<46}{'layouts':>11}{'wall s':>8}{'CPU s':>8}{'M/CPU s':>9}")
    rates = []
    for model_name, cluster_name, gpus in RUNS:
        model, cluster = nm.load_model(model_name), nm.load_cluster(cluster_name)

        def every(model: nm.Model = model, cluster: Any = cluster, gpus: int = gpus) -> int:
            return rank(model, cluster, gpus).found.evaluated

        count, wall, cpu = timed(every, runs)
        rates.append(count / cpu)
        late |= cpu > SEARCH
        name = f"every layout, {model_name} on {gpus:,}"
        print(f"{name:<46}{count:>11,}{wall:>8.2f}{cpu:>8.2f}{count / cpu / 1e6:>9.2f}", flush=True)

        def curve(model: nm.Model = model, cluster: Any = cluster) -> int:
            return len(scale(model, cluster, SIZES, Request(strategy="auto")).points)

        count, wall, cpu = timed(curve, runs)
        late |= cpu > AUTO
        name = f"the best at nine sizes, {model_name}"
        print(f"{name:<46}{count:>11,}{wall:>8.2f}{cpu:>8.2f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"peak memory {peak:.2f} GB")
    return 1 if late or max(rates) < RATE or peak > MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
