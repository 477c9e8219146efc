"""Which GPU runs which rank: packed, strided, random, or as a scheduler listed them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netmodel.errors import InputError, unknown_name
from netmodel.graph import IntArray, Wiring

PLACEMENTS = ("packed", "strided", "random", "random-hosts")
"""Names of the placements that :func:`place` knows."""


def place(wiring: Wiring, ranks: int, how: str = "packed", seed: int = 0) -> IntArray:
    """Return the GPU (as its number in the fabric) on which each rank runs.

    Parameters
    ----------
    wiring : Wiring
        The fabric, which may hold more GPUs than the job takes.
    ranks : int
        Ranks of the job.
    how : str
        ``packed`` fills host after host; ``strided`` deals ranks out to the hosts in turn;
        ``random`` draws GPUs, ``random-hosts`` hosts, from the whole fabric.
    seed : int
        Of the draw.

    Returns
    -------
    int array [ranks]
        Pass it to a pattern as ``gpus[groups]``.

    Raises
    ------
    InputError
        When the fabric has too few GPUs, or ``how`` is unknown.
    """
    gpus = len(wiring.gpus)
    if not 1 <= ranks <= gpus:
        raise InputError(f"{ranks} ranks on a fabric of {gpus} GPUs")
    rng = np.random.default_rng(seed)
    if how == "packed":
        return np.arange(ranks)
    if how == "random":
        return rng.permutation(gpus)[:ranks]
    host = _host_of(wiring)
    place_in_host = np.arange(gpus) - np.searchsorted(host, host)
    if how == "strided":
        used = host < host[ranks - 1] + 1
        return np.lexsort((host[used], place_in_host[used]))[:ranks]
    if how == "random-hosts":
        turn = rng.permutation(int(host[-1]) + 1)[host]
        return np.lexsort((place_in_host, turn))[:ranks]
    raise unknown_name("placement", how, PLACEMENTS)


def listed(wiring: Wiring, names: Sequence[str], where: str = "") -> IntArray:
    """Return the GPUs of a list that names one for each rank.

    Raises
    ------
    InputError
        For a name that is no GPU of the fabric, or that comes twice.
    """
    known = {name: i for i, name in enumerate(wiring.names(wiring.gpus))}
    seen: dict[str, int] = {}
    for rank, name in enumerate(names):
        if name not in known:
            raise unknown_name("GPU", name, known, where=f"{where}:{rank + 1}" if where else "")
        if name in seen:
            raise InputError(
                f"{name} runs rank {seen[name]} and rank {rank}",
                where=f"{where}:{rank + 1}" if where else "",
                remedy="Name each GPU once.",
            )
        seen[name] = rank
    return np.array([known[name] for name in names], int)


def _host_of(wiring: Wiring) -> IntArray:
    """Return the host of each GPU, numbered in rank order; each its own where none is said."""
    node = wiring.attribute("node", -1.0)[wiring.gpus]
    if (node < 0).any():
        return np.arange(len(node))
    changes = np.concatenate([[0], np.diff(node) != 0]).astype(int)
    return np.cumsum(changes)
