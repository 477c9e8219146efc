"""Going through a space: all of it, or only what may be among the fastest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from netmodel.graph import FloatArray, IntArray
from netmodel.studies.search_rank import Ranking
from netmodel.studies.search_space import GROUPS, BoolArray, Space, Word, distinct, sites
from netmodel.studies.search_tables import BLOCK, Evaluator
from netmodel.workload import Model, Strategy

FIRST, NEXT = 1.5, 1.5
"""How far bounds reach above the least at first, and how far they grow."""
SPARSE = 8
"""Where fewer than one site in so many is left, the rest is a list and no longer a grid."""

Fits = dict[tuple[str, int], tuple[FloatArray, BoolArray]]
"""Memory, and which layouts fit, by ZeRO stage and site; for each schedule and virtual stages."""


@dataclass(frozen=True, slots=True)
class Job:
    """Layouts of one recompute and one way to deal layers to ranks, as far as they fit.

    Attributes
    ----------
    recompute, standing : str
        The schedule that stands for its class.
    places : array
        Sites of the space that were looked at.
    fits : mapping
    """

    recompute: str
    standing: str
    places: IntArray
    fits: Fits

    @property
    def live(self) -> BoolArray:
        """Which of the places have any layout that fits."""
        found: BoolArray = np.logical_or.reduce(
            [good.any(axis=0) for _, good in self.fits.values()]
        )
        return found

    def only(self, kept: BoolArray) -> Job:
        """Return the same for some of its places."""
        fits = {name: (need[:, kept], good[:, kept]) for name, (need, good) in self.fits.items()}
        return replace(self, places=self.places[kept], fits=fits)


def every(evaluator: Evaluator, ranking: Ranking) -> float:
    """Time every layout of a space that keeps the rules and fits.

    Returns
    -------
    float
        Least memory of those that keep the rules, infinite where there are none [B].
    """
    room, least = evaluator.room, np.inf
    rules = kept_rules(evaluator.model, room)
    for recompute in room.recomputes:
        jobs = []
        for standing in room.classes():
            job, need = fitting(evaluator, rules, recompute, standing, ranking.capacity)
            least = min(least, need)
            if job.fits:
                jobs.append(job.only(job.live))
        evaluator.prepare(
            (Word(order, recompute, job.standing, 1), zero)
            for order, group, job in product(room.orders, GROUPS, jobs)
            if (zero := room.staged(group))
        )
        for order, zero, job in product(room.orders, GROUPS, jobs):
            run(evaluator, ranking, job, order, zero)
    return least


def promising(evaluator: Evaluator, ranking: Ranking, top: int, known: float = np.inf) -> float:
    """Time the layouts that may be among the fastest ``top``; see :func:`every`.

    A bound without bubbles and messages of the step says which sites can hold them. The most
    promising come first, so that what they take rules most others out.

    Parameters
    ----------
    known : float
        Step time of a layout of the space, where one is known and ``top`` is 1 [s].
    """
    room, least = evaluator.room, np.inf
    rules = kept_rules(evaluator.model, room)
    if not rules:
        return least
    bounds = {order: evaluator.least(order) for order in room.orders}
    bound = np.minimum.reduce([each for pair in bounds.values() for each in pair])
    bound = np.where(np.logical_or.reduce(list(rules.values())), bound, np.inf)
    below = 0.0
    limit = known if np.isfinite(known) else FIRST * float(bound.min())
    while below < bound[np.isfinite(bound)].max():
        near = np.flatnonzero((bound > below) & (bound <= limit))
        if len(near):
            here = evaluator.on(room.listed(near))
            mine = {name: good[near] for name, good in rules.items()}
            close = {order: (one[near], two[near]) for order, (one, two) in bounds.items()}
            least = min(least, _best_first(here, ranking, mine, close, top, known))
        if ranking.worst(top) <= limit:
            break
        below, limit = limit, min(NEXT * limit, ranking.worst(top))
    return least


def _best_first(
    evaluator: Evaluator,
    ranking: Ranking,
    rules: Mapping[tuple[str, int], BoolArray],
    bounds: Mapping[str, tuple[FloatArray, FloatArray]],
    top: int,
    known: float,
) -> float:
    """Time what bounds leave (by order; in general and of DualPipe), the most promising first."""
    room, least = evaluator.room, np.inf
    jobs: list[tuple[str, Job, FloatArray]] = []
    for standing in room.classes():
        two_way = standing == "dualpipe"
        all_fits: dict[str, Fits] = {}
        for recompute in room.recomputes:
            job, need = fitting(evaluator, rules, recompute, standing, ranking.capacity)
            least = min(least, need)
            if not job.fits:
                break
            all_fits[recompute] = job.fits
            if top == 1 and not two_way:
                job = replace(job, fits=_without_slower(recompute, all_fits))
            job = job.only(job.live)
            if len(job.places):
                jobs += [(order, job, bounds[order][two_way][job.places]) for order in room.orders]
    if not jobs:
        return least
    jobs.sort(key=lambda each: float(each[2].min()))
    worst = min(known, ranking.worst(top))
    if not np.isfinite(worst):
        scout = Ranking(ranking.capacity)
        run(evaluator, scout, jobs[0][1], jobs[0][0], GROUPS[0])
        worst = scout.worst(top)
    jobs = [(order, job.only(bound <= worst), bound[bound <= worst]) for order, job, bound in jobs]
    places = np.unique(np.concatenate([job.places for _, job, _ in jobs]))
    evaluator = evaluator.on(room.listed(places))
    evaluator.prepare(
        (Word(order, job.recompute, job.standing, 1), room.zero)
        for order, job, _ in jobs
        if len(job.places)
    )
    for order, job, bound in jobs:
        near = job.only(bound <= min(worst, ranking.worst(top)))
        near = replace(near, places=np.searchsorted(places, near.places))
        run(evaluator, ranking, near, order, room.zero)
    return least


def _without_slower(recompute: str, known: Mapping[str, Fits]) -> Fits:
    """Drop what fits with less recomputing too, of the ``known`` ones: that is never slower.

    Under DualPipe it may be, where longer messages take the place of waits for the host.
    """
    fits = dict(known[recompute])
    modules = Strategy(recompute=recompute).recomputed
    for other, theirs in known.items():
        less = Strategy(recompute=other).recomputed
        if less < modules or ("full" in modules and "full" not in less):
            for name, (need, good) in fits.items():
                fits[name] = need, good & ~theirs[name][1]
    return fits


def kept_rules(model: Model, room: Space) -> dict[tuple[str, int], BoolArray]:
    """Say which sites keep the rules under each schedule and number of virtual stages."""
    masks = {
        (schedule, vpp): sites(model, room, schedule, vpp)
        for each in room.classes()
        for schedule, vpp in room.words(each)
    }
    return {name: good for name, good in masks.items() if good.any()}


def fitting(
    evaluator: Evaluator,
    rules: Mapping[tuple[str, int], BoolArray],
    recompute: str,
    standing: str,
    capacity: float,
) -> tuple[Job, float]:
    """Find which layouts of a recompute and a class fit, and the least memory of all [B]."""
    room, least = evaluator.room, np.inf
    words = [name for name in room.words(standing) if name in rules]
    fits: Fits = {}
    if not words:
        return Job(recompute, standing, np.arange(0), fits), least
    places = np.flatnonzero(np.logical_or.reduce([rules[name] for name in words]))
    for schedule in dict.fromkeys(name for name, _ in words):
        vpp = tuple(chunks for name, chunks in words if name == schedule)
        word = Word(room.orders[0], recompute, schedule, 1)
        for chunks, need in zip(vpp, evaluator.memory(word, vpp, places), strict=True):
            good = rules[schedule, chunks][places]
            least = min(least, float(need[:, good].min(initial=np.inf)))
            fits[schedule, chunks] = need, good & (need <= capacity)
    job = Job(recompute, standing, places, fits)
    return job, least


def run(
    evaluator: Evaluator, ranking: Ranking, job: Job, order: str, group: tuple[int, ...]
) -> None:
    """Time the layouts of a job under one order and some ZeRO stages."""
    room = evaluator.room
    zero = room.staged(group)
    if not zero or not job.fits:
        return
    stages = [room.zero.index(stage) for stage in zero]
    own = distinct(room, order, zero)[:, job.places]
    fits = {name: (need[stages], good[stages] & own) for name, (need, good) in job.fits.items()}
    fits = {name: pair for name, pair in fits.items() if pair[1].any()}
    if not fits:
        return
    job = replace(job, fits=fits)
    job = job.only(job.live)
    places = job.places
    if len(room.shape) > 1 and SPARSE * len(places) < np.prod(room.shape):
        room = room.listed(places)
        evaluator, places = evaluator.on(room), np.arange(len(places))
    rows = evaluator.rows(Word(order, job.recompute, job.standing, 1), zero, places)
    for schedule in dict.fromkeys(name for name, _ in job.fits):
        mine = {vpp: pair for (name, vpp), pair in job.fits.items() if name == schedule}
        chosen = {vpp: np.flatnonzero(good.any(axis=0)) for vpp, (_, good) in mine.items()}
        word = Word(order, job.recompute, schedule, 1)
        times = evaluator.seconds(rows, word, chosen)
        for vpp, (need, good) in mine.items():
            for start in range(0, len(chosen[vpp]), BLOCK):
                part = chosen[vpp][start : start + BLOCK]
                taken = good[:, part]
                stage, column = np.nonzero(taken)
                ranking.add(
                    room,
                    replace(word, vpp=vpp),
                    np.asarray(zero)[stage],
                    places[part[column]],
                    times[vpp][:, start : start + BLOCK][taken],
                    need[:, part][taken],
                )
