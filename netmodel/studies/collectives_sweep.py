"""One collective over message sizes on a cluster: the table that nccl-tests would print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel import collectives
from netmodel.collectives import Operation, bus_factor
from netmodel.errors import InputError
from netmodel.training.step import tiers_of

if TYPE_CHECKING:
    from netmodel.collectives.on_graph import SharedLink
    from netmodel.collectives.placed import Fabric
    from netmodel.network.tiers import Tiers
    from netmodel.topology import Cluster

EXPERT_KINDS = ("dispatch", "combine")
TOP_K, EXPERTS, HIDDEN = 8, 256, 7168
"""Shape of dispatch and combine: that of DeepSeek-V3."""

FloatArray = npt.NDArray[np.float64]

MIXED = (
    "several kinds of GPU: each is timed as if all members were of it, on its own links and by its "
    "own library; they wait for the slowest, size by size"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One published curve of the same operation on the same kind of system."""

    system: str
    size: FloatArray
    time: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One operation over sizes; every array has one entry a size.

    Attributes
    ----------
    label : str
        Tells this sweep from others beside it.
    cluster, kind : str
        Where, and what.
    ranks : int
        GPUs that take part.
    size, time, lower_bound : array
        Message as nccl-tests counts it [B]; time and the least that the fabric allows [s].
    algorithm, protocol, bottleneck : tuple of str
        What runs, and the tier that takes longest.
    setting : str
        Fabric in a few words.
    links : tuple of SharedLink
        What the largest size waits for on the graph, busiest first; none under ``closed``.
    measured : tuple of Measured
        Published points of such a system.
    slowest : tuple of str
        Of a group of several kinds of GPU: the one that the others wait for, a size each.
    """

    label: str
    cluster: str
    kind: str
    ranks: int
    size: FloatArray
    time: FloatArray
    lower_bound: FloatArray
    algorithm: tuple[str, ...]
    protocol: tuple[str, ...]
    bottleneck: tuple[str, ...]
    setting: str
    links: tuple[SharedLink, ...] = ()
    measured: tuple[Measured, ...] = ()
    slowest: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of several kinds of GPU."""
        return (MIXED,) if self.slowest else ()

    @property
    def algbw(self) -> FloatArray:
        """Size over time [B/s]."""
        return self.size / self.time

    @property
    def busbw(self) -> FloatArray:
        """Algorithm bandwidth times nccl-tests' factor [B/s]."""
        return self.algbw * float(bus_factor(self.kind, self.ranks))

    def to_rows(self) -> list[dict[str, Any]]:
        """Rows of the command line's JSON and CSV."""
        return [
            {
                "cluster": self.cluster,
                "collective": self.kind,
                "gpus": self.ranks,
                "bytes": size,
                "time_s": time,
                "algbw_Bps": algbw,
                "busbw_Bps": busbw,
                "algorithm": algorithm,
                "protocol": protocol,
                "bottleneck": bottleneck,
                "lower_bound_s": bound,
                **({"slowest": self.slowest[at]} if self.slowest else {}),
            }
            for at, (size, time, algbw, busbw, algorithm, protocol, bottleneck, bound) in enumerate(
                zip(
                    self.size.tolist(),
                    self.time.tolist(),
                    self.algbw.tolist(),
                    self.busbw.tolist(),
                    self.algorithm,
                    self.protocol,
                    self.bottleneck,
                    self.lower_bound.tolist(),
                    strict=True,
                )
            )
        ]


def sweep(
    kind: str,
    cluster: Cluster,
    sizes: Sequence[float],
    *,
    gpus: int | None = None,
    algorithm: str = "auto",
    protocol: str = "auto",
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
    with_measured: bool = False,
) -> Sweep:
    """Time one operation over sizes, its group the first ranks of a cluster.

    Parameters
    ----------
    kind : str
        One of ``collectives.KINDS``. Of dispatch and combine the size is tokens x top-k x bytes of
        a vector, for DeepSeek-V3's shapes.
    cluster : Cluster
        Where.
    sizes : sequence of float
        As nccl-tests counts them [B].
    gpus : int, optional
        Members; the cluster's own size when left out.
    algorithm, protocol : str
        Force one, or ``"auto"``.
    fidelity : str
        ``"closed"``, ``"contention"`` or ``"flow"``: the latter two lay the messages on the graph.
    routing, placement, seed
        Of the graph: policy, which GPU runs which rank, and the seed of both; see
        :meth:`netmodel.collectives.placed.Fabric.of`.
    with_measured : bool
        Look up published curves of the same operation, GPU and counts.

    Raises
    ------
    InputError
        When the operation has no meaning among so few GPUs, or a graph has several kinds of them.
    """
    ranks = cluster.gpus if gpus is None else gpus
    if ranks < 2:
        raise InputError(
            f"{ranks} GPU has nobody to exchange with", where="--gpus", remedy="Use 2 or more."
        )
    kinds = cluster.groups(ranks) if hasattr(cluster, "groups") else ()
    if not kinds and len(named := cluster.accelerators(ranks)) > 1:
        raise InputError(
            f"{ranks:,} GPUs are of {len(named)} kinds ({', '.join(named)})",
            where=f"graph {cluster.name!r}",
            remedy="Describe it as a cluster with a group of nodes for each.",
        )
    if len(kinds) > 1:
        asked: dict[str, Any] = {"routing": routing, "placement": placement, "seed": seed}
        asked |= {"algorithm": algorithm, "protocol": protocol, "fidelity": fidelity}
        pure = [cluster.only(host) for host, _ in kinds]
        return _slowest(cluster, [sweep(kind, each, sizes, gpus=ranks, **asked) for each in pure])
    fabric = tiers_of(cluster, ranks)
    size = np.asarray(sizes, float)
    outer = fabric.links[-1] if len(fabric.links) > 1 else None
    generation = cluster.accelerator.generation
    setup = _Setup(cluster, ranks, fabric, outer)
    graph = None
    if fidelity != "closed":
        from netmodel.collectives.placed import Fabric

        graph = Fabric.of_cluster(cluster, ranks, policy=routing, seed=seed, placement=placement)
    if kind in EXPERT_KINDS:
        found = _exchange(kind, setup, size, graph, fidelity)
    else:
        library = collectives.library(
            generation,
            fabric.links[0],
            outer,
            in_network=bool(cluster.software.get("sharp", False)) or algorithm == "collnet",
            overlay=cluster.software.get("collectives"),
        )
        call = Operation(kind=kind, size=size, ranks=ranks)
        timing: collectives.Timing
        if graph is None:
            timing = collectives.time(
                call, fabric.span(ranks), library, algorithm=algorithm, protocol=protocol
            )
        else:
            from netmodel.collectives.on_graph import time_on_graph

            timing = time_on_graph(
                call, graph, library, fidelity=fidelity, algorithm=algorithm, protocol=protocol
            )
        found = {
            "time": timing.time,
            "lower_bound": timing.lower_bound,
            "algorithm": timing.algorithm,
            "protocol": timing.protocol,
            "bottleneck": timing.bottleneck,
            "on_graph": None if graph is None else timing,
        }
    on_graph = found.pop("on_graph")
    many = {name: np.broadcast_to(value, size.shape) for name, value in found.items()}
    forced = [word for word in (algorithm, protocol) if word != "auto"]
    return Sweep(
        label=" ".join([cluster.name, *forced]),
        cluster=cluster.name,
        kind=kind,
        ranks=ranks,
        size=size,
        time=np.asarray(many["time"], float),
        lower_bound=np.asarray(many["lower_bound"], float),
        algorithm=tuple(many["algorithm"].tolist()),
        protocol=tuple(many["protocol"].tolist()),
        bottleneck=tuple(many["bottleneck"].tolist()),
        setting=_setting(cluster, fabric, ranks),
        links=() if on_graph is None else on_graph.links(),
        measured=published(kind, cluster, ranks, algorithm) if with_measured else (),
    )


def _slowest(cluster: Cluster, each: Sequence[Sweep]) -> Sweep:
    """Join the sweeps of all kinds in a group: at every size that of the slowest.

    The links of a pure cluster carry names that the mixed one has not, so none are named.
    """
    which = np.argmax([one.time for one in each], axis=0)
    last = each[int(which[-1])]
    names = cluster.accelerators(last.ranks)

    def words(field: str) -> tuple[str, ...]:
        return tuple(getattr(each[kind], field)[at] for at, kind in enumerate(which))

    return replace(
        last,
        time=np.max([one.time for one in each], axis=0),
        lower_bound=np.max([one.lower_bound for one in each], axis=0),
        algorithm=words("algorithm"),
        protocol=words("protocol"),
        bottleneck=words("bottleneck"),
        setting=f"{last.ranks:,} GPUs, {' and '.join(names)}",
        links=(),
        slowest=tuple(_kind(cluster, last.ranks)[kind] for kind in which),
    )


def _kind(cluster: Cluster, ranks: int) -> tuple[str, ...]:
    """Name each kind by its GPU, or by its host where the GPUs are alike."""
    hosts = [cluster.hosts[kind] for kind, _ in cluster.groups(ranks)]
    names = tuple(host.accelerator for host in hosts)
    return names if len(set(names)) == len(names) else tuple(host.name for host in hosts)


@dataclass(frozen=True, slots=True)
class _Setup:
    """Where an operation runs: cluster, members, tiers, and the network's link."""

    cluster: Cluster
    ranks: int
    tiers: Tiers
    outer: str | None


def _exchange(
    kind: str, setup: _Setup, size: FloatArray, graph: Fabric | None, fidelity: str
) -> dict[str, Any]:
    """Dispatch (FP8) or combine (BF16) of as many tokens as the size holds."""
    vector = float(collectives.vector_bytes(HIDDEN, "fp8" if kind == "dispatch" else "bf16"))
    generation = setup.cluster.accelerator.generation
    library = collectives.moe_library("deepep", generation=generation, inter_link=setup.outer)
    shape: dict[str, Any] = {
        "tokens": size / (TOP_K * vector),
        "top_k": TOP_K,
        "vector": vector,
        "experts": max(EXPERTS, setup.ranks),
    }
    closed = collectives.exchange(setup.tiers.span(setup.ranks), library, **shape)
    found: Any = closed
    if graph is not None:
        from netmodel.collectives.moe_on_graph import exchange_on_graph

        found = exchange_on_graph(graph, library, ranks=setup.ranks, fidelity=fidelity, **shape)
    return {
        "time": found.time,
        "lower_bound": closed.lower_bound,
        "algorithm": library.name,
        "protocol": library.kernel,
        "bottleneck": found.bottleneck,
        "on_graph": None if graph is None else found,
    }


def _setting(cluster: Cluster, fabric: Tiers, ranks: int) -> str:
    """Say what the group runs on, in a few words."""
    domain = fabric.unit[0]
    words = f"{ranks:,} {cluster.accelerator.name}"
    if ranks > domain:
        words += f", {math.ceil(ranks / domain):,} x {domain} on {fabric.links[-1]}"
    return words


def published(
    kind: str, cluster: Cluster, ranks: int, algorithm: str = "auto"
) -> tuple[Measured, ...]:
    """Published curves of an operation on the same GPU family, as many ranks and nodes."""
    from netmodel.studies.collectives_data import read_cases

    fabric = tiers_of(cluster, ranks)
    domain = min(fabric.unit[0], ranks)
    curves: dict[str, list[tuple[float, float]]] = {}
    for case in read_cases()[0]:
        alike = (
            case.kind == kind
            and case.ranks == ranks
            and case.tiers.unit[0] == domain
            and case.generation == cluster.accelerator.generation
            and case.tiers.bandwidth[0] == fabric.bandwidth[0]
            and not case.flagged
            and (kind != "all_reduce" or case.algorithm in ("auto", algorithm))
        )
        same_nic = ranks <= domain or (
            len(case.tiers.bandwidth) > 1 and case.tiers.bandwidth[-1] == fabric.bandwidth[1]
        )
        if alike and same_nic:
            curves.setdefault(f"{case.system}|{case.series}", []).append((case.size, case.measured))
    return tuple(
        Measured(
            system=name.partition("|")[0],
            size=np.array([size for size, _ in sorted(points)]),
            time=np.array([time for _, time in sorted(points)]),
        )
        for name, points in curves.items()
    )
