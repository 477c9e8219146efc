"""The question of ``netmodel search``: the best layouts, beside the published one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmodel.catalog.layouts import published_layout
from netmodel.errors import InputError
from netmodel.studies.layouts import (
    AUTO,
    DEFAULT_SEQ_LEN,
    DEFAULT_TOKENS,
    Request,
    published_choice,
)
from netmodel.studies.search import Search, search
from netmodel.studies.search_why import Why, why
from netmodel.training import step
from netmodel.training.frameworks import software_of
from netmodel.workload import Model
from netmodel.workload.strategy import parse_fields

if TYPE_CHECKING:
    from netmodel.topology import Cluster
    from netmodel.training import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the published layout stands among all.

    Attributes
    ----------
    step : Step
    faster : float
        Share of the evaluated layouts that are faster.
    why : Why
        What separates it from the best.
    source : str
        Who published it.
    """

    step: Step
    faster: float
    why: Why
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, SI units in the keys."""
        return {
            **self.step.to_dict(),
            "faster_share": self.faster,
            "why": self.why.to_dict(),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A search with its question.

    Attributes
    ----------
    found : Search
    model, cluster : str
        Names.
    gpus, seq_len, global_batch : int
    precision : str
    published : Published or None
        Where one is published for this question and possible.
    notes : tuple of str
        What was assumed.
    """

    found: Search
    model: str
    cluster: str
    gpus: int
    seq_len: int
    global_batch: int
    precision: str
    published: Published | None = None
    notes: tuple[str, ...] = ()

    @property
    def setting(self) -> str:
        """Model, size, batch and precision in a line."""
        return (
            f"{self.model} on {self.gpus:,} GPUs of {self.cluster}: {self.global_batch:,} "
            f"sequences of {self.seq_len:,} tokens a step, {self.precision}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``netmodel search``, without the time it took."""
        return {
            **self.found.to_dict(),
            "published": self.published.to_dict() if self.published else None,
        }


def rank(
    model: Model,
    cluster: Cluster,
    gpus: int,
    request: Request | None = None,
    *,
    top: int = 10,
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
) -> Ranked:
    """Search all layouts under what was asked for, and place the published one among them.

    Parameters
    ----------
    request : Request, optional
        Its ``strategy`` states the fields that are not searched, ``"pp=16,zero=1"``. Batch, length
        and precision are those of the published run where nothing else is asked for.
    top : int
        How many to return.
    fidelity, routing, placement, seed
        Of the best and the published layout, as in :func:`netmodel.training.step.step`.

    Raises
    ------
    InputError
        When the strategy is no list of fields.
    ModelError
        When no layout divides and fits.
    """
    request = request or Request()
    published = published_layout(model.name, cluster.accelerator.name, gpus, request.seq_len)
    known = parse_fields(published.strategy) if published else {}
    fixed = _fixed(request)
    seq_len = request.seq_len or (published.seq_len if published else DEFAULT_SEQ_LEN)
    batch = fixed.pop("global_batch", known.get("global_batch"))
    notes: tuple[str, ...] = ()
    if batch is None:
        batch = max(1, DEFAULT_TOKENS // seq_len)
        notes = (f"global batch of {batch:,} sequences assumed",)
    precision = fixed.pop("precision", known.get("precision", "bf16"))
    software = software_of(published.software if published else None, cluster.software or {})
    found = search(
        model,
        cluster,
        gpus,
        seq_len=seq_len,
        global_batch=batch,
        precision=precision,
        fixed=fixed,
        software=software,
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
        top=top,
    )
    asked = Request(
        global_batch=batch if batch != known.get("global_batch") else None,
        micro_batch=request.micro_batch,
        precision=precision if precision != known.get("precision") else None,
    )
    beside = None
    if published is not None:
        try:
            choice = published_choice(model, cluster, gpus, published, asked, seq_len)
        except InputError as error:
            notes = (*notes, f"the published layout is not possible here: {error.found}")
        else:
            timed = step(
                model,
                cluster,
                choice.strategy,
                gpus=gpus,
                seq_len=seq_len,
                software=choice.software,
                fidelity=fidelity,
                routing=routing,
                placement=placement,
                seed=seed,
            )
            beside = Published(
                step=timed,
                faster=found.faster(timed.step_time),
                why=why(found.best[0], timed),
                source=published.source,
            )
    return Ranked(
        found=found,
        model=model.name,
        cluster=cluster.name,
        gpus=gpus,
        seq_len=seq_len,
        global_batch=batch,
        precision=precision,
        published=beside,
        notes=notes,
    )


def _fixed(request: Request) -> dict[str, Any]:
    """Return the fields that are stated, not searched."""
    asked = request.strategy
    stated: dict[str, Any] = {}
    if isinstance(asked, str) and asked != AUTO:
        stated = parse_fields(asked)
    elif asked is not None and asked != AUTO:
        raise InputError(
            "a whole layout leaves nothing to search", where="strategy", remedy="State fields."
        )
    for name, value in (
        ("micro_batch", request.micro_batch),
        ("global_batch", request.global_batch),
        ("precision", request.precision),
    ):
        if value is not None and stated.setdefault(name, value) != value:
            raise InputError(
                f"{name} is {stated[name]} in the strategy and {value} in its own option",
                where="--strategy",
                remedy="State it once.",
            )
    return stated
