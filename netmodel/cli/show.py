"""``netmodel show``: what a cluster is made of; a model or a catalog row with its sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import gpus_option, output_options, set_option
from netmodel.cli.output import Answer, Table, emit
from netmodel.errors import InputError, unknown_name
from netmodel.units import format_bandwidth, format_money, format_power

if TYPE_CHECKING:
    from netmodel.graph import Wiring
    from netmodel.studies.bill import Bill
    from netmodel.topology import Cluster

ROW_KINDS = ("accelerators", "links", "switches", "nics", "nodes", "prices")


@click.command(no_args_is_help=True)
@click.argument("name", metavar="NAME|FILE")
@gpus_option()
@set_option
@output_options()
def show(
    name: str,
    gpus: int | None,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Path],
) -> None:
    """Describe or draw a cluster; print a model or a catalog row with its sources.

    A cluster is sized for --gpus; `-o fabric.svg` draws it.

    \b
    Example:
      netmodel show deepseek-h800-mpft --gpus 2048
    """
    kind = kind_of(name)
    if kind == "clusters":
        answer = _cluster(name, gpus, overrides)
    elif kind == "models":
        answer = _model(name, overrides)
    else:
        answer = _row(kind, name)
    if answer.figure is None and (drawn := [path for path in outputs if _is_picture(path)]):
        raise InputError(
            f"{drawn[0]} would be a picture, but only clusters are drawn",
            where="-o",
            remedy="Write .json, .csv, .yaml or .html.",
        )
    emit(answer, as_json=as_json, as_csv=as_csv, outputs=outputs)


def _is_picture(path: Path) -> bool:
    from netmodel.cli.params import PICTURES

    return path.suffix.lower() in PICTURES


def kind_of(name: str) -> str:
    """Say what a name or a file is of: a cluster, a model, or a kind of catalog row.

    Raises
    ------
    InputError
        When nothing has that name, offering the near ones of every kind.
    """
    from netmodel import catalog, topology
    from netmodel.catalog.models import model_aliases
    from netmodel.catalog.table import aliases, key

    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml"):
        return "clusters"
    if path.suffix.lower() == ".json" or path.is_dir():
        return "models"
    clusters = topology.cluster_names()
    if name in clusters or path.exists():
        return "clusters"
    if key(name) in model_aliases():
        return "models"
    for kind in ROW_KINDS:
        if key(name) in aliases(kind):
            return kind
    try:
        catalog.accelerator(name)
    except InputError:
        known = [
            *clusters,
            *model_aliases(),
            *(each for kind in ROW_KINDS for each in aliases(kind)),
        ]
        raise unknown_name("cluster, model or catalog row", name, set(known)) from None
    return "accelerators"


def _cluster(name: str, gpus: int | None, overrides: Sequence[str]) -> Answer:
    """Describe a cluster from its graph."""
    from netmodel.cli import question
    from netmodel.network import describe
    from netmodel.studies.bill import bill

    cluster = question.load_cluster(name, overrides)
    size = question.size(cluster, gpus)
    wiring = cluster.wiring(size)
    facts = describe(wiring)
    cost = bill(cluster, wiring)
    data = {
        "cluster": cluster.name,
        **facts,
        "cost_usd": cost.total,
        "network_cost_usd": cost.network,
        "power_W": cost.power,
        "accelerators": cost.gpus_held,
        "bill": [line.to_dict() for line in cost.lines],
        "sources": list(cluster.sources),
    }
    return Answer(
        data=data,
        rows=[{key: value for key, value in data.items() if not isinstance(value, dict | list)}],
        tables=_cluster_tables(cluster, facts, cost),
        notes=[*cluster.notes(size), *cost.notes, *(f"source: {each}" for each in cluster.sources)],
        figure=lambda: _figure(cluster, wiring),
    )


def _cluster_tables(cluster: Cluster, facts: dict[str, Any], cost: Bill) -> list[Table]:
    """Counts by layer, and the bill."""
    from netmodel.plots.layers import NAMES

    over = facts["oversubscription"]
    rows = [
        ("hosts", f"{facts['nodes']:,}"),
        ("GPUs", _gpus(cost)),
        *((NAMES[kind][1], f"{count:,}") for kind, count in facts["switches"].items()),
        *([("PCIe root ports", f"{facts['root_ports']:,}")] if facts["root_ports"] else []),
        *((f"{tier} cables", f"{count:,}") for tier, count in facts["cables"].items()),
        ("bisection bandwidth", format_bandwidth(facts["bisection_bandwidth_Bps"])),
        *((f"oversubscription, {tier}", f"{ratio:.3g} : 1") for tier, ratio in over.items()),
        ("diameter", f"{facts['diameter_hops']} hops"),
        ("rated power", _known(cost.power, cost.known_power, format_power)),
        ("cost", _known(cost.total, cost.known_price, format_money)),
    ]
    bill = [
        (
            line.item,
            f"{line.count:,}",
            format_money(line.price) if line.price is not None else "-",
            format_power(line.power) if line.power is not None else "-",
            line.source or "no published price",
        )
        for line in cost.lines
    ]
    title = f"{cluster.name}: {cluster.description}"
    columns = ("item", "count", "price each", "power each", "price from")
    return [Table(title=title, columns=("", ""), rows=rows), Table(columns=columns, rows=bill)]


def _gpus(cost: Bill) -> str:
    """Write how many GPUs there are, of which kinds."""
    each = [f"{count:,} {name}" for name, count in cost.gpus_held.items()]
    return each[0] if len(each) == 1 else f"{sum(cost.gpus_held.values()):,}: {', '.join(each)}"


def _known(total: float | None, known: float, write: Callable[[float], str]) -> str:
    """Write a sum, or what is known of it."""
    if total is not None:
        return write(total)
    return f"{write(known)} for the parts with a published figure" if known else "not published"


def _figure(cluster: Cluster, wiring: Wiring) -> Any:
    """Draw the fabric."""
    from netmodel.plots import fabric_figure

    return fabric_figure(
        wiring,
        title=f"{cluster.name}: {len(wiring.gpus):,} GPUs",
        subtitle=cluster.description,
        source=f"Fabric {cluster.name}. Source: {'; '.join(cluster.sources)}.",
    )


def _model(name: str, overrides: Sequence[str]) -> Answer:
    """Print a model's shape, its exact parameter count and its source."""
    from dataclasses import asdict

    from netmodel.cli import question
    from netmodel.workload import flops_per_token, parameters

    model = question.load_model(name, question.split_overrides(overrides)[1])
    count = parameters(model)
    flops = float(flops_per_token(model, 4096, causal=True))
    shape = {key: value for key, value in asdict(model).items() if value is not None}
    data = {
        **shape,
        "parameters": count.total,
        "active_parameters": count.active,
        "flops_per_token_4096_causal": flops,
    }
    rows = [
        *(
            (f"{key}.{inner}" if inner else key, str(each))
            for key, value in shape.items()
            for inner, each in (value.items() if isinstance(value, dict) else [("", value)])
            if each is not None and key not in ("name", "source")
        ),
        ("parameters", f"{count.total:,}"),
        ("active parameters", f"{count.active:,}"),
        ("training FLOPs a token", f"{flops:.4g} (4,096 tokens, causal attention)"),
    ]
    return Answer(
        data=data,
        rows=[{key: value for key, value in data.items() if not isinstance(value, dict)}],
        tables=[Table(title=model.name, columns=("", ""), rows=rows)],
        notes=[f"source: {model.source}"],
    )


def _row(kind: str, name: str) -> Answer:
    """Print every published value of a catalog row."""
    from netmodel import catalog
    from netmodel.cli.catalog_rows import fact_rows

    finder: dict[str, Callable[[str], Any]] = {
        "accelerators": catalog.accelerator,
        "links": catalog.link,
        "switches": catalog.switch,
        "nics": catalog.nic,
        "nodes": catalog.node,
        "prices": catalog.price,
    }
    found = finder[kind](name)
    rows = fact_rows(found.facts)
    data = [row for row, _ in rows]
    columns = ("field", "as stated", "basis", "source")
    return Answer(
        data={"kind": kind, "name": found.name, "facts": data},
        rows=data,
        tables=[Table(title=found.name, columns=columns, rows=[cells for _, cells in rows])],
    )
