"""One training run to so many tokens: its step, and how long it takes without interruption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmodel.errors import InputError
from netmodel.studies.layouts import Choice, Request, layout_text
from netmodel.studies.mixed_choice import time_step
from netmodel.training.frameworks import Software, software_of
from netmodel.workload import Model, parameters

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A training run.

    Attributes
    ----------
    model : str
    gpus : int
    tokens : float or None
        To train on; None where only a rate is asked for.
    step : Step
    choice : Choice
        The layout, and where it comes from.
    state : float
        Weights, master weights and optimizer moments of the whole model [B].
    """

    model: str
    gpus: int
    tokens: float | None
    step: Step
    choice: Choice
    state: float

    @property
    def tokens_per_s(self) -> float:
        """Of all GPUs [1/s]."""
        return float(self.step.tokens_per_s_per_gpu * self.gpus)

    @property
    def seconds(self) -> float | None:
        """Time to the tokens without interruption [s]."""
        return None if self.tokens is None else self.tokens / self.tokens_per_s

    @property
    def setting(self) -> str:
        """Layout, batch and precision in a line."""
        strategy = self.choice.strategy
        return (
            f"{layout_text(strategy)}; {strategy.global_batch:,} sequences of "
            f"{self.choice.seq_len:,} tokens a step, {strategy.precision}"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the layout, and who published it."""
        source = f"layout {self.choice.origin}: {self.choice.source}" if self.choice.source else ""
        return tuple(note for note in (self.choice.note, source) if note)

    def to_dict(self) -> dict[str, Any]:
        """Return the run with units in the keys."""
        return {
            "model": self.model,
            "gpus": self.gpus,
            "tokens": self.tokens,
            "step_time_s": float(self.step.step_time),
            "tokens_per_s_per_gpu": float(self.step.tokens_per_s_per_gpu),
            "mfu": float(self.step.mfu),
            "time_s": self.seconds,
            "layout": layout_text(self.choice.strategy),
            "layout_origin": self.choice.origin,
            "layout_source": self.choice.source,
            "state_B": self.state,
        }


def training_run(
    model: Model,
    cluster: Cluster,
    gpus: int,
    tokens: float | None = None,
    request: Request | None = None,
    fidelity: str = "closed",
) -> Run:
    """Time the step of a run.

    Raises
    ------
    InputError
        When the tokens are not above zero, or a stated layout is not possible.
    ModelError
        When no layout divides and fits.
    """
    if tokens is not None and not tokens > 0:
        raise InputError(f"{tokens:g} tokens asked for, a run has more than none", where="--tokens")
    choice, done, _ = time_step(model, cluster, gpus, request or Request(), fidelity=fidelity)
    return Run(
        model=model.name,
        gpus=gpus,
        tokens=tokens,
        step=done,
        choice=choice,
        state=state_bytes(model, cluster, choice.software),
    )


def state_bytes(model: Model, cluster: Cluster, software: Software | None = None) -> float:
    """Weights, master weights and moments of the whole model, as the software stores them [B]."""
    recipe = (software or software_of(None, cluster.software or {})).recipe
    return float(parameters(model).total * (recipe.weight + recipe.master + recipe.moments))
