r"""Idle time of pipeline schedules: what a rank waits besides its own work, in one step.

Legend: p ``stages``, v ``chunks`` (virtual stages a rank), ``work`` the forward and backward time
of one micro-batch on a whole rank, ``weight`` its weight-gradient part w, ``pair`` an overlapped
forward and backward. Stages may differ: the slowest is always busy once the pipeline is full, so
what it waits is the time that one micro-batch spends in all the others.
"""

from __future__ import annotations

from typing import Any

from netmodel.errors import unknown_name
from netmodel.numeric import choose, larger, smaller
from netmodel.workload.layout import SCHEDULES

Ends = tuple[Any, Any, Any]
"""A number of the first, each middle and the last rank."""


def bubble(
    schedule: str,
    *,
    stages: Any,
    others: Any,
    weight: Any = 0.0,
    pair: Any = 0.0,
    backward: Any = 0.0,
    chunks: Any = 1,
    micro_batches: Any = None,
    forward: Any = 0.0,
) -> Any:
    r"""Idle time of the slowest rank in one step; everything broadcasts.

    ========== ===================================== ==========================================
    schedule   idle time                             source
    ========== ===================================== ==========================================
    gpipe      :math:`(p-1)(f+b)`                    arXiv:1811.06965
    1f1b       :math:`(p-1)(f+b)`                    arXiv:2104.04473, section 2.2
    interleaved :math:`(p-1)(f+b)/v`                 arXiv:2104.04473, section 2.2
    zb-h1      :math:`(p-1)(f+b-2w)`                 arXiv:2401.10241
    zb-v       :math:`(p-1)(b-2w)`                   arXiv:2401.10241: nothing when f = b/2 = w
    dualpipe   :math:`(p/2-1)(f\&b + b - 3w)`        deepseek-ai/DualPipe
    ========== ===================================== ==========================================

    With fewer micro-batches m than a schedule needs to fill its pipeline, interleaving waits
    :math:`(v-1)(p-m)(f+b)/v` more, for a micro-batch comes back to a rank only after it has passed
    all others; H1 fills only :math:`m-1` of its gaps; and V those of :math:`(p-1)(f+b-w)` with up
    to p - 1 forwards, each of another micro-batch, then with as many weight gradients. These are
    exact for equal stages (V for :math:`b-w \ge f \ge w`): the simulator's results.

    A rank begins its next step when it has ended this one. Under V the ranks begin one chunk after
    the other and end so; as its paper does, which validates the optimizer's step afterwards, this
    is not waited for.

    Parameters
    ----------
    schedule : str
        One of :data:`~netmodel.workload.layout.SCHEDULES`.
    stages, chunks : int or array
        Pipeline ranks; virtual stages on each.
    others : float or array
        Forward and backward of one micro-batch on all other ranks together, (p-1)(f+b) [s].
    weight : float or array
        Weight-gradient part of one micro-batch on one rank [s].
    pair, backward : float or array
        Of DualPipe: an overlapped forward and backward, and a backward alone [s].
    micro_batches : int or array, optional
        Of one step; left out, enough.
    forward : float or array
        Of one micro-batch on a whole rank [s].

    Examples
    --------
    >>> bubble("1f1b", stages=8, others=7 * 3.0), bubble("zb-h1", stages=8, others=21.0, weight=1.0)
    (21.0, 7.0)
    >>> bubble("dualpipe", stages=16, others=45.0, weight=1.0, pair=3.0, backward=2.0)
    14.0
    >>> bubble("interleaved", stages=8, others=21.0, chunks=3, micro_batches=2)
    19.0
    """
    others_each = others / larger(stages - 1, 1)
    enough = 2 * stages if micro_batches is None else micro_batches
    if schedule in ("gpipe", "1f1b"):
        return others
    if schedule == "interleaved":
        missing = larger(stages - enough, 0)
        return others / chunks + (chunks - 1) * missing * others_each / chunks
    if schedule == "zb-h1":
        filled = stages - 1 + smaller(stages - 1, enough - 1)
        return larger(others - filled * weight, 0.0)
    if schedule == "zb-v":
        ahead = smaller(stages - 1, enough - 1)
        late = smaller(stages - 1, larger(enough - stages, 0))
        return larger(others - (stages - 1) * weight - ahead * forward - late * weight, 0.0)
    if schedule == "dualpipe":
        return larger((stages / 2 - 1) * (pair + backward - 3 * weight), 0.0)
    raise unknown_name("schedule", schedule, SCHEDULES)


def uneven_wait(*, stages: Any, micro_batches: Any, forward: Ends, backward: Ends) -> Any:
    r"""Idle time of the slowest rank under 1F1B when ranks differ; everything broadcasts [s].

    Rank j of p has its own micro-batches to run, after one has come forward and before its
    gradient has gone back through all earlier ranks. Its :math:`w = p - 1 - j` forwards ahead of
    the first backward, and as many backwards after the last forward, hide under the
    :math:`S_j = \sum_{i>j} (f_i + b_i)` that the later ranks take, or the other way round:

    .. math:: T = \max_j \Bigl[ m (f_j + b_j) + \sum_{i<j} (f_i + b_i)
        + \max(0, S_j - w f_j) + \max(0, S_j - w b_j) \Bigr]

    less m micro-batches of the slowest rank. Between the first and the last rank all are equal;
    the bracket is convex in j there, so the second and the last but one decide.

    Parameters
    ----------
    stages, micro_batches : int or array
        Pipeline ranks; micro-batches a step.
    forward, backward : tuple
        Of one micro-batch on the first, on each middle and on the last rank [s].

    Examples
    --------
    >>> uneven_wait(stages=8, micro_batches=16, forward=(1.0,) * 3, backward=(2.0,) * 3)
    21.0
    >>> uneven_wait(
    ...     stages=4, micro_batches=8, forward=(1.0, 1.0, 2.0), backward=(2.0, 2.0, 4.0)
    ... )
    9.0
    """
    p, m = stages, micro_batches
    first, middle, last = (ahead + back for ahead, back in zip(forward, backward, strict=True))
    slowest = larger(larger(first, last), choose(p > 2, middle, first))

    def lasts(j: Any, place: int, before: Any, after: Any) -> Any:
        ahead, back = forward[place], backward[place]
        later = p - 1 - j
        wait = larger(after - later * ahead, 0.0) + larger(after - later * back, 0.0)
        return before + wait - m * (slowest - (ahead + back))

    between = p - 2
    ends = larger(
        lasts(0, 0, 0.0, between * middle + last),
        lasts(p - 1, 2, first + between * middle, 0.0),
    )
    inner = larger(
        lasts(1, 1, first, (p - 3) * middle + last),
        lasts(p - 2, 1, first + (p - 3) * middle, last),
    )
    return choose(p > 2, larger(ends, inner), ends)
