"""The yardstick: routes that no routing can beat, by a linear program."""

from __future__ import annotations

import numpy as np

from netmodel.errors import InputError, ModelError
from netmodel.graph import FloatArray
from netmodel.network.stage import Stage

VARIABLES = 400_000  # beyond which the program takes minutes
TIDY = 1e-6  # weight of all bytes against those of the busiest link


def optimal_spread(stage: Stage, traffic: FloatArray) -> FloatArray:
    r"""Return the bytes on each arc when the busiest arc is as little busy as can be.

    With f(e, k) the bytes for group k on arc e, B its bandwidth and T the traffic,

    .. math:: \min \theta \quad \text{s.t.} \quad
       \sum_{e \text{ out of } v} f_{ek} - \sum_{e \text{ into } v} f_{ek} = T_{vk} \; (v \ne k),
       \quad \sum_k f_{ek} \le \theta B_e, \quad f \ge 0

    Any path may be taken, not only shortest ones. Nodes that are alike share a load evenly, which
    loses nothing: the mean of optimal routes over all symmetries is optimal too.

    Parameters
    ----------
    stage : Stage
        The graph.
    traffic : float array [groups, width]
        As :meth:`Stage.spray` takes it.

    Returns
    -------
    float array [arcs]
        Bytes.

    Raises
    ------
    InputError
        When the program would be too large.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    arcs, columns = stage.arcs, np.flatnonzero(traffic.any(axis=0))
    far = stage.distance[:, columns]
    arc, column = np.nonzero(
        (far[arcs.target] >= 0)
        & (far[arcs.source] > 0)
        & (arcs.forwards[arcs.target][:, None] | (far[arcs.target] == 0))
        & (arcs.source != arcs.target)[:, None]
    )
    if len(arc) > VARIABLES:
        raise InputError(
            f"optimal routing of {len(columns)} destinations over {len(arcs.source)} kinds of "
            f"links needs {len(arc):,} variables, {VARIABLES:,} are allowed",
            remedy="Use --routing adaptive, or fewer GPUs.",
        )
    wanted = np.zeros(far.shape)
    wanted[stage.group_class] = traffic[:, columns]
    scale = max(float(wanted.sum()), 1.0)
    number = np.arange(len(arc))
    rows = arcs.source[arc] * len(columns) + column
    into = arcs.target[arc] * len(columns) + column
    kept = (far > 0).ravel()
    balance = coo_array(
        (
            np.repeat([1.0, -1.0], len(arc)),
            (np.concatenate([rows, into]), np.tile(number, 2)),
        ),
        shape=(far.size, len(arc) + 1),
    ).tocsr()[np.flatnonzero(kept)]
    unit = arcs.capacity.max()
    limits = coo_array(
        (
            np.concatenate([np.ones(len(arc)), -arcs.capacity / unit]),
            (
                np.concatenate([arc, np.arange(len(arcs.source))]),
                np.concatenate([number, np.full(len(arcs.source), len(arc))]),
            ),
        ),
        shape=(len(arcs.source), len(arc) + 1),
    ).tocsr()
    cost = np.append(np.full(len(arc), TIDY / max(len(arcs.source), 1)), 1.0)
    solved = linprog(
        cost,
        A_ub=limits,
        b_ub=np.zeros(len(arcs.source)),
        A_eq=balance,
        b_eq=wanted.ravel()[kept] / scale,
        method="highs",
    )
    if not solved.success:
        raise ModelError(f"the linear program of optimal routing failed: {solved.message}")
    return np.bincount(arc, solved.x[:-1], len(arcs.source)).astype(float) * scale
