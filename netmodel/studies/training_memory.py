"""How a published run found room: what its framework's recipe recomputes and moves to the host."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netmodel.catalog.accelerators import Accelerator
from netmodel.catalog.recipes import memory_recipe
from netmodel.training.frameworks import Software
from netmodel.workload import Model, Strategy, memory
from netmodel.workload.fit import TOLERANCE


def with_room(
    model: Model,
    gpu: Accelerator,
    strategy: Strategy,
    code: Software,
    seq_len: int,
    unstated: Collection[str],
) -> tuple[Strategy, Software, list[str]]:
    """Fill what a source leaves out of a layout so that it fits, as the run did.

    Where the framework publishes its recipe for this model on this GPU, the recipe says what is
    recomputed and which layers wait in the host's memory. A micro-batch that nobody states is
    halved until it fits.

    Parameters
    ----------
    unstated : collection of str
        Fields that the source leaves out: ``recompute``, ``micro_batch``.

    Returns
    -------
    tuple
        The layout, the software, and what was assumed.
    """
    said = []
    known = memory_recipe(
        code.framework, model.name, gpu.name, str(strategy.precision), int(strategy.zero)
    )
    if known is not None:
        if "recompute" in unstated and known.recompute != strategy.recompute:
            strategy = replace(strategy, recompute=known.recompute)
            said.append(f"recompute={known.recompute}, the published recipe's")
        if known.offload_layers:
            share = min(1.0, known.offload_layers / model.layers)
            code = replace(code, recipe=replace(code.recipe, offload=share))
            said.append(f"activations of {known.offload_layers} layers in host memory")
    if "micro_batch" in unstated:
        limit = (1 + TOLERANCE) * gpu.memory
        while (
            strategy.micro_batch % 2 == 0
            and memory(model, strategy, seq_len, code.recipe)["total"] > limit
        ):
            strategy = replace(strategy, micro_batch=strategy.micro_batch // 2)
            said.append(f"micro-batch of {strategy.micro_batch}, since twice as much does not fit")
    return strategy, code, said
