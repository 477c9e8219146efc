"""NVLink SHARP: the domain's switch reduces what it reads and multicasts what it writes."""

from __future__ import annotations

from typing import Any

from netmodel.collectives.group import Group
from netmodel.collectives.traffic import Traffic

NAME = "nvls"
KINDS = frozenset({"all_reduce"})
PROTOCOLS = ("simple",)


def multicast_bytes(size: Any, local: Any) -> Any:
    r"""Bytes through one port for an in-switch all-reduce, the busier direction.

    Each of g members owns :math:`S/g`. Reading it reduced pulls :math:`S/g` out of every peer, S in
    all, and :math:`S/g` back; the multicast store sends :math:`S/g` and brings every member S.
    """
    return size * (1.0 + 1.0 / local)


def traffic(kind: str, size: Any, group: Group) -> Traffic:
    """Count the bytes of an all-reduce in one NVLink domain; its fixed cost is a constant."""
    return Traffic(
        steps=0,
        hops=tuple(0 for _ in group.tiers),
        port=multicast_bytes(size, group.local),
        egress=tuple(0.0 * size for _ in group.tiers),
        copy=size / group.ranks,
    )
