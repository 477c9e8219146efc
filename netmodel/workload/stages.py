"""Which layers a pipeline stage holds, and how many micro-batches it keeps in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netmodel.numeric import choose, larger, smaller
from netmodel.workload.layout import Strategy
from netmodel.workload.transformer import Model

TWO_WAY = ("zb-v", "dualpipe")
"""Schedules in which the first rank holds the first and the last layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one pipeline rank holds; every count may be an array.

    Attributes
    ----------
    index : int or array
        Pipeline rank, from 0.
    dense, moe : float or array
        Layers of each kind (a mean where an alternation does not divide).
    embedding, head, mtp : float or array
        Whether the rank holds the embedding, the head; how many multi-token modules.
    copies : int
        Whole stages on the rank: 2 in DualPipe, which runs the pipeline both ways. Half of the
        micro-batches meet either stage, so all counts are the mean of the two.
    """

    index: Any
    dense: Any
    moe: Any
    embedding: Any
    head: Any
    mtp: Any
    copies: int = 1

    @property
    def layers(self) -> Any:
        """Layers of both kinds."""
        return self.dense + self.moe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The three pipeline ranks that decide: the first, the fullest between, and the last.

    Without a pipeline all three are the same; with two stages ``middle`` is the first.
    """

    first: Stage
    middle: Stage
    last: Stage

    @property
    def distinct(self) -> tuple[Stage, ...]:
        """The ranks that differ, first to last."""
        ranks = {id(stage): stage for stage in (self.first, self.middle, self.last)}
        return tuple(ranks.values())


def layer_counts(model: Model, strategy: Strategy) -> tuple[Any, Any, Any]:
    """Layers on the first, the fullest middle and the last pipeline rank.

    Layers that do not divide leave some ranks one layer short: first the last (which has the
    head), then the first (embedding), then others. With ``balanced_stages`` embedding and head
    count as a layer each, as BLOOM and Megatron's ``--account-for-*-in-pipeline-split`` do.
    """
    p, layers = strategy.pp, model.layers
    if strategy.balanced_stages:
        units = layers + 2
        floor, spare = units // p, units % p
        full = floor + choose(spare > 0, 1, 0)
        first = choose(p == 1, layers, choose((spare > 0) & (p - spare >= 2), floor, full) - 1)
        last = choose(p == 1, layers, choose(spare > 0, floor, full) - 1)
        return first, full, last
    floor, spare = layers // p, layers % p
    full = floor + choose(spare > 0, 1, 0)
    last = choose(spare > 0, floor, full)
    first = choose((spare > 0) & (p - spare >= 2), floor, full)
    return first, full, last


def stage_layers(model: Model, strategy: Strategy) -> Stages:
    """Say what the first, the fullest middle and the last pipeline rank hold.

    DualPipe and ZB-V fold the pipeline: rank i holds stage i and its mirror, so the first rank has
    embedding and head, and its layers are those of both ends. A DualPipe rank holds two whole
    stages; its counts are their mean, which is also its work for one micro-batch.

    Parameters
    ----------
    model : Model
    strategy : Strategy
        ``pp``, ``schedule`` and ``balanced_stages`` are used.
    """
    p = strategy.pp
    first, full, last = layer_counts(model, strategy)
    dense_first = 0 if model.moe is None else model.moe.first_dense
    moe_share = 0.0 if model.moe is None else model.moe_layers / max(model.layers - dense_first, 1)

    def kinds(layers: Any, opening: Any) -> tuple[Any, Any]:
        """Dense and MoE layers of a rank whose first ``opening`` layers are dense."""
        if model.moe is None:
            return layers, 0
        moe = (layers - smaller(opening, layers)) * moe_share
        return layers - moe, moe

    alone = p == 1
    folded = strategy.schedule in TWO_WAY
    copies = 2 if strategy.schedule == "dualpipe" else 1
    if folded:
        share = 1 / copies
        ends = (first + last) / 2
        ends_dense, ends_moe = kinds(ends, choose(alone, dense_first, dense_first / 2))
        outer = Stage(
            index=0, dense=ends_dense, moe=ends_moe, embedding=share, head=share,
            mtp=model.mtp * share, copies=copies,
        )  # fmt: skip
        if alone is True:
            return Stages(first=outer, middle=outer, last=outer)
        dense, moe = kinds(full, 0)
        inner = Stage(
            index=choose(alone, 0, 1), dense=choose(alone, ends_dense, dense),
            moe=choose(alone, ends_moe, moe), embedding=choose(alone, share, 0),
            head=choose(alone, share, 0), mtp=choose(alone, model.mtp * share, 0), copies=copies,
        )  # fmt: skip
        return Stages(first=outer, middle=inner, last=inner)
    dense, moe = kinds(first, dense_first)
    one = choose(alone, 1, 0)
    opening = Stage(
        index=0, dense=dense, moe=moe, embedding=1, head=one, mtp=choose(alone, model.mtp, 0)
    )
    if alone is True:
        return Stages(first=opening, middle=opening, last=opening)
    after = larger(dense_first - (model.layers - last), 0)
    dense_last, moe_last = kinds(last, after)
    closing = Stage(
        index=p - 1, dense=choose(alone, dense, dense_last), moe=choose(alone, moe, moe_last),
        embedding=one, head=1, mtp=model.mtp,
    )  # fmt: skip
    short = p <= 2
    if short is True:
        return Stages(first=opening, middle=opening, last=closing)
    dense_full, moe_full = kinds(full, 0)
    between = Stage(
        index=choose(short, 0, 1), dense=choose(short, dense, dense_full),
        moe=choose(short, moe, moe_full), embedding=choose(short, 1, 0), head=one,
        mtp=choose(alone, model.mtp, 0),
    )  # fmt: skip
    return Stages(first=opening, middle=between, last=closing)


def in_flight(strategy: Strategy, index: Any) -> Any:
    r"""Micro-batches whose activations one pipeline rank keeps at once, in whole ranks' worth.

    .. math:: \min(m, p - i), \quad \min(m, p + (p - 1 - 2i)/v) \text{ interleaved}

    GPipe keeps all m; ZB-V p on every rank; DualPipe p + 1.

    Parameters
    ----------
    strategy : Strategy
        ``schedule``, ``pp``, ``vpp`` and the micro-batches of a step are used.
    index : int or array
        Pipeline rank i, from 0.

    References
    ----------
    .. [1] arXiv:2104.04473, arXiv:2205.05198, arXiv:2401.10241; deepseek-ai/DualPipe README.
    """
    m, p = strategy.micro_batches, strategy.pp
    schedule = strategy.schedule
    if schedule == "gpipe":
        return m
    if schedule == "dualpipe":
        return smaller(m, p + 1)
    if schedule == "zb-v":
        return smaller(m, p)
    if schedule == "interleaved":
        v = strategy.vpp
        chunks = 2 * (p - 1 - index) + (v - 1) * p + 1
        return smaller(m * 1.0, choose(v > 1, chunks / v, (p - index) * 1.0))
    return smaller(m, p - index)
