"""Scaling efficiency: the same model on growing clusters, strong or weak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmodel.errors import InputError, unknown_name
from netmodel.studies.layouts import AUTO, Choice, Request, choose, layout_text
from netmodel.studies.measured import Measured, measured_rates
from netmodel.studies.mixed_choice import time_step
from netmodel.workload import Model
from netmodel.workload.strategy import parse_fields

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step

MODES = ("strong", "weak")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One measured point of the curve, against the model's smallest size.

    Attributes
    ----------
    gpus : int
    efficiency : float
        Measured tokens a second and GPU, over what the model says of the smallest size.
    source : str
        Who published it.
    """

    gpus: int
    efficiency: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A scaling curve.

    Attributes
    ----------
    mode : str
        ``strong``: the batch is the same at every size; ``weak``: it grows with the GPUs.
    model, cluster : str
        Names.
    points : tuple of Step
        One a size, growing.
    choices : tuple of Choice
        The layout of each point, and where it comes from.
    measured : tuple of Published
        Published runs of this model on this accelerator at these settings.
    """

    mode: str
    model: str
    cluster: str
    points: tuple[Step, ...]
    choices: tuple[Choice, ...]
    measured: tuple[Published, ...] = ()

    @property
    def efficiency(self) -> tuple[float, ...]:
        """Tokens a second and GPU, over that of the smallest size."""
        first = self.points[0].tokens_per_s_per_gpu
        return tuple(float(point.tokens_per_s_per_gpu / first) for point in self.points)

    @property
    def baseline_gpus(self) -> int:
        """GPUs of the smallest size."""
        return int(self.points[0].gpus)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed."""
        return tuple(dict.fromkeys(choice.note for choice in self.choices if choice.note))

    @property
    def setting(self) -> str:
        """Mode, batch, precision and cluster in a line."""
        first, last = self.choices[0], self.choices[-1]
        batches = sorted({first.strategy.global_batch, last.strategy.global_batch})
        words = " to ".join(f"{batch:,}" for batch in batches)
        return (
            f"{self.mode.capitalize()} scaling on {self.cluster}: {words} sequences of "
            f"{first.seq_len:,} tokens a step, {first.strategy.precision}"
        )

    @property
    def caption(self) -> str:
        """Model, fabric, layout and sources, for the foot of a figure."""
        origins: dict[str, list[int]] = {}
        for point, choice in zip(self.points, self.choices, strict=True):
            origins.setdefault(choice.origin, []).append(int(point.gpus))
        layouts = "; ".join(
            f"{ORIGINS[origin]} at {_sizes(sizes)} GPUs" for origin, sizes in origins.items()
        )
        shown = next(
            (choice for choice in self.choices if choice.origin == "published"), self.choices[-1]
        )
        text = layout_text(replace(shown.strategy, dp=1))
        sources = [choice.source for choice in self.choices if choice.source]
        sources += [each.source for each in self.measured]
        cited = f" Sources: {'; '.join(dict.fromkeys(sources))}." if sources else ""
        return f"Model {self.model}. Fabric {self.cluster}. Layout {text}: {layouts}.{cited}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel scale``: SI, units in the keys."""
        return {
            "mode": self.mode,
            "model": self.model,
            "cluster": self.cluster,
            "baseline_gpus": self.baseline_gpus,
            "points": [
                {**point.to_dict(), "efficiency": efficiency, "layout_origin": choice.origin}
                for point, efficiency, choice in zip(
                    self.points, self.efficiency, self.choices, strict=True
                )
            ],
            "measured": [
                {"gpus": each.gpus, "efficiency": each.efficiency, "source": each.source}
                for each in self.measured
            ],
        }

    def __str__(self) -> str:
        lines = [self.setting, "    GPUs  efficiency  step time [s]  limited by"]
        lines += [
            f"{point.gpus:>8,}  {efficiency:>10.3f}  {point.step_time:>13.4g}  "
            f"{point.bottleneck['tier']}"
            for point, efficiency in zip(self.points, self.efficiency, strict=True)
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{point.gpus:,}</td><td>{efficiency:.1%}</td>"
            f"<td>{point.step_time:.4g} s</td><td>{point.bottleneck['tier']}</td></tr>"
            for point, efficiency in zip(self.points, self.efficiency, strict=True)
        )
        heads = "".join(f"<th>{name}</th>" for name in ("GPUs", "efficiency", "step", "limit"))
        return f"<table><caption>{self.setting}</caption><tr>{heads}</tr>{rows}</table>"


ORIGINS = {
    "stated": "as stated",
    "published": "as published",
    "adapted": "adapted",
    "search": "the best found",
}


def _sizes(sizes: Sequence[int]) -> str:
    """Write sizes; runs of three or more doublings as a range.

    >>> _sizes([256, 1024, 2048, 4096, 8192])
    '256, 1,024 to 8,192'
    """
    words, run = [], [sizes[0]]
    for size in [*sizes[1:], 0]:
        if size == 2 * run[-1]:
            run.append(size)
            continue
        if len(run) > 2:
            words.append(f"{run[0]:,} to {run[-1]:,}")
        else:
            words += [f"{each:,}" for each in run]
        run = [size]
    return ", ".join(words)


def scale(
    model: Model,
    cluster: Cluster,
    gpus: Sequence[int],
    request: Request | None = None,
    *,
    mode: str = "strong",
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Scaling:
    """Time one step at every size.

    Parameters
    ----------
    gpus : sequence of int
        Sizes; they are sorted, and the smallest is the baseline.
    request : Request, optional
        Layout and batch as they were asked for.
    mode : str
        ``strong`` keeps the global batch. ``weak`` keeps the sequences a GPU: those of the
        published run where there is one, else the batch belongs to the smallest size.
    fidelity, routing, placement, seed
        As in :func:`netmodel.training.step.step`.
    report : callable, optional
        Called after each size with how many are done, of how many.

    Raises
    ------
    InputError
        When no size was given, or a stated layout is not possible at one of them.
    ModelError
        When no layout divides and fits at a size.
    """
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES)
    sizes = sorted(set(gpus))
    if not sizes:
        raise InputError("no cluster size was given", where="gpus")
    request = request or Request()
    choices: list[Choice] = []
    points: list[Step] = []
    for size in sizes:
        asked = request if mode == "strong" else _grown(model, cluster, size, sizes[0], request)
        near = choices[-1].strategy if choices else None
        choice, point, _ = time_step(
            model,
            cluster,
            size,
            asked,
            near,
            fidelity=fidelity,
            routing=routing,
            placement=placement,
            seed=seed,
        )
        choices.append(choice)
        points.append(point)
        if report is not None:
            report(len(points), len(sizes))
    first = float(points[0].tokens_per_s_per_gpu)
    rates = measured_rates(
        model.name,
        cluster.accelerator.name,
        seq_len=choices[0].seq_len,
        precision=choices[0].strategy.precision,
    )
    return Scaling(
        mode=mode,
        model=model.name,
        cluster=cluster.name,
        points=tuple(points),
        choices=tuple(choices),
        measured=tuple(_against(rate, first) for rate in rates if _inside(rate, sizes)),
    )


def _inside(rate: Measured, sizes: Sequence[int]) -> bool:
    """Whether a measured run lies on the curve's range of sizes."""
    return sizes[0] <= rate.gpus <= sizes[-1]


def _against(rate: Measured, first: float) -> Published:
    """Put a measured rate in proportion to the smallest size of the model's curve."""
    return Published(
        gpus=rate.gpus, efficiency=rate.tokens_per_s_per_gpu / first, source=rate.source
    )


def _grown(model: Model, cluster: Cluster, size: int, smallest: int, request: Request) -> Request:
    """Return the request with the batch that belongs to this size in weak scaling."""
    from netmodel.catalog.layouts import published_layout

    published = published_layout(model.name, cluster.accelerator.name, None, request.seq_len)
    if request.global_batch is not None:
        batch, at = request.global_batch, smallest
    elif (
        isinstance(request.strategy, str)
        and request.strategy != AUTO
        and "global_batch" in (fields := parse_fields(request.strategy))
    ):
        batch, at = fields.pop("global_batch"), smallest
        words = ",".join(f"{key}={value}" for key, value in fields.items())
        request = replace(request, strategy=words)
    elif published is not None and published.gpus is not None:
        batch, at = parse_fields(published.strategy)["global_batch"], published.gpus
    else:
        first = choose(model, cluster, smallest, request)
        batch, at = first.strategy.global_batch, smallest
    return replace(request, global_batch=max(1, batch * size // at))
