"""A communication library on given hardware: its latencies and efficiencies, as data.

The rows stand in ``catalog/data/collectives_constants.csv``, each with unit, uncertainty and
source; ``netmodel calibrate`` writes them. A row is found by its scope (what it describes), key
(which one) and field; the key ``default`` serves whatever has no row of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from netmodel.collectives.kinds import link_kind, network_kind
from netmodel.errors import InputError, unknown_name
from netmodel.units import parse_fraction, parse_time

CONSTANTS = Path(__file__).parents[1] / "catalog" / "data" / "collectives_constants.csv"
PROTOCOLS = ("ll", "ll128", "simple")
ALGORITHM_NAMES = (
    "ring",
    "tree",
    "nvls",
    "nvls_tree",
    "collnet",
    "pat",
    "pairwise",
    "p2p",
    "hierarchical",
    "halving_doubling",
    "recursive_doubling",
    "bruck",
    "one_shot",
    "two_shot",
)
PLUGINS = frozenset({"efa", "efa1", "tcpx", "tcpxo"})
"""Networks whose NCCL plugin brings a tuner of its own, made from measurements."""

Table = Mapping[tuple[str, str, str], Any]
"""Values by (scope, key, field), in SI units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How bytes and flags travel together.

    Attributes
    ----------
    step, hop : float
        Time of one step inside a domain, and of one network hop, over that of LL.
    wide, hop_wide : float
        How much longer a step and a hop are once a message fills more than one channel.
    efficiency : float
        Share of the link's rate that is left for payload.
    """

    step: Any
    hop: Any
    wide: Any
    hop_wide: Any
    efficiency: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What one algorithm leaves of the port, and how it ramps up.

    Attributes
    ----------
    port, network : float
        Shares of the GPU port's and of the NIC's line rate that the largest messages reach.
    port_decline, ramp_growth : float, optional
        Powers of (domain members / 8) by which the port's share falls, beyond 8, and the
        ramp rises.
    copy : float
        Rate of moving a rank's own share in its own memory, over the port's payload rate.
    step : float
        Time of one step over that of a ring.
    fill : float
        Time that each stage of a pipeline takes to fill [s].
    slope : float
        Overhead grows as ``ramp**slope * wire**(1 - slope)``.
    extra, ramp : mapping
        By protocol: fixed time beside the launch [s]; overhead that grows with size [s].
    """

    port: Any
    network: Any
    port_decline: Any
    ramp_growth: Any
    copy: Any
    step: Any
    fill: Any
    slope: Any
    extra: Mapping[str, Any]
    ramp: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Latencies and efficiencies of one library on one GPU generation and fabric.

    Attributes
    ----------
    generation, link, transport : str
        GPU generation; kind of scale-up link; kind of network.
    launch, step : float
        Launch and synchronisation of a call; one LL step inside a domain [s].
    hop, path : float
        One LL network hop, and the latency of the wires and switches that it was measured over [s].
    gather : float
        Share of the NIC rate that all-gather and reduce-scatter keep on NICs of
        ``gather_from`` [B/s] and faster.
    network_ramp : float
        Growing overhead that crossing the network adds, LL apart [s].
    spread : float
        Loss of an all-to-all that spreads over ever more domains.
    sharing : float, optional
        Power by which members of one PCIe host take bandwidth from each other.
    rack : float
        Share of the port that is left when more than two racks of one NVLink domain meet.
    serial, serial_peers, delay : float
        Launch by one process: time for each GPU, for each pair of GPUs [s]; a framework's own
        time in front of a call [s].
    multicast, in_network, measured_tuner : bool
        Whether the domain's switch reduces (NVLink SHARP), the network's do (SHARP), and whether
        a plugin chooses by measurement instead of NCCL's tables.
    algorithms, protocols : mapping
        By name.
    """

    generation: str
    link: str
    transport: str
    launch: Any
    step: Any
    hop: Any
    path: Any
    gather: Any
    gather_from: Any
    network_ramp: Any
    spread: Any
    sharing: Any
    rack: Any
    serial: Any
    serial_peers: Any
    delay: Any
    multicast: Any
    in_network: Any
    measured_tuner: Any
    algorithms: Mapping[str, Algorithm]
    protocols: Mapping[str, Protocol]


@lru_cache(maxsize=4)
def constants(path: str | Path = CONSTANTS) -> Table:
    """Read the table of constants."""
    with Path(path).open(newline="") as file:
        return {
            (row["scope"], row["key"], row["field"]): float(row["value"])
            for row in csv.DictReader(file)
        }


def library(
    generation: str,
    intra_link: str = "nvlink",
    inter_link: str | None = None,
    *,
    in_network: bool = False,
    launcher: str = "processes",
    overlay: Mapping[str, Any] | None = None,
    table: Table | None = None,
) -> Library:
    """Find the constants of one GPU generation, scale-up link and network.

    Parameters
    ----------
    generation : str
        GPU generation, as the catalog spells it: ``"hopper"``, ``"cdna3"``, ...
    intra_link, inter_link : str
        Names of the scale-up link and of the network's link: catalog rows or any words that
        tell the kind (``"NVLink4 NVSwitch"``, ``"8x400G NDR IB"``).
    in_network : bool
        Whether the network's switches reduce (SHARP).
    launcher : str
        ``"processes"`` (one a GPU, or threads), ``"single_process"`` (nccl-tests ``-g N``) or
        ``"torch"`` (a Python loop around each call).
    overlay : mapping, optional
        What a fabric measured of its own, as :func:`overlaid` takes it; a cluster's
        ``software["collectives"]``.
    table : mapping, optional
        Constants to use instead of the shipped ones.

    Raises
    ------
    InputError
        When the launcher or an overlay's key is unknown, or a value of it impossible.

    Examples
    --------
    >>> library("hopper", "nvlink4", "ib-ndr").multicast
    True
    """
    found = find_library(
        constants() if table is None else table,
        generation,
        link_kind(intra_link),
        network_kind(inter_link or "", generation),
        in_network,
        launcher,
    )
    return overlaid(found, overlay) if overlay else found


def find_library(
    table: Table, generation: str, link: str, transport: str, in_network: bool, launcher: str
) -> Library:
    """Find constants by kinds already told: see :func:`library`."""
    launchers = sorted({key for scope, key, _ in table if scope == "launcher"})
    if launcher not in launchers:
        raise unknown_name("launcher", launcher, launchers)

    def find(scope: str, name: str, *keys: str) -> Any:
        for key in (*keys, "default"):
            if (scope, key, name) in table:
                return table[scope, key, name]
        raise KeyError((scope, keys, name))

    family = generation.rstrip("0123456789")
    launch = find("generation", "launch", generation, family)
    protocols = {
        name: Protocol(
            step=find("protocol", "step", name),
            hop=find("protocol", "hop", name),
            wide=find("protocol", "wide", name),
            hop_wide=find("protocol", "hop_wide", name),
            efficiency=find("protocol", "efficiency", f"{name} {generation}", name)
            * (find("launcher", "ll", launcher) if name == "ll" else 1.0),
        )
        for name in PROTOCOLS
    }
    port = find("port", "efficiency", f"{link} {generation}", link)
    switched = find("nvls", "efficiency", generation)
    network = find("network", "efficiency", transport)
    ramps = {name: find("ramp", name, generation) for name in PROTOCOLS}

    def algorithm(name: str) -> Algorithm:
        one = name in MULTICAST_ALGORITHMS
        own = f"{name} simple"
        return Algorithm(
            port=find("algorithm", "port", f"{name} {generation}", name)
            * (switched if one else port),
            network=find("algorithm", "network", name) * network,
            port_decline=find("algorithm", "port_decline", name) or None,
            ramp_growth=find("algorithm", "ramp_growth", name) or None,
            copy=find("copy", "rate", f"{name} {generation}", link, name),
            step=find("algorithm", "step", name),
            fill=find("algorithm", "fill", name),
            slope=find("algorithm", "slope", name),
            extra={
                each: find("extra", "fixed", f"{name} {each}", each)
                + launch * find("extra", "launches", f"{name} {each}", each)
                for each in PROTOCOLS
            },
            ramp={
                each: find("algorithm", "ramp", own)
                if each == "simple" and ("algorithm", own, "ramp") in table
                else ramps[each] * (find("algorithm", "ramp_share", name) if each != "ll" else 1.0)
                for each in PROTOCOLS
            },
        )

    return Library(
        generation=generation,
        link=link,
        transport=transport,
        launch=launch,
        step=find("generation", "step", generation, family),
        hop=find("network", "hop", transport),
        path=find("network", "path"),
        gather=find("gather", "efficiency"),
        gather_from=find("gather", "from"),
        network_ramp=find("ramp", "network"),
        spread=find("spread", "loss"),
        sharing=find("port", "sharing", link) or None,
        rack=find("rack", "efficiency"),
        serial=find("launcher", "serial", launcher) or None,
        serial_peers=find("launcher", "serial_peers", launcher),
        delay=find("launcher", "delay", launcher),
        multicast=link == "nvlink" and find("nvls", "switches", generation) > 0,
        in_network=in_network,
        measured_tuner=link != "nvlink" or transport in PLUGINS,
        algorithms={name: algorithm(name) for name in ALGORITHM_NAMES},
        protocols=protocols,
    )


TIMES = ("launch", "step", "hop")
SHARES = ("port", "multicast", "network")


def overlaid(library: Library, overlay: Mapping[str, Any]) -> Library:
    """Put a system's own measured constants in place of the fitted ones.

    Parameters
    ----------
    library : Library
        What is known of its kind.
    overlay : mapping
        Any of ``launch``, ``step``, ``hop`` (a time in seconds, or words such as ``"35 us"``) and
        ``port``, ``multicast``, ``network`` (the share of line rate that a ring, NVLS, and the
        NICs reach, above 0 and below 1).

    Raises
    ------
    InputError
        When a key is unknown or a value impossible.

    Examples
    --------
    >>> overlaid(library("hopper", "nvlink4", "roce"), {"hop": "8 us"}).hop
    8e-06
    """
    times: dict[str, Any] = {}
    shares: dict[str, Any] = {}
    for name, value in overlay.items():
        where = f"software.collectives.{name}"
        if name in TIMES:
            times[name] = parse_time(value, where=where) if isinstance(value, str) else value
            if not times[name] > 0:
                raise InputError(f"{value!r} is not above zero", where=where)
        elif name in SHARES:
            shares[name] = parse_fraction(value, where=where) if isinstance(value, str) else value
            if not 0 < shares[name] < 1:
                raise InputError(f"{value!r} is no share of line rate between 0 and 1", where=where)
        else:
            raise unknown_name("constant", name, (*TIMES, *SHARES), where="software.collectives")
    port = shares.get("port", 1.0) / library.algorithms["ring"].port if "port" in shares else 1.0
    multicast = (
        shares["multicast"] / library.algorithms["nvls"].port if "multicast" in shares else 1.0
    )
    network = shares["network"] / library.algorithms["ring"].network if "network" in shares else 1.0
    algorithms = {
        name: replace(
            each,
            port=min(each.port * (multicast if name in MULTICAST_ALGORITHMS else port), LIMIT),
            network=min(each.network * network, LIMIT),
        )
        for name, each in library.algorithms.items()
    }
    return replace(library, **times, algorithms=algorithms)


MULTICAST_ALGORITHMS = frozenset({"nvls", "nvls_tree", "collnet"})
LIMIT = 0.99
"""No share of line rate is taken for more."""
