"""What a step was added up from: the plan, its messages, rates and factors, kept together.

Studies that ask *why* change one of them and add up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmodel.catalog.accelerators import Accelerator
from netmodel.network.tiers import Tiers
from netmodel.training.compose import Sum, add_up, step_time
from netmodel.training.factors import factors, rates
from netmodel.training.frameworks import Software, software_of
from netmodel.training.kernels import Rates
from netmodel.training.messages import Message, Wires, messages
from netmodel.training.plan import Plan, plan
from netmodel.training.step import accelerator_of, graph_of, planned, tiers_of
from netmodel.workload import Model, Stage, Strategy, demands

if TYPE_CHECKING:
    from netmodel.topology import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """One step before it is added up.

    Attributes
    ----------
    model, strategy, seq_len : Model, Strategy, int
        The question.
    fabric : Tiers
        What the messages run on; its bandwidths and latencies may be arrays.
    accelerator : Accelerator
        The GPU.
    software : Software
        Framework and release.
    plan : Plan
        Work, stages and messages.
    messages : tuple of Message
        Each message, timed.
    rates : Rates
        What the GPU attains.
    factors : mapping of str to float
        Every fitted factor.
    """

    model: Model
    strategy: Strategy
    seq_len: int
    fabric: Tiers
    accelerator: Accelerator
    software: Software
    plan: Plan
    messages: tuple[Message, ...]
    rates: Rates
    factors: Mapping[str, Any]

    def sum(self) -> Sum:
        """Add the step up."""
        return add_up(self.plan, self.rates, self.factors)

    @property
    def step_time(self) -> float:
        """The step, without its breakdown [s]."""
        return float(step_time(self.plan, self.rates, self.factors))

    def with_fabric(self, fabric: Tiers) -> Pieces:
        """Return the same step on other wires, timed by the closed form."""
        wires = Wires.of(fabric, self.accelerator.generation, self.software)
        asked = demands(self.model, self.strategy, self.seq_len, self.software.recipe)
        timed = messages(asked, self.model, self.strategy, wires)
        made = plan(self.model, self.strategy, self.seq_len, self.software, timed)
        return replace(self, fabric=fabric, plan=made, messages=timed)

    def with_accelerator(self, accelerator: Accelerator) -> Pieces:
        """Return the same step on a GPU of the same kind with other rates."""
        return replace(
            self,
            accelerator=accelerator,
            rates=rates(
                accelerator,
                self.factors,
                precision=self.strategy.precision,
                flash=self.software.recipe.flash,
            ),
        )

    def balanced(self) -> Pieces:
        """Return the same step with all layers, embedding and head spread evenly over the ranks."""
        even = even_stage(self.model, self.plan)
        return replace(self, plan=replace(self.plan, stages=(even, even, even)))


def pieces(
    model: Model,
    cluster: Cluster,
    strategy: Strategy,
    *,
    gpus: int,
    seq_len: int,
    software: Any = None,
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
) -> Pieces:
    """Gather what :func:`netmodel.training.step` adds up; the arguments are the same."""
    chosen = software_of(software, cluster.software or {})
    fabric, accelerator = tiers_of(cluster, gpus), accelerator_of(cluster, gpus)
    graph = None
    if fidelity != "closed":
        graph = graph_of(cluster, gpus, routing, placement, seed)
    made, timed = planned(
        model, strategy, seq_len, fabric, accelerator.generation, chosen, graph, fidelity
    )
    values = factors(accelerator, chosen.keys)
    return Pieces(
        model=model,
        strategy=strategy,
        seq_len=seq_len,
        fabric=fabric,
        accelerator=accelerator,
        software=chosen,
        plan=made,
        messages=timed,
        rates=rates(accelerator, values, precision=strategy.precision, flash=chosen.recipe.flash),
        factors=values,
    )


def even_stage(model: Model, plan: Plan) -> Stage:
    """What each pipeline rank would hold if a layer could be cut anywhere.

    Examples
    --------
    >>> import netmodel as nm
    >>> from netmodel.workload import Strategy
    >>> model, cluster = nm.load_model("llama-3.1-8b"), nm.load_cluster("dgx-superpod-h100")
    >>> layout = Strategy(pp=4, dp=2, global_batch=16)
    >>> even_stage(model, pieces(model, cluster, layout, gpus=8, seq_len=4096).plan).dense
    8.0
    """
    p = plan.pp
    return Stage(
        index=0,
        dense=model.dense_layers / p,
        moe=model.moe_layers / p,
        embedding=1.0 / p,
        head=1.0 / p,
        mtp=model.mtp / p,
        copies=plan.stages[0].copies,
    )
