"""Strategies from a framework's own file: Megatron-LM, torchtitan, DeepSpeed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netmodel.errors import InputError
from netmodel.workload.layout import Strategy
from netmodel.workload.reading import Reader, read_text
from netmodel.workload.strategy import parse_strategy, strategy_of

SUFFIXES = (".json", ".toml", ".log", ".txt", ".sh", ".out")
WHAT = "strategy file"

LOGGED = re.compile(r"(?:^|\s)([a-z][a-z0-9_]*) \.{2,} (\S.*?)\s*$", re.MULTILINE)
TYPED = re.compile(r"--([a-z][a-z0-9-]*)(?:[ =]+([^\s\\-][^\s\\]*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFile:
    """What a framework's file states of a layout.

    Attributes
    ----------
    framework : str
        ``megatron``, ``torchtitan`` or ``deepspeed``.
    strategy : Strategy
        ``dp`` and ``global_batch`` are 0 where the file leaves them open.
    seq_len : int or None
        Sequence length, where the file states it [tokens].
    """

    framework: str
    strategy: Strategy
    seq_len: int | None


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what a file leaves open."""
    return {key: value for key, value in fields.items() if value is not None}


def _megatron_value(text: str) -> Any:
    """Read a value as Megatron prints it; ``None`` and ``False`` mean what they say."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    try:
        return int(text)
    except ValueError:
        return text.strip("'\"")


def _megatron_pairs(text: str) -> dict[str, Any]:
    """Arguments of a log (``name ..... value``), else of a command line (``--name value``)."""
    logged = {key: _megatron_value(value) for key, value in LOGGED.findall(text)}
    if logged:
        return logged
    return {
        key.replace("-", "_"): _megatron_value(value) if value else True
        for key, value in TYPED.findall(text)
    }


MEGATRON_MODULES = {
    "core_attn": "core",
    "layernorm": "norm",
    "mla_up_proj": "mla_up",
    "moe_act": "activation",
    "mlp": "mlp",
    "moe": "moe",
}


def _megatron_recompute(read: Reader) -> str:
    """What is recomputed: by granularity, and by module where a log lists modules."""
    granularity = read.get("recompute_granularity", default=None)
    if granularity is None:
        return "full" if read.flag("checkpoint_activations", default=False) else "none"
    if granularity not in ("full", "selective"):
        raise read.refuse(("recompute_granularity",), granularity, "full, selective or None")
    listed = re.findall(r"[a-z_]+", str(read.get("recompute_modules", default="")))
    modules = [MEGATRON_MODULES[name] for name in listed if name in MEGATRON_MODULES]
    return "+".join(modules) if granularity == "selective" and modules else str(granularity)


def _megatron(text: str, where: str) -> StrategyFile:
    """Read the arguments that Megatron-LM prints at start, or the command line that set them."""
    pairs = _megatron_pairs(text)
    if not {"tensor_model_parallel_size", "micro_batch_size"} & set(pairs):
        raise InputError(
            "no arguments of Megatron-LM were found",
            where=where,
            remedy='A log has lines such as "tensor_model_parallel_size .... 8".',
        )
    read = Reader(pairs, where)
    pp = read.count("pipeline_model_parallel_size", default=1)
    vpp = read.count(
        "virtual_pipeline_model_parallel_size", "num_virtual_stages_per_pipeline_rank", default=1
    )
    if read.get("num_layers_per_virtual_pipeline_stage", default=None) is not None and vpp == 1:
        chunk = read.count("num_layers_per_virtual_pipeline_stage")
        vpp = max(read.count("num_layers") // (pp * chunk), 1)
    precision = "bf16" if read.flag("bf16", default=False) else "fp16"
    if read.get("fp8", "fp8_format", default=None) is not None:
        precision = "fp8"
    if read.get("fp4", "fp4_format", default=None) is not None:
        precision = "fp4"
    sharded = read.flag("use_distributed_optimizer", default=False)
    fields = {
        "tp": read.count("tensor_model_parallel_size", default=1),
        "pp": pp,
        "vpp": vpp if vpp > 1 else None,
        "cp": read.count("context_parallel_size", default=1),
        "ep": read.count("expert_model_parallel_size", default=1),
        "etp": read.get("expert_tensor_parallel_size", default=None),
        "dp": read.get("data_parallel_size", default=None),
        "micro_batch": read.count("micro_batch_size", default=1),
        "global_batch": read.get("global_batch_size", default=None),
        "zero": read.count("zero_stage", default=1 if sharded else 0, least=0),
        "recompute": _megatron_recompute(read),
        "sequence_parallel": read.flag("sequence_parallel", default=False),
        "overlap_dp": read.flag("overlap_grad_reduce", default=False),
        "overlap_tp": read.flag("tp_comm_overlap", default=False),
        "balanced_stages": read.flag("account_for_loss_in_pipeline_split", default=False),
        "precision": precision,
    }
    for key in ("etp", "dp", "global_batch"):
        if fields[key] is not None:
            fields[key] = Reader(fields, where).count(key)
    seq_len = None if "seq_length" not in pairs else read.count("seq_length")
    return StrategyFile(framework="megatron", strategy=strategy_of(_known(fields)), seq_len=seq_len)


TITAN_SCHEDULES = {
    "gpipe": "gpipe",
    "1f1b": "1f1b",
    "interleaved1f1b": "interleaved",
    "interleavedzerobubble": "zb-h1",
    "zbvzerobubble": "zb-v",
    "dualpipev": "dualpipe",
}


def _torchtitan(data: Mapping[str, Any], where: str) -> StrategyFile:
    """Read a torchtitan job file; ``data_parallel_shard_degree = -1`` leaves dp open."""
    whole = Reader(data, where)
    cut, training = whole.inner("parallelism"), whole.inner("training")
    shard = cut.get("data_parallel_shard_degree", default=-1)
    if shard != -1:
        shard = cut.count("data_parallel_shard_degree")
    replicas = cut.count("data_parallel_replicate_degree", default=1)
    schedule = cut.text("pipeline_parallel_schedule", default="1F1B")
    if schedule.lower() not in TITAN_SCHEDULES:
        raise cut.refuse(
            ("pipeline_parallel_schedule",), schedule, f"one of {', '.join(TITAN_SCHEDULES)}"
        )
    mode = whole.inner("activation_checkpoint").text("mode", default="selective")
    if mode not in ("none", "selective", "full"):
        raise whole.inner("activation_checkpoint").refuse(("mode",), mode, "none, selective, full")
    batch = training.get("global_batch_size", default=-1)
    micro = training.count("local_batch_size", "batch_size", default=8)
    tp = cut.count("tensor_parallel_degree", default=1)
    pp = cut.count("pipeline_parallel_degree", default=1)
    fields = {
        "tp": tp,
        "pp": pp,
        "cp": cut.count("context_parallel_degree", default=1),
        "ep": cut.count("expert_parallel_degree", default=1),
        "etp": cut.count("expert_tensor_parallel_degree", default=1),
        "dp": shard * replicas if shard != -1 else None,
        "shard": shard if shard != -1 and replicas > 1 else 0,
        "micro_batch": micro,
        "global_batch": training.count("global_batch_size") if batch != -1 else None,
        "zero": 3,
        "schedule": TITAN_SCHEDULES[schedule.lower()] if pp > 1 else "1f1b",
        "recompute": mode,
        "overlap_tp": cut.flag("enable_async_tensor_parallel", default=False),
        "precision": "fp8" if "float8" in str(data.get("model", "")) else "bf16",
    }
    if fields["global_batch"] is None and fields["dp"] is not None:
        fields["global_batch"] = fields["dp"] * micro
    seq_len = training.count("seq_len", default=2048)
    return StrategyFile(
        framework="torchtitan", strategy=strategy_of(_known(fields)), seq_len=seq_len
    )


def _deepspeed(data: Mapping[str, Any], where: str) -> StrategyFile:
    """Read a DeepSpeed configuration: batch, ZeRO stage, precision, tensor parallelism."""
    read = Reader(data, where)
    zero, tensor = read.inner("zero_optimization"), read.inner("tensor_parallel")
    micro = read.count("train_micro_batch_size_per_gpu", default=1)
    batch = read.get("train_batch_size", default=None)
    steps = read.count("gradient_accumulation_steps", default=1)
    half = read.inner("fp16").flag("enabled", default=False)
    stage = zero.count("stage", default=0, least=0)
    if stage > 3:
        raise zero.refuse(("stage",), stage, "0, 1, 2 or 3")
    partition = read.inner("zero_optimization").get("zero_hpz_partition_size", default=1)
    fields: dict[str, Any] = {
        "tp": tensor.count("autotp_size", "tp_size", default=1),
        "micro_batch": micro,
        "global_batch": None if batch is None else read.count("train_batch_size"),
        "zero": stage,
        "recompute": "full" if "activation_checkpointing" in data else "none",
        "sequence_parallel": False,
        "overlap_dp": zero.flag("overlap_comm", default=stage == 3),
        "precision": "fp16" if half else "bf16",
        "shard": partition if isinstance(partition, int) and partition > 1 else 0,
    }
    if fields["global_batch"] is not None:
        dp, rest = divmod(fields["global_batch"], micro * steps)
        if rest == 0 and "gradient_accumulation_steps" in data:
            fields["dp"] = dp
    return StrategyFile(framework="deepspeed", strategy=strategy_of(_known(fields)), seq_len=None)


def _json_or_toml(
    text: str, path: Path
) -> tuple[Callable[[Mapping[str, Any], str], StrategyFile], Mapping[str, Any]]:
    """Parse by suffix, and say which framework writes that."""
    where = str(path)
    try:
        if path.suffix == ".toml":
            return _torchtitan, tomllib.loads(text)
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        kind = path.suffix[1:].upper()
        raise InputError(
            f"not {kind}: {reason}", where=where, remedy=f"Give a {WHAT} in {kind}."
        ) from None
    if not isinstance(data, Mapping):
        raise InputError(
            "the file holds no JSON object",
            where=where,
            remedy='A DeepSpeed configuration starts with "{".',
        )
    return _deepspeed, data


def read_strategy_file(path: str | Path) -> StrategyFile:
    """Read a layout from a Megatron-LM log or script, a torchtitan TOML, or a DeepSpeed JSON.

    Parameters
    ----------
    path : str or Path
        ``.toml`` is torchtitan's, ``.json`` DeepSpeed's; anything else is searched for
        Megatron-LM's arguments.

    Raises
    ------
    InputError
        When the file cannot be read, or states what cannot be, naming file and key.
    """
    path = Path(path)
    text = read_text(path, WHAT)
    if path.suffix in (".json", ".toml"):
        read, data = _json_or_toml(text, path)
        return read(data, str(path))
    return _megatron(text, str(path))


def load_strategy(text: str, where: str = "--strategy") -> Strategy:
    """Return a strategy from ``tp=8,pp=16,...`` or from a framework's file.

    Raises
    ------
    InputError
        When the text or the file cannot be understood.
    """
    looks_like_file = text.endswith(SUFFIXES) or "=" not in text
    if "\0" not in text and looks_like_file and (text.endswith(SUFFIXES) or Path(text).is_file()):
        return read_strategy_file(text).strategy
    return parse_strategy(text, where)
