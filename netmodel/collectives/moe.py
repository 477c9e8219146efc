r"""Expert parallelism: dispatch of tokens to their experts, and combine of the results.

Two kernels are known. *Normal* ones send one copy a token and target node over the NIC, to the GPU
of the same rail, and one copy a target GPU over NVLink, both at once. *Low-latency* ones send one
copy a token and expert, straight to the expert's GPU.

References
----------
.. [1] DeepSeek-V3 technical report, arXiv 2412.19437, sections 3.2.2 and 3.3.
.. [2] deepseek-ai/DeepEP, ``docs/legacy.md`` and tests.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from netmodel.collectives.group import Group, group_of
from netmodel.collectives.kinds import network_kind
from netmodel.collectives.ops import distinct_targets
from netmodel.errors import InputError, unknown_name
from netmodel.network.tiers import Span
from netmodel.numeric import choose, larger, plain, smaller

RECORDS = Path(__file__).parents[1] / "catalog" / "data" / "moe_libraries.csv"
KERNELS = ("normal", "low_latency")
SCALE_BLOCK = 128
"""Values that share one FP32 scale in FP8 and LogFMT vectors (DeepSeek-V3, section 3.3.2)."""


def vector_bytes(hidden: Any, dtype: str, kernel: str = "normal") -> Any:
    """Bytes of one token's vector on the wire [B].

    Parameters
    ----------
    hidden : int or array
        Width of the model.
    dtype : str
        ``"bf16"`` (two bytes a value), ``"fp8"`` (one, and an FP32 scale for every 128) or
        ``"logfmt10"`` (ten bits, and a scale).
    kernel : str
        Low-latency FP8 messages carry a header of 16 bytes.

    Examples
    --------
    >>> vector_bytes(7168, "fp8"), vector_bytes(7168, "fp8", "low_latency")
    (7392.0, 7408.0)
    >>> vector_bytes(7168, "bf16"), vector_bytes(7168, "logfmt10")
    (14336, 9184.0)
    """
    scales = 4 * hidden / SCALE_BLOCK
    if dtype in ("bf16", "fp16"):
        return 2 * hidden
    if dtype == "fp8":
        return hidden + scales + (16 if kernel == "low_latency" else 0)
    if dtype == "logfmt10":
        return 10 * hidden / 8 + scales
    raise unknown_name("vector type", dtype, ("bf16", "fp16", "fp8", "logfmt10"))


def node_limited(groups: Any, limit: Any, experts: Any, top_k: Any) -> Any:
    """Return the expected distinct groups when a token visits at most ``limit`` of them.

    A router that keeps the best ``limit`` nodes almost always uses all of them (3.96 to 4.00 of 4
    for DeepSeek-V3), so the smaller of both numbers is taken.
    """
    free = distinct_targets(groups, experts, top_k)
    return free if limit is None else smaller(free, plain(limit))


def sampling_imbalance(tokens: Any, ranks: Any, targets: Any) -> float:
    r"""Most loaded rank over the mean when the router is fair: :math:`1 + \sqrt{2 \ln P / \mu}`.

    Poisson noise of a mean load :math:`\mu` = tokens x targets a rank, over P ranks.

    >>> round(sampling_imbalance(4096, 64, 7.47), 3)
    1.016
    """
    if ranks <= 1:
        return 1.0
    return 1.0 + math.sqrt(2.0 * math.log(ranks) / (tokens * targets))


def histogram_imbalance(expert_loads: Sequence[float], ranks: int) -> float:
    """Most loaded rank over the mean, from the tokens that each expert got.

    >>> histogram_imbalance([4, 0, 1, 3], 2)
    1.0
    >>> histogram_imbalance([4, 4, 0, 0], 2)
    2.0
    """
    loads = np.asarray(expert_loads, float)
    if loads.ndim != 1 or loads.size == 0 or loads.size % ranks or not loads.sum() > 0:
        raise InputError(
            f"{loads.size} expert loads do not spread over {ranks} ranks",
            where="expert loads",
            remedy="Give one load an expert, a multiple of the ranks, not all zero.",
        )
    each = loads.reshape(ranks, -1).sum(axis=1)
    return float(each.max() / each.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeLibrary:
    """One expert-parallel library on some hardware.

    Attributes
    ----------
    name, kernel : str
        Library; ``"normal"`` or ``"low_latency"``.
    fixed : float
        Time of a call beside moving bytes [s].
    port, network : float
        Shares of the GPU port's and the NIC's line rate that the kernel reaches.
    deduplicated, direct : bool
        Whether a token crosses the network once a node (else once an expert), and whether peers in
        the same domain are reached over the GPU port (else through the NIC, too).
    overlapped : float
        Share of its stand-alone bandwidth that remains while compute runs beside it.
    staged : bool
        Whether copies for the own node take the time of the network path, too (CPU proxies).
    sm_rate : float
        What one SM moves through the port [B/s].
    """

    name: str
    kernel: str
    fixed: Any
    port: Any
    network: Any
    deduplicated: bool
    direct: bool
    overlapped: float
    staged: bool = False
    sm_rate: float = math.inf


@lru_cache(maxsize=1)
def _records() -> dict[tuple[str, str, str, str, str], float]:
    with RECORDS.open(newline="") as file:
        return {
            (row["library"], row["kernel"], row["generation"], row["network"], row["field"]): float(
                row["value"]
            )
            for row in csv.DictReader(file)
        }


def library_names() -> list[str]:
    """Libraries that have a record, longest name first."""
    return sorted({key[0] for key in _records()}, key=lambda name: (-len(name), name))


@lru_cache(maxsize=256)
def moe_library(
    name: str = "deepep",
    kernel: str = "normal",
    *,
    generation: str = "default",
    inter_link: str | None = None,
) -> MoeLibrary:
    """Find what is known of a library; what was not measured on this hardware takes the default.

    >>> moe_library("deepep", "low_latency", generation="hopper").deduplicated
    False
    """
    records = _records()
    if name not in library_names():
        raise unknown_name("expert-parallel library", name, library_names())
    if kernel not in KERNELS:
        raise unknown_name("kernel", kernel, KERNELS)
    network = network_kind(inter_link) if inter_link else "default"

    def find(field: str) -> float:
        for who in (name, "deepep"):
            for gpu in (generation, "default"):
                for fabric in (network, "default"):
                    if (who, kernel, gpu, fabric, field) in records:
                        return records[who, kernel, gpu, fabric, field]
        raise KeyError(field)

    return MoeLibrary(
        name=name,
        kernel=kernel,
        fixed=find("fixed"),
        port=find("port"),
        network=find("network"),
        deduplicated=bool(find("deduplicated")),
        direct=bool(find("direct")),
        overlapped=find("overlapped"),
        staged=bool(find("staged")),
        sm_rate=find("sm_rate"),
    )


@dataclass(frozen=True, slots=True)
class MoeTiming:
    """How long one dispatch or combine takes.

    Attributes
    ----------
    time : float or array
        On the most loaded rank [s].
    port_bytes, network_bytes : float or array
        Physical bytes through one GPU's port and NIC, one direction [B].
    logical_bytes : float or array
        What the library's own GB/s count: with the sender's own node (normal kernels over a
        network), own GPU (normal in one domain), or all top-k copies (low-latency) [B].
    logical_bandwidth, physical_bandwidth : float or array
        Those bytes over the time; physical is of the bottleneck's own bytes [B/s].
    bottleneck : str or array of str
        Tier that decides.
    lower_bound : float or array
        The bytes at line rate [s].
    """

    time: Any
    port_bytes: Any
    network_bytes: Any
    logical_bytes: Any
    logical_bandwidth: Any
    physical_bandwidth: Any
    bottleneck: Any
    lower_bound: Any


def exchange(
    span: Span,
    library: MoeLibrary,
    *,
    tokens: Any,
    top_k: Any,
    vector: Any,
    experts: Any = 256,
    group_limit: Any = None,
    imbalance: Any = 1.0,
    overlapped: bool = False,
    sms: Any = None,
) -> MoeTiming:
    r"""Time one dispatch or combine; the two differ only in the bytes of a vector.

    Normal kernels, with N domains in a group of n ranks:

    .. math::

        t = \alpha + \lambda \max\left(\frac{T D(n) b}{\beta_0},
            \max_i \frac{T D(N) (1 - m_i/n) b}{\beta_i}\right)

    Low-latency kernels move T k copies, of which :math:`m_0/n - 1/n` stay in the domain.

    Parameters
    ----------
    span : Span
        Where the expert-parallel group lies.
    library : MoeLibrary
        From :func:`moe_library`.
    tokens, top_k : int or array
        Tokens of one rank in one call; routed experts a token.
    vector : float or array
        Bytes of one token's vector, see :func:`vector_bytes` [B].
    experts : int or array
        Routed experts in all.
    group_limit : int or array, optional
        Domains that one token may visit.
    imbalance : float or array
        Most loaded rank over the mean.
    overlapped : bool
        Whether compute runs at the same time and takes its share of SMs and memory.
    sms : int or array, optional
        SMs that the kernel may use; as many as it needs when left out.
    """
    group = group_of(span)
    n = group.ranks
    share = library.overlapped if overlapped else 1.0
    copies = tokens * top_k * vector
    if library.kernel == "normal":
        to_gpus = _gpus_hit(group, experts, top_k, group_limit)
        port_bytes = tokens * to_gpus * vector
    else:
        port_bytes = copies * ((group.local - 1) / n)
    if library.deduplicated:
        abroad = tokens * node_limited(group.units, group_limit, experts, top_k) * vector
    else:
        abroad = copies
    port_bytes = choose(group.local > 1, port_bytes, 0.0 * port_bytes) * library.direct
    rate = group.port * library.port
    if sms is not None:
        rate = smaller(rate, sms * library.sm_rate)
    slowest = port_bytes / (rate * share)
    bound = choose(group.local > 1, port_bytes * (1 - 1 / n), 0.0 * port_bytes) / group.port
    bottleneck: Any = 0
    network_bytes: Any = 0.0 * port_bytes
    decisive = port_bytes
    for tier, below in enumerate(group.below):
        leaving = abroad * choose(group.branches[tier] > 1, 1.0 - below / n, 0.0)
        if tier == 0 and not library.direct:
            leaving = abroad * (1.0 - 1.0 / n)
        network_bytes = larger(network_bytes, leaving)
        timed = choose(leaving > 0, abroad, leaving) if library.staged else leaving
        moving = timed / (group.bandwidth[tier] * library.network * share)
        bound = larger(bound, leaving / group.bandwidth[tier])
        later = moving > slowest
        bottleneck = choose(later, tier + 1, bottleneck)
        decisive = choose(later, leaving, decisive)
        slowest = larger(slowest, moving)
    seconds = library.fixed + imbalance * slowest
    if library.kernel == "low_latency":
        logical = copies + 0.0 * seconds
    else:
        logical = choose(group.units > 1, abroad, port_bytes)
    return MoeTiming(
        time=seconds,
        port_bytes=port_bytes,
        network_bytes=network_bytes,
        logical_bytes=logical,
        logical_bandwidth=logical / seconds,
        physical_bandwidth=decisive / seconds,
        bottleneck=group.tier_name(bottleneck),
        lower_bound=bound,
    )


def _gpus_hit(group: Group, experts: Any, top_k: Any, limit: Any) -> Any:
    """Different GPUs that a token's experts lie on; a node limit leaves fewer to choose from."""
    if limit is None:
        return distinct_targets(group.ranks, experts, top_k)
    within = smaller(group.units, plain(limit)) / group.units
    return distinct_targets(group.ranks * within, experts * within, top_k)
