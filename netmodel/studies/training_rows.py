"""Published training rows as questions: model, fabric, layout and software of each.

A row's own columns come first, then the catalog's model of that name; what the source leaves out
of the layout is the framework's documented default, and said so in ``assumptions``. Of the source
only the software and its release enter.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netmodel.catalog import accelerator
from netmodel.catalog.accelerators import Accelerator
from netmodel.errors import InputError
from netmodel.studies.training_columns import Row, need, number, whole
from netmodel.studies.training_models import model_of_row
from netmodel.studies.training_recipes import as_published
from netmodel.training.frameworks import Software, software
from netmodel.workload import Model, Strategy, flops_per_token

DATA = Path(__file__).parents[1] / "catalog" / "data" / "measured" / "training_measured.csv"

SOURCES = (
    (r"llm-foundry", "llm-foundry", ""),
    (r"vTrain", "megatron-deepspeed", ""),
    (r"bigscience", "bigscience", r"\((\d\d-\d\d)\)"),
    (r"Megatron-Bridge", "megatron-bridge", r"(?:NeMo )?container (\d+\.\d+)"),
    (r"dgxc-benchmarking", "nemo", r"v(\d+\.\d+)"),
    (r"NeMo-Framework-Launcher", "nemo", r"\((\d{4}-\d\d)"),
    (r"NVIDIA/NeMo|NeMo \d", "nemo", r"NeMo (\d+\.\d+)"),
    (r"training_results.*NVIDIA", "mlperf", r"ngc(\d+\.\d+)"),
    (r"training_results.*Google|maxtext", "maxtext", ""),
    (r"SC21|2104\.04473", "megatron-lm", "2021"),
    (r"2205\.05198", "megatron-lm", "2022"),
    (r"Megatron-LM", "megatron-lm", r"(20\d\d-\d\d)"),
    (r"2407\.21783", "meta-llama", ""),
    (r"DeepSeek-V3|2412\.19437", "hai-llm", "2024.12"),
    (r"DeepSeek-V2|2405\.04434", "hai-llm", "2024.04"),
    (r"2408\.14158|2401\.066", "hai-llm", "2023.1"),
    (r"torchtitan", "torchtitan", ""),
    (r"[Dd]eep[Ss]peed", "megatron-deepspeed", ""),
)
"""Who published, the framework they ran, and how its release is written (or which it was)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row, ready to be timed.

    Attributes
    ----------
    id, series : str
    model : Model
    gpu : Accelerator
    gpus_per_node : int or None
        As stated; None for the usual node.
    nic_bandwidth : float or None
        Network of one GPU, one direction [B/s], as stated.
    strategy : Strategy
    software : Software
    seq_len, gpus : int
    metric : str
        What the source printed.
    measured : float
        The printed number, in the metric's unit.
    tokens : float
        Tokens that ``gpu_hours`` are about.
    assumptions : tuple of str
        What the source left out and was filled in.
    """

    id: str
    series: str
    model: Model
    gpu: Accelerator
    gpus_per_node: int | None
    nic_bandwidth: float | None
    strategy: Strategy
    software: Software
    seq_len: int
    gpus: int
    metric: str
    measured: float
    tokens: float
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row whose source leaves out what a step time needs."""

    id: str
    series: str
    metric: str
    measured: float
    reason: str


def read_rows(path: str | Path = DATA) -> list[dict[str, str]]:
    """Read a CSV in the schema of ``training_measured.csv``."""
    with Path(path).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def cases(path: str | Path = DATA) -> list[Case | Skipped]:
    """Read every row as a case, or the reason why it cannot be one."""
    return [case(row) for row in read_rows(path)]


def case(row: Row) -> Case | Skipped:
    """Read one row."""
    try:
        return _case(row)
    except InputError as error:
        return Skipped(row["id"], row["series"], row["metric"], float(row["value"]), str(error))


def _case(row: Row) -> Case:
    said: list[str] = []
    gpu = accelerator(need(row, "gpu"))
    code = software_of_row(row)
    model = model_of_row(row, code, said)
    seq_len = int(float(need(row, "seq_len")))
    strategy, gpus = strategy_of_row(row, model, code, said)
    unstated = [name for name in ("recompute", "micro_batch") if not row.get(name)]
    if not dispatcher_of_row(row):
        unstated.append("dispatcher")
    strategy, code, more = as_published(model, gpu, strategy, code, seq_len, unstated)
    return Case(
        id=row["id"],
        series=row["series"],
        model=model,
        gpu=gpu,
        gpus_per_node=whole(row, "gpus_per_node"),
        nic_bandwidth=number(row, "nic_GBps_per_gpu", 1e9),
        strategy=strategy,
        software=code,
        seq_len=seq_len,
        gpus=gpus,
        metric=row["metric"],
        measured=float(row["value"]),
        tokens=_tokens(row),
        assumptions=(*said, *more),
    )


def software_of_row(row: Row) -> Software:
    """Tell the framework and its release from the source."""
    text = f"{row.get('source', '')} {row.get('notes', '')}"
    for pattern, framework, version in SOURCES:
        if re.search(pattern, row.get("source", "")):
            found = re.search(version, text) if "(" in version else None
            release = found.group(1).replace("-", ".") if found else ""
            chosen = software(framework, release if "(" in version else version)
            stated = dispatcher_of_row(row) or chosen.recipe.dispatcher
            return replace(chosen, recipe=replace(chosen.recipe, dispatcher=stated))
    return software()


def dispatcher_of_row(row: Row) -> str:
    """How tokens reach experts, where the source tells what becomes of those too many."""
    notes = row.get("notes", "")
    if "tokendrop" in notes:  # padded to a capacity, which only the plain all-to-all does
        return "alltoall"
    return "deepep" if "dropless" in notes else ""


def strategy_of_row(
    row: Row, model: Model, code: Software, said: list[str]
) -> tuple[Strategy, int]:
    """Read the layout; what is left out is the framework's default."""
    defaults = code.defaults
    tp, pp = _degree(row, "tp"), _degree(row, "pp")
    cp, ep = whole(row, "cp") or 1, whole(row, "ep") or 1
    if row["metric"] == "gpu_hours" and not row.get("n_gpus") and row.get("pp"):
        gpus = 2048
        said.append("2,048 GPUs")
    else:
        gpus = int(float(need(row, "n_gpus")))
    if gpus % (tp * pp * cp):
        raise InputError(f"tp x pp x cp = {tp * pp * cp} does not divide n_gpus = {gpus}")
    dp = gpus // (tp * pp * cp)
    batch = int(float(need(row, "global_batch")))
    micro = whole(row, "micro_batch")
    if micro is None:
        micro = defaults["micro_batch"]
        said.append(f"micro-batch of {micro}")
    each = batch / dp
    rounds = max(1, math.ceil(each / micro - 1e-9))
    vpp = whole(row, "vpp") or _usual_chunks(row, model, code, pp, said)
    stated = row.get("fsdp_or_zero", "").lower()
    zero = _zero(stated, defaults["zero"])
    sp = row.get("sp", "")
    etp = tp if model.moe and model.moe.experts <= 8 and ep * tp <= tp * dp * cp and tp > 1 else 1
    if "expert-TP=1" in row.get("notes", ""):
        etp = 1
    schedule = "interleaved" if vpp > 1 else "1f1b"
    if code.framework == "hai-llm" and code.version:
        schedule = {"2024.12": "dualpipe", "2024.04": "zb-h1"}.get(code.version, schedule)
    strategy = Strategy(
        tp=tp, pp=pp, dp=dp, cp=cp, ep=ep, etp=etp, vpp=vpp,
        micro_batch=_share(each, rounds),
        global_batch=batch,
        zero=zero,
        shard=_shard(stated, dp),
        recompute=_recompute(row.get("recompute", ""), defaults["recompute"]),
        sequence_parallel=tp > 1 and (_claim(sp) if sp else defaults["sequence_parallel"]),
        schedule=schedule,
        overlap_dp=defaults["overlap_dp"],
        overlap_tp=defaults["overlap_tp"],
        overlap_ep=defaults["overlap_ep"],
        balanced_stages=defaults["balanced_stages"],
        context=defaults["context"],
        precision=_precision(row, said),
    )  # fmt: skip
    return strategy, gpus


def _share(each: float, rounds: int) -> float:
    """Sequences of one micro-batch; a fraction where they do not divide."""
    if each % rounds == 0:
        return int(each // rounds)
    return each / rounds * (1 - 1e-12)  # so that the whole micro-batches are not one fewer


def _claim(text: str) -> bool:
    return text.strip().lower() not in ("0", "0.0", "no", "false", "off", "none")


def _recompute(text: str, default: str) -> str:
    """Read how activations are recomputed; uniform and block are Megatron's words for full."""
    text = text.strip().lower()
    if text.startswith(("full", "uniform", "block", "yes", "true")):
        return "full"
    if text.startswith(("sel", "core")):
        return "selective"
    return "none" if text.startswith(("no", "false", "off")) else default


def _shard(text: str, dp: int) -> int:
    """Ranks of one shard group, 0 where all data-parallel ranks are one."""
    found = re.search(r"group (\d+)", text)
    size = int(found.group(1)) if found else dp
    return size if 0 < size < dp and dp % size == 0 else 0


def _degree(row: Row, column: str) -> int:
    """Read a degree that a step time cannot do without; DeepSeek's reports name all they use."""
    if not row.get(column) and row["metric"] == "gpu_hours" and row.get("pp"):
        return 1
    return int(float(need(row, column)))


def _usual_chunks(row: Row, model: Model, code: Software, pp: int, said: list[str]) -> int:
    """Virtual stages where the source states none."""
    depth = code.defaults["layers_per_chunk"]
    if pp == 1 or not depth:
        return 1
    wish = max(1.0, model.layers / pp / depth)
    chunks = int(wish + 0.5)
    said.append(f"{chunks} virtual stages")
    return chunks


def _zero(text: str, default: int) -> int:
    if "not resharded" in text:
        return 2
    if "fsdp" in text or "zero3" in text:
        return 3
    if "zero1" in text or "distributed optimizer" in text:
        return 1
    return 0 if "zero0" in text else default


def _precision(row: Row, said: list[str]) -> str:
    text = row.get("precision", "").strip().lower()
    found = re.match(r"(?:mx|nv)?(bf16|fp16|fp8|fp4)\b", text.replace("-", " ").replace("_", " "))
    if found:
        return found.group(1)
    if text:
        raise InputError(f"precision {text!r} is not one of bf16, fp16, fp8, fp4")
    said.append("bf16")
    return "bf16"


def _tokens(row: Row) -> float:
    """Tokens that a printed number of GPU-hours is about."""
    found = re.search(r"([\d.]+)T tokens", row.get("notes", ""))
    return float(found.group(1)) * 1e12 if found else 1e12


def hardware_flops(case: Case) -> float:
    """FLOPs of one token as the row's source counts them."""
    framework, version = case.software.framework, case.software.version
    causal = framework in ("megatron-bridge", "torchtitan")
    flops = float(flops_per_token(case.model, case.seq_len, causal=causal))
    if framework == "megatron-lm" and version == "2021":
        h, v = case.model.hidden, case.model.vocab
        layers, s = case.model.layers, case.seq_len
        return 96.0 * layers * h * h * (1 + s / (6 * h) + v / (16 * layers * h))
    return flops


def metric_of(case: Case, step_time: Any) -> Any:
    """Say a step time in the row's own metric."""
    tokens = case.strategy.global_batch * case.seq_len
    rate = tokens / (step_time * case.gpus)
    if case.metric == "step_time_s":
        return step_time
    if case.metric == "tokens_per_s_per_gpu":
        return rate
    if case.metric == "tflops_per_gpu":
        return rate * hardware_flops(case) / 1e12
    if case.metric == "mfu_pct":
        return 100 * rate * hardware_flops(case) / case.gpu.rate("bf16")
    if case.metric == "gpu_hours":
        return case.tokens / rate / 3600
    raise InputError(f"metric {case.metric!r} is not known")


def measured_step_time(case: Case) -> float:
    """Turn the printed number into the step time it implies [s]."""
    if case.metric in ("step_time_s", "gpu_hours"):
        return case.measured / float(metric_of(case, 1.0))
    return float(metric_of(case, 1.0)) / case.measured
