"""The second rung: an algorithm's messages laid on the links of a graph, all groups at once.

The closed form knows tiers; here every message takes its route, so that a degraded cable, an uneven
placement or an oversubscribed layer shows. What comes out is by how much the most loaded link
stretches the closed form's wire time; latencies stay those of the closed form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netmodel.collectives import nvls_tree, tree
from netmodel.collectives.group import Group, group_of
from netmodel.collectives.schedule import Step, pairs
from netmodel.collectives.select import ALGORITHMS
from netmodel.errors import InputError
from netmodel.network.tiers import Span

if TYPE_CHECKING:
    from netmodel.network import Network, Ways
    from netmodel.network.traffic import Traffic

UNIT = 2.0**30
"""Size at which loads are counted; they are proportional to it [B]."""


def messages(algorithm: str, kind: str, ranks: int, local: int) -> list[Step]:
    """Messages of an algorithm; of the NVLS tree, those between domains."""
    if algorithm == nvls_tree.NAME:
        src, dst, share = pairs(tree.schedule(kind, ranks, local))
        across = src // local != dst // local
        return [Step(src[across], dst[across], share[across])]
    module = ALGORITHMS[algorithm]
    if not hasattr(module, "schedule"):
        return []
    steps: list[Step] = module.schedule(kind, ranks, local)
    return steps


def pattern(
    algorithm: str, kind: str, groups: npt.NDArray[np.int64], local: int, size: float = UNIT
) -> Traffic:
    """Lay an algorithm's messages on groups of GPUs.

    Parameters
    ----------
    algorithm, kind : str
        What runs.
    groups : int array [groups, members]
        GPUs of each group, in the order of its ranks.
    local : int
        Members of one domain.
    size : float
        Of the operation [B].
    """
    from netmodel.network.traffic import Traffic

    src, dst, share = pairs(messages(algorithm, kind, groups.shape[1], local))
    return Traffic(
        groups[:, src].ravel(), groups[:, dst].ravel(), np.tile(share * size, len(groups))
    )


def stretch(
    algorithm: str,
    kind: str,
    groups: Any,
    span: Span,
    network: Network | Ways,
    *,
    policy: str = "adaptive",
    fidelity: str = "contention",
) -> float:
    """Return the time on a graph's links over that of the closed form at line rate.

    Parameters
    ----------
    algorithm, kind : str
        What runs; an algorithm whose work switches do has no messages and is not stretched.
    groups : int array [groups, members]
        All the groups that run at the same time.
    span : Span
        How the closed form lays one of them.
    network : Network or Ways
        The fabric, compiled.
    policy : str
        Routing policy; see :func:`netmodel.network.link_loads`.
    fidelity : str
        ``"contention"``, the most loaded link decides, or ``"flow"``, all flows share max-min.

    Raises
    ------
    InputError
        When the domain does not divide the group.
    """
    from netmodel.network import flow_time, link_loads

    members = np.atleast_2d(np.asarray(groups, np.int64))
    group = group_of(span)
    ranks, local = members.shape[1], int(group.local)
    if ranks % local:
        raise InputError(
            f"{local} members a domain do not divide {ranks} ranks", where="contention"
        )
    if not messages(algorithm, kind, ranks, local):
        return 1.0
    traffic = pattern(algorithm, kind, members, local)
    if fidelity == "flow":
        loaded = flow_time(network, [traffic], policy=policy)
    else:
        loaded = link_loads(network, traffic, policy=policy).time
    return float(loaded / line_time(algorithm, kind, group))


def line_time(algorithm: str, kind: str, group: Group) -> float:
    """Wire time of the closed form at line rate, of :data:`UNIT` bytes [s]."""
    counted = ALGORITHMS[algorithm].traffic(kind, UNIT, group)
    if algorithm == nvls_tree.NAME:
        counted = replace(counted, port=0.0)
    rates = group.uniform if kind == "all_to_all" else group.bandwidth
    times = [counted.port / group.port]
    times += [moved / rate for moved, rate in zip(counted.egress, rates, strict=True)]
    return float(max(times))
