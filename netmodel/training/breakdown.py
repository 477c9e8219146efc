"""The answer: one step, with every second accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netmodel.workload.layout import Strategy

CONVENTION = "model FLOPs with causal attention halved, over the rated peak of the step's precision"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One training step.

    Attributes
    ----------
    gpus : int
        GPUs of the job.
    step_time : float or array
        The sum of the breakdown [s].
    breakdown : mapping of str to float or array
        Parts that do not overlap, on the pipeline rank that the others wait for [s].
    hidden : mapping of str to float or array
        Communication that runs under compute, by dimension [s].
    memory : mapping of str to float or array
        Of the fullest GPU by part, with ``total`` and ``capacity`` [B].
    mfu, model_flops : float or array
        Model FLOPs utilisation (see ``mfu_convention``); FLOPs of one step.
    tokens_per_s_per_gpu : float or array
        [1/s].
    strategy : Strategy
        The layout.
    bottleneck : mapping
        ``tier``, ``links`` and ``collective`` of the message that is waited for longest.
    view : mapping of str to float or array
        The same step by what the pipeline does: forwards, backwards, pairs, bubble [s].
    software : str
        Framework and release whose habits were assumed.
    """

    gpus: Any
    step_time: Any
    breakdown: Mapping[str, Any]
    hidden: Mapping[str, Any]
    memory: Mapping[str, Any]
    mfu: Any
    model_flops: Any
    tokens_per_s_per_gpu: Any
    strategy: Strategy
    bottleneck: Mapping[str, Any]
    view: Mapping[str, Any] = field(default_factory=dict)
    software: str = ""
    mfu_convention: str = CONVENTION

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel step``, SI units in the keys."""
        return {
            "gpus": self.gpus,
            "step_time_s": self.step_time,
            "tokens_per_s_per_gpu": self.tokens_per_s_per_gpu,
            "mfu": self.mfu,
            "mfu_convention": self.mfu_convention,
            "model_flops": self.model_flops,
            "strategy": {name: getattr(self.strategy, name) for name in Strategy.__slots__},
            "breakdown_s": dict(self.breakdown),
            "hidden_s": dict(self.hidden),
            "memory_B": dict(self.memory),
            "bottleneck": dict(self.bottleneck),
            "schedule_s": dict(self.view),
            "software": self.software,
        }

    def __str__(self) -> str:
        """Print the step as a short table."""
        lines = [
            f"{self.gpus:,} GPUs: {self.step_time:.3f} s a step, "
            f"{self.tokens_per_s_per_gpu:,.0f} tokens/s/GPU, MFU {self.mfu:.1%}"
        ]
        for name, seconds in self.breakdown.items():
            if seconds:
                lines.append(f"  {name:<12} {seconds:9.3f} s  {seconds / self.step_time:6.1%}")
        return "\n".join(lines)
