"""What a framework keeps and sends, in bytes an element: the part of a layout that is habit.

The defaults are Megatron-LM's mixed precision. A framework's own habits are a :class:`Recipe` of
their own; ``training`` keeps which framework has which.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a framework stores states and what it puts on the wire.

    Attributes
    ----------
    weight, gradient, master, moments : float
        Bytes a parameter of the working weights, of the gradient buffer, of the master weights and
        of both Adam moments together.
    gradient_message, weight_message : float
        Bytes a parameter when gradients are reduced and weights gathered.
    flash : bool
        Fused attention, which never stores the square of scores.
    saved : float
        Bytes an element of attention outputs and activation inputs kept for the backward pass.
    dropout : bool
        Whether dropout masks are kept for the backward pass.
    regather : bool
        Whether sequence-parallel inputs are gathered again in the backward pass, not kept.
    dispatcher : str
        How tokens reach experts: ``deepep`` (one copy a token and node over the network, in the
        order of the experts) or ``alltoall`` (one copy a token and expert, sorted by expert on
        arrival and back again before they return).
    expert_cover : str
        What runs while tokens travel, where that is overlapped: the rest of the ``layer`` (of
        another micro-batch), or the ``shared`` experts alone.
    fp8_dispatch : bool
        Whether an fp8 step sends tokens to experts in fp8, with one scale for 128 values.
    reshard : bool
        Whether ZeRO-3 frees weights after the forward pass and gathers them again.
    reduce_each : bool
        Whether ZeRO-2 and 3 reduce gradients after every micro-batch, rather than once a step.
    update : float
        Bytes a parameter that the optimizer adds to its share while it updates it, when all
        activations are gone: gradients of 16 bits copied to 32.
    logit : float
        Bytes a logit: as the head writes it, and in 32 bits inside the loss.
    stage_outputs : bool
        Whether the output of a pipeline stage is kept until its gradient comes.
    offload : float
        Share of the layers whose activations wait in the host's memory.
    reserve : float
        Memory of the runtime, its libraries and communication buffers [B].
    fragmentation : float
        Share of the activations that the allocator loses.
    """

    weight: float = 2
    gradient: float = 4
    master: float = 4
    moments: float = 8
    gradient_message: float = 4
    weight_message: float = 2
    flash: bool = True
    saved: float = 2
    dropout: bool = False
    regather: bool = True
    dispatcher: str = "deepep"
    expert_cover: str = "layer"
    fp8_dispatch: bool = True
    reshard: bool = True
    reduce_each: bool = True
    update: float = 0
    logit: float = 6
    stage_outputs: bool = False
    offload: float = 0
    reserve: float = 2 * GIB
    fragmentation: float = 0.05


MEGATRON = Recipe()
"""Megatron-LM: 18 bytes a parameter, or 6 + 12/D with the distributed optimizer."""

NEMO = Recipe(gradient=2, gradient_message=2)
"""NeMo and Megatron-Bridge performance recipes: gradients kept and reduced in bf16."""

ZERO = Recipe(gradient=2, gradient_message=2)
"""DeepSpeed's paper and FSDP with mixed precision: 16 bytes a parameter."""

DEEPSEEK = Recipe(moments=4, saved=1)
"""DeepSeek-V3 (arXiv:2412.19437, section 3.3): bf16 moments, fp32 master and gradients,
fp8 copies of what the backward pass needs."""

GPT_2022 = Recipe(flash=False, dropout=True)
"""Megatron-LM before fused attention: arXiv:2205.05198."""
