"""Which algorithm and protocol run: NCCL's own choice, or the quickest where it measures.

NCCL ranks its candidates by built-in tables (:mod:`~netmodel.collectives.tuner`). Those of cloud
plugins and of RCCL are made from measurements, so there the quickest wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netmodel.collectives import collnet, nvls, nvls_tree, p2p, pairwise, ring, tree
from netmodel.collectives.group import Group
from netmodel.collectives.library import PROTOCOLS, Library
from netmodel.collectives.real import both, choose
from netmodel.collectives.traffic import RACK_MEMBERS, Price, price
from netmodel.collectives.tuner import estimate
from netmodel.errors import InputError, unknown_name

ALGORITHMS = {
    module.NAME: module for module in (ring, tree, nvls, nvls_tree, collnet, pairwise, p2p)
}
NVLS_MEMBERS = 5
"""With fewer members in a domain, NCCL's tuner keeps to rings."""

Candidate = tuple[str, str, Any]
"""Algorithm, protocol, and where they may run (bool or array)."""


def usable(name: str, kind: str, group: Group, library: Library) -> Any:
    """Whether an algorithm can serve an operation on a group at all (bool or array)."""
    if kind not in ALGORITHMS[name].KINDS:
        return False
    across = group.units > 1
    if name == "tree":
        return across
    if name == "collnet":
        return both(across, library.in_network)
    if name == "nvls":
        return both(both(group.local >= NVLS_MEMBERS, group.units <= 1), library.multicast)
    if name == "nvls_tree":
        few = ~np.asarray(both(group.local > RACK_MEMBERS, group.units > 2))
        few = bool(few) if few.ndim == 0 else few
        return both(both(both(group.local >= NVLS_MEMBERS, across), few), library.multicast)
    return True


def candidates(
    kind: str, group: Group, library: Library, algorithm: str, protocol: str
) -> list[Candidate]:
    """List what may run, ``algorithm`` and ``protocol`` both ``"auto"`` or a name.

    Raises
    ------
    InputError
        When a named algorithm or protocol is unknown, or cannot do this operation here.
    """
    if algorithm not in ("auto", *ALGORITHMS):
        raise unknown_name("algorithm", algorithm, ("auto", *ALGORITHMS))
    if protocol not in ("auto", *PROTOCOLS):
        raise unknown_name("protocol", protocol, ("auto", *PROTOCOLS))
    found = []
    for name, module in ALGORITHMS.items():
        if algorithm not in ("auto", name):
            continue
        where = usable(name, kind, group, library)
        if where is True or (where is not False and np.any(where)):
            found += [
                (name, each, where)
                for each in module.PROTOCOLS
                if protocol in ("auto", each) and not (each == "ll128" and library.link == "pcie")
            ]
    if not found:
        raise InputError(
            f"{kind} cannot run as {algorithm} with protocol {protocol} on this group",
            where="algorithm",
            remedy="Leave both at auto to see what fits.",
        )
    return found


def select(
    kind: str,
    size: Any,
    group: Group,
    library: Library,
    algorithm: str = "auto",
    protocol: str = "auto",
) -> tuple[Price, Any, Any]:
    """Choose among the candidates and price the choice, elementwise.

    Returns
    -------
    tuple
        Its price, and the names of algorithm and protocol (str, or arrays of str).
    """
    found = candidates(kind, group, library, algorithm, protocol)
    counts = {name: ALGORITHMS[name].traffic(kind, size, group) for name, _, _ in found}

    def priced(name: str, proto: str) -> Price:
        return price(kind, size, counts[name], group, library, name, proto)

    if len(found) == 1 and found[0][2] is True:
        name, proto, _ = found[0]
        return priced(name, proto), name, proto
    measured = library.measured_tuner or library.in_network
    if measured and kind not in ("all_to_all", "send_recv"):
        prices = [priced(name, proto) for name, proto, _ in found]
        return _pick(found, [each.time for each in prices], lambda i: prices[i])
    ranking = [estimate(kind, size, group, library, name, proto) for name, proto, _ in found]
    return _pick(found, ranking, lambda i: priced(found[i][0], found[i][1]))


def _pick(
    found: list[Candidate], ranking: list[Any], priced: Callable[[int], Price]
) -> tuple[Price, Any, Any]:
    """Take the candidate that ranks lowest, elementwise, pricing only those that win."""
    allowed = [choose(where, rank, float("inf")) for (_, _, where), rank in zip(found, ranking, strict=True)]
    if all(isinstance(each, float) for each in allowed):
        best = min(range(len(found)), key=allowed.__getitem__)
        return priced(best), found[best][0], found[best][1]
    winner = np.argmin(np.stack(np.broadcast_arrays(*allowed)), axis=0)
    used = np.unique(winner).tolist()
    prices = {index: priced(index) for index in used}
    first = prices[used[0]]
    names = np.asarray([name for name, _, _ in found], object)[winner]
    protocols = np.asarray([proto for _, proto, _ in found], object)[winner]
    merged = []
    for part in Price.__slots__:
        values: Any = np.broadcast_to(getattr(first, part), winner.shape)
        for index in used[1:]:
            values = np.where(winner == index, getattr(prices[index], part), values)
        merged.append(values)
    return Price(*merged), names.astype(str), protocols.astype(str)
