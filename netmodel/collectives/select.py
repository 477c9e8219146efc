"""Which algorithm and protocol run: the quickest of those that NCCL would consider."""

from __future__ import annotations

from typing import Any

import numpy as np

from netmodel.collectives import nvls, nvls_tree, pairwise, ring, tree
from netmodel.collectives.group import Group
from netmodel.collectives.library import Library
from netmodel.collectives.real import both, choose, is_plain
from netmodel.collectives.traffic import Price, Traffic, price
from netmodel.errors import InputError

ALGORITHMS = {module.NAME: module for module in (ring, tree, nvls, nvls_tree, pairwise)}
PROTOCOLS = ("ll", "ll128", "simple")

NVLS_MEMBERS = 4
"""Up to so many members of a domain, NCCL's tuner keeps to rings."""


def usable(name: str, kind: str, group: Group, library: Library) -> Any:
    """Whether an algorithm can serve an operation on a group at all (bool or array)."""
    if kind not in ALGORITHMS[name].KINDS:
        return False
    if name == "tree":
        return group.units > 1
    if name == "nvls":
        return both(both(group.local > NVLS_MEMBERS, group.units <= 1), library.multicast)
    if name == "nvls_tree":
        return both(both(group.local > NVLS_MEMBERS, group.units > 1), library.multicast)
    return True


def candidates(
    kind: str, group: Group, library: Library, algorithm: str, protocol: str
) -> list[tuple[str, str, Any]]:
    """List (algorithm, protocol, where usable) for an operation, both ``"auto"`` or named.

    Raises
    ------
    InputError
        When a named algorithm or protocol is unknown, or cannot do this operation here.
    """
    if algorithm != "auto" and algorithm not in ALGORITHMS:
        raise InputError(
            f"no algorithm is named {algorithm!r}",
            where="algorithm",
            remedy=f"Use auto or one of {', '.join(ALGORITHMS)}.",
        )
    if protocol not in ("auto", *PROTOCOLS):
        raise InputError(
            f"no protocol is named {protocol!r}",
            where="protocol",
            remedy=f"Use auto or one of {', '.join(PROTOCOLS)}.",
        )
    found = []
    for name, module in ALGORITHMS.items():
        if algorithm not in ("auto", name):
            continue
        where = usable(name, kind, group, library)
        if where is False or (where is not True and not np.any(where)):
            continue
        found += [(name, each, where) for each in module.PROTOCOLS if protocol in ("auto", each)]
    if not found:
        raise InputError(
            f"{kind} cannot run as {algorithm} with protocol {protocol} on this group",
            where="algorithm",
            remedy="Leave both at auto to see what fits.",
        )
    return found


def quickest(
    kind: str,
    size: Any,
    group: Group,
    library: Library,
    algorithm: str = "auto",
    protocol: str = "auto",
) -> tuple[Price, Any, Any]:
    """Price all candidates and keep the quickest, elementwise.

    Returns
    -------
    tuple
        Its price, and the names of algorithm and protocol (str, or arrays of str).
    """
    counts: dict[str, Traffic] = {}
    best: Price | None = None
    best_names: tuple[Any, Any] = ("", "")
    for name, proto, where in candidates(kind, group, library, algorithm, protocol):
        if name not in counts:
            counts[name] = ALGORITHMS[name].traffic(kind, size, group)
        found = price(counts[name], group, library, name, proto)
        if best is None:
            best, best_names, covered = found, (name, proto), where
            continue
        wins = both(where, found.time < best.time)
        if covered is not True:
            wins = wins | (where & ~np.asarray(covered))
            covered = covered | np.asarray(where)
        if wins is False:
            continue
        if wins is True:
            best, best_names = found, (name, proto)
            continue
        best = Price(
            *(choose(wins, getattr(found, part), getattr(best, part)) for part in Price.__slots__)
        )
        best_names = (np.where(wins, name, best_names[0]), np.where(wins, proto, best_names[1]))
    assert best is not None
    return best, *best_names


__all__ = ["ALGORITHMS", "PROTOCOLS", "candidates", "is_plain", "quickest", "usable"]
