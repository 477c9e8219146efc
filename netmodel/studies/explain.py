"""Why a step takes as long as it does, or why it does not shrink as the cluster grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmodel.errors import InputError
from netmodel.studies.explain_elasticity import HERE, Kink, elasticities, kinks
from netmodel.studies.explain_limits import Ceiling, Limit, ceiling, limits
from netmodel.studies.explain_waterfall import IDEAL, growth, waterfall
from netmodel.studies.layouts import Choice, Request
from netmodel.studies.scale import Scaling, scale
from netmodel.training.pieces import Pieces, pieces
from netmodel.units import format_time
from netmodel.workload import Model

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer of :func:`explain`.

    Attributes
    ----------
    curve : Scaling
        The steps and their layouts, smallest size first.
    waterfalls : tuple of mappings
        Seconds by cause of each step; each adds up to its step time [s].
    waterfall : mapping of str to float
        Of the one step, or from the first step perfectly scaled to the last one [s].
    elasticity : tuple of mappings
        Of each step: percent of step time per percent of a field.
    kinks : tuple of Kink
        Of the last step: where improving a field stops to help as it does.
    limits : tuple of Limit
        Of the last step: what it waits for, longest first.
    ceiling : Ceiling
        Of the last step: how far its fabric could go.
    summary : str
        One sentence.
    """

    curve: Scaling
    waterfalls: tuple[Mapping[str, float], ...]
    waterfall: Mapping[str, float]
    elasticity: tuple[Mapping[str, float], ...]
    kinks: tuple[Kink, ...]
    limits: tuple[Limit, ...]
    ceiling: Ceiling
    summary: str

    @property
    def points(self) -> tuple[Step, ...]:
        """The steps, smallest size first."""
        return self.curve.points

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Their layouts."""
        return self.curve.choices

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel explain``: SI, units in the keys."""
        curve = self.curve.to_dict()
        return {
            "model": curve["model"],
            "cluster": curve["cluster"],
            "mode": curve["mode"],
            "points": [
                {**point, "waterfall_s": dict(falls), "elasticity": dict(slopes)}
                for point, falls, slopes in zip(
                    curve["points"], self.waterfalls, self.elasticity, strict=True
                )
            ],
            "waterfall_s": dict(self.waterfall),
            "elasticity": dict(self.elasticity[-1]),
            "kinks": [
                {
                    "field": each.field,
                    "factor": each.factor,
                    "takes_over": each.takes_over,
                    "largest_loss": each.largest,
                    "text": str(each),
                }
                for each in self.kinks
            ],
            "limits": [each.to_dict() for each in self.limits],
            "ceiling": self.ceiling.to_dict(),
            "summary": self.summary,
        }

    def __str__(self) -> str:
        lines = [self.summary]
        lines += [f"  {name:<28} {seconds:10.4g} s" for name, seconds in self.waterfall.items()]
        return "\n".join(lines)


def explain(
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
) -> Explanation:
    """Explain one step, or what happens between the smallest and the largest of several sizes.

    Parameters
    ----------
    gpus : sequence of int
        One size, or several.
    request : Request, optional
        Layout and batch as they were asked for.
    mode : str
        As of :func:`netmodel.studies.scale.scale`.
    fidelity, routing, placement, seed
        As in :func:`netmodel.training.step.step`. On the graph the contention of a message is what
        it takes there beyond the closed form on a fabric that nobody shares; what resources are
        worth, and the ceilings, remain those of the closed form.

    Raises
    ------
    InputError
        When no size was given, or a stated layout is not possible.
    ModelError
        When no layout divides and fits.
    """
    if not gpus:
        raise InputError("no cluster size was given", where="gpus")
    graph: dict[str, Any] = {
        "fidelity": fidelity,
        "routing": routing,
        "placement": placement,
        "seed": seed,
    }
    curve = scale(model, cluster, gpus, request, mode=mode, **graph)

    def gathered(**rung: Any) -> tuple[Pieces, ...]:
        return tuple(
            pieces(
                model,
                cluster,
                choice.strategy,
                gpus=int(point.gpus),
                seq_len=choice.seq_len,
                software=choice.software,
                **rung,
            )
            for point, choice in zip(curve.points, curve.choices, strict=True)
        )

    known = gathered()
    laid = known if fidelity == "closed" else gathered(**graph)
    falls = tuple(waterfall(each) for each in laid)
    slopes = tuple(elasticities(each) for each in known)
    last = known[-1]
    whole = falls[0] if len(falls) == 1 else growth(falls[0], falls[-1], _perfect(curve))
    bends, top = kinks(last, slopes[-1]), ceiling(last, cluster)
    return Explanation(
        curve=curve,
        waterfalls=falls,
        waterfall=whole,
        elasticity=slopes,
        kinks=bends,
        limits=limits(laid[-1]),
        ceiling=top,
        summary=summary(curve, whole, slopes[-1], bends, last),
    )


def _perfect(curve: Scaling) -> float:
    """What the first step would shrink to at the last size, over itself."""
    first, last = curve.points[0], curve.points[-1]
    tokens = [
        point.strategy.global_batch * choice.seq_len
        for point, choice in zip(curve.points, curve.choices, strict=True)
    ]
    return float(tokens[-1] / tokens[0] * first.gpus / last.gpus)


SPOKEN = {
    "kernels": "GPU kernels below peak",
    "extra work": "work beyond the model's own FLOPs",
    "ideal work": "work at peak",
    "tp": "tensor-parallel",
    "cp": "context-parallel",
    "ep": "expert-parallel",
    "dp": "data-parallel",
    "pp": "pipeline",
    "bubble": "the pipeline bubble",
    "imbalance": "unequal pipeline stages",
    "recompute": "recomputation",
    "launch": "kernel launches",
    "interference": "compute slowed by communication",
    "optimizer": "the optimizer",
}
"""How entries of a waterfall are called in a sentence."""


def losses(falls: Mapping[str, float]) -> dict[str, float]:
    """Add up a waterfall by what a sentence names: ``ep messages over leaf``, largest first.

    >>> losses({"ideal": 2.0, "dp:leaf:latency": 0.25, "dp:leaf:bandwidth": 0.5, "bubble": 0.1})
    {'data-parallel messages over leaf': 0.75, 'the pipeline bubble': 0.1}
    """
    found: dict[str, float] = {}
    for name, seconds in falls.items():
        if name == IDEAL:
            continue
        head, *rest = name.split(":")
        spoken = SPOKEN.get(head, head)
        if len(rest) == 2:
            spoken = f"{spoken} messages over {rest[0]}"
        found[spoken] = found.get(spoken, 0.0) + seconds
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def summary(
    curve: Scaling,
    falls: Mapping[str, float],
    elasticity: Mapping[str, float],
    bends: Sequence[Kink],
    last: Pieces,
) -> str:
    """Say in one sentence what costs most, and which tier is worth money."""
    point = curve.points[-1]
    seconds = float(point.step_time)
    named = list(losses(falls).items())[:2]
    most = " and ".join(f"{name} ({_percent(each / seconds)})" for name, each in named)
    if len(curve.points) > 1:
        start = (
            f"From {curve.points[0].gpus:,} to {point.gpus:,} GPUs of {curve.cluster}, "
            f"{curve.model} keeps {_percent(curve.efficiency[-1])} of its efficiency; of the step "
            f"of {format_time(seconds)}, what was added is mostly {most}"
        )
    else:
        start = (
            f"On {point.gpus:,} GPUs of {curve.cluster} a step of {curve.model} takes "
            f"{format_time(seconds)}, {seconds / falls[IDEAL]:.1f} times what all its FLOPs take "
            f"at peak, mostly for {most}"
        )
    return f"{start}; {_advice(elasticity, bends, last)}."


def _percent(share: float) -> str:
    """Write a share with two digits.

    >>> _percent(0.4681), _percent(0.0429)
    ('47 %', '4.3 %')
    """
    return f"{100 * share:.{0 if abs(share) >= 0.0995 else 1}f} %"


def _advice(elasticity: Mapping[str, float], bends: Sequence[Kink], last: Pieces) -> str:
    """Say what a tenth more of the tier that matters most is worth."""
    tiers = {name: elasticity[f"{name}.bandwidth"] for name in last.fabric.names}
    best = min(tiers, key=lambda name: tiers[name])
    gain = 1.0 - 1.1 ** tiers[best]
    if gain < HARDLY:
        return "more bandwidth in any tier of the fabric would hardly help"
    bend = next((each for each in bends if each.field == f"{best}.bandwidth"), None)
    if bend is None:
        until = ""
    elif bend.factor < HERE:
        until = ", and any more of it less and less"
    else:
        until = f", but beyond {bend.factor:.2g} times as much it pays less"
    return f"10 % more {best} bandwidth would save {_percent(gain)}{until}"


HARDLY = 0.002
"""Share of a step below which a tenth more bandwidth is not worth naming."""
