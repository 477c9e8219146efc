"""How much of a message is waited for when work runs beside it."""

from __future__ import annotations

from typing import Any

from netmodel.numeric import larger, root, smaller
from netmodel.training.kernels import norm4

TINY = 1e-30
"""Keeps no message over no time from being undefined [s]."""


def exposed(message: Any, share: Any, beside: Any) -> Any:
    """Wait for a message of which at most ``beside`` seconds, and at least ``share``, are hidden.

    Parameters
    ----------
    message : float or array
        Its time when nothing else runs [s].
    share : float or array
        Part that nothing can hide: the first or last bucket, what the kernels lose by sharing.
    beside : float or array
        Work that runs at the same time [s].

    Examples
    --------
    >>> exposed(1.0, 0.25, 10.0), exposed(1.0, 0.25, 0.5)
    (0.25, 0.5)
    """
    return larger(share * message, message - beside)


def sharded(message: Any, slowing: Any, work: Any) -> Any:
    """Wait of a layer that gathers the next one's weights while it computes (ZeRO-3).

    What exceeds the work is waited for. Beside it kernels slow down, by their share of the bytes
    that pass through the GPU meanwhile: a slower network does not slow them more.

    Parameters
    ----------
    message : float or array
        Its time when nothing else runs [s].
    slowing : float or array
        What the kernels would lose if all of it ran beside them [s].
    work : float or array
        Work that runs at the same time [s].

    Examples
    --------
    >>> sharded(1.0, 0.5, 3.0), sharded(3.0, 1.5, 1.0)
    (0.5, 2.5)
    """
    share = smaller(message, work) / larger(message, TINY)
    return larger(message - work, 0.0) + slowing * share


def launch_wait(gpu: Any, host: Any) -> Any:
    """Time that a GPU waits for a slower host, a smooth corner between the two.

    An 8-norm: 9 % above the larger where both are equal.

    >>> launch_wait(3.0, 0.0)
    0.0
    """
    a, b = gpu * gpu, host * host
    return root(norm4(a, b)) - gpu
