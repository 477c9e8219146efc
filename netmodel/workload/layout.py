"""A parallel layout: how one training step is cut into ranks and micro-batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEDULES = ("gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe")
RECOMPUTE = ("none", "selective", "full")
DIMENSIONS = ("tp", "cp", "ep", "dp", "pp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One parallel layout, or many at once: every number may be an array.

    ``ep`` and ``etp`` divide the experts and reuse data-parallel (and tensor-parallel) ranks: they
    never multiply the number of GPUs, which is ``tp * cp * pp * dp``.

    Attributes
    ----------
    tp, pp, dp, ep, etp, cp, vpp : int or array
        Tensor, pipeline, data, expert, expert-tensor and context parallel degrees; virtual stages
        on one pipeline rank.
    micro_batch, global_batch : int or array
        Sequences in one micro-batch of one replica; sequences in one step.
    zero : int or array
        ZeRO stage: 0 none, 1 optimizer states, 2 gradients too, 3 weights too (FSDP).
    recompute : str
        ``"none"``, ``"selective"`` (the attention core) or ``"full"``.
    sequence_parallel : bool
        Norms and dropout split along the sequence inside a tensor-parallel group.
    schedule : str
        One of :data:`SCHEDULES`.
    overlap_dp, overlap_tp, overlap_ep : bool
        Whether the framework hides that communication under compute.
    order : str
        Rank order, innermost first.
    precision : str
        Of the large GEMMs: ``"bf16"``, ``"fp16"``, ``"fp8"`` or ``"fp4"``.
    """

    tp: Any = 1
    pp: Any = 1
    dp: Any = 1
    ep: Any = 1
    etp: Any = 1
    cp: Any = 1
    vpp: Any = 1
    micro_batch: Any = 1
    global_batch: Any = 1
    zero: Any = 1
    recompute: str = "none"
    sequence_parallel: bool = True
    schedule: str = "1f1b"
    overlap_dp: bool = True
    overlap_tp: bool = False
    overlap_ep: bool = False
    order: str = "tp-cp-ep-dp-pp"
    precision: str = "bf16"

    @property
    def gpus(self) -> Any:
        """GPUs that the layout needs."""
        return self.tp * self.cp * self.pp * self.dp

    @property
    def micro_batches(self) -> Any:
        """Micro-batches that one pipeline runs in one step."""
        return self.global_batch // (self.dp * self.micro_batch)
