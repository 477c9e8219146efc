"""A communication library on given hardware: its latencies and efficiencies, as data.

The rows stand in ``catalog/data/collectives_constants.csv``, each with its unit and source;
``netmodel calibrate`` writes them. A row is found by its scope (what it describes), key (which
one) and field; the key ``default`` serves whatever has no row of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

CONSTANTS = Path(__file__).parents[1] / "catalog" / "data" / "collectives_constants.csv"

Table = Mapping[tuple[str, str, str], Any]
"""Values by (scope, key, field), in SI units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How bytes and flags travel together.

    Attributes
    ----------
    extra : float
        Fixed time above that of LL [s].
    step, hop : float
        Time of one step inside a domain, and of one network hop, over that of LL.
    efficiency : float
        Share of the link's rate that is left for payload.
    """

    extra: Any
    step: Any
    hop: Any
    efficiency: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What one algorithm leaves of the port, and how it ramps up.

    Attributes
    ----------
    fixed : float
        Time that one call costs beside the launch [s].
    port : float
        Share of the GPU port's line rate that the largest messages reach.
    copy : float
        Rate of moving a rank's own share, over the port's line rate.
    ramp, slope : float
        Overhead that still grows with size: ``ramp**slope * wire**(1 - slope)`` [s].
    """

    fixed: Any
    port: Any
    copy: Any
    ramp: Any
    slope: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Latencies and efficiencies of one library on one GPU generation and fabric.

    Attributes
    ----------
    generation : str
        GPU generation, as the catalog spells it.
    launch, step : float
        Launch and synchronisation of a call; one LL step inside a domain [s].
    hop : float
        One LL network hop, the wire's own latency apart [s].
    network : float
        Share of NIC line rate that the largest messages reach.
    multicast : bool
        Whether the domain's switch reduces and multicasts (NVLink SHARP).
    in_network : bool
        Whether the network reduces (SHARP); off unless asked for.
    peer : float
        Line rate towards one peer where GPUs are meshed without a switch [B/s].
    protocols, algorithms : mapping
        By name.
    """

    generation: Any
    launch: Any
    step: Any
    hop: Any
    network: Any
    multicast: Any = False
    in_network: Any = False
    peer: Any = float("inf")
    sharing: Any = 0.0
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    algorithms: Mapping[str, Algorithm] = field(default_factory=dict)


@lru_cache(maxsize=4)
def constants(path: str | Path = CONSTANTS) -> Table:
    """Read the table of constants."""
    with Path(path).open(newline="") as file:
        return {
            (row["scope"], row["key"], row["field"]): float(row["value"])
            for row in csv.DictReader(file)
        }


NETWORK_KINDS = (
    ("tcpxo", "tcpxo"),
    ("fastrak", "tcpxo"),
    ("tcpx", "tcpx"),
    ("efa", "efa"),
    ("pollara", "roce"),
    ("roce", "roce"),
    ("slingshot", "slingshot"),
    ("cassini", "slingshot"),
    ("omni", "omnipath"),
    ("ib", "infiniband"),
    ("infiniband", "infiniband"),
    ("ndr", "infiniband"),
    ("xdr", "infiniband"),
    ("hdr", "infiniband"),
    ("edr", "infiniband"),
    ("cx", "infiniband"),
    ("eth", "roce"),
)
"""Words in a link's name that tell the transport, the more telling first."""

LINK_KINDS = (
    ("xgmi", "xgmi"),
    ("infinity", "xgmi"),
    ("nvl", "nvlink"),
    ("pcie", "pcie"),
    ("ici", "ici"),
    ("neuron", "ici"),
    ("roce", "ici"),
)


def network_kind(name: str) -> str:
    """Transport of a link, from its name; RoCE when the name does not tell.

    >>> network_kind("8x400G NDR IB per node"), network_kind("32x100G EFA"), network_kind("400gbe")
    ('infiniband', 'efa', 'roce')
    """
    text = name.lower()
    return next((kind for word, kind in NETWORK_KINDS if word in text), "roce")


def link_kind(name: str) -> str:
    """Kind of a scale-up link, from its name; NVLink when the name does not tell.

    >>> link_kind("NVLink4 NVSwitch"), link_kind("xgmi3"), link_kind("pcie-gen4-x16")
    ('nvlink', 'xgmi', 'pcie')
    """
    text = name.lower()
    return next((kind for word, kind in LINK_KINDS if word in text), "nvlink")


def library(
    generation: str,
    intra_link: str = "nvlink",
    inter_link: str | None = None,
    *,
    peer_bandwidth: float | None = None,
    in_network: bool = False,
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
    peer_bandwidth : float, optional
        Line rate towards one peer where GPUs are meshed without a switch, one direction [B/s].
    in_network : bool
        Whether the network's switches reduce (SHARP).
    table : mapping, optional
        Constants to use instead of the shipped ones.

    Examples
    --------
    >>> library("hopper", "nvlink4", "ib-ndr").multicast
    True
    """
    values = constants() if table is None else table
    link = link_kind(intra_link)
    network = network_kind(inter_link or "")
    if network == "efa" and generation in ("volta", "ampere"):
        network = "efa1"

    def find(scope: str, name: str, *keys: str) -> Any:
        for key in (*keys, "default"):
            if (scope, key, name) in values:
                return values[scope, key, name]
        raise KeyError((scope, keys, name))

    port = find("port", "efficiency", f"{link} {generation}", f"{link} default")
    switched = find("nvls", "efficiency", generation)
    algorithms = {}
    for name in ("ring", "tree", "nvls", "nvls_tree", "pairwise", "collnet"):
        share = find("algorithm", "port", name)
        algorithms[name] = Algorithm(
            fixed=find("algorithm", "fixed", name),
            port=share * (switched if name.startswith("nvls") else port),
            copy=find("algorithm", "copy", name),
            ramp=find("algorithm", "ramp", name),
            slope=find("algorithm", "slope", name),
        )
    protocols = {
        name: Protocol(
            extra=find("protocol", "extra", name),
            step=find("protocol", "step", name),
            hop=find("protocol", "hop", name),
            efficiency=find("protocol", "efficiency", name),
        )
        for name in ("ll", "ll128", "simple")
    }
    return Library(
        generation=generation,
        launch=find("generation", "launch", generation),
        step=find("generation", "step", generation),
        hop=find("network", "hop", network),
        network=find("network", "efficiency", network),
        multicast=link == "nvlink" and generation in MULTICAST,
        in_network=in_network,
        peer=float("inf") if peer_bandwidth is None else peer_bandwidth,
        protocols=protocols,
        algorithms=algorithms,
    )


MULTICAST = frozenset({"hopper", "blackwell", "rubin"})
"""Generations whose NVSwitch reduces and multicasts."""
