"""Time wiring a three-tier fat tree of 65,536 GPUs, as arrays and as a networkx graph.

Prints the median of five runs, in seconds of processor time: with the inside of every host, and
for the fabric alone (GPU, NIC, leaf, spine, core).

    python benchmarks/graphs.py [RUNS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from netmodel.graph import to_networkx
from netmodel.topology import load_cluster

BARE = (
    "nodes.name=",
    "nodes.accelerator=H100",
    "nodes.gpus=1",
    "nodes.nic=ConnectX-7",
    "nodes.nics=1",
)


def median(run: Callable[[], object], runs: int) -> float:
    """Median processor time of a call [s]."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main(runs: int = 5) -> None:
    """Print one line for each graph."""
    for name, settings in (("with hosts", ()), ("fabric alone", BARE)):
        cluster = load_cluster("fat-tree-64", settings)
        wiring = cluster.wiring()
        arrays = median(cluster.wiring, runs)
        graph = median(lambda wiring=wiring: to_networkx(wiring), runs)
        edges = sum(len(group.a) for group in wiring.cables)
        print(
            f"{name:12} {wiring.n_nodes:8,} nodes {edges:8,} edges"
            f"   arrays {arrays:.3f} s   networkx {graph:.2f} s"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
