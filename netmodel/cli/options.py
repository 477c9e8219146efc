"""Options that verbs share: the same name and the same meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from netmodel.cli.params import COUNT, GPUS, TOKENS, Output, Quantity
from netmodel.units import parse_money_rate

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

PRECISIONS = ("bf16", "fp16", "fp8", "fp4")
FIDELITIES = ("closed", "contention", "flow")


def _all(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Apply decorators so that ``--help`` lists the options in the order given."""

    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


cluster_option = click.option(
    "--cluster",
    required=True,
    metavar="NAME|FILE",
    help="A name of `netmodel list clusters`, a cluster YAML, or an imported fabric.",
)
model_option = click.option(
    "--model",
    required=True,
    metavar="NAME|FILE",
    help="A name of `netmodel list models`, a Hugging Face config.json, or its folder.",
)
run_options = _all(
    click.option(
        "--model",
        metavar="NAME|FILE",
        help="Of the run: a name of `netmodel list models`, a config.json, or its folder.",
    ),
    click.option("--tokens", type=TOKENS, metavar="N", help="Length of the run: 14.8T, 300B."),
    click.option(
        "--rent",
        type=Quantity("rent", parse_money_rate),
        metavar="USD/h",
        help="Price of one GPU; the catalog's range when left out.",
    ),
)
"""A training run of so many tokens, and what its GPUs cost."""

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a field of the cluster or the model: fabric.oversubscription=2. Repeatable.",
)
PLACEMENTS = ("packed", "strided", "random", "random-hosts")
ROUTINGS = ("adaptive", "minimal", "ecmp", "static", "valiant", "dimension-order", "optimal")


def _placement(ctx: click.Context, param: click.Parameter, value: str) -> str | tuple[str, ...]:
    """Take a known word, or the names that a file lists, one GPU a line."""
    if value in PLACEMENTS:
        return value
    path = Path(value)
    if not path.is_file():
        raise click.BadParameter(f"{value!r} is neither {', '.join(PLACEMENTS)} nor a file.")
    return tuple(path.read_text(encoding="utf-8").split())


fidelity_option = click.option(
    "--fidelity",
    type=click.Choice(FIDELITIES),
    default="closed",
    show_default=True,
    help="How collectives are timed: by tiers, by the most loaded link of the routed graph, or by "
    "flows that share its links max-min fairly.",
)
graph_options = _all(
    click.option(
        "--routing",
        type=click.Choice(ROUTINGS),
        default="adaptive",
        show_default=True,
        help="Of the graph, under contention and flow.",
    ),
    click.option(
        "--placement",
        default="packed",
        show_default=True,
        metavar="|".join((*PLACEMENTS, "FILE")),
        callback=_placement,
        help="Which GPU runs which rank, under contention and flow; a file names one GPU a line.",
    ),
    click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        help="Of random placements and of ecmp's hash.",
    ),
)
"""On which routes and GPUs collectives are timed, where the fidelity asks for the graph."""


def gpus_option(*, several: bool = False, required: bool = False) -> Callable[[F], F]:
    """Return ``--gpus`` for one size or for several."""
    return click.option(
        "--gpus",
        type=GPUS if several else COUNT,
        required=required,
        metavar="N,N,..|N..N" if several else "N",
        help="Sizes: 2048, 64,128,256, or 256..65536 (doubling)."
        if several
        else "GPUs in use; the cluster's own size when left out.",
    )


layout_options = _all(
    click.option(
        "--strategy",
        metavar="auto|KEY=N,..|FILE",
        help="Parallel layout: auto (the best that fits), tp=8,pp=16,..., or a framework's file. "
        "Left out: the published layout of this model where there is one, else auto.",
    ),
    click.option("--global-batch", type=COUNT, metavar="N", help="Sequences in one step."),
    click.option(
        "--micro-batch",
        type=COUNT,
        metavar="N",
        help="Sequences in one micro-batch of one replica.",
    ),
    click.option("--seq-len", type=COUNT, metavar="N", help="Tokens in one sequence."),
    click.option("--precision", type=click.Choice(PRECISIONS), help="Of the large GEMMs."),
)
"""The layout and the batch of a training step."""


def output_options(*, pictures: bool = True) -> Callable[[F], F]:
    """Return ``--json``, ``--csv`` and ``-o``; a verb without a picture refuses picture files."""
    return _all(
        click.option("--json", "as_json", is_flag=True, help="One JSON object, SI, on stdout."),
        click.option("--csv", "as_csv", is_flag=True, help="CSV, SI, on stdout."),
        click.option(
            "-o",
            "outputs",
            multiple=True,
            type=Output(pictures=pictures),
            metavar="FILE",
            callback=_distinct,
            help="Write a file; its suffix says the format. Repeatable.",
        ),
    )


def run_question(*own: Callable[[Any], Any], several: bool = False) -> Callable[[F], F]:
    """Return the options of a question about a cluster and a run on it.

    Parameters
    ----------
    own : decorators
        Options of the verb itself; they come after cluster, size and run in ``--help``.
    several : bool
        Whether it takes several sizes.
    """
    return _all(
        cluster_option,
        gpus_option(several=several),
        run_options,
        layout_options,
        *own,
        fidelity_option,
        set_option,
        output_options(),
    )


def _distinct(
    ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Drop a file that is named twice."""
    return tuple(dict.fromkeys(value))
