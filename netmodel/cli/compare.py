"""``netmodel compare``: clusters side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netmodel.cli.options import gpus_option, layout_options, output_options, set_option
from netmodel.cli.output import Answer, Table, emit
from netmodel.cli.params import Quantity
from netmodel.errors import InputError
from netmodel.units import format_bandwidth, format_money, format_time, parse_money

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netmodel.studies.amounts import Range
    from netmodel.studies.compare import Comparison, Entry
    from netmodel.studies.compare_target import Reach, Target
    from netmodel.topology import Cluster


@click.command(no_args_is_help=True)
@click.argument("clusters", nargs=-1, required=True, metavar="CLUSTER...")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="A name of `netmodel list models`, a config.json, or its folder. Repeatable; fabrics "
    "alone are compared without one.",
)
@gpus_option(several=True)
@click.option(
    "--vary",
    metavar="PATH=V,V,..",
    help="Every cluster with each value of a field: fabric.oversubscription=1,2,4,8.",
)
@click.option(
    "--target",
    metavar="KIND=X",
    help="What it takes: efficiency=0.9 (over the smallest of --gpus), or mfu=0.4.",
)
@click.option(
    "--equal",
    type=click.Choice(["gpus", "money"]),
    default="gpus",
    show_default=True,
    help="money: as many GPUs as the price of the first cluster buys.",
)
@click.option(
    "--budget", type=Quantity("money", parse_money), metavar="USD", help="For --equal money."
)
@click.option("--faults", is_flag=True, help="Break every single cable, NIC and switch in turn.")
@click.option("--prices", default="published", show_default=True, help="Price list.")
@layout_options
@set_option
@output_options()
def compare(
    clusters: tuple[str, ...],
    models: tuple[str, ...],
    gpus: tuple[int, ...] | None,
    vary: str | None,
    target: str | None,
    equal: str,
    budget: float | None,
    prices: str,
    faults: bool,
    overrides: Sequence[str],
    as_json: bool,
    as_csv: bool,
    outputs: Sequence[Any],
    **layout: Any,
) -> None:
    """Clusters side by side, each with its published or best layout.

    Step time, utilisation, tokens for a dollar and a joule, what the network costs, how wide its
    middle is, and what share of its bandwidth a host loses with one NIC or one leaf.

    \b
    Example:
      netmodel compare deepseek-h800-mpft dgx-superpod-h100 --model llama-3.1-70b --gpus 2048
    """
    from netmodel.cli import question
    from netmodel.cli.progress import progress
    from netmodel.studies.compare import compare as compare_study
    from netmodel.studies.price_list import PriceList

    aim = _target(target, models, gpus)
    designs = _designs(clusters, overrides, vary)
    of_model = question.split_overrides(overrides)[1]
    shapes = [question.load_model(name, of_model) for name in models]
    request = question.request(**layout)
    sizes = gpus or ()
    if aim is not None and aim.kind == "efficiency":
        sizes = sizes[-1:]
    with progress("clusters") as report:
        found = compare_study(
            designs,
            shapes,
            gpus=sizes,
            request=request,
            prices=PriceList(name=prices),
            budget=budget,
            equal_money=equal == "money",
            faults=faults,
            report=report,
        )
    needs: tuple[Reach, ...] = ()
    if aim is not None:
        from netmodel.studies.compare_target import reaches

        baseline = gpus[0] if gpus else 0
        needs = reaches(
            found,
            designs,
            shapes,
            aim,
            baseline=baseline or min(each.gpus for each in found.entries),
            request=request,
        )
    emit(_answer(found, needs, aim), as_json=as_json, as_csv=as_csv, outputs=outputs)


def _designs(
    names: Sequence[str], overrides: Sequence[str], vary: str | None
) -> list[tuple[str, Cluster]]:
    """Load every cluster, with every value of the varied field."""
    from netmodel.cli import question

    fixed = question.split_overrides(overrides)[0]
    texts = [""]
    if vary is not None:
        path, equals, values = vary.partition("=")
        if not equals or "." not in path:
            raise InputError(
                f"{vary!r} is not PATH=V,V,.. of a cluster",
                where="--vary",
                remedy="Write e.g. --vary fabric.oversubscription=1,2,4,8.",
            )
        texts = [f"{path}={value.strip()}" for value in values.split(",") if value.strip()]
    found = []
    for name in dict.fromkeys(names):
        for text in texts:
            design = question.load_cluster(name, (*fixed, *([text] if text else [])))
            path, equals, value = text.partition("=")
            field = path.rpartition(".")[2]
            found.append((f"{Path(name).stem} {field}{equals}{value}".strip(), design))
    return found


def _target(text: str | None, models: Sequence[str], gpus: Sequence[int] | None) -> Target | None:
    """Read ``efficiency=0.9``."""
    from netmodel.studies.compare_target import Target
    from netmodel.units import parse_fraction

    if text is None:
        return None
    kind, equals, value = text.partition("=")
    if not equals:
        raise InputError(
            f"{text!r} is not KIND=X", where="--target", remedy="Write e.g. efficiency=0.9."
        )
    aim = Target(kind=kind.strip(), value=parse_fraction(value, where="--target"))
    if not models:
        raise InputError("a target needs a model", where="--target", remedy="Give --model.")
    if aim.kind == "efficiency" and len(gpus or ()) < 2:
        raise InputError(
            "efficiency compares two sizes",
            where="--target",
            remedy="Give --gpus BASELINE,SIZE, e.g. --gpus 256,2048.",
        )
    return aim


def _answer(found: Comparison, needs: tuple[Reach, ...], aim: Target | None) -> Answer:
    from netmodel.studies.compare_target import cheapest

    data = found.to_dict()
    tables = [*_tables(found)]
    notes = list(found.notes)
    if aim is not None:
        best = cheapest(needs)
        data["target"] = {
            "kind": aim.kind,
            "value": aim.value,
            "needs": [each.to_dict() for each in needs],
            "cheapest": best.label if best else None,
        }
        tables.append(_needs(needs, aim))
        notes.insert(
            0,
            f"cheapest network that reaches it: {best.label}, {format_money(best.network or 0)}"
            if best
            else "none with a complete price reaches it",
        )
    return Answer(
        data=data,
        rows=[row(each) for each in found.entries],
        tables=tables,
        notes=notes,
        figure=lambda: _figure(found),
    )


def row(entry: Entry) -> dict[str, Any]:
    """Return one CSV row: typical values, units in the keys."""
    whole = entry.to_dict()
    flat = {name: value for name, value in whole.items() if name not in NESTED}
    found: dict[str, Any] = {}
    for name, value in flat.items():
        if isinstance(value, dict) and "typical" in value:
            found[name] = value["typical"]
        elif name == "bandwidth_lost":
            found |= {f"bandwidth_lost_with_one_{part}": share for part, share in value.items()}
        else:
            found[name] = value
    if entry.step is not None:
        found |= {"step_time_s": entry.step.step_time, "mfu": entry.step.mfu}
    if entry.faults is not None:
        found |= {"faults_that_stop": entry.stopping, "worst_slowdown": entry.worst}
    return found


NESTED = ("bill", "step", "single_faults")


def _tables(found: Comparison) -> list[Table]:
    """The steps, then the fabrics."""
    from netmodel.studies.layouts import layout_text

    tables = []
    trained = [each for each in found.entries if each.step is not None and each.choice is not None]
    if trained:
        tables.append(
            Table(
                columns=(
                    "cluster",
                    "model",
                    "GPUs",
                    "step",
                    "MFU",
                    "tokens/s",
                    "tokens/$ rented",
                    "tokens/$ owned",
                    "tokens/J",
                    "layout",
                    "from",
                ),
                rows=[
                    (
                        each.label,
                        each.model,
                        f"{each.gpus:,}",
                        format_time(float(each.step.step_time)),
                        f"{100 * each.step.mfu:.1f} %",
                        f"{each.tokens_per_s:,.0f}",
                        _whole(each.tokens_per_dollar_rented),
                        _whole(each.tokens_per_dollar_owned),
                        _tenth(each.tokens_per_joule),
                        layout_text(each.choice.strategy),
                        each.choice.origin,
                    )
                    for each in trained
                    if each.step is not None and each.choice is not None
                ],
            )
        )
    broken = [each for each in found.entries if each.faults is not None]
    if broken:
        tables.append(
            Table(
                columns=("cluster", "model", "GPUs", "single faults", "stop the job", "worst else"),
                rows=[
                    (
                        each.label,
                        each.model,
                        f"{each.gpus:,}",
                        f"{each.faults.count:,}",
                        f"{each.stopping:,}",
                        f"{each.worst:.3f}x",
                    )
                    for each in broken
                    if each.faults is not None
                ],
            )
        )
    tables.append(
        Table(
            title="One of each fabric" if trained else "",
            columns=(
                "cluster",
                "GPUs",
                "switches",
                "links",
                "purchase",
                "network",
                "network/GPU",
                "share",
                "load",
                "bisection/GPU",
                "one NIC",
                "one leaf",
                "one spine",
            ),
            rows=list(dict.fromkeys(_fabric(each) for each in found.entries)),
        )
    )
    return tables


def _fabric(each: Entry) -> tuple[str, ...]:
    """Write one fabric."""
    made = each.cost.bill
    network, share, load = made.network_purchase, made.network_share, each.cost.figure("load")
    return (
        each.label,
        f"{each.gpus:,}",
        f"{each.switches:,}",
        f"{each.links:,}",
        format_money(made.purchase.typical) if made.purchase else "-",
        format_money(network.typical) if network else "-",
        format_money(network.typical / each.gpus) if network else "-",
        f"{100 * share.typical:.1f} %" if share else "-",
        f"{load.typical / 1e6:,.2f} MW" if load else "-",
        format_bandwidth(each.bisection),
        *(
            f"-{100 * each.tolerance[part]:.3g} %" if part in each.tolerance else "-"
            for part in ("nic", "leaf", "spine")
        ),
    )


def _whole(value: Range | None) -> str:
    return f"{value.typical:,.0f}" if value else "-"


def _tenth(value: Range | None) -> str:
    return f"{value.typical:,.3g}" if value else "-"


def _needs(needs: Sequence[Reach], aim: Target) -> Table:
    """What each cluster needs for the target."""
    from netmodel.studies.compare_target import MOST_OVERSUBSCRIBED

    def thinnest(each: Reach) -> str:
        value = each.oversubscription
        if value is None:
            return "none"
        return f"{value:.3g}:1" if value < MOST_OVERSUBSCRIBED else "any"

    return Table(
        title=f"For {aim.kind} {aim.value:g}, all else as it is",
        columns=(
            "cluster",
            "GPUs",
            "now",
            "bandwidth/GPU",
            "needed",
            "oversubscription",
            "most GPUs",
        ),
        rows=[
            (
                each.label,
                f"{each.gpus:,}",
                f"{each.now:.3f}",
                format_bandwidth(each.nic_now),
                "no rate is enough"
                if each.nic_bandwidth is None
                else format_bandwidth(each.nic_bandwidth),
                thinnest(each),
                f"{each.largest:,}" if each.largest else "-",
            )
            for each in needs
        ],
    )


def _figure(found: Comparison) -> Figure:
    """Draw the comparison."""
    from netmodel.plots.compare import compare_figure

    return compare_figure(found)
