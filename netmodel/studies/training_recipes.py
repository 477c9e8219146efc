"""What a published run did that its source leaves out: its framework's recipe, and what fits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netmodel.catalog.accelerators import Accelerator
from netmodel.catalog.recipes import published_recipe
from netmodel.training.frameworks import Software
from netmodel.workload import Model, Strategy, memory
from netmodel.workload.fit import TOLERANCE


def as_published(
    model: Model,
    gpu: Accelerator,
    strategy: Strategy,
    code: Software,
    seq_len: int,
    unstated: Collection[str],
) -> tuple[Strategy, Software, list[str]]:
    """Fill what a source leaves out of a layout as the run must have had it.

    Where the framework publishes its recipe for this model on this GPU, the recipe says what is
    recomputed, which layers wait in the host's memory and how tokens reach experts. A micro-batch
    that nobody states is halved until it fits.

    Parameters
    ----------
    unstated : collection of str
        Fields that the source leaves out: ``recompute``, ``micro_batch``, ``dispatcher``.

    Returns
    -------
    tuple
        The layout, the software, and what was assumed.
    """
    said = []
    known = published_recipe(
        code.framework,
        code.version,
        model.name,
        gpu.name,
        str(strategy.precision),
        int(strategy.zero),
    )
    if known is not None:
        if "recompute" in unstated and known.recompute != strategy.recompute:
            strategy = replace(strategy, recompute=known.recompute)
            said.append(f"recompute={known.recompute}, the published recipe's")
        if known.offload_layers:
            share = min(1.0, known.offload_layers / model.layers)
            code = replace(code, recipe=replace(code.recipe, offload=share))
            said.append(f"activations of {known.offload_layers} layers in host memory")
        if "dispatcher" in unstated and known.dispatcher:
            code = replace(code, recipe=replace(code.recipe, dispatcher=known.dispatcher))
            said.append(f"tokens dispatched by {known.dispatcher}, the published recipe's")
        if "dispatcher" in unstated and known.overlap_ep is not None:
            strategy = replace(strategy, overlap_ep=known.overlap_ep)
    if "micro_batch" in unstated:
        limit = (1 + TOLERANCE) * gpu.memory
        while (
            strategy.micro_batch % 2 == 0
            and memory(model, strategy, seq_len, code.recipe)["total"] > limit
        ):
            strategy = replace(strategy, micro_batch=strategy.micro_batch // 2)
            said.append(f"micro-batch of {strategy.micro_batch}, since twice as much does not fit")
    return strategy, code, said
