"""A parallel layout: how one training step is cut into ranks and micro-batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEDULES = ("gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe")
RECOMPUTE = ("none", "selective", "full")
MODULES = ("core", "norm", "mla_up", "activation", "mlp", "moe")
PRECISIONS = ("bf16", "fp16", "fp8", "fp4")
CONTEXT = ("ring", "all_gather", "ulysses")
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
        ``"none"``, ``"selective"`` (the attention core), ``"full"``, or names out of
        :data:`MODULES` joined by ``+``.
    sequence_parallel : bool
        Norms and dropout split along the sequence inside a tensor-parallel group.
    schedule : str
        One of :data:`SCHEDULES`.
    overlap_dp, overlap_tp, overlap_ep : bool
        Whether the framework hides that communication under compute.
    order : str
        Rank order, innermost first.
    precision : str
        Of the large GEMMs: one of :data:`PRECISIONS`.
    shard : int or array
        Data-parallel ranks over which ZeRO shards (hybrid sharding); 0 means all of them.
    context : str
        How context-parallel ranks share keys and values: one of :data:`CONTEXT`.
    balanced_stages : bool
        Embedding and head count as a layer each when layers are dealt to pipeline stages.
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
    shard: Any = 0
    context: str = "ring"
    balanced_stages: bool = False

    @property
    def gpus(self) -> Any:
        """GPUs that the layout needs."""
        return self.tp * self.cp * self.pp * self.dp

    @property
    def micro_batches(self) -> Any:
        """Micro-batches that one pipeline runs in one step."""
        return self.global_batch // (self.dp * self.micro_batch)

    @property
    def edp(self) -> Any:
        """Ranks that hold the same experts: the expert data-parallel degree."""
        return self.dp * self.cp * self.tp // (self.ep * self.etp)

    @property
    def recomputed(self) -> frozenset[str]:
        """Modules that run forward once more in the backward pass; ``{"full"}`` for all."""
        if self.recompute == "none":
            return frozenset()
        if self.recompute == "selective":
            return frozenset(("core",))
        return frozenset(self.recompute.split("+"))
