"""Which layouts are possible for a model: one list of rules for a check and for a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from netmodel.errors import InputError, unknown_name
from netmodel.numeric import some
from netmodel.workload.layout import CONTEXT, PRECISIONS, SCHEDULES, Strategy
from netmodel.workload.strategy import DEGREES, check_order, check_recompute, factors
from netmodel.workload.transformer import Model


class Rule(NamedTuple):
    """A claim that must hold, and what to say when it does not."""

    holds: Any
    found: Callable[[], str]
    remedy: Callable[[], str]


def _divisors(number: int, limit: int = 64) -> str:
    """Divisors of a number for a remedy: ``1, 2, 4, 8``."""
    return ", ".join(str(n) for n in range(1, min(number, limit) + 1) if number % n == 0)


def size_rules(strategy: Strategy, gpus: Any) -> Iterator[Rule]:
    """Yield the rules of the number of GPUs and of the batch."""
    s = strategy
    yield Rule(
        s.gpus == gpus,
        lambda: f"{factors(s)} = {s.gpus} GPUs, but {gpus} are in use",
        lambda: f"Make the factors multiply to {gpus}, or leave dp out so that it is derived.",
    )
    share = s.dp * s.micro_batch
    yield Rule(
        (s.global_batch % share == 0) & (s.global_batch >= share),
        lambda: (
            f"global_batch {s.global_batch} does not divide into dp {s.dp} x micro_batch "
            f"{s.micro_batch} = {share} sequences"
        ),
        lambda: f"Use a multiple of {share}.",
    )
    yield Rule(
        (s.dp * s.cp * s.tp) % (s.ep * s.etp) == 0,
        lambda: (
            f"ep {s.ep} x etp {s.etp} = {s.ep * s.etp} does not divide the tp x cp x dp = "
            f"{s.tp * s.cp * s.dp} ranks of a stage"
        ),
        lambda: "Experts reuse those ranks; choose an ep that divides them.",
    )
    if not (isinstance(s.shard, int) and s.shard == 0):
        yield Rule(
            (s.shard == 0) | ((s.dp * s.cp) % np.maximum(s.shard, 1) == 0),
            lambda: f"shard {s.shard} does not divide dp x cp = {s.dp * s.cp} ranks",
            lambda: f"Use one of {_divisors(s.dp * s.cp)}, or 0 for all of them.",
        )


def model_rules(model: Model, strategy: Strategy) -> Iterator[Rule]:
    """Yield the rules of the model's shape."""
    s = strategy
    yield Rule(
        model.heads % s.tp == 0,
        lambda: f"tp {s.tp} does not divide the {model.heads} attention heads of {model.name}",
        lambda: f"Use one of {_divisors(model.heads)}.",
    )
    yield Rule(
        (model.kv_heads % s.tp == 0) | (s.tp % model.kv_heads == 0),
        lambda: f"tp {s.tp} and {model.kv_heads} key-value heads do not divide each other",
        lambda: f"Use a divisor of {model.kv_heads}, or a multiple of it.",
    )
    if model.dense_layers:
        yield Rule(
            model.ffn % s.tp == 0,
            lambda: f"tp {s.tp} does not divide the MLP width {model.ffn} of {model.name}",
            lambda: f"Use one of {_divisors(model.ffn)}.",
        )
    chunks = s.pp * s.vpp
    yield Rule(
        chunks <= model.layers,
        lambda: f"pp {s.pp} x vpp {s.vpp} = {chunks} stages for {model.layers} layers",
        lambda: f"Use at most {model.layers} stages.",
    )
    if s.context == "ulysses":
        yield Rule(
            (model.heads % (s.tp * s.cp) == 0),
            lambda: f"tp {s.tp} x cp {s.cp} does not divide {model.heads} heads, as ulysses needs",
            lambda: "Lower cp, or use context=ring.",
        )
    moe = model.moe
    if moe is None:
        yield Rule(
            (s.ep == 1) & (s.etp == 1),
            lambda: f"ep {s.ep} and etp {s.etp}, but {model.name} has no experts",
            lambda: "Leave ep and etp out.",
        )
        return
    yield Rule(
        moe.experts % s.ep == 0,
        lambda: f"ep {s.ep} does not divide the {moe.experts} experts of {model.name}",
        lambda: f"Use one of {_divisors(moe.experts, moe.experts)}.",
    )
    yield Rule(
        moe.ffn % s.etp == 0,
        lambda: f"etp {s.etp} does not divide the expert width {moe.ffn}",
        lambda: f"Use one of {_divisors(moe.ffn)}.",
    )


def schedule_rules(strategy: Strategy) -> Iterator[Rule]:
    """Yield the rules of pipeline schedules."""
    s = strategy
    yield Rule(
        (s.vpp == 1) | (s.pp > 1),
        lambda: f"vpp {s.vpp} without a pipeline (pp 1)",
        lambda: "Leave vpp out, or raise pp.",
    )
    if s.schedule != "interleaved":
        yield Rule(
            s.vpp == 1,
            lambda: f"vpp {s.vpp} with schedule {s.schedule}",
            lambda: "Virtual stages need schedule=interleaved.",
        )
    if s.schedule == "dualpipe":
        yield Rule(
            (s.pp == 1) | (s.pp % 2 == 0),
            lambda: f"dualpipe with pp {s.pp}",
            lambda: "It feeds the pipeline from both ends: pp must be even.",
        )
        fed = s.global_batch // np.maximum(s.dp * s.micro_batch, 1)
        yield Rule(
            (s.pp == 1) | ((fed % 2 == 0) & (fed >= 2 * s.pp)),
            lambda: f"dualpipe with {fed} micro-batches for pp {s.pp}",
            lambda: f"Feed an even number of them, {2 * s.pp} or more, or use another schedule.",
        )


def length_rules(strategy: Strategy, seq_len: Any) -> Iterator[Rule]:
    """Yield the rules of the sequence length."""
    s = strategy
    ways = s.cp * s.tp if s.sequence_parallel else s.cp
    yield Rule(
        seq_len % ways == 0,
        lambda: f"{seq_len} tokens do not divide into {ways} equal parts (cp x tp)",
        lambda: f"Use a multiple of {ways}, or smaller cp and tp.",
    )


def rules(model: Model, strategy: Strategy, gpus: Any, seq_len: Any = None) -> list[Rule]:
    """Return every rule that a layout must keep, most basic first."""
    found = [*model_rules(model, strategy), *schedule_rules(strategy)]
    found += size_rules(strategy, gpus)
    if seq_len is not None:
        found += length_rules(strategy, seq_len)
    return found


def possible(model: Model, strategy: Strategy, gpus: Any, seq_len: Any = None) -> Any:
    """Whether a layout keeps every rule; an array where the strategy holds arrays.

    >>> import numpy as np
    >>> llama = Model(name="llama-3-8b", hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    ...               vocab=128256, ffn=14336)
    >>> tp = np.array([1, 3, 8])
    >>> possible(llama, Strategy(tp=tp, dp=64 // tp, global_batch=64), 64).tolist()
    [True, False, True]
    """
    holds: Any = True
    for rule in rules(model, strategy, gpus, seq_len):
        holds = holds & rule.holds
    return holds


def _check_values(strategy: Strategy) -> None:
    """Refuse fields that are not of their kind, as code (not a text) may have set them."""
    where = "strategy"
    for key in DEGREES:
        value = getattr(strategy, key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer | np.ndarray):
            raise InputError(
                f"{key} is {value!r}", where=where, remedy="It must be a whole number, 1 or more."
            )
        if some(value < 1):
            raise InputError(
                f"{key} is {value!r}", where=where, remedy="It must be a whole number, 1 or more."
            )
    if some((strategy.zero < 0) | (strategy.zero > 3)):
        raise InputError(
            f"zero is {strategy.zero!r}", where=where, remedy="It must be 0, 1, 2 or 3."
        )
    choices = (("schedule", SCHEDULES), ("precision", PRECISIONS), ("context", CONTEXT))
    for key, allowed in choices:
        if getattr(strategy, key) not in allowed:
            raise unknown_name(key, str(getattr(strategy, key)), allowed, where=where)
    check_recompute(strategy.recompute, where)
    check_order(strategy.order, where)


def check_strategy(model: Model, strategy: Strategy, gpus: int, seq_len: int | None = None) -> None:
    """Refuse a layout that is not possible for this model on so many GPUs.

    Parameters
    ----------
    model : Model
    strategy : Strategy
        Complete: see :func:`~netmodel.workload.strategy.complete_strategy`.
    gpus : int
        GPUs in use.
    seq_len : int, optional
        Sequence length, checked where given [tokens].

    Raises
    ------
    InputError
        Naming the first rule that is broken, with what it found and what is allowed.

    Examples
    --------
    >>> llama = Model(name="llama-3-8b", hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    ...               vocab=128256, ffn=14336)
    >>> check_strategy(llama, Strategy(tp=3, dp=1), 3)
    Traceback (most recent call last):
    netmodel.errors.InputError: strategy: tp 3 does not divide the 32 attention heads of llama-3-8b. Use one of 1, 2, 4, 8, 16, 32.
    """  # noqa: E501 - an error is one line
    _check_values(strategy)
    for rule in rules(model, strategy, gpus, seq_len):
        if not np.all(rule.holds):
            raise InputError(rule.found(), where="strategy", remedy=rule.remedy())
