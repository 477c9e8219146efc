"""The order of work of every pipeline rank: a schedule is a table, and one engine runs them all.

A table says how often each rank repeats which pattern. Words of a pattern: ``F`` forward, ``B``
whole backward, ``I`` its input-gradient part, ``W`` the oldest weight gradient still owed,
``F0&B1`` a forward and a backward that overlap each other; a digit picks one of the rank's two
stages. Stages are numbered along the model, embedding first; a rank holds one or several of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from netmodel.errors import InputError, unknown_name

FORWARD, BACKWARD, INPUT, WEIGHT = range(4)
LETTERS = "FBIW"
"""One letter a kind of task, in the order of their numbers."""

Ints = NDArray[np.int64]
Segments = list[tuple[int, str]]
Draws = dict[str, Iterable[tuple[int, int]]]
Plan = tuple[Segments, Draws]


@dataclass(frozen=True, eq=False)
class Order:
    """Which task each pipeline rank runs after which; tasks lie rank by rank, in running order.

    Attributes
    ----------
    schedule : str
        Name of the table it came from.
    ranks, stages, micro_batches : int
        Pipeline ranks p; stages S of the model (p, or more where ranks hold several); micro-batches
        of one step m.
    rank, kind, stage, micro_batch : array of int, shape (tasks,)
        Who does what: ``kind`` is a place in :data:`LETTERS`.
    paired : array of bool, shape (tasks,)
        Whether a forward overlaps with the backward that stands after it.
    first : array of int, shape (ranks + 1,)
        Where the tasks of each rank begin, and the number of tasks.
    needs : array of int, shape (tasks,)
        The task whose message this one waits for, or -1: a forward for that of the stage before, a
        backward for that of the stage after (on the last stage for its own forward).
    receiver : array of int, shape (tasks,)
        The rank that the result goes to, or -1 when no other rank waits for it.
    """

    schedule: str
    ranks: int
    stages: int
    micro_batches: int
    rank: Ints
    kind: Ints
    stage: Ints
    micro_batch: Ints
    paired: NDArray[np.bool_]
    first: Ints = field(init=False)
    needs: Ints = field(init=False)
    receiver: Ints = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", np.searchsorted(self.rank, np.arange(self.ranks + 1)))
        forward = self._places((FORWARD,))
        backward = self._places((BACKWARD, INPUT))
        self._check_weights(backward)
        needs = np.full((2, self.micro_batches, self.stages), -1)
        needs[0, :, 1:] = forward[:, :-1]
        needs[1, :, :-1] = backward[:, 1:]
        needs[1, :, -1] = forward[:, -1]
        wanted = needs[np.minimum(self.kind, 1), self.micro_batch, self.stage]
        wanted[self.kind == WEIGHT] = -1
        receiver = np.full(self.tasks, -1)
        heard = wanted >= 0
        receiver[wanted[heard]] = self.rank[heard]
        receiver[receiver == self.rank] = -1
        object.__setattr__(self, "needs", wanted)
        object.__setattr__(self, "receiver", receiver)

    @property
    def tasks(self) -> int:
        """Number of tasks of all ranks."""
        return len(self.rank)

    @property
    def chunks(self) -> float:
        """Stages that make up one rank's share of the model: v; 1 in DualPipe, which holds two."""
        return self.stages / self.ranks

    def _places(self, kinds: tuple[int, ...]) -> Ints:
        """Where the one task of these kinds is, by micro-batch and stage."""
        found = np.flatnonzero(np.isin(self.kind, kinds))
        place = np.full((self.micro_batches, self.stages), -1)
        place[self.micro_batch[found], self.stage[found]] = found
        if len(found) != place.size or (place < 0).any():
            names = " or ".join(LETTERS[kind] for kind in kinds)
            raise InputError(
                f"{len(found)} tasks {names} for {self.micro_batches} micro-batches on "
                f"{self.stages} stages",
                where=f"order {self.schedule!r}",
                remedy="Each micro-batch passes each stage once forward and once backward.",
            )
        return place

    def _check_weights(self, backward: Ints) -> None:
        """Refuse weight gradients that are missing, doubled, elsewhere, or before their input's."""
        late = np.flatnonzero(self.kind == WEIGHT)
        split = backward[self.micro_batch[late], self.stage[late]]
        fine = (self.kind[split] == INPUT) & (self.rank[split] == self.rank[late]) & (split < late)
        owed = np.count_nonzero(self.kind == INPUT)
        if not fine.all() or len(np.unique(split)) != len(late) or len(late) != owed:
            raise InputError(
                f"{len(late)} weight gradients do not follow {owed} input gradients one to one",
                where=f"order {self.schedule!r}",
                remedy="Put each W after the I of its micro-batch and stage, on the same rank.",
            )

    def peak(self, size: object = 1.0) -> NDArray[np.float64]:
        """Most activations that each rank holds at once.

        A forward takes them; a whole backward, or a weight gradient, gives them back at its end.

        Parameters
        ----------
        size : float or array, shape (stages,)
            What one micro-batch leaves behind on each stage [B], or 1 to count them.

        Returns
        -------
        array, shape (ranks,)
            In the unit of ``size``; a count over ``chunks`` is in whole ranks' worth.

        Examples
        --------
        >>> pipeline_order("1f1b", ranks=4, micro_batches=8).peak().tolist()
        [4.0, 3.0, 2.0, 1.0]
        """
        sizes = np.broadcast_to(np.asarray(size, float), (self.stages,))[self.stage]
        sign = np.array([1.0, -1.0, 0.0, -1.0])[self.kind]
        held = np.cumsum(sign * sizes)  # each rank ends where it began: with nothing
        return np.maximum.reduceat(held, self.first[:-1]) - np.where(
            self.first[:-1] > 0, held[self.first[:-1] - 1], 0.0
        )


def pipeline_order(schedule: str, *, ranks: int, micro_batches: int, chunks: int = 1) -> Order:
    """Order of work of a named schedule.

    Parameters
    ----------
    schedule : str
        One of :data:`TABLES`.
    ranks, micro_batches : int
        Pipeline ranks p and micro-batches m of one step; any m for any p, but DualPipe wants an
        even p, an even m and m >= 2p, DualPipe-V m >= 2p.
    chunks : int
        Stages on each rank, v; used by ``interleaved``. ``zb-v`` and the DualPipes hold two.

    Raises
    ------
    InputError
        When no schedule has that name, or it does not exist for these counts.

    Examples
    --------
    >>> order = pipeline_order("1f1b", ranks=2, micro_batches=2)
    >>> words(order, 0)
    'F0.0 F0.1 B0.0 B0.1'
    """
    if schedule not in TABLES:
        raise unknown_name("pipeline schedule", schedule, TABLES)
    table, allowed = TABLES[schedule]
    for name, count in (("ranks", ranks), ("micro-batches", micro_batches), ("chunks", chunks)):
        if count < 1:
            raise InputError(f"{count} {name}", where=schedule, remedy="Give at least 1.")
    if allowed and chunks not in allowed:
        raise InputError(
            f"{chunks} virtual stages a rank",
            where=f"schedule {schedule}",
            remedy=f"Use vpp = {allowed[-1]}, or the schedule interleaved.",
        )
    rows: list[tuple[int, int, int, bool]] = []
    counts = []
    for rank in range(ranks):
        segments, draws = table(rank, ranks, micro_batches, chunks)
        before = len(rows)
        rows += [row for row in _spell(segments, draws) if row[2] < micro_batches]
        counts.append(len(rows) - before)
    columns = np.array(rows, dtype=np.int64).T
    return Order(
        schedule=schedule,
        ranks=ranks,
        stages=int(columns[1].max()) + 1,
        micro_batches=micro_batches,
        rank=np.repeat(np.arange(ranks), counts),
        kind=columns[0],
        stage=columns[1],
        micro_batch=columns[2],
        paired=columns[3].astype(bool),
    )


def words(order: Order, rank: int) -> str:
    """Tasks of one rank as text, ``F0.3`` being the forward of micro-batch 3 on stage 0."""
    inside = range(int(order.first[rank]), int(order.first[rank + 1]))
    return " ".join(
        f"{LETTERS[order.kind[i]]}{order.stage[i]}.{order.micro_batch[i]}"
        + ("&" if order.paired[i] else "")
        for i in inside
    ).replace("& ", "&")


def _spell(segments: Segments, draws: Draws) -> list[tuple[int, int, int, bool]]:
    """Write out the patterns as rows (kind, stage, micro-batch, overlaps with the next)."""
    sources: dict[str, Iterator[tuple[int, int]]] = {key: iter(draws[key]) for key in draws}
    owed: deque[tuple[int, int]] = deque()
    rows = []
    for count, pattern in segments:
        steps = []
        for slot in pattern.split():
            names = slot.split("&")
            for name in names:
                kind = LETTERS.index(name[0])
                key = ("F" if kind == FORWARD else "B") + name[1:]
                source = None if kind == WEIGHT else sources[key]
                steps.append((kind, source, name is names[0] and len(names) == 2))
        for _ in range(count):
            for kind, source, paired in steps:
                stage, micro_batch = owed.popleft() if source is None else next(source)
                if kind == INPUT:
                    owed.append((stage, micro_batch))
                rows.append((kind, stage, micro_batch, paired))
    return rows


def _one_stage(rank: int, micro_batches: int) -> Draws:
    """Micro-batches in turn, through the one stage of the rank."""
    return {key: [(rank, i) for i in range(micro_batches)] for key in "FB"}


def gpipe(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """All forwards, then all backwards (arXiv:1811.06965)."""
    return [(m, "F"), (m, "B")], _one_stage(rank, m)


def one_forward_one_backward(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """One forward for each rank behind, then one of each (arXiv:2104.04473 section 2.2)."""
    warm = min(ranks - 1 - rank, m)
    return [(warm, "F"), (m - warm, "F B"), (warm, "B")], _one_stage(rank, m)


def interleaved(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """1F1B over virtual stages, micro-batches in groups (arXiv:2104.04473 section 2.2).

    A group passes one virtual stage of all ranks before the next. Groups have p micro-batches when
    p divides m; else the remainder is dealt over the groups, as a group smaller than p in mid-step
    would wait for itself; m < p is one small group.
    """
    if chunks == 1:
        return one_forward_one_backward(rank, ranks, m, chunks)
    rounds = max(1, m // ranks)
    bounds = [(m * i + rounds - 1) // rounds for i in range(rounds + 1)]
    widest = -(-m // rounds)
    passes = [
        (chunk, i)
        for low, high in pairwise(bounds)
        for chunk, i in product(range(chunks), range(low, high))
    ]
    warm = min(2 * (ranks - 1 - rank) + (chunks - 1) * widest, chunks * m)
    return [(warm, "F"), (chunks * m - warm, "F B"), (warm, "B")], {
        "F": [(chunk * ranks + rank, i) for chunk, i in passes],
        "B": [((chunks - 1 - chunk) * ranks + rank, i) for chunk, i in passes],
    }


def zero_bubble_h1(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """1F1B whose weight gradients come later and fill its bubble (arXiv:2401.10241 section 2.1).

    They lag by as many micro-batches as there are ranks before, so that no rank holds more than
    the first one of 1F1B.
    """
    warm = min(ranks - 1 - rank, m)
    lag = min(rank, m)
    bare = min(lag, m - warm)  # steady steps still without a weight gradient
    return [
        (warm, "F"),
        (bare, "F I"),
        (m - warm - bare, "F I W"),
        (lag - bare, "I"),
        (warm - (lag - bare), "I W"),
        (lag, "W"),
    ], _one_stage(rank, m)


def zero_bubble_v(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """Two stages a rank, folded: rank i holds i and 2p-1-i (arXiv:2401.10241 section 6).

    The table is that for t_f = t_bi = t_w. With fewer than 2p-1 micro-batches the rest is left out.
    """
    full = max(2 * ranks - 1, m)
    behind = ranks - rank
    return [
        (2 * behind - 1, "F0"),
        (rank, "F1 F0"),
        (behind, "F1 I1 W"),
        (full - 2 * ranks + 1 + rank, "F0 I0 W F1 I1 W"),
        (behind - 1, "I0 W F1 I1 W"),
        (rank, "I0 I1"),
        (behind, "I0 W"),
        (2 * rank, "W"),
    ], _two_stages(range(full), range(full), rank, 2 * ranks - 1 - rank)


def _two_stages(near: range, far: range, first: int, second: int) -> Draws:
    """Micro-batches in turn through each of the rank's two stages."""
    draws: Draws = {key: [(first, i) for i in near] for key in ("F0", "B0")}
    return draws | {key: [(second, i) for i in far] for key in ("F1", "B1")}


def _dual(depth: int, half: int, passes: int) -> Segments:
    """The eight phases of DualPipe (deepseek-ai/DualPipe ``dualpipe.py``; arXiv:2412.19437 Fig. 5).

    Parameters
    ----------
    depth, half : int
        How far the rank is from its end of the pipeline; ranks from there to the middle.
    passes : int
        Micro-batches that go through each of its two stages.
    """
    inner = half - depth - 1
    steady = passes - 2 * half + depth + 1
    # The middle ranks do not overlap their first two: nothing to hide, and the others wait for it.
    opening = "F0 B1 F1&B0" if inner == 0 else "F0&B1 F1&B0"
    whole = depth + 1  # backwards B1 B0 of phase 6 that are not split yet
    return [
        (2 * inner, "F0"),
        (depth + 1, "F0 F1"),
        (inner, "I1 W F1"),
        (1, opening),
        (steady - 1, "F0&B1 F1&B0"),
        (inner, "B1 F1&B0"),
        (whole // 2, "B1 B0"),
        (1, "B1 I0" if whole % 2 else "I1 I0"),
        ((whole - 1) // 2, "I1 I0"),
        (inner, "W I0"),
        (depth + 1, "W"),
    ]


def dualpipe(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """Two pipelines head to head (arXiv:2412.19437 section 3.2.1).

    Half of the micro-batches enter at either end; each rank holds stage i for one half and stage
    p-1-i for the other.
    """
    _refuse_dual("dualpipe", m, 2 * ranks, fits=ranks % 2 == 0 and m % 2 == 0)
    depth = min(rank, ranks - 1 - rank)
    down, up = range(m // 2), range(m // 2, m)
    near, far = (down, up) if rank == depth else (up, down)
    return _dual(depth, ranks // 2, m // 2), _two_stages(near, far, depth, ranks - 1 - depth)


def dualpipe_v(rank: int, ranks: int, m: int, chunks: int) -> Plan:
    """DualPipe folded in the middle: weights only once (deepseek-ai/DualPipe ``dualpipev.py``)."""
    _refuse_dual("dualpipe-v", m, 2 * ranks, fits=True)
    return _dual(rank, ranks, m), _two_stages(range(m), range(m), rank, 2 * ranks - 1 - rank)


def _refuse_dual(name: str, m: int, least: int, *, fits: bool) -> None:
    """Refuse counts for which the table does not exist."""
    if not fits:
        raise InputError(
            "pipeline ranks and micro-batches must both be even",
            where=f"schedule {name}",
            remedy="Use an even pp and an even number of micro-batches, or the schedule zb-v.",
        )
    if m < least:
        raise InputError(
            f"{m} micro-batches, at least {least} are needed",
            where=f"schedule {name}",
            remedy="Use a larger global batch, fewer pipeline ranks, or the schedule 1f1b.",
        )


Table = Callable[[int, int, int, int], Plan]

TABLES: dict[str, tuple[Table, tuple[int, ...]]] = {
    "gpipe": (gpipe, (1,)),
    "1f1b": (one_forward_one_backward, (1,)),
    "interleaved": (interleaved, ()),
    "zb-h1": (zero_bubble_h1, (1,)),
    "zb-v": (zero_bubble_v, (1, 2)),
    "dualpipe": (dualpipe, (1, 2)),
    "dualpipe-v": (dualpipe_v, (1, 2)),
}
"""The table of each schedule, and the numbers of chunks it may be asked for (none: any)."""
