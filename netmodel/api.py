"""The Python face: ``import netmodel as nm``.

Names of clusters, models and strategies are accepted wherever the objects are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from netmodel.errors import InputError
from netmodel.studies.layouts import Request
from netmodel.workload import Model, Strategy
from netmodel.workload import load_model as _load_model

if TYPE_CHECKING:
    import networkx as nx

    from netmodel.studies.collectives_sweep import Sweep
    from netmodel.studies.cost import Cost
    from netmodel.studies.explain import Explanation
    from netmodel.studies.goodput import Goodput
    from netmodel.studies.mixed import Mixed
    from netmodel.studies.run import Run
    from netmodel.studies.scale import Scaling
    from netmodel.studies.search import Search
    from netmodel.topology import Cluster
    from netmodel.training import Step

    ClusterLike: TypeAlias = Cluster | nx.Graph | str | Path
    ModelLike: TypeAlias = Model | str | Path


def load_cluster(name_or_path: ClusterLike, *, overrides: Sequence[str] = ()) -> Cluster:
    """Load a cluster by name, from a YAML file, or from any fabric graph; clusters pass through.

    Parameters
    ----------
    overrides : sequence of str
        ``PATH=VALUE``, as ``--set`` takes them.
    """
    from netmodel import topology

    if isinstance(name_or_path, str | Path):
        return topology.load_cluster(name_or_path, overrides=tuple(overrides))
    if hasattr(name_or_path, "wiring"):
        return name_or_path
    return cast("Cluster", topology.cluster_from_graph(name_or_path))


def load_model(name_or_path: ModelLike, *, overrides: Sequence[str] = ()) -> Model:
    """Load a model by name or from a Hugging Face ``config.json``; a model passes through."""
    if isinstance(name_or_path, Model):
        return name_or_path
    return _load_model(name_or_path, overrides=tuple(overrides))


def step(
    model: ModelLike,
    cluster: ClusterLike,
    strategy: Strategy | str | None = None,
    *,
    gpus: int | None = None,
    seq_len: int | None = None,
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
) -> Step:
    """Time one training step.

    Parameters
    ----------
    strategy : Strategy, str or None
        A layout, its text ``"tp=8,pp=16,..."`` or ``"auto"``; None for the published layout of
        the model where there is one, else the best that fits.
    gpus : int, optional
        GPUs in use; the cluster's own size when left out.
    seq_len : int, optional
        Tokens in one sequence.
    fidelity : str
        ``closed``, ``contention`` or ``flow``.
    routing, placement, seed
        Of the graph, under the latter two; see :meth:`netmodel.collectives.placed.Fabric.of`.
    """
    from netmodel.studies.mixed_choice import time_step

    shape, fabric = load_model(model), load_cluster(cluster)
    request = Request(strategy=strategy, seq_len=seq_len)
    return time_step(
        shape,
        fabric,
        gpus or fabric.gpus,
        request,
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
    )[1]


def mixed(
    model: ModelLike,
    cluster: ClusterLike,
    strategy: Strategy | str | None = None,
    *,
    gpus: int | None = None,
    seq_len: int | None = None,
    split: str | None = None,
    shares: Sequence[float] | None = None,
) -> Mixed:
    """Time one training step on GPUs of several kinds, and say who gets how much work.

    Parameters
    ----------
    strategy, gpus, seq_len
        As in :func:`step`.
    split : str, optional
        ``batch`` shares micro-batches among replicas, ``layers`` layers among pipeline stages;
        the faster one when left out.
    shares : sequence of float, optional
        Work of each group of nodes in this proportion; by speed when left out.

    Raises
    ------
    InputError
        When all GPUs are of one kind.
    """
    from netmodel.studies.mixed_choice import time_step

    shape, fabric = load_model(model), load_cluster(cluster)
    size = gpus or fabric.gpus
    request = Request(strategy=strategy, seq_len=seq_len)
    made = time_step(shape, fabric, size, request, split=split, shares=shares)[2]
    if made is None:
        raise InputError(
            f"its {size:,} GPUs are of one kind",
            where=f"cluster {fabric.name!r}",
            remedy="Ask netmodel.step.",
        )
    return made


def scale(
    model: ModelLike,
    cluster: ClusterLike,
    gpus: Iterable[int],
    strategy: Strategy | str | None = None,
    *,
    mode: str = "strong",
    global_batch: int | None = None,
    seq_len: int | None = None,
    fidelity: str = "closed",
) -> Scaling:
    """Time one step at every size; see :func:`netmodel.studies.scale.scale`."""
    from netmodel.studies.scale import scale as scale_study

    request = Request(strategy=strategy, global_batch=global_batch, seq_len=seq_len)
    return scale_study(
        load_model(model), load_cluster(cluster), list(gpus), request, mode=mode, fidelity=fidelity
    )


def explain(
    model: ModelLike,
    cluster: ClusterLike,
    gpus: int | Iterable[int],
    strategy: Strategy | str | None = None,
    *,
    mode: str = "strong",
    global_batch: int | None = None,
    seq_len: int | None = None,
) -> Explanation:
    """Say why a step takes as long as it does, or what is lost between sizes."""
    from netmodel.studies.explain import explain as explain_study

    sizes = (gpus,) if isinstance(gpus, int) else tuple(gpus)
    request = Request(strategy=strategy, global_batch=global_batch, seq_len=seq_len)
    return explain_study(load_model(model), load_cluster(cluster), sizes, request, mode=mode)


def search(
    model: ModelLike,
    cluster: ClusterLike,
    gpus: int,
    *,
    global_batch: int,
    seq_len: int = 4096,
    top: int = 10,
    **options: Any,
) -> Search:
    """Rank the layouts of a model by step time; see :func:`netmodel.studies.search.search`."""
    from netmodel.studies.search import search as rank

    return rank(
        load_model(model),
        load_cluster(cluster),
        gpus,
        global_batch=global_batch,
        seq_len=seq_len,
        top=top,
        **options,
    )


def collective(
    op: str,
    size: float | Sequence[float],
    cluster: ClusterLike,
    group: int | None = None,
    *,
    algorithm: str = "auto",
    protocol: str = "auto",
    fidelity: str = "closed",
    routing: str = "adaptive",
    placement: str | tuple[str, ...] = "packed",
    seed: int = 0,
) -> Sweep:
    """Time one collective operation over sizes.

    Parameters
    ----------
    op : str
        ``all_reduce``, ``reduce_scatter``, ``all_gather``, ``all_to_all``, ``broadcast``,
        ``reduce``, ``send_recv``, ``dispatch`` or ``combine``.
    size : float or sequence of float
        As nccl-tests counts it [B].
    group : int, optional
        How many of the first GPUs take part; all of the cluster's when left out.
    algorithm, protocol : str
        Force one, or ``auto``.
    fidelity : str
        ``closed``, ``contention`` or ``flow``.
    routing, placement, seed
        Of the graph, under the latter two; see :meth:`netmodel.collectives.placed.Fabric.of`.
    """
    from netmodel.studies.collectives_sweep import sweep

    sizes = [size] if isinstance(size, int | float) else list(size)
    fabric = load_cluster(cluster)
    return sweep(
        op,
        fabric,
        sizes,
        gpus=group,
        algorithm=algorithm,
        protocol=protocol,
        fidelity=fidelity,
        routing=routing,
        placement=placement,
        seed=seed,
    )


def cost(
    cluster: ClusterLike,
    gpus: int | None = None,
    *,
    model: ModelLike | None = None,
    tokens: float | None = None,
    strategy: Strategy | str | None = None,
    global_batch: int | None = None,
    seq_len: int | None = None,
    prices: str = "published",
    stated: Mapping[str, float] | None = None,
    lengths: Mapping[str, float] | None = None,
    interruptions: bool = False,
    **terms: Any,
) -> Cost:
    """Price a cluster: to buy, to own, to rent, to feed; and a training run on it.

    Parameters
    ----------
    gpus : int, optional
        GPUs in use; the cluster's own size when left out.
    model, tokens
        Of a run to so many tokens.
    strategy, global_batch, seq_len
        Of that run, as in :func:`step`.
    prices : str
        A price list: ``published``, ``isca-table3`` or ``h100-sheet``.
    stated : mapping of str to float, optional
        Your own prices by part [USD].
    lengths : mapping of str to float, optional
        Of cables by tier [m].
    interruptions : bool
        Whether the run loses the time that :func:`goodput` says.
    **terms
        Fields of :class:`netmodel.studies.cost.Terms`: ``lifetime`` [s], ``pue``, ``electricity``
        [USD/J], ``rent`` [USD/s], ``facility``, ``space`` and ``staff`` [USD/s].
    """
    from netmodel.studies.cost import Terms
    from netmodel.studies.cost import cost as price
    from netmodel.studies.goodput import goodput as leave
    from netmodel.studies.price_list import PriceList

    fabric = load_cluster(cluster)
    size = gpus or fabric.gpus
    request = Request(strategy=strategy, global_batch=global_batch, seq_len=seq_len)
    run = _run(model, fabric, size, tokens, request)
    effective = leave(fabric, size, state=run.state).effective if interruptions and run else 1.0
    return price(
        fabric,
        size,
        terms=Terms(**terms),
        prices=PriceList(name=prices, stated=dict(stated or {})),
        lengths=dict(lengths or {}),
        run=run,
        effective=effective,
    )


def goodput(
    cluster: ClusterLike,
    gpus: int | None = None,
    *,
    model: ModelLike | None = None,
    tokens: float | None = None,
    strategy: Strategy | str | None = None,
    global_batch: int | None = None,
    seq_len: int | None = None,
    checkpoint_size: float | None = None,
    rent: float | None = None,
    **policy: Any,
) -> Goodput:
    """Say what failures, checkpoints and restarts leave of a job's time.

    Parameters
    ----------
    gpus : int, optional
        GPUs in use; the cluster's own size when left out.
    model, tokens, strategy, global_batch, seq_len
        Of the run, as in :func:`cost`; with tokens the answer holds days and dollars.
    checkpoint_size : float, optional
        Of one checkpoint [B]; weights and optimizer of the model when left out.
    rent : float, optional
        Of a GPU [USD/s]; the catalog's range when left out.
    **policy
        Fields of :class:`netmodel.studies.goodput.Policy`: ``rates``, ``restart`` and ``repair``
        [s], ``storage_bandwidth`` [B/s], ``stall`` and ``interval`` [s], ``spares``.

    Raises
    ------
    InputError
        When nothing says how large a checkpoint is.
    """
    from netmodel.studies.goodput import Policy
    from netmodel.studies.goodput import goodput as leave
    from netmodel.studies.run import state_bytes

    fabric = load_cluster(cluster)
    size = gpus or fabric.gpus
    if model is None and checkpoint_size is None:
        raise InputError(
            "nothing says how large a checkpoint is",
            where="goodput",
            remedy="Give a model or checkpoint_size.",
        )
    request = Request(strategy=strategy, global_batch=global_batch, seq_len=seq_len)
    run = _run(model, fabric, size, tokens, request) if tokens or model is None else None
    state = checkpoint_size
    if state is None:
        assert model is not None
        state = run.state if run else state_bytes(load_model(model), fabric)
    return leave(fabric, size, state=state, policy=Policy(**policy), run=run, rent=rent)


def _run(
    model: ModelLike | None, cluster: Cluster, gpus: int, tokens: float | None, request: Request
) -> Run | None:
    """Time a training run where a model was named."""
    from netmodel.studies.run import training_run

    if model is None:
        if tokens is not None:
            raise InputError(
                "tokens of a run without a model", where="model", remedy="Name a model."
            )
        return None
    return training_run(load_model(model), cluster, gpus, tokens, request)
