"""Time collectives on the routed graph, on both rungs above the closed form.

Prints the median of five runs, in seconds of processor time; a run compiles nothing, but lays all
bytes anew. The last lines are of 65,536 GPUs, with the peak memory of all.

    python benchmarks/fidelity.py [RUNS]
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from netmodel import collectives
from netmodel.collectives import Library, Operation
from netmodel.collectives.on_graph import time_on_graph
from netmodel.collectives.placed import Fabric
from netmodel.collectives.resilience import collective_slowdowns
from netmodel.network import single_failures
from netmodel.topology import load_cluster

SIZE = 2.0**30
KINDS = {
    "all_reduce": ("ring", "tree", "nvls_tree", "hierarchical"),
    "all_gather": ("ring",),
    "all_to_all": ("pairwise",),
    "send_recv": ("p2p",),
}


def median(run: Callable[[], object], runs: int) -> float:
    """Return the median processor time of several runs [s]."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def anew(fabric: Fabric, library: Library, call: Operation, **options: str) -> None:
    """Time a call of which nothing has been laid before."""
    fabric.memory.clear()
    time_on_graph(call, fabric, library, **options)


def main(runs: int = 5) -> None:
    """Measure and print."""
    library = collectives.library("hopper", "NVLink4", "InfiniBand-NDR")
    for cluster, gpus, rungs in (
        ("dgx-superpod-h100", 256, ("contention", "flow")),
        ("dgx-superpod-h100", 1024, ("contention", "flow")),
        ("dgx-superpod-h100", 2048, ("contention",)),
        ("fat-tree-64", 65_536, ("contention",)),
    ):
        wiring = load_cluster(cluster).wiring(gpus)
        print(f"{gpus:6,} GPUs compiled {median(lambda w=wiring: Fabric.of(w), runs):24.3f} s")
        fabric = Fabric.of(wiring)
        for fidelity in rungs:
            for kind, names in KINDS.items():
                for name in names:
                    words = f"{gpus:6,} GPUs {fidelity} {kind} {name}"
                    asked = (fabric, library, Operation(kind=kind, size=SIZE, ranks=gpus))
                    taken = median(partial(anew, *asked, fidelity=fidelity, algorithm=name), runs)
                    print(f"{words:48}{taken:8.3f} s", flush=True)
    job = load_cluster("dgx-superpod-h100").wiring(2048)
    failures = single_failures(job).values()
    taken = median(lambda: collective_slowdowns(job, failures, library), runs)
    print(f"{'7 collectives, 3 failures, 2 policies, 2,048':48}{taken:8.3f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
