r"""Idle time of pipeline schedules: what a rank waits besides its own work, in one step.

Legend: p ``stages``, v ``chunks`` (virtual stages a rank), ``work`` the forward and backward time
of one micro-batch on a whole rank, ``weight`` its weight-gradient part w, ``pair`` an overlapped
forward and backward. Stages may differ: the slowest is always busy once the pipeline is full, so
what it waits is the time that one micro-batch spends in all the others.
"""

from __future__ import annotations

from typing import Any

from netmodel.collectives.real import larger
from netmodel.errors import unknown_name
from netmodel.workload.layout import SCHEDULES


def bubble(
    schedule: str,
    *,
    stages: Any,
    others: Any,
    weight: Any = 0.0,
    pair: Any = 0.0,
    backward: Any = 0.0,
    chunks: Any = 1,
) -> Any:
    r"""Idle time of the slowest rank in one step; everything broadcasts.

    ========== ===================================== ==========================================
    schedule   idle time                             source
    ========== ===================================== ==========================================
    gpipe      :math:`(p-1)(f+b)`                    arXiv:1811.06965
    1f1b       :math:`(p-1)(f+b)`                    arXiv:2104.04473, section 2.2
    interleaved :math:`(p-1)(f+b)/v`                 arXiv:2104.04473, section 2.2
    zb-h1      :math:`(p-1)(f+b-2w)`                 arXiv:2401.10241
    zb-v       :math:`(p-1)(f+b-3w)`                 arXiv:2401.10241: nothing when f = b/2 = w
    dualpipe   :math:`(p/2-1)(f\&b + b - 3w)`        deepseek-ai/DualPipe
    ========== ===================================== ==========================================

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

    Examples
    --------
    >>> bubble("1f1b", stages=8, others=7 * 3.0), bubble("zb-h1", stages=8, others=21.0, weight=1.0)
    (21.0, 7.0)
    >>> bubble("dualpipe", stages=16, others=45.0, weight=1.0, pair=3.0, backward=2.0)
    14.0
    """
    if schedule in ("gpipe", "1f1b"):
        return others
    if schedule == "interleaved":
        return others / chunks
    if schedule == "zb-h1":
        return larger(others - 2 * (stages - 1) * weight, 0.0)
    if schedule == "zb-v":
        return larger(others - 3 * (stages - 1) * weight, 0.0)
    if schedule == "dualpipe":
        return larger((stages / 2 - 1) * (pair + backward - 3 * weight), 0.0)
    raise unknown_name("schedule", schedule, SCHEDULES)
