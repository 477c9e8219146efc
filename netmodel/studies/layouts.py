"""Which layout a question is about: the one that was stated, the published one, or the best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netmodel.catalog.layouts import Layout, published_layout
from netmodel.errors import InputError, ModelError
from netmodel.training.frameworks import Software, software_of
from netmodel.workload import (
    Model,
    Strategy,
    check_memory,
    check_strategy,
    complete_strategy,
    read_strategy_file,
)
from netmodel.workload.strategy import KEYS, UNSTATED, parse_fields, strategy_of
from netmodel.workload.strategy_files import SUFFIXES

if TYPE_CHECKING:
    from netmodel.topology import Cluster

AUTO = "auto"
KEPT = ("pp", "cp", "vpp", "zero", "micro_batch")
"""What a published layout keeps where it has to be adapted to another size."""

DEFAULT_SEQ_LEN = 4096
DEFAULT_TOKENS = 4 * 2**20
"""Tokens in a step where neither the user nor a publication states a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of the layout; None where it was left open.

    Attributes
    ----------
    strategy : Strategy, str or None
        A layout, its text, ``"auto"`` for the best that fits; None for the published one, or
        the best where none was published or the published one is not possible.
    global_batch, micro_batch, seq_len : int or None
        Sequences in one step and in one micro-batch; tokens in one sequence.
    precision : str or None
        Of the large GEMMs.
    """

    strategy: Strategy | str | None = None
    global_batch: int | None = None
    micro_batch: int | None = None
    seq_len: int | None = None
    precision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A complete layout for one size.

    Attributes
    ----------
    strategy : Strategy
    seq_len : int
        Tokens in one sequence.
    origin : str
        ``stated``; ``published``; ``adapted``, a published one with other cuts where it is not
        possible as it stands; or ``search``.
    note : str
        What was assumed.
    why : str
        Why the published layout is not possible at this size.
    source : str
        Who published the layout, where it was published.
    software : Software or None
        Framework of the published run; None for the cluster's own.
    """

    strategy: Strategy
    seq_len: int
    origin: str
    note: str = ""
    why: str = ""
    source: str = ""
    software: Software | None = None


def choose(
    model: Model,
    cluster: Cluster,
    gpus: int,
    request: Request,
    near: Strategy | None = None,
) -> Choice:
    """Return the layout that a question on so many GPUs is about.

    Parameters
    ----------
    near : Strategy, optional
        The best of another size: it makes a search shorter.

    Raises
    ------
    InputError
        When the stated layout is not possible on so many GPUs.
    ModelError
        When a layout was to be found and none divides and fits.
    """
    cluster = plainest(cluster, gpus)
    published = published_layout(model.name, cluster.accelerator.name, gpus, request.seq_len)
    asked = request.strategy
    if asked is not None and asked != AUTO:
        software = _software(cluster)
        choice = _stated_layout(model, gpus, asked, request, published, software)
        _check_memory(model, cluster, choice.strategy, choice.seq_len, software)
        return choice
    seq_len = request.seq_len or (published.seq_len if published else DEFAULT_SEQ_LEN)
    if asked is None and published is not None:
        try:
            return published_choice(model, cluster, gpus, published, request, seq_len)
        except InputError as error:
            return _adapted_layout(
                model, cluster, gpus, published, request, seq_len, error.found.split(" (")[0]
            )
    return _found_layout(model, cluster, gpus, request, published, seq_len, near)


def several_kinds(cluster: Cluster, gpus: int) -> bool:
    """Whether a job on so many GPUs has hosts of several kinds; a user's graph is one kind."""
    return hasattr(cluster, "groups") and len(cluster.groups(gpus)) > 1


def plainest(cluster: Cluster, gpus: int) -> Cluster:
    """Return the cluster, or where its GPUs differ a pure one of those with least memory."""
    if not several_kinds(cluster, gpus):
        return cluster
    kinds = [cluster.only(kind) for kind, _ in cluster.groups(gpus)]
    return min(kinds, key=lambda pure: pure.accelerator.memory)


def _software(cluster: Cluster, published: Layout | None = None) -> Software:
    """Framework of a run published for these GPUs, else of the cluster, else a usual one."""
    here = published is not None and published.accelerator == cluster.accelerator.name
    asked = published.software if published and here else None
    return software_of(asked, cluster.software or {})


def _source(cluster: Cluster, published: Layout) -> str:
    """Who published a layout, and for which GPUs where they are others."""
    if published.accelerator == cluster.accelerator.name:
        return published.source
    return f"{published.source} (for {published.accelerator})"


def _check_memory(
    model: Model, cluster: Cluster, strategy: Strategy, seq_len: int, software: Software
) -> None:
    """Refuse a layout that does not fit, as the software stores it."""
    capacity = float(cluster.accelerator.memory)
    check_memory(model, strategy, seq_len, capacity, software.recipe)


def _options(request: Request) -> dict[str, Any]:
    """Fields that options state beside the strategy."""
    options = {
        "global_batch": request.global_batch,
        "micro_batch": request.micro_batch,
        "precision": request.precision,
    }
    return {key: value for key, value in options.items() if value is not None}


def _stated_layout(
    model: Model,
    gpus: int,
    asked: Strategy | str,
    request: Request,
    published: Layout | None,
    software: Software,
) -> Choice:
    """Complete a layout that was stated as an object, as text, or in a framework's file."""
    options = _options(request)
    seq_len = request.seq_len
    if isinstance(asked, Strategy):
        strategy = _open(asked, gpus)
    elif "=" in asked and not asked.endswith(SUFFIXES):
        fields = parse_fields(asked)
        _agree(fields, options)
        strategy = _settled(fields, software)
    else:
        file = read_strategy_file(asked)
        strategy, seq_len = file.strategy, seq_len or file.seq_len
    strategy = replace(strategy, **options)
    seq_len = seq_len or (published.seq_len if published else DEFAULT_SEQ_LEN)
    note = ""
    if strategy.global_batch == UNSTATED:
        batch, note = _batch(strategy, gpus, published, seq_len)
        strategy = replace(strategy, global_batch=batch)
    strategy = complete_strategy(strategy, gpus)
    check_strategy(model, strategy, gpus, seq_len)
    return Choice(strategy=strategy, seq_len=seq_len, origin="stated", note=note)


def _settled(fields: dict[str, Any], software: Software) -> Strategy:
    """Make a strategy; what nobody stated is as the software has it by default."""
    habits = {name: value for name, value in software.defaults.items() if name in KEYS}
    return strategy_of(habits | fields)


def _open(strategy: Strategy, gpus: int) -> Strategy:
    """Leave open what an object has at its default of 1 although the size asks for more."""
    inner = strategy.tp * strategy.cp * strategy.pp
    if strategy.dp == 1 and inner != gpus:
        strategy = replace(strategy, dp=UNSTATED)
    replicas = strategy.dp or max(1, gpus // inner)
    if strategy.global_batch == 1 and replicas * strategy.micro_batch > 1:
        strategy = replace(strategy, global_batch=UNSTATED)
    return strategy


def _agree(fields: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse a value that the strategy and its own option state differently."""
    for key in fields.keys() & options.keys():
        if fields[key] != options[key]:
            raise InputError(
                f"{key} is {fields[key]} in the strategy and {options[key]} in its own option",
                where="--strategy",
                remedy="State it once.",
            )


def _batch(
    strategy: Strategy, gpus: int, published: Layout | None, seq_len: int
) -> tuple[int, str]:
    """Return a global batch that divides, and where it comes from."""
    replicas = strategy.dp or max(1, gpus // (strategy.tp * strategy.cp * strategy.pp))
    share = replicas * strategy.micro_batch
    known = parse_fields(published.strategy).get("global_batch") if published else None
    wanted = known or max(1, DEFAULT_TOKENS // seq_len)
    batch = -(-wanted // share) * share
    origin = "of the published run" if known == batch else "assumed"
    return batch, f"global batch of {batch:,} sequences {origin}"


def published_choice(
    model: Model, cluster: Cluster, gpus: int, published: Layout, request: Request, seq_len: int
) -> Choice:
    """Return the published layout at this size, if it is possible there.

    What ran on as many of these GPUs is known to fit, whatever the memory model says.
    """
    software = _software(cluster, published)
    fields = parse_fields(published.strategy) | _options(request)
    strategy = complete_strategy(_settled(fields, software), gpus)
    check_strategy(model, strategy, gpus, seq_len)
    ran = (published.accelerator, published.gpus) == (cluster.accelerator.name, gpus)
    if not ran or _options(request):
        _check_memory(model, cluster, strategy, seq_len, software)
    return Choice(
        strategy=strategy,
        seq_len=seq_len,
        origin="published",
        source=_source(cluster, published),
        software=software,
    )


def _adapted_layout(
    model: Model,
    cluster: Cluster,
    gpus: int,
    published: Layout,
    request: Request,
    seq_len: int,
    why: str,
) -> Choice:
    """Change what must change of a published layout: its cuts inside a stage, its schedule.

    Pipeline depth, ZeRO stage, micro-batch, batch and precision stay; only where that leaves
    nothing is everything searched.
    """
    fields = parse_fields(published.strategy) | _options(request)
    software = _software(cluster, published)
    whole = _settled(fields, software)
    kept: dict[str, Any] = {name: getattr(whole, name) for name in KEPT}
    kept["recompute"] = tuple(dict.fromkeys((whole.recompute, "full")))
    kept["schedule"] = tuple(dict.fromkeys((whole.schedule, "zb-h1", "zb-v")))
    try:
        from netmodel.studies.search import search  # only where one is asked for

        best = search(
            model,
            cluster,
            gpus,
            seq_len=seq_len,
            global_batch=fields["global_batch"],
            precision=whole.precision,
            fixed=kept,
            software=software,
            top=1,
            exhaustive=False,
        ).best[0]
    except ModelError:
        return replace(_found_layout(model, cluster, gpus, request, published, seq_len), why=why)
    return Choice(
        strategy=best.strategy,
        seq_len=seq_len,
        origin="adapted",
        why=why,
        source=_source(cluster, published),
        software=software,
    )


def _found_layout(
    model: Model,
    cluster: Cluster,
    gpus: int,
    request: Request,
    published: Layout | None,
    seq_len: int,
    near: Strategy | None = None,
) -> Choice:
    """Return the best layout that divides and fits."""
    known = parse_fields(published.strategy) if published else {}
    batch, note = request.global_batch or known.get("global_batch"), ""
    if batch is None:
        batch = max(1, DEFAULT_TOKENS // seq_len)
        batch = -(-batch // gpus) * gpus if batch > gpus else batch
        note = f"global batch of {batch:,} sequences assumed"
    from netmodel.studies.search import search  # only where one is asked for

    best = search(
        model,
        cluster,
        gpus,
        seq_len=seq_len,
        global_batch=batch,
        precision=request.precision or known.get("precision", "bf16"),
        fixed={"micro_batch": request.micro_batch} if request.micro_batch else None,
        top=1,
        exhaustive=False,
        near=near,
    ).best[0]
    return Choice(strategy=best.strategy, seq_len=seq_len, origin="search", note=note)


def layout_text(strategy: Strategy) -> str:
    """Write the cuts of a layout, those that cut nothing left out.

    >>> layout_text(Strategy(tp=8, pp=16, dp=128, zero=2, global_batch=2048))
    'tp=8 pp=16 dp=128 zero=2 1f1b'
    """
    cuts = [
        f"{name}={getattr(strategy, name)}"
        for name in ("tp", "cp", "pp", "vpp", "ep", "etp", "dp")
        if getattr(strategy, name) > 1
    ]
    words = [f"zero={strategy.zero}"] if strategy.zero else []
    words += [strategy.schedule] if strategy.pp > 1 else []
    words += [f"recompute={strategy.recompute}"] if strategy.recompute != "none" else []
    return " ".join([*cuts, *words])
