"""Which algorithm and protocol run: NCCL's own choice, or the quickest where it measures.

NCCL ranks its candidates by built-in tables (:mod:`~netmodel.collectives.tuner`). Those of cloud
plugins and of RCCL are made from measurements, so there the quickest wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives import (
    bruck,
    collnet,
    halving_doubling,
    hierarchical,
    nvls,
    nvls_tree,
    one_shot,
    p2p,
    pairwise,
    pat,
    recursive_doubling,
    ring,
    tree,
    two_shot,
)
from netmodel.collectives.group import Group
from netmodel.collectives.library import PROTOCOLS, Library
from netmodel.collectives.traffic import RACK_MEMBERS, Price, price
from netmodel.collectives.tuner import Tuner, estimate, tuner_of, windows
from netmodel.errors import InputError, unknown_name
from netmodel.numeric import both, choose, larger

CONSIDERED = (ring, tree, nvls, nvls_tree, collnet, pat, pairwise, p2p)
"""What NCCL's tuner chooses among."""
OTHERS = (hierarchical, halving_doubling, recursive_doubling, bruck, one_shot, two_shot)
"""What runs only when it is asked for by name."""
ALGORITHMS = {module.NAME: module for module in (*CONSIDERED, *OTHERS)}
AUTOMATIC = frozenset(module.NAME for module in CONSIDERED)
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
    if name == "pat":
        return both(across, group.local <= 1)
    if name in ("one_shot", "two_shot"):
        return group.units <= 1
    if name == "nvls":
        return both(both(group.local >= NVLS_MEMBERS, group.units <= 1), library.multicast)
    if name == "nvls_tree":
        few: Any = choose(both(group.local > RACK_MEMBERS, group.units > 2), False, True)
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
        if algorithm != name and (algorithm != "auto" or name not in AUTOMATIC):
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

    Where NCCL's tables decide, each candidate has a window of sizes. A smaller message never takes
    longer than a larger one, since it could be padded: so a candidate whose window starts higher
    up competes at that size. The names are NCCL's choice at the size itself.

    Returns
    -------
    tuple
        Its price, and the names of algorithm and protocol (str, or arrays of str).
    """
    found = candidates(kind, group, library, algorithm, protocol)
    if len(found) == 1 and found[0][2] is True:
        name, proto, _ = found[0]
        counts = ALGORITHMS[name].traffic(kind, size, group)
        return price(kind, size, counts, group, library, name, proto), name, proto
    allowed = admit(kind, size, group, library, found)
    prices: list[Price | None] = []
    for (name, proto, _), (padded, where) in zip(found, allowed, strict=True):
        if where is False or (where is not True and not np.any(where)):
            prices.append(None)
            continue
        counts = ALGORITHMS[name].traffic(kind, padded, group)
        prices.append(price(kind, padded, counts, group, library, name, proto))
    times = [
        float("inf") if each is None else choose(where, each.time, float("inf"))
        for each, (_, where) in zip(prices, allowed, strict=True)
    ]
    best, winner = _pick(prices, times)
    if not decided_by_nccl(kind, library, found):
        return best, *_names(found, winner)
    ranking = [
        choose(where, estimate(kind, size, group, tuner(library), name, proto), float("inf"))
        for name, proto, where in found
    ]
    return best, *_names(found, _least(ranking))


def decided_by_nccl(kind: str, library: Library, found: list[Candidate]) -> bool:
    """Whether NCCL's tables choose: it knows the candidates, and no plugin overrides it."""
    known = all(name in AUTOMATIC for name, _, _ in found)
    exchange = kind in ("all_to_all", "send_recv")  # no plugin has a say there
    return known and (exchange or not (library.measured_tuner or library.in_network))


def tuner(library: Library) -> Tuner:
    """NCCL's tables for a library's generation and link."""
    return tuner_of(library.generation, library.link)


def admit(
    kind: str, size: Any, group: Group, library: Library, found: list[Candidate]
) -> list[tuple[Any, Any]]:
    """Give each candidate the size at which it competes, and where it does (bool or array)."""
    if not decided_by_nccl(kind, library, found):
        return [(size, where) for _, _, where in found]
    spans = windows(kind, group, tuner(library), tuple(found))
    return [
        (larger(size, choose(last > first, first, 0.0)), both(where, size < last))
        for (_, _, where), (first, last) in zip(found, spans, strict=True)
    ]


def _least(values: list[Any]) -> Any:
    """Index of the least value, elementwise."""
    if all(type(each) is float for each in values):
        return min(range(len(values)), key=values.__getitem__)
    return np.argmin(np.stack(np.broadcast_arrays(*values)), axis=0)


def _names(found: list[Candidate], winner: Any) -> tuple[Any, Any]:
    if isinstance(winner, int):
        return found[winner][0], found[winner][1]
    names, protocols = zip(*((name, proto) for name, proto, _ in found), strict=True)
    return np.asarray(names)[winner], np.asarray(protocols)[winner]


def _pick(prices: list[Price | None], times: list[Any]) -> tuple[Price, Any]:
    """Take the price whose time is least, elementwise."""
    winner = _least(times)
    if isinstance(winner, int):
        best = prices[winner]
        assert best is not None
        return best, winner
    used = np.unique(winner).tolist()
    merged = []
    for part in Price.__slots__:
        values: Any = np.broadcast_to(getattr(prices[used[0]], part), winner.shape)
        for index in used[1:]:
            values = np.where(winner == index, getattr(prices[index], part), values)
        merged.append(values)
    return Price(*merged), winner
