"""The part of a layer's forward work that runs once more before its backward pass."""

from __future__ import annotations

from netmodel.workload.layout import Strategy
from netmodel.workload.work import Work

GEMMS = {
    "mla_up": ("q_up", "kv_up"),
    "mlp": ("mlp_up", "mlp_down"),
    "moe": ("router", "expert_up", "expert_down", "shared_up", "shared_down"),
}
STREAMS = {
    "core": ("softmax",),
    "norm": ("norm",),
    "activation": ("activation",),
    "mlp": ("activation",),
    "moe": ("activation", "permute"),
}
"""Products and memory traffic that recomputing a module repeats."""


def recomputed_work(work: Work, strategy: Strategy) -> Work:
    """Return what a layer runs again because its activations were not kept.

    Parameters
    ----------
    work : Work
        Forward work of one layer, from :func:`~netmodel.workload.layers.layer_work`; not of the
        head or the embedding, which are never recomputed.
    strategy : Strategy
        ``recompute`` says what: none, the attention core, modules, or everything.

    Notes
    -----
    A fused attention core keeps only its statistics, and its backward kernel forms the scores
    again by itself: that is part of its backward time, not of this. ``selective`` names the core
    all the same, as frameworks do; an unfused core (one with a ``softmax`` stream) runs again.

    Examples
    --------
    >>> from netmodel.workload.work import Gemm, Stream
    >>> work = Work(gemms=(Gemm(name="mlp_up", m=8, n=8, k=8), Gemm(name="qkv", m=8, n=8, k=8)),
    ...             streams=(Stream(name="norm", bytes=64),))
    >>> again = recomputed_work(work, Strategy(recompute="norm+mlp"))
    >>> [gemm.name for gemm in again.gemms], [stream.name for stream in again.streams]
    (['mlp_up'], ['norm'])
    """
    if strategy.recompute == "none":
        return Work()
    if strategy.recompute == "full":
        return work
    modules = strategy.recomputed
    gemms = {name for module in modules for name in GEMMS.get(module, ())}
    streams = {name for module in modules for name in STREAMS.get(module, ())}
    unfused = any(stream.name == "softmax" for stream in work.streams)
    return Work(
        gemms=tuple(gemm for gemm in work.gemms if gemm.name in gemms),
        attention=work.attention if "core" in modules and unfused else (),
        streams=tuple(stream for stream in work.streams if stream.name in streams),
    )
