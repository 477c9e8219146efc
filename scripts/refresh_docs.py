#!/usr/bin/env python3
"""Run every command and example that the documentation shows, and put in what they print.

::

    python scripts/refresh_docs.py          # rewrite README, docs/, examples/*.out, docs/img/
    python scripts/refresh_docs.py --check  # exit with 1 where something would change

A fenced block that starts with ``console`` holds commands after ``$`` and their output. Lines after
the ``...`` of a cut output stay out: ``$ netmodel list links | head -3`` says so itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(?<=```console\n).*?(?=^```)", re.DOTALL | re.MULTILINE)
PICTURES = {
    "scaling": "scale --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 256..65536",
    "step": "step --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 2048",
    "cost": "cost --cluster dgx-superpod-h100 --gpus 1024 --electricity 0.10USD/kWh --facility",
    "goodput": "goodput --cluster meta-24k-roce --model llama-3.1-405b --gpus 16384",
    "fabric-small": "show deepseek-h800-mpft --gpus 32",
    "fabric-large": "show meta-24k-roce",
    "deepseek-fire-flyer": "show fire-flyer-2",
    "deepseek-step": "explain --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 2048",
    "deepseek-fleet": "scale --cluster dgx-superpod-h100 --model deepseek-v3 --gpus 2048..16384",
    "deepseek-cost": "cost --cluster dgx-superpod-h100 --gpus 10000"
    " --electricity 0.10USD/kWh --facility",
}


def environment() -> dict[str, str]:
    """A ``netmodel`` on the path that is the one of this checkout, and no terminal."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1"}


def shell(command: str) -> str:
    """What a command prints."""
    spelled = re.sub(r"\bnetmodel (?=[a-z-])", f"{sys.executable} -m netmodel ", command)
    spelled = re.sub(r"^python ", f"{sys.executable} ", spelled)
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {spelled}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    return done.stdout


def block(text: str) -> str:
    """A console block with the outputs of its commands."""
    commands = [line for line in text.splitlines() if line.startswith("$ ")]
    return "".join(f"{line}\n{shell(line[2:])}" for line in commands)


def pages() -> Iterator[tuple[Path, str]]:
    """Every page with console blocks, and what it should hold."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if BLOCK.search(text):
            yield path, BLOCK.sub(lambda found: block(found[0]), text)


def examples() -> Iterator[tuple[Path, str]]:
    """Every example's output file, and what it should hold."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        yield path.with_suffix(".out"), shell(f"{sys.executable} examples/{path.name}")


def main() -> int:
    """Rewrite, or only check."""
    check = "--check" in sys.argv[1:]
    stale = []
    for path, wanted in [*pages(), *examples()]:
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(path.relative_to(ROOT))
        if not check:
            path.write_text(wanted, encoding="utf-8")
    for path in stale:
        print("stale" if check else "wrote", path)
    if not check:
        for name, command in PICTURES.items():
            shell(f"netmodel {command} -o docs/img/{name}.png")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
