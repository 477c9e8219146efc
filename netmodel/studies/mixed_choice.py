"""A layout for a job on GPUs of several kinds, and the step that it makes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netmodel.errors import InputError, ModelError
from netmodel.studies.layouts import Choice, Request, choose, plainest, several_kinds
from netmodel.studies.mixed import ONE_WAY, SPLITS, Mixed, mixed
from netmodel.training import step
from netmodel.workload import Model, Strategy

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step

RANKED = 128
"""Layouts of the pure cluster that are looked at, the fastest first."""
TRIED = 16
"""Of those that divide among the kinds, how many are timed."""


def time_step(
    model: Model,
    cluster: Cluster,
    gpus: int,
    request: Request,
    near: Strategy | None = None,
    *,
    split: str | None = None,
    shares: Sequence[float] | None = None,
    **graph: Any,
) -> tuple[Choice, Step, Mixed | None]:
    """Choose a layout as a question asks for it and time a step, on GPUs of one or several kinds.

    Parameters
    ----------
    split, shares
        Of :func:`netmodel.studies.mixed.mixed`; only for several kinds.
    graph
        ``fidelity``, ``routing``, ``placement``, ``seed`` of :func:`netmodel.training.step`; a job
        on several kinds is timed by the closed form only.

    Returns
    -------
    tuple
        Layout and step; shares and the cost of the mix, None where all GPUs are alike.

    Raises
    ------
    InputError, ModelError
        When the layout is not possible, or cannot be shared among the kinds.
    """
    asked = {"split": split, "shares": shares}
    options = {name: value for name, value in asked.items() if value is not None}
    if not several_kinds(cluster, gpus):
        if options:
            raise InputError(
                f"{gpus:,} GPUs of one kind, nothing to share unevenly",
                where=f"--{next(iter(options))}",
                remedy="Leave it out.",
            )
        choice = choose(model, cluster, gpus, request, near)
        done = step(
            model,
            cluster,
            choice.strategy,
            gpus=gpus,
            seq_len=choice.seq_len,
            software=choice.software,
            **graph,
        )
        return choice, done, None
    if graph.get("fidelity", "closed") != "closed":
        raise InputError(
            f"fidelity is {graph['fidelity']!r} for GPUs of several kinds",
            where="--fidelity",
            remedy="Use closed.",
        )
    choice = choose(model, cluster, gpus, request)
    try:
        made = _mixed(model, cluster, gpus, choice, options)
    except (InputError, ModelError) as error:
        if choice.origin == "stated":
            raise
        return _best(model, cluster, gpus, choice, options, error)
    return replace(choice, strategy=made.step.strategy), made.step, made


def _mixed(
    model: Model, cluster: Cluster, gpus: int, choice: Choice, options: dict[str, Any]
) -> Mixed:
    return mixed(
        model,
        cluster,
        choice.strategy,
        gpus=gpus,
        seq_len=choice.seq_len,
        software=choice.software,
        **options,
    )


def _best(
    model: Model,
    cluster: Cluster,
    gpus: int,
    choice: Choice,
    options: dict[str, Any],
    why: InputError | ModelError,
) -> tuple[Choice, Step, Mixed]:
    """Try the fastest layouts of the kind with least memory that divide among all kinds."""
    held = [own for _, own in cluster.groups(gpus)]
    best: tuple[Choice, Mixed] | None = None
    for split in [options["split"]] if "split" in options else SPLITS:
        for strategy in _candidates(model, cluster, gpus, choice, held, split):
            asked = replace(choice, strategy=strategy, origin="search", why="")
            try:
                made = _mixed(model, cluster, gpus, asked, {**options, "split": split})
            except (InputError, ModelError):
                continue
            if best is None or made.step_time < best[1].step_time:
                best = replace(asked, strategy=made.step.strategy), made
    if best is None:
        raise why
    return best[0], best[1].step, best[1]


def _candidates(
    model: Model, cluster: Cluster, gpus: int, choice: Choice, held: list[int], split: str
) -> list[Strategy]:
    """Return the fastest layouts of the kind with least memory that divide among all kinds."""
    whole = math.gcd(*held)
    divisors = [n for n in range(1, whole + 1) if whole % n == 0]
    fixed: dict[str, Any] = {"pp": tuple(divisors)}
    if split == "layers":
        fixed = {"pp": tuple(gpus // n for n in divisors), "schedule": ONE_WAY}
    try:
        from netmodel.studies.search import search  # only where one is asked for

        found = search(
            model,
            plainest(cluster, gpus),
            gpus,
            seq_len=choice.seq_len,
            global_batch=choice.strategy.global_batch,
            precision=choice.strategy.precision,
            fixed=fixed,
            top=RANKED,
            exhaustive=False,
            software=choice.software,
        ).best
    except ModelError:
        return []
    return [each.strategy for each in found if divides(each.strategy, held, split)][:TRIED]


def divides(strategy: Strategy, held: list[int], split: str) -> bool:
    """Whether kinds of so many GPUs each hold whole replicas, or whole stages.

    >>> divides(Strategy(tp=2, pp=3, dp=4), [8, 16], "batch")
    False
    >>> divides(Strategy(tp=2, pp=3, dp=4), [8, 16], "layers")
    True
    """
    if split == "layers" and (strategy.pp < 2 or strategy.schedule not in ONE_WAY):
        return False
    inner = strategy.tp * strategy.cp * (strategy.pp if split == "batch" else strategy.dp)
    return all(own % inner == 0 for own in held)
