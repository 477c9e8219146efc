"""The closed form's coefficients: what each tier of a fabric offers one GPU.

Tiers are nested: all GPUs joined by NVLink form a unit of the first tier, all joined by NVLink
and leaves a unit of the second, and so on up to the whole cluster. A message between two GPUs
climbs to the first tier in which both lie in one unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How a group of ranks lies across the tiers while all its sister groups run too.

    Every field but ``names`` and ``links`` is a tuple with one entry a tier, innermost first;
    ``ranks`` and the entries of ``members`` may be arrays that broadcast together.

    Attributes
    ----------
    ranks : int or array
        Members of the group.
    names : tuple of str
        Tier names: ``("nvlink", "leaf", "spine", "core")``.
    members : tuple of int or array
        Members that share one unit of the tier; the last equals ``ranks``.
    bandwidth : tuple of float
        What each GPU may send to partners beyond the tier below, with every GPU of the unit
        sending at once, one direction [B/s].
    latency : tuple of float
        One way between two GPUs that meet at this tier: cables and switches [s].
    links : tuple of str
        Catalog row of the cables that a byte newly meets at this tier.
    """

    ranks: Any
    names: tuple[str, ...]
    members: tuple[Any, ...]
    bandwidth: tuple[float, ...]
    latency: tuple[float, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The tiers of a fabric; see :class:`Span` for the columns that both have.

    Attributes
    ----------
    unit : tuple of int
        GPUs in one unit of each tier, growing; the last is the number of GPUs.
    """

    names: tuple[str, ...]
    unit: tuple[int, ...]
    bandwidth: tuple[float, ...]
    latency: tuple[float, ...]
    links: tuple[str, ...]

    @property
    def gpus(self) -> int:
        """GPUs of the whole cluster."""
        return self.unit[-1]

    def span(self, ranks: Any, stride: Any = 1) -> Span:
        """Lay groups of ``ranks`` GPUs, ``stride`` apart, on the tiers; both may be arrays.

        Examples
        --------
        >>> tiers = Tiers(names=("nvlink", "leaf"), unit=(8, 256), bandwidth=(450e9, 50e9),
        ...               latency=(1e-6, 3e-6), links=("nvlink4", "ndr"))
        >>> [int(members) for members in tiers.span(16, 4).members]
        [2, 16]
        """
        inner = [
            np.minimum(ranks, np.maximum(1, unit // np.asarray(stride))) for unit in self.unit[:-1]
        ]
        return Span(
            ranks=ranks,
            names=self.names,
            members=(*inner, ranks),
            bandwidth=self.bandwidth,
            latency=self.latency,
            links=self.links,
        )
