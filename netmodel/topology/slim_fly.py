"""Slim Fly: McKay-Miller-Siran graphs of diameter 2.

For a prime power q = 4 w + delta, delta in {-1, 0, 1}: 2 q**2 routers of network radix
k' = (3 q - delta) / 2 and q**2 k' cables (Besta and Hoefler, arXiv:1912.08968). Routers (0, x, y)
and (1, m, c) are joined where y = m x + c, and inside each half where the last indices differ by
an element of a generator set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netmodel.errors import InputError
from netmodel.graph import Block, IntArray
from netmodel.topology.family import Fabric, SwitchedSpec, host_cables, too_large
from netmodel.topology.fields import Count
from netmodel.topology.galois import galois_field, prime_power
from netmodel.topology.host import Ends, bundle


class Spec(SwitchedSpec):
    """Fields of a Slim Fly."""

    q: Count
    """Prime power; 2 q**2 routers."""
    hosts_per_router: Count | None = None
    """NIC ports of one router; half the network radix if left out."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes that follow from q by formula, whether or not such a graph exists."""

    routers: int
    network_radix: int
    cables: int
    hosts_per_router: int
    hosts: int


def counts(q: int) -> Counts:
    """Return the formula's sizes; for q = 28 no graph exists although papers quote them.

    >>> counts(28).routers, counts(28).cables, counts(28).hosts
    (1568, 32928, 32928)
    """
    delta = {0: 0, 1: 1, 3: -1}.get(q % 4, 0)
    radix = (3 * q - delta) // 2
    hosts = -(-radix // 2)
    return Counts(2 * q * q, radix, q * q * radix, hosts, 2 * q * q * hosts)


def router_pairs(q: int) -> tuple[IntArray, IntArray]:
    """Return the joined routers of the MMS graph, every pair once; router = half q**2 + x q + y.

    Raises
    ------
    InputError
        When no such graph exists.
    """
    if prime_power(q) is None or q % 4 == 2:
        why = "is not a prime power" if prime_power(q) is None else "is not 4 w - 1, 4 w or 4 w + 1"
        near = ", ".join(str(k) for k in range(max(3, q - 4), q + 5) if _exists(k))
        raise InputError(
            f"q = {q} {why}, so no MMS graph of that size exists; published counts for it are"
            " formula values only",
            where="fabric.q",
            remedy=f"Use one of {near}.",
        )
    field = galois_field(q)
    sets = _generators(q, field.powers)
    a: list[IntArray] = []
    b: list[IntArray] = []
    line = np.arange(q)
    for half, generators in enumerate(sets):
        to = field.add[line[:, None], generators[None, :]]
        start = np.broadcast_to(line[:, None], to.shape)
        kept = to > start
        base = half * q * q + q * line[:, None]
        a.append((base + start[kept][None, :]).reshape(-1))
        b.append((base + to[kept][None, :]).reshape(-1))
    x, m, c = np.meshgrid(line, line, line, indexing="ij")
    y = field.add[field.multiply[m, x], c]
    a.append((x * q + y).reshape(-1))
    b.append((q * q + m * q + c).reshape(-1))
    return np.concatenate(a), np.concatenate(b)


def _exists(q: int) -> bool:
    return prime_power(q) is not None and q % 4 != 2


def _generators(q: int, powers: IntArray) -> tuple[IntArray, IntArray]:
    """Return the two generator sets for q = 4 w + delta."""
    if q % 4 != 3:
        odd = powers[1::2] if q % 4 else np.append(powers[1::2], powers[0])
        return powers[0::2], odd
    half = (q + 1) // 2  # 2 w
    first = np.concatenate([powers[0 : half - 1 : 2], powers[half - 1 : q - 1 : 2]])
    second = np.concatenate([powers[1:half:2], powers[half : q - 1 : 2], powers[:1]])
    return first, second


def wire(spec: Spec, ends: Ends) -> Fabric:
    """Build the whole graph and fill its routers in host order."""
    size = counts(spec.q)
    each = spec.hosts_per_router or size.hosts_per_router
    place = np.arange(len(ends.index)) // each
    if len(place) and place[-1] >= size.routers:
        most = size.routers * each
        raise too_large("slim-fly", len(place), most, f"q = {spec.q} has {size.routers} routers")
    block = Block(
        kind="router",
        shape=(2, spec.q, spec.q),
        label="router-{0}-{1:02d}-{2:02d}",
        attributes={**spec.device(), "pod": np.arange(size.routers) // spec.q},
    )
    a, b = router_pairs(spec.q)
    cables = (
        host_cables(ends, ends.first + place, spec),
        bundle(ends.first + a, ends.first + b, spec.link.part, "local"),
    )
    return Fabric((block,), cables, ends.first + np.arange(size.routers))


def limit(spec: Spec, nics: int, ports: int) -> int | None:
    """Hosts of ``nics`` NICs with ``ports`` ports each that fit.

    Raises
    ------
    InputError
        When no graph of this q exists, or a router has too few ports.
    """
    router_pairs(spec.q)
    size = counts(spec.q)
    each = spec.hosts_per_router or size.hosts_per_router
    if spec.ports is not None and size.network_radix + each > spec.ports:
        raise InputError(
            f"a router needs {size.network_radix} + {each} ports and has {spec.ports}",
            where="fabric.q",
        )
    return size.routers * each // (nics * ports)
