"""Whole-process time of the commands people type: median of five runs each.

::

    python benchmarks/commands.py [--runs 5]

Prints wall-clock time, which counts Python's start and every import, and the CPU time of the
process, which a busy machine disturbs less. Exits with 1 when a median is over its budget.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

CLUSTER = ["--cluster", "deepseek-h800-mpft", "--model", "deepseek-v3"]


def commands(folder: Path) -> dict[str, tuple[list[str], float]]:
    """Name of each command, its arguments and the wall-clock budget [s]."""
    return {
        "netmodel --help": (["--help"], 0.25),
        "netmodel step": (["step", *CLUSTER, "--gpus", "2048"], 0.6),
        "netmodel step --json": (["step", *CLUSTER, "--gpus", "2048", "--json"], 0.6),
        "netmodel scale -o .png": (
            ["scale", *CLUSTER, "--gpus", "256..65536", "-o", str(folder / "curve.png")],
            2.5,
        ),
        "netmodel show": (["show", "deepseek-h800-mpft", "--json"], 1.0),
        "netmodel list clusters": (["list", "clusters"], 1.0),
    }


def timed(arguments: list[str]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one run of the whole process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "netmodel", *arguments], check=True, capture_output=True)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def main() -> int:
    """Time every command and compare the medians with the budgets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    late = 0
    print(f"{'command':<26}{'wall s':>8}{'CPU s':>8}{'budget':>8}   median of {runs}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (arguments, budget) in commands(Path(folder)).items():
            samples = [timed(arguments) for _ in range(runs)]
            wall, cpu = (median(column) for column in zip(*samples, strict=True))
            late += wall > budget
            print(f"{name:<26}{wall:>8.2f}{cpu:>8.2f}{budget:>8.2f}{'  over' * (wall > budget)}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
