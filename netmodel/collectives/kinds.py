"""Which kind of link a name speaks of."""

from __future__ import annotations

import re

NETWORK_KINDS = (
    (r"tcpxo|fastrak", "tcpxo"),
    (r"tcpx", "tcpx"),
    (r"\befa", "efa"),
    (r"pollara", "pollara"),
    (r"slingshot|cassini", "slingshot"),
    (r"omni-?path", "omnipath"),
    (r"roce|spectrum|thor|gbe\b|ethernet", "roce"),
    (r"infiniband|\bib\b|\b[nxhe]dr\b|\bcx\d|connectx", "infiniband"),
)
"""Words in a network link's name that tell the transport, the more telling first."""

LINK_KINDS = (
    ("xgmi", "xgmi"),
    ("infinity", "xgmi"),
    ("nvl", "nvlink"),
    ("nvswitch", "nvlink"),
    ("pcie", "pcie"),
    ("pci", "pcie"),
    ("ici", "ici"),
    ("neuron", "ici"),
    ("gaudi", "ici"),
    ("roce", "ici"),
)
"""Words in a scale-up link's name that tell its kind, the more telling first."""

EARLY_EFA = frozenset({"pascal", "volta", "ampere"})
"""GPU generations whose cloud nodes have the first EFA, 100 Gb/s a card."""


def network_kind(name: str, generation: str = "") -> str:
    """Transport of a network link, from its name; RoCE when the name does not tell.

    >>> network_kind("8x400G NDR IB per node"), network_kind("400gbe")
    ('infiniband', 'roce')
    >>> network_kind("4x100G EFA", "ampere"), network_kind("32x100G EFA", "hopper")
    ('efa1', 'efa')
    """
    text = name.lower()
    kind = next((kind for words, kind in NETWORK_KINDS if re.search(words, text)), "roce")
    return "efa1" if kind == "efa" and generation in EARLY_EFA else kind


def link_kind(name: str) -> str:
    """Kind of a scale-up link, from its name; NVLink when the name does not tell.

    >>> link_kind("NVLink4 NVSwitch"), link_kind("xgmi3"), link_kind("pcie-gen4-x16")
    ('nvlink', 'xgmi', 'pcie')
    """
    text = name.lower()
    return next((kind for word, kind in LINK_KINDS if word in text), "nvlink")
