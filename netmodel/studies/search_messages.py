"""Messages of many layouts: each different one is timed once, those of one kind together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netmodel.training.messages import Message, Wires, laid, passing, timed_on
from netmodel.training.placement import strides
from netmodel.workload import Demand, Model, Strategy

BRIEF = 4096
"""Values of a message up to which asking costs more than answering: those are timed together."""
INSIDE = ("forward", "backward")
"""Phases of messages inside layers."""

Key = tuple[Any, ...]
Asked = tuple[tuple[Demand, Any, Key], ...]
"""Messages, each with how far apart its members lie, and what it is known by."""
Marks = Mapping[str, tuple[Any, ...]]
"""By kind of layer, what its messages are known by."""


class Timer:
    """Times messages, each different one once.

    Orders, recomputes and schedules repeat most messages of each other; a message is known again
    by its bytes.
    """

    def __init__(self, model: Model, wires: Wires, *, overlapped: bool) -> None:
        self.model = model
        self.wires = wires
        self.overlapped = overlapped
        self.known: dict[Key, Message] = {}

    def asked(self, demands: tuple[Demand, ...], strategy: Strategy) -> Asked:
        """Lay the messages of a grid or of a list of layouts on the ranks."""
        distance = strides(strategy)
        found = []
        for demand in demands:
            stride = distance[demand.dimension]
            values = (
                stride, demand.size, demand.ranks, demand.tokens, demand.top_k, demand.vector
            )  # fmt: skip
            found.append((demand, stride, (demand.kind, *map(_content, values))))
        return tuple(found)

    def messages(self, asked: Asked) -> tuple[tuple[Message, ...], Marks]:
        """Time every message.

        Returns
        -------
        tuple
            The messages, and what tells apart the seconds of those inside each kind of layer.
        """
        self.learn(asked)
        found = []
        marks: dict[str, tuple[Any, ...]] = {}
        for demand, _, key in asked:
            one = self.known[key]
            if demand.phase in INSIDE:
                mark = demand.dimension, demand.phase, id(one), _content(demand.count)
                marks[demand.layer] = (*marks.get(demand.layer, ()), mark)
            found.append(
                one._replace(
                    demand=demand,
                    seconds=demand.count * one.seconds,
                    latency=demand.count * one.latency,
                    passing=demand.count * passing(demand, self.wires),
                )
            )
        return tuple(found), marks

    def learn(self, asked: Iterable[tuple[Demand, Any, Key]]) -> None:
        """Time what is new: the brief messages of one kind end to end in one array."""
        alike: dict[Any, dict[Key, tuple[Demand, tuple[Any, ...], tuple[int, ...]]]] = {}
        for demand, stride, key in asked:
            if key in self.known:
                continue
            values = (stride, demand.size, demand.ranks, demand.tokens)
            shape = np.broadcast_shapes(*map(np.shape, values))
            brief = math.prod(shape) <= BRIEF and not any(
                isinstance(each, np.ndarray) for each in (demand.top_k, demand.vector)
            )
            sort = (demand.kind, demand.dimension, demand.top_k, demand.vector) if brief else key
            alike.setdefault(sort, {})[key] = replace(demand, count=1), values, shape
        for group in alike.values():
            first, (stride, size, ranks, tokens), _ = next(iter(group.values()))
            if len(group) == 1:
                self.known[next(iter(group))] = self._timed(first, stride)
                continue
            stride, size, ranks, tokens = (
                np.concatenate(
                    [np.broadcast_to(v[i], shape).ravel() for _, v, shape in group.values()]
                )
                for i in range(4)
            )
            whole = self._timed(replace(first, size=size, ranks=ranks, tokens=tokens), stride)
            start = 0
            for key, (demand, _, shape) in group.items():
                end = start + math.prod(shape)
                seconds, latency = (
                    np.broadcast_to(each, size.shape)[start:end].reshape(shape)
                    for each in (whole.seconds, whole.latency)
                )
                self.known[key] = Message(demand, seconds, None, latency)
                start = end

    def _timed(self, demand: Demand, stride: Any) -> Message:
        """Time one message, or many in one array."""
        span = laid(demand.ranks, stride, self.wires.tiers)
        return timed_on(demand, span, self.model, self.wires, overlapped=self.overlapped)


def _content(value: Any) -> Any:
    """Return something that is equal for equal numbers and arrays."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return value
