"""One job on GPUs of several kinds: who gets how much work, and what the mix costs.

Each kind is timed by :func:`netmodel.training.pieces.pieces` on the pure cluster of its hosts: the
same design at the same size. Its own kernels and the messages that stay inside it are its own;
a message that joins kinds takes what it takes on the slowest of them. The slowest rank decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from netmodel.errors import InputError, ModelError, unknown_name
from netmodel.studies.mixed_pipeline import Pipe
from netmodel.studies.shares import FloatArray, batch_shares, given_shares
from netmodel.training.breakdown import Step
from netmodel.training.compose import Sum, step_time
from netmodel.training.factors import peaks
from netmodel.training.pieces import Pieces, pieces
from netmodel.training.placement import strides
from netmodel.training.step import answer
from netmodel.workload import Model, Strategy
from netmodel.workload.fit import check_memory

if TYPE_CHECKING:
    from netmodel.topology import Cluster

SPLITS = ("batch", "layers")
"""Kinds hold whole replicas and share the batch, or hold whole stages and share the layers."""
ONE_WAY = ("gpipe", "1f1b")
"""Schedules in which a rank holds one run of layers, so that layers can be dealt unevenly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All GPUs of one kind.

    Attributes
    ----------
    name, accelerator : str
        Host and its GPU.
    gpus : int
        GPUs of this kind in the job.
    share : tuple of int
        ``batch``: micro-batches of a step that the group's replicas run, one number.
        ``layers``: layers of each of its stages.
    busy : float
        When this kind ends its own part of the step; the latest decides [s].
    pure : float
        Step time of as many GPUs as the whole job has, all of this kind [s].
    """

    name: str
    accelerator: str
    gpus: int
    share: tuple[int, ...]
    busy: float
    pure: float


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A step of a mixed cluster.

    Attributes
    ----------
    split : str
        One of :data:`SPLITS`.
    step : Step
        The step of the group that the others wait for.
    groups : tuple of Group
        In the order of their GPUs.
    even : float
        Step time if all ranks got equal work, as a framework that knows no kinds deals it [s].
    """

    split: str
    step: Step
    groups: tuple[Group, ...]
    even: float

    @property
    def step_time(self) -> float:
        """Time of the step [s]."""
        return float(self.step.step_time)

    @property
    def slowest(self) -> Group:
        """The group that the others wait for."""
        return max(self.groups, key=lambda group: group.busy)

    @property
    def ideal(self) -> float:
        """Step time if every GPU did what it does in its pure cluster [s]."""
        return sum(g.gpus for g in self.groups) / sum(g.gpus / g.pure for g in self.groups)

    @property
    def loss(self) -> float:
        """Share of the GPUs' speed in pure clusters that the mix loses.

        Below zero where unequal stages suit the model better than the equal ones of a pure cluster.
        """
        return 1.0 - self.ideal / self.step_time

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, SI units in the keys."""
        return {
            "split": self.split,
            "even_step_time_s": self.even,
            "ideal_step_time_s": self.ideal,
            "loss": self.loss,
            "groups": [
                {
                    "name": group.name,
                    "accelerator": group.accelerator,
                    "gpus": group.gpus,
                    "share": list(group.share),
                    "busy_s": group.busy,
                    "pure_step_time_s": group.pure,
                }
                for group in self.groups
            ],
        }


def mixed(
    model: Model,
    cluster: Cluster,
    strategy: Strategy,
    *,
    gpus: int,
    seq_len: int,
    software: Any = None,
    split: str | None = None,
    shares: Sequence[float] | None = None,
) -> Mixed:
    """Time one training step on a cluster with groups of different hosts.

    Parameters
    ----------
    cluster : Cluster
        With one or several groups of nodes.
    strategy : Strategy
        The layout of all GPUs. Kinds lie along its outermost dimension: the data-parallel one
        where the batch is shared, the pipeline where layers are; ``order`` is changed so.
    split : str, optional
        One of :data:`SPLITS`; the faster of those that are possible when left out.
    shares : sequence of float, optional
        Work of each kind in this proportion; what makes the step shortest when left out.

    Raises
    ------
    InputError
        When the layout does not divide among the kinds, or does not fit the memory of one.
    ModelError
        When there are too few micro-batches or too little memory to share.
    """
    if split is not None and split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    asked = (split,) if split else SPLITS
    found: list[Mixed] = []
    refused: list[InputError | ModelError] = []
    for name in asked:
        try:
            job = _Job(model, cluster, _laid(strategy, name), gpus, seq_len, software)
            found.append((_by_batch if name == "batch" else _by_layers)(job, shares))
        except (InputError, ModelError) as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return min(found, key=lambda each: each.step_time)


@dataclass(frozen=True)
class _Job:
    """The question, and each kind's pieces."""

    model: Model
    cluster: Cluster
    strategy: Strategy
    gpus: int
    seq_len: int
    software: Any

    @cached_property
    def kinds(self) -> tuple[tuple[int, int], ...]:
        """Host and GPUs of each kind."""
        return self.cluster.groups(self.gpus)

    @cached_property
    def pure(self) -> tuple[Pieces, ...]:
        """The step on each pure cluster."""
        return tuple(
            pieces(
                self.model,
                self.cluster.only(kind),
                self.strategy,
                gpus=self.gpus,
                seq_len=self.seq_len,
                software=self.software,
            )
            for kind, _ in self.kinds
        )

    def joined(self, dimensions: tuple[str, ...]) -> list[Pieces]:
        """Each kind's pieces, with messages of these dimensions as slow as on the slowest kind."""
        slowest = {
            key: max(each.plan.messages[key] for each in self.pure)
            for key in self.pure[0].plan.messages
            if key[0] in dimensions
        }
        return [
            replace(each, plan=replace(each.plan, messages={**each.plan.messages, **slowest}))
            for each in self.pure
        ]

    def parts(self, inner: int, what: str) -> list[int]:
        """Divide each kind's GPUs into replicas or stages of ``inner`` GPUs."""
        for kind, gpus in self.kinds:
            if gpus % inner:
                raise InputError(
                    f"{gpus:,} GPUs of {self.cluster.hosts[kind].name} hold no whole number of "
                    f"{what} of {inner:,}",
                    where=f"cluster {self.cluster.name!r}",
                    remedy="Change the layout, or --gpus.",
                )
        return [gpus // inner for _, gpus in self.kinds]

    def weights(self, shares: Sequence[float]) -> Sequence[float]:
        """Check the shares that were given."""
        if len(shares) != len(self.kinds) or not all(share > 0 for share in shares):
            raise InputError(
                f"shares {tuple(shares)} for {len(self.kinds)} kinds of GPUs",
                where="shares",
                remedy="Give a number above zero for each kind.",
            )
        return shares

    def answer(self, which: int, made: Pieces, added: Sum, fuller: float | None = None) -> Step:
        """Word the step of the kind that decides; utilisation is that of all GPUs.

        ``fuller`` is how much more than usual its stages hold; where all hold the same, the
        smallest memory is the capacity.
        """
        done = answer(
            self.model, self.strategy, self.seq_len, made.accelerator, made.software,
            added, made.messages, self.pure[which].fabric,
        )  # fmt: skip
        precision = self.strategy.precision
        own = peaks(made.accelerator, precision)[0] * self.gpus
        whole = sum(
            peaks(each.accelerator, precision)[0] * gpus
            for each, (_, gpus) in zip(self.pure, self.kinds, strict=True)
        )
        held = {name: size * (fuller or 1.0) for name, size in done.memory.items()}
        held["capacity"] = made.accelerator.memory
        if fuller is None:
            held["capacity"] = min(each.accelerator.memory for each in self.pure)
        return replace(done, memory=held, mfu=done.mfu * own / whole)


def _laid(strategy: Strategy, split: str) -> Strategy:
    """Put the dimension along which kinds lie outermost."""
    last = "dp" if split == "batch" else "pp"
    inner = [name for name in strategy.order.split("-") if name != last]
    if split == "batch" and strategy.pp == 1:
        return strategy
    return replace(strategy, order="-".join([*inner, last]))


def _by_batch(job: _Job, shares: Sequence[float] | None) -> Mixed:
    """Share the micro-batches of a step among the replicas of all kinds."""
    strategy = job.strategy
    replicas = job.parts(strategy.tp * strategy.cp * strategy.pp, "replicas")
    for each in job.pure:
        check_memory(
            job.model, strategy, job.seq_len, float(each.accelerator.memory), each.software.recipe
        )
    made = job.joined(_across(job))
    each_replica = strategy.micro_batches
    quantum = strategy.pp if strategy.schedule == "interleaved" else 1
    quantum = quantum if each_replica % quantum == 0 else 1
    total = each_replica * strategy.dp // quantum
    counts = quantum * np.arange(1.0, total + 1)
    times = [_step_times(each, counts) for each in made]
    if shares is None:
        dealt = batch_shares(times, replicas, total)
    else:
        dealt = given_shares(job.weights(shares), total)
    busiest = [max(1, -(-share // n)) for share, n in zip(dealt, replicas, strict=True)]
    busy = [float(time[n - 1]) for time, n in zip(times, busiest, strict=True)]
    which = int(np.argmax(busy))
    slow = replace(
        made[which], plan=replace(made[which].plan, micro_batches=quantum * busiest[which])
    )
    even = each_replica // quantum - 1
    return Mixed(
        split="batch",
        step=job.answer(which, slow, slow.sum()),
        groups=_groups(
            job,
            [(quantum * share,) for share in dealt],
            busy,
            [each.step_time for each in job.pure],
        ),
        even=max(float(time[even]) for time in times),
    )


def _step_times(made: Pieces, micro_batches: FloatArray) -> FloatArray:
    """Time steps in which a replica runs each of these numbers of micro-batches [s]."""
    plan = replace(made.plan, micro_batches=micro_batches)
    return np.asarray(step_time(plan, made.rates, made.factors), float)


def _across(job: _Job) -> tuple[str, ...]:
    """Dimensions whose groups join kinds when replicas are whole."""
    step = strides(job.strategy)
    edges = np.cumsum([gpus for _, gpus in job.kinds])[:-1]
    extent = step["ep"] * job.strategy.ep
    experts = ("ep", "etp") if any(int(edge) % extent for edge in edges) else ()
    return ("dp", "edp", "replica", *experts)


def _groups(
    job: _Job,
    shares: Sequence[tuple[int, ...]],
    busy: Sequence[float],
    pure: Sequence[float],
) -> tuple[Group, ...]:
    """Gather what there is to say about each kind."""
    return tuple(
        Group(
            name=job.cluster.hosts[kind].name,
            accelerator=job.cluster.hosts[kind].accelerator,
            gpus=gpus,
            share=shares[i],
            busy=busy[i],
            pure=pure[i],
        )
        for i, (kind, gpus) in enumerate(job.kinds)
    )


def _by_layers(job: _Job, shares: Sequence[float] | None) -> Mixed:
    """Share the layers of the model among the pipeline stages of all kinds."""
    strategy, model = job.strategy, job.model
    if strategy.schedule not in ONE_WAY or strategy.pp < 2:
        raise InputError(
            f"pp={strategy.pp} {strategy.schedule} cannot hold unequal stages",
            where="strategy",
            remedy=f"Use pp > 1 with {' or '.join(ONE_WAY)}, or share the batch.",
        )
    stages = job.parts(strategy.tp * strategy.cp * strategy.dp, "stages")
    kind_of = [kind for kind, count in enumerate(stages) for _ in range(count)]
    made = job.joined(("pp",))
    pipe = Pipe(model, made)
    if shares is None:
        counts = pipe.dealt(kind_of)
    else:
        wanted = given_shares(job.weights(shares), model.layers)
        parts = zip(wanted, stages, strict=True)
        counts = tuple(n for share, own in parts for n in given_shares([1.0] * own, share))
        pipe.check(counts, kind_of)
    done = pipe.frames(counts, kind_of)
    busy = [float(frame.step_time) for frame in done]
    which = int(np.argmax(busy))
    fuller = pipe.ratio(which, counts, kind_of)
    alone = [Pipe(model, [each]) for each in job.pure]
    same = [0] * strategy.pp
    return Mixed(
        split="layers",
        step=job.answer(which, made[which], pipe.sum(counts, kind_of, which), fuller),
        groups=_groups(
            job,
            [
                tuple(n for n, kind in zip(counts, kind_of, strict=True) if kind == i)
                for i in range(len(stages))
            ],
            busy,
            [float(each.frames(each.dealt(same), same)[0].step_time) for each in alone],
        ),
        even=pipe.time(given_shares([1.0] * strategy.pp, model.layers), kind_of),
    )
