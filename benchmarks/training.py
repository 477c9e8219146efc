"""Time one step, a million layouts at once, and all published rows; print CPU seconds.

python benchmarks/training.py [LAYOUTS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import product

import numpy as np
from netmodel.studies.training_batch import batch, table_values
from netmodel.studies.training_rows import Case, cases
from netmodel.topology import load_cluster
from netmodel.training import step, step_times
from netmodel.workload import Strategy, load_model

GPUS = 2048
BATCH = 15_360
SEQ_LEN = 4096
SOFTWARE = "hai-llm 2024.12"


def seconds(run: Callable[[], object], runs: int = 3) -> float:
    """Return the least CPU time of a few runs [s]."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def layouts(count: int) -> Strategy:
    """List layouts of DeepSeek-V3 on 2,048 GPUs, from the start again when there are no more."""
    rows = [
        (tp, pp, GPUS // (tp * pp), ep, vpp, micro)
        for tp, pp, ep, vpp, micro in product(
            (1, 2, 4, 8), (1, 2, 4, 8, 16), (1, 2, 4, 8, 16, 32, 64), (1, 2, 4), (1, 2, 3, 4, 6, 8)
        )
        if BATCH % (GPUS // (tp * pp) * micro) == 0 and GPUS // pp % ep == 0
    ]
    picked = np.array(rows)[np.arange(count) % len(rows)]
    tp, pp, dp, ep, vpp, micro = picked.T
    return Strategy(
        tp=tp, pp=pp, dp=dp, ep=ep, vpp=vpp, micro_batch=micro, global_batch=BATCH,
        schedule="interleaved", precision="fp8",
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    model, cluster = load_model("deepseek-v3"), load_cluster("deepseek-h800-mpft")
    ask = {"gpus": GPUS, "seq_len": SEQ_LEN, "software": SOFTWARE}
    one = Strategy(pp=16, dp=128, ep=64, global_batch=BATCH, precision="fp8")
    many = layouts(count)
    warm = seconds(lambda: [step(model, cluster, one, **ask) for _ in range(100)]) / 100
    whole = seconds(lambda: step_times(model, cluster, many, **ask))
    known = [each for each in cases() if isinstance(each, Case)]
    stacked = batch(known)
    values = table_values()
    rows = seconds(lambda: stacked.step_times(values))
    print(f"one step, warm                 {warm * 1e3:9.3f} ms")
    print(f"{count:>9,} layouts              {whole:9.3f} s   {count / whole:,.0f} a second")
    print(f"{len(known):>9,} published rows       {rows * 1e3:9.1f} ms")


if __name__ == "__main__":
    main()
