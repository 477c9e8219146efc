"""One training step of a model on a cluster under a layout."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netmodel.catalog.accelerators import Accelerator
from netmodel.errors import InputError
from netmodel.network.tiers import Tiers, tiers
from netmodel.training.breakdown import Step
from netmodel.training.compose import Sum, add_up, step_time
from netmodel.training.factors import factors, peaks, rates
from netmodel.training.frameworks import Software, software_of
from netmodel.training.many import is_many, plan_many
from netmodel.training.messages import Message, Wires, messages
from netmodel.training.plan import Plan, plan
from netmodel.workload import Model, Strategy, demands, flops_per_token, memory

if TYPE_CHECKING:
    from netmodel.collectives.placed import Fabric
    from netmodel.topology import Cluster

FIDELITIES = ("closed", "contention", "flow")


def step(
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
) -> Step:
    """Time one training step.

    Parameters
    ----------
    model : Model
    cluster : Cluster
        Anything with ``accelerator``, ``software`` and ``wiring(gpus)``.
    strategy : Strategy
        The layout; its numbers may be arrays, all of the same ``gpus``.
    gpus, seq_len : int
        GPUs of the job; tokens in one sequence.
    software : Software, str or tuple, optional
        Framework and release; the cluster's own, or a current Megatron-like one.
    fidelity : str
        ``"closed"``, ``"contention"`` or ``"flow"``: the latter two time every message on the
        links of the routed graph, and take plain layouts only.
    routing, placement, seed
        Of the graph: policy, which GPU runs which rank, and the seed of both; see
        :meth:`netmodel.collectives.placed.Fabric.of`.

    Raises
    ------
    InputError
        When the fidelity is unknown, the layout is an array on the graph, it is for another
        number of GPUs, or the GPUs are of several kinds.
    """
    if fidelity not in FIDELITIES:
        raise InputError(
            f"fidelity is {fidelity!r}",
            where="--fidelity",
            remedy=f"Use {' or '.join(FIDELITIES)}.",
        )
    if isinstance(strategy.gpus, int) and strategy.gpus != gpus:
        raise InputError(
            f"tp x cp x pp x dp = {strategy.gpus:,}, but there are {gpus:,} GPUs",
            where="strategy",
            remedy="Derive dp with complete_strategy, or change a factor.",
        )
    chosen = software_of(software, cluster.software or {})
    accelerator = accelerator_of(cluster, gpus)
    fabric = tiers_of(cluster, gpus)
    graph = None
    if fidelity != "closed":
        graph = graph_of(cluster, gpus, routing, placement, seed)
    made, timed = planned(
        model, strategy, seq_len, fabric, accelerator.generation, chosen, graph, fidelity
    )
    values = factors(accelerator, chosen.keys)
    attained = rates(accelerator, values, precision=strategy.precision, flash=chosen.recipe.flash)
    added = add_up(made, attained, values)
    return answer(model, strategy, seq_len, accelerator, chosen, added, timed, fabric)


def step_times(
    model: Model,
    cluster: Cluster,
    strategy: Strategy,
    *,
    gpus: int,
    seq_len: int,
    software: Any = None,
) -> Any:
    """Time many layouts of one size, and nothing else [s].

    The same to the last bit as ``step(...).step_time``, about a million layouts a second.
    """
    chosen = software_of(software, cluster.software or {})
    accelerator = accelerator_of(cluster, gpus)
    fabric = tiers_of(cluster, gpus)
    made, _ = planned(model, strategy, seq_len, fabric, accelerator.generation, chosen)
    values = factors(accelerator, chosen.keys)
    attained = rates(accelerator, values, precision=strategy.precision, flash=chosen.recipe.flash)
    return step_time(made, attained, values)


def accelerator_of(cluster: Cluster, gpus: int) -> Accelerator:
    """Return the accelerator of all GPUs of a job.

    Raises
    ------
    InputError
        When there are several: which ranks are slow is then a question of shares.
    """
    named = cluster.accelerators(gpus) if hasattr(cluster, "accelerators") else ()
    if len(named) > 1:
        raise InputError(
            f"{gpus:,} GPUs are of {len(named)} kinds ({', '.join(named)}), this asks for one",
            where=f"cluster {cluster.name!r}",
            remedy="Ask netmodel step or netmodel scale, which share the work out, "
            "or leave one group of nodes.",
        )
    return cluster.accelerator


def tiers_of(cluster: Cluster, gpus: int) -> Tiers:
    """Return the tiers of a cluster at one size; the last few are remembered."""
    for known, size, found in _TIERS:
        if known is cluster and size == gpus:
            return found
    found = tiers(cluster.wiring(gpus))
    _TIERS.append((cluster, gpus, found))
    del _TIERS[:-64]
    return found


_TIERS: list[tuple[Any, int, Tiers]] = []


def planned(
    model: Model,
    strategy: Strategy,
    seq_len: Any,
    fabric: Tiers,
    generation: str,
    software: Software,
    graph: Any = None,
    fidelity: str = "closed",
) -> tuple[Plan, tuple[Message, ...]]:
    """Plan a step and time its messages, on a graph where there is one.

    Plain layouts in closed form are remembered.
    """
    if graph is not None:
        if is_many(strategy):
            raise InputError(
                "a graph times one layout at a time, not an array of them",
                where="--fidelity",
                remedy="Use closed.",
            )
        wires = Wires.of(fabric, generation, software, fabric=graph, fidelity=fidelity)
        return plan_on(model, strategy, seq_len, software, wires)
    if is_many(strategy):
        wires = Wires.of(fabric, generation, software)
        return plan_many(model, strategy, seq_len, software, wires)
    return _remembered(model, strategy, seq_len, fabric, generation, software)


def _planned(
    model: Model,
    strategy: Strategy,
    seq_len: Any,
    fabric: Tiers,
    generation: str,
    software: Software,
) -> tuple[Plan, tuple[Message, ...]]:
    wires = Wires.of(fabric, generation, software)
    return plan_on(model, strategy, seq_len, software, wires)


def plan_on(
    model: Model, strategy: Strategy, seq_len: Any, software: Software, wires: Wires
) -> tuple[Plan, tuple[Message, ...]]:
    """Plan a step whose messages run on given wires, and time them."""
    asked = demands(model, strategy, seq_len, software.recipe)
    timed = messages(asked, model, strategy, wires)
    return plan(model, strategy, seq_len, software, timed), timed


def graph_of(
    cluster: Cluster, gpus: int, routing: str, placement: str | tuple[str, ...], seed: int
) -> Fabric:
    """Return the compiled graph of a cluster at one size; the last few are remembered."""
    from netmodel.collectives.placed import Fabric

    asked = (gpus, routing, placement, seed)
    for known, question, found in _GRAPHS:
        if known is cluster and question == asked:
            return found
    made = Fabric.of_cluster(cluster, gpus, policy=routing, seed=seed, placement=placement)
    _GRAPHS.append((cluster, asked, made))
    del _GRAPHS[:-4]
    return made


_GRAPHS: list[tuple[Any, Any, Fabric]] = []

_remembered = lru_cache(maxsize=4096)(_planned)


def answer(
    model: Model,
    strategy: Strategy,
    seq_len: Any,
    accelerator: Accelerator,
    software: Software,
    added: Sum,
    timed: tuple[Message, ...],
    fabric: Tiers,
) -> Step:
    """Turn sums into the answer: rates, utilisation, memory, bottleneck."""
    seconds = added.step_time
    tokens = strategy.global_batch * seq_len
    gpus = strategy.gpus
    flops = flops_per_token(model, seq_len, causal=True) * tokens
    peak, _ = peaks(accelerator, strategy.precision)
    held = dict(memory(model, strategy, seq_len, software.recipe))
    held["capacity"] = accelerator.memory
    return Step(
        gpus=gpus,
        step_time=seconds,
        breakdown=added.parts,
        hidden=added.hidden,
        memory=held,
        mfu=flops / (seconds * gpus * peak),
        model_flops=flops,
        tokens_per_s_per_gpu=tokens / (seconds * gpus),
        strategy=strategy,
        bottleneck=bottleneck(added, timed, fabric),
        view=added.view,
        software=f"{software.framework} {software.version}".strip(),
    )


def bottleneck(added: Sum, timed: tuple[Message, ...], fabric: Tiers) -> dict[str, Any]:
    """Name the tier, its links and the operation of the message that costs most; of plain layouts.

    Among the dimensions, the one that is waited for longest; of its messages, the longest.
    """
    waits = {name: added.parts.get(name, 0.0) for name in ("tp", "cp", "ep", "dp", "pp")}
    if not all(isinstance(value, int | float) for value in waits.values()) or not timed:
        return {"tier": None, "links": [], "collective": None}
    slowest = max(waits, key=lambda name: waits[name])
    own = {"dp": ("dp", "edp", "replica"), "ep": ("ep", "etp")}.get(slowest, (slowest,))
    mine = [each for each in timed if each.demand.dimension in own] or list(timed)
    message = max(mine, key=lambda each: float(each.seconds))
    tier = str(message.tier)
    collective = f"{slowest} {message.demand.kind}"
    if message.on_graph is not None:
        shared = message.on_graph.links()
        return {
            "tier": tier,
            "links": [link.name for link in shared],
            "collective": collective,
            "shared": [link.to_dict() for link in shared],
        }
    links = [link for name, link in zip(fabric.names, fabric.links, strict=True) if name == tier]
    return {"tier": tier, "links": links, "collective": collective}
