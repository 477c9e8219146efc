"""Many layouts at once: what depends on few of their numbers is computed once for each.

A layer's kernels and messages follow from the degrees that cut it and the micro-batch; a million
layouts hold some hundreds of different ones. Values are taken back to each layout by index, so the
answer is to the last bit that of one layout alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from netmodel.graph import IntArray
from netmodel.training.frameworks import Software
from netmodel.training.messages import Message, Wires, messages
from netmodel.training.plan import Plan, plan, taken
from netmodel.workload import Model, Strategy, demands

CUTS = ("tp", "cp", "ep", "etp", "dp", "micro_batch", "zero", "shard")
"""What a layer's kernels and messages follow from."""
SYNCED = ("tp", "pp", "cp", "dp", "ep", "etp", "zero", "shard", "micro_batch")
"""What the messages once a step follow from."""
NUMBERS = (
    "tp",
    "pp",
    "dp",
    "ep",
    "etp",
    "cp",
    "vpp",
    "micro_batch",
    "global_batch",
    "zero",
    "shard",
)
"""Fields of a strategy that may be arrays."""
LARGEST_CODE = 2**62


def is_many(strategy: Strategy) -> bool:
    """Whether a strategy holds arrays."""
    return any(isinstance(getattr(strategy, name), np.ndarray) for name in NUMBERS)


def spread(strategy: Strategy) -> Strategy:
    """Give every number of a strategy the length of its arrays."""
    values = [np.asarray(getattr(strategy, name)) for name in NUMBERS]
    same: dict[str, Any] = dict(zip(NUMBERS, np.broadcast_arrays(*values), strict=True))
    return replace(strategy, **same)


def distinct(strategy: Strategy, names: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    """Index of one layout of each sort, and the sort of each layout, judged by some fields."""
    columns = [getattr(strategy, name).ravel() for name in names]
    code = np.zeros(columns[0].shape, np.int64)
    room = 1
    for column in columns:
        size = int(column.max()) + 1
        room *= size
        code = code * size + column
    if room < LARGEST_CODE:
        _, first, sort = np.unique(code, return_index=True, return_inverse=True)
    else:
        _, first, sort = np.unique(
            np.stack(columns), axis=1, return_index=True, return_inverse=True
        )
    return first, sort.reshape(strategy.tp.shape)


def pick(strategy: Strategy, index: IntArray) -> Strategy:
    """Some layouts of many."""
    return replace(strategy, **{name: getattr(strategy, name).ravel()[index] for name in NUMBERS})


def plan_many(
    model: Model, strategy: Strategy, seq_len: Any, software: Software, wires: Wires
) -> tuple[Plan, tuple[Message, ...]]:
    """Plan many layouts, each sort of layer and of gradient message once."""
    whole = spread(strategy)
    inside = whole.order.endswith("pp")
    first, sort = distinct(whole, CUTS if inside else (*CUTS, "pp"))
    cut = pick(whole, first)
    cut = replace(cut, vpp=np.ones_like(cut.vpp), pp=np.full_like(cut.pp, 2) if inside else cut.pp)
    asked = demands(model, cut, seq_len, software.recipe)
    layered = messages(tuple(each for each in asked if each.phase != "step"), model, cut, wires)
    of_layers = plan(model, cut, seq_len, software, layered)
    found = _outside(model, whole, seq_len, software, wires)
    edge = of_layers.messages.get(("pp", "edge", "any"))
    if edge is not None:
        across = taken(edge, sort) * (whole.vpp * (whole.pp > 1))
        found = replace(found, messages={**found.messages, ("pp", "edge", "any"): across})
    return replace(found, of_layers=of_layers, sort=sort), ()


def _outside(model: Model, whole: Strategy, seq_len: Any, software: Software, wires: Wires) -> Plan:
    """Plan what lies outside of layers, each sort of stage and of gradient message once."""
    accumulates = not np.any(whole.zero == 2)
    first, sort = distinct(whole, SYNCED if accumulates else NUMBERS)
    few = pick(whole, first)
    asked = demands(model, few, seq_len, software.recipe)
    once = messages(tuple(each for each in asked if each.phase == "step"), model, few, wires)
    found: Plan = taken(plan(model, few, seq_len, software, once, work={}), sort)
    return replace(found, vpp=whole.vpp, micro_batches=whole.micro_batches)
