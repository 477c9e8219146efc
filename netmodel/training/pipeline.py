"""Idle time of pipeline schedules: what a rank waits besides its own work.

Legend, all per rank: ``forward`` and ``backward`` time of one micro-batch over all its virtual
stages, ``weight`` the weight-gradient part of ``backward``, ``stages`` p, ``chunks`` v virtual
stages, ``micro_batches`` m. All formulas assume equal stages and broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netmodel.collectives.real import choose, larger, smaller
from netmodel.errors import unknown_name


def gpipe(*, stages: Any, chunks: Any, micro_batches: Any, forward: Any, backward: Any, weight: Any,
          pair: Any) -> Any:
    """All forwards, then all backwards: (p-1)(f+b); Huang et al., arXiv:1811.06965."""
    return (stages - 1) * (forward + backward)


def one_forward_one_backward(*, stages: Any, chunks: Any, micro_batches: Any, forward: Any,
                             backward: Any, weight: Any, pair: Any) -> Any:
    """PipeDream-flush: (p-1)(f+b); Narayanan et al., arXiv:2104.04473 section 2.2."""
    return (stages - 1) * (forward + backward)
