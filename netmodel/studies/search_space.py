"""The layouts that a search looks at: a grid of numbers under each choice of words.

Numbers of a layout span a grid with one axis each, and every array keeps length 1 along the axes
it does not depend on. So whatever is computed from them costs as much as there are different
inputs, and broadcasts to the rest. Words (schedule, recompute, order) and virtual stages are loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from netmodel.errors import InputError
from netmodel.graph import IntArray
from netmodel.workload import Model, Strategy, possible

BoolArray = npt.NDArray[np.bool_]

SITE = ("pp", "tp", "cp", "ep", "etp", "micro_batch")
"""Axes of a site, outermost first."""
AXES = ("vpp", "zero", *SITE)
"""All axes: virtual stages, ZeRO stage, then those of a site."""
WORDS = ("order", "recompute", "schedule")
VARIED = (*AXES, *WORDS, "dp")
"""Fields of a strategy that a search chooses; ``dp`` follows from the others."""

ORDERS = ("tp-cp-ep-dp-pp", "tp-cp-ep-pp-dp")
"""Pipelines across the whole job, or inside one data-parallel replica."""
PLAIN = ("1f1b", "interleaved", "zb-h1", "gpipe")
"""Schedules whose ranks hold one run of layers: of these one plan serves all."""
SCHEDULES = (*PLAIN, "zb-v", "dualpipe")
MICRO_BATCHES = (1, 2, 4, 8)
VIRTUAL = tuple(range(2, 17))
LEAST_TOKENS = 256
"""Tokens of a sequence that context parallelism leaves on a rank."""
MOST_CP = 64
GROUPS = ((0, 1, 2), (3,))
"""ZeRO stages that are timed together: stage 3 alone sends weights in every layer."""


@dataclass(frozen=True, slots=True)
class Word:
    """One choice of the fields that are words, and of the virtual stages."""

    order: str
    recompute: str
    schedule: str
    vpp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Everything that a search enumerates.

    Attributes
    ----------
    base : Strategy
        Fields that do not vary.
    sizes : mapping of str to array
        Numbers of the sites by name: on a grid, each along its own axis, or in a list.
    shape : tuple of int
        Of the sites.
    vpp, zero : tuple of int
        Virtual stages and ZeRO stages.
    orders, recomputes, schedules : tuple of str
        Values of the words.
    gpus, seq_len : int
        Of the question.
    replicas : tuple of int
        Data-parallel degrees that are allowed; empty for all that follow from the others.
    """

    base: Strategy
    sizes: Mapping[str, IntArray]
    shape: tuple[int, ...]
    vpp: tuple[int, ...]
    zero: tuple[int, ...]
    orders: tuple[str, ...]
    recomputes: tuple[str, ...]
    schedules: tuple[str, ...]
    gpus: int
    seq_len: int
    replicas: tuple[int, ...] = ()

    def grid(self, word: Word, zero: tuple[int, ...], vpp: tuple[int, ...]) -> Strategy:
        """Return all layouts of a word: arrays (vpp, zero, sites ...), of length 1 where equal.

        Where the cuts do not divide the GPUs, ``dp`` is rounded down and such points are dropped
        later.
        """
        ones = (1,) * len(self.shape)
        sizes: Mapping[str, Any] = self.sizes
        dp = self.gpus // (sizes["tp"] * sizes["cp"] * sizes["pp"])
        return replace(
            self.base,
            **sizes,
            dp=np.maximum(dp, 1),
            zero=np.array(zero, int).reshape(1, -1, *ones),
            vpp=np.array(vpp, int).reshape(-1, 1, *ones),
            order=word.order,
            recompute=word.recompute,
            schedule=word.schedule,
        )

    def listed(self, places: IntArray) -> Space:
        """Return the same with the sites at some places only, as a list."""
        sizes = {
            name: np.broadcast_to(each, (1, 1, *self.shape)).reshape(1, 1, -1)[..., places]
            for name, each in self.sizes.items()
        }
        return replace(self, sizes=sizes, shape=(len(places),))

    def layout(self, word: Word, zero: int, site: int) -> Strategy:
        """Return one layout in plain numbers.

        Parameters
        ----------
        site : int
            Its place among all sites.
        """
        at = np.unravel_index(site, self.shape)
        sizes: dict[str, Any] = {
            name: int(np.broadcast_to(each, (1, 1, *self.shape))[0, 0][at])
            for name, each in self.sizes.items()
        }
        return replace(
            self.base,
            **sizes,
            dp=self.gpus // (sizes["tp"] * sizes["cp"] * sizes["pp"]),
            zero=zero,
            vpp=word.vpp,
            order=word.order,
            recompute=word.recompute,
            schedule=word.schedule,
        )

    def staged(self, group: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ZeRO stages of a group that are looked at."""
        return tuple(stage for stage in self.zero if stage in group)

    def holds(self, model: Model, layout: Strategy) -> bool:
        """Whether a layout is among those enumerated, memory apart."""
        sizes = all(getattr(layout, name) in each for name, each in self.sizes.items())
        word = (layout.schedule, layout.vpp) in [
            pair for each in self.classes() for pair in self.words(each)
        ]
        varied: dict[str, Any] = {name: getattr(layout, name) for name in (*AXES, *WORDS, "dp")}
        return bool(
            sizes
            and word
            and layout.zero in self.zero
            and layout.order in self.orders
            and layout.recompute in self.recomputes
            and layout == replace(self.base, **varied)
            and (not self.replicas or layout.dp in self.replicas)
            and possible(model, layout, self.gpus, self.seq_len)
            and (layout.schedule != "interleaved" or layout.micro_batches % layout.pp == 0)
        )

    def words(self, schedule: str) -> Iterator[tuple[str, int]]:
        """Yield a schedule of a class of :func:`classes`, with each number of virtual stages."""
        for name in self.schedules:
            if (name in PLAIN) if schedule == PLAIN[0] else (name == schedule):
                for vpp in self.vpp:
                    if (vpp > 1) == (name == "interleaved"):
                        yield name, vpp

    def classes(self) -> tuple[str, ...]:
        """Return one schedule for each class that deals layers to ranks in the same way."""
        plain = (PLAIN[0],) if any(name in PLAIN for name in self.schedules) else ()
        return (*plain, *(name for name in self.schedules if name not in PLAIN))


def space(
    model: Model,
    gpus: int,
    seq_len: int,
    base: Strategy,
    domain: int,
    fixed: Mapping[str, Any],
    *,
    flash: bool = True,
) -> Space:
    """Return what is enumerated: everything that divides, less what is fixed.

    Parameters
    ----------
    base : Strategy
        Batch, precision and habits.
    domain : int
        GPUs of one scale-up domain: tensor parallelism spans at most two of them.
    fixed : mapping
        A value, or a tuple of those allowed, of any of :data:`VARIED`.
    flash : bool
        Whether attention is fused.
    """
    own = {name: _several(fixed[name]) for name in VARIED if name in fixed}
    experts = model.moe.experts if model.moe else 1
    width = model.moe.ffn if model.moe else 1
    axes: dict[str, tuple[int, ...]] = {
        "vpp": (1, *VIRTUAL),
        "zero": (0, 1, 2, 3),
        "pp": tuple(each for each in divisors(gpus) if each <= model.layers),
        "tp": tuple(each for each in divisors(model.heads) if each <= 2 * domain),
        "cp": tuple(
            each
            for each in divisors(gpus)
            if seq_len % each == 0 and seq_len // each >= LEAST_TOKENS and each <= MOST_CP
        ),
        "ep": tuple(each for each in divisors(experts) if each <= gpus),
        "etp": tuple(each for each in (1, 2, 4, 8) if width % each == 0),
        "micro_batch": MICRO_BATCHES,
    }
    axes |= {name: tuple(map(int, values)) for name, values in own.items() if name in AXES}
    for name, values in axes.items():
        if not values or min(values) < (0 if name == "zero" else 1):
            raise InputError(f"{name} is {values}", where="strategy", remedy="Use 1 or more.")
    shape = tuple(len(axes[name]) for name in SITE)
    return Space(
        base=base,
        sizes={
            name: np.array(axes[name], int).reshape(
                1, 1, *(size if each == name else 1 for each, size in zip(SITE, shape, strict=True))
            )
            for name in SITE
        },
        shape=shape,
        vpp=axes["vpp"],
        zero=axes["zero"],
        orders=own.get("order", ORDERS),
        recomputes=own.get("recompute", recomputes(model, flash=flash)),
        schedules=own.get("schedule", SCHEDULES),
        gpus=gpus,
        seq_len=seq_len,
        replicas=own.get("dp", ()),
    )


def _several(value: Any) -> tuple[Any, ...]:
    """Return the values of a fixed field."""
    return (value,) if isinstance(value, str | int | np.integer) else tuple(value)


def recomputes(model: Model, *, flash: bool) -> tuple[str, ...]:
    """Return what may be recomputed, from nothing over cheap modules to everything.

    Cheap are norms, activation functions and the up-projections of latent attention
    (arXiv:2412.19437, section 3.2.1). Where attention is fused its core keeps next to nothing, so
    that the selective recompute of arXiv:2205.05198 gains nothing.
    """
    cheap = "norm+mla_up+activation" if model.mla is not None else "norm+activation"
    core = () if flash else ("selective", f"core+{cheap}")
    return ("none", *core, cheap, "moe" if model.moe is not None else "mlp", "full")


def divisors(number: int) -> list[int]:
    """Return the divisors, growing.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [each for each in range(1, int(number**0.5) + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)})


def sites(model: Model, room: Space, schedule: str, vpp: int) -> BoolArray:
    """Say which sites keep every rule under a schedule."""
    word = Word(room.orders[0], room.recomputes[0], schedule, vpp)
    tried = room.grid(word, (0,), (vpp,))
    good = np.asarray(possible(model, tried, room.gpus, room.seq_len))
    alone = PLAIN[0] if PLAIN[0] in room.schedules else room.schedules[0]
    if schedule != alone:
        good = good & (tried.pp > 1)  # without a pipeline all schedules are one
    if room.replicas:
        good = good & np.isin(tried.dp, room.replicas)
    if schedule == "interleaved":  # Megatron-LM's order needs whole rounds of the pipeline
        good = good & (tried.micro_batches % tried.pp == 0)
    return np.broadcast_to(good, (1, 1, *room.shape)).ravel()


def distinct(room: Space, order: str, zero: tuple[int, ...]) -> BoolArray:
    """Say where an order and ZeRO stages are layouts of their own; by ZeRO stage and site.

    Without a pipeline or replicas all orders are one; without replicas all ZeRO stages are.
    """
    tried = room.grid(Word(order, room.recomputes[0], room.schedules[0], 1), zero, (1,))
    replicas = (tried.dp * tried.cp > 1) | (tried.edp > 1)
    own = (tried.zero == room.zero[0]) | replicas
    if order != room.orders[0]:
        own = own & (tried.pp > 1) & (tried.dp > 1)
    return np.broadcast_to(own, (1, len(zero), *room.shape)).reshape(len(zero), -1)
