"""Strategies as text: ``tp=8,pp=16,ep=64``; what is left out is derived once the size is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from netmodel.errors import InputError, unknown_name
from netmodel.workload.layout import (
    CONTEXT,
    DIMENSIONS,
    MODULES,
    PRECISIONS,
    RECOMPUTE,
    SCHEDULES,
    Strategy,
)

UNSTATED = 0
"""Value of ``dp`` and ``global_batch`` that a text left out."""

MAX_DEGREE = 10**9
DEGREES = ("tp", "pp", "dp", "ep", "etp", "cp", "vpp", "micro_batch", "global_batch")
FLAGS = ("sequence_parallel", "overlap_dp", "overlap_tp", "overlap_ep", "balanced_stages")
CHOICES = {"schedule": SCHEDULES, "precision": PRECISIONS, "context": CONTEXT}
KEYS = tuple(field.name for field in fields(Strategy))


def _count(key: str, text: str, where: str, least: int = 1) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not least <= value <= MAX_DEGREE:
        raise InputError(
            f"{key} is {text!r}",
            where=where,
            remedy=f"It must be a whole number from {least} to {MAX_DEGREE}.",
        )
    return value


def _flag(key: str, text: str, where: str) -> bool:
    word = text.lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise InputError(f"{key} is {text!r}", where=where, remedy="It must be true or false.")


def _zero(key: str, text: str, where: str) -> int:
    if text not in ("0", "1", "2", "3"):
        raise InputError(f"{key} is {text!r}", where=where, remedy="It must be 0, 1, 2 or 3.")
    return int(text)


def check_recompute(text: str, where: str) -> str:
    """Return what to recompute: none, selective, full, or modules joined by ``+``.

    Raises
    ------
    InputError
        When a module is unknown, offering the near ones.
    """
    if text not in RECOMPUTE:
        for module in text.split("+"):
            if module not in MODULES:
                raise unknown_name("kind of recompute", module, (*RECOMPUTE, *MODULES), where=where)
    return text


def check_order(text: str, where: str) -> str:
    """Return a rank order, innermost first.

    Raises
    ------
    InputError
        When it is not made of the dimensions, each at most once and tp, cp, dp, pp at least.
    """
    names = text.split("-")
    for name in names:
        if name not in DIMENSIONS:
            raise unknown_name("dimension", name, DIMENSIONS, where=where)
    missing = [name for name in ("tp", "cp", "dp", "pp") if name not in names]
    if missing or len(set(names)) != len(names):
        problem = f"lacks {', '.join(missing)}" if missing else "names a dimension twice"
        raise InputError(
            f"order {text!r} {problem}",
            where=where,
            remedy="Write each dimension once, innermost first, e.g. tp-cp-ep-dp-pp.",
        )
    return text


def _choice(key: str, text: str, where: str) -> str:
    word = text.lower()
    if word not in CHOICES[key]:
        raise unknown_name(key, word, CHOICES[key], where=where)
    return word


def _reader(key: str) -> Callable[[str, str, str], Any]:
    """Return what reads the text of one key."""
    if key in FLAGS:
        return _flag
    if key in CHOICES:
        return _choice
    if key == "zero":
        return _zero
    if key == "recompute":
        return lambda _, text, where: check_recompute(text.lower(), where)
    if key == "order":
        return lambda _, text, where: check_order(text.lower(), where)
    if key == "shard":
        return lambda name, text, where: _count(name, text, where, least=0)
    return _count


def parse_fields(text: str, where: str = "--strategy") -> dict[str, Any]:
    """Return the fields that a text ``key=value,key=value`` states, each of its type.

    >>> parse_fields("tp=8, pp=16, schedule=dualpipe")
    {'tp': 8, 'pp': 16, 'schedule': 'dualpipe'}

    Raises
    ------
    InputError
        When a key is unknown or stated twice, or its value is not allowed.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        key = key.lower().replace("-", "_")
        if not equals or not value:
            raise InputError(
                f"{part.strip()!r} is not key=value", where=where, remedy="Write tp=8,pp=16,ep=64."
            )
        if key not in KEYS:
            raise unknown_name("strategy key", key, KEYS, where=where)
        if key in found:
            raise InputError(f"{key} is stated twice", where=where, remedy="State it once.")
        found[key] = _reader(key)(key, value, where)
    if not found:
        raise InputError("the strategy is empty", where=where, remedy="Write tp=8,pp=16,ep=64.")
    return found


def parse_strategy(text: str, where: str = "--strategy") -> Strategy:
    """Return the strategy that a text states.

    ``dp`` and ``global_batch`` are 0 where they are left out: :func:`complete_strategy` derives the
    first. Virtual stages without a schedule mean ``interleaved``.

    Parameters
    ----------
    text : str
        ``tp=8,pp=16,ep=64,zero=1,schedule=dualpipe``; keys are the fields of :class:`Strategy`.
    where : str
        What to name in an error.

    Raises
    ------
    InputError
        When a key is unknown or stated twice, or its value is not allowed.

    Examples
    --------
    >>> parse_strategy("tp=8,pp=4,vpp=5,micro_batch=2").schedule
    'interleaved'
    >>> parse_strategy("tp=8,pipeline=4")
    Traceback (most recent call last):
    netmodel.errors.InputError: --strategy: no strategy key is named 'pipeline'. Known: balanced_stages, context, cp, dp, ep, etp, global_batch, micro_batch, order, overlap_dp, overlap_ep, overlap_tp, ....
    """  # noqa: E501 - an error is one line
    return strategy_of(parse_fields(text, where))


def strategy_of(stated: dict[str, Any]) -> Strategy:
    """Return the strategy with the stated fields; the rest unstated or at its default."""
    chosen = {"dp": UNSTATED, "global_batch": UNSTATED} | stated
    if chosen.get("vpp", 1) > 1 and "schedule" not in chosen:
        chosen["schedule"] = "interleaved"
    return Strategy(**chosen)


def complete_strategy(strategy: Strategy, gpus: int) -> Strategy:
    """Return the strategy with ``dp`` derived from the number of GPUs, where it was left out.

    >>> complete_strategy(parse_strategy("tp=8,pp=16,global_batch=2048"), 16384).dp
    128

    Raises
    ------
    InputError
        When the other factors do not divide the number of GPUs, or no batch was given.
    """
    if isinstance(strategy.global_batch, int) and strategy.global_batch == UNSTATED:
        raise InputError(
            "the strategy states no global batch",
            where="strategy",
            remedy="Add global_batch=N, the sequences of one step (or --global-batch N).",
        )
    if not (isinstance(strategy.dp, int) and strategy.dp == UNSTATED):
        return strategy
    inner = strategy.tp * strategy.cp * strategy.pp
    if gpus % inner:
        raise InputError(
            f"{factors(strategy)} = {inner} does not divide {gpus} GPUs",
            where="strategy",
            remedy=_near_size(gpus, inner),
        )
    return replace(strategy, dp=gpus // inner)


def factors(strategy: Strategy) -> str:
    """Write the factors of the GPU count: ``tp 8 x cp 1 x pp 16``, with dp where it is stated.

    >>> factors(Strategy(tp=8, pp=16, dp=4))
    'tp 8 x cp 1 x pp 16 x dp 4'
    """
    names = ("tp", "cp", "pp") if strategy.dp == UNSTATED else ("tp", "cp", "pp", "dp")
    return " x ".join(f"{name} {getattr(strategy, name)}" for name in names)


def _near_size(gpus: int, inner: int) -> str:
    """Offer the sizes next to ``gpus`` that ``inner`` divides."""
    below, above = gpus // inner * inner, -(-gpus // inner) * inner
    sizes = f"{below} or {above}" if below else f"{above}"
    return f"Use {sizes} GPUs, or factors whose product divides {gpus}."
