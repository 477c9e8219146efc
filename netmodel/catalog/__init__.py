"""Facts that someone published: accelerators, links, switches, NICs, nodes, prices, models.

Every value is a row in ``data/`` with unit and source; code holds no hardware number.

>>> accelerator("H800").scaleup_bandwidth
200000000000.0
>>> accelerator("H800").facts["scaleup_bandwidth"].stated
'200'
"""

from __future__ import annotations

from netmodel.catalog.accelerators import Accelerator, accelerator
from netmodel.catalog.models import model_config, model_names
from netmodel.catalog.nodes import Node, node
from netmodel.catalog.parts import Link, Nic, Switch, link, nic, switch
from netmodel.catalog.prices import Price, price
from netmodel.catalog.table import DATA, Fact, rows
from netmodel.catalog.table import KINDS as _TABLES
from netmodel.errors import unknown_name

KINDS = (*_TABLES, "models")

__all__ = [
    "DATA",
    "KINDS",
    "Accelerator",
    "Fact",
    "Link",
    "Nic",
    "Node",
    "Price",
    "Switch",
    "accelerator",
    "link",
    "model_config",
    "model_names",
    "names",
    "nic",
    "node",
    "price",
    "rows",
    "switch",
]


def names(kind: str) -> list[str]:
    """Canonical names of one kind: ``accelerators``, ``links``, ..., ``models``.

    Raises
    ------
    InputError
        When the catalog has no such kind.
    """
    if kind == "models":
        return model_names()
    if kind not in _TABLES:
        raise unknown_name("kind of row", kind, KINDS)
    return list(rows(kind))
