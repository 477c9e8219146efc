"""The group of verbs: each is imported only when it is called.

``netmodel --help`` needs click alone; a test looks in ``sys.modules``. The group also turns every
failure that a user can cause into one line on stderr and an exit code.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import click

import netmodel.cli
from netmodel._version import __version__
from netmodel.errors import InputError, NetmodelError, unknown_name

MISUSE = 2
INTERRUPTED = 130  # what a shell reports for a process stopped by Ctrl-C


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: ``module`` in this room holds a command of the same name."""

    name: str
    help: str

    @property
    def module(self) -> str:
        """File of the verb; Python reserves some of the names."""
        return f"{self.name}_" if self.name in ("list", "import") else self.name


SECTIONS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    (
        "Ask",
        (
            Verb("step", "Time one training step and say what it waits for."),
            Verb("scale", "Scaling efficiency over cluster sizes."),
            Verb("search", "Find the best parallel layouts of a model on a cluster."),
            Verb("explain", "Where the time goes between the ideal and the real step."),
            Verb("compare", "Clusters side by side, each with its best layout."),
            Verb("whatif", "What a fault, a slow link or an upgrade changes."),
            Verb("collective", "Time one collective operation over message sizes."),
            Verb("flows", "Finish times of flows that share links."),
            Verb("cost", "Price, power and energy of a cluster and of a training run."),
            Verb("goodput", "Failures, checkpoints and the time to train N tokens."),
        ),
    ),
    (
        "Look",
        (
            Verb("show", "Describe or draw a cluster, a model or a catalog row."),
            Verb("list", "Names of clusters, models and hardware in the catalog."),
            Verb("report", "Write one self-contained page on a cluster and a model."),
            Verb("explore", "Open the interactive page on this machine."),
        ),
    ),
    (
        "Trust",
        (
            Verb("validate", "Predictions beside published measurements."),
            Verb("check", "Hold an nccl-tests log against what the cluster should do."),
            Verb("calibrate", "Fit efficiency factors to your own measurements."),
            Verb("audit", "Find miswired, missing or slow cables in a fabric."),
        ),
    ),
    (
        "Work",
        (
            Verb("sweep", "Run a study of many points; resumes where it stopped."),
            Verb("import", "Read a fabric, topology or model file of another tool."),
            Verb("export", "Write a cluster for another tool."),
        ),
    ),
)
"""Every verb with its line of help, in the order that ``--help`` prints them."""


class Verbs(click.Group):
    """A group that knows its verbs by name and imports one when it is asked for."""

    def known(self) -> dict[str, Verb]:
        """Verbs whose file is there, by name."""
        files = {module.name for module in pkgutil.iter_modules(netmodel.cli.__path__)}
        return {verb.name: verb for _, verbs in SECTIONS for verb in verbs if verb.module in files}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of ``SECTIONS``."""
        return list(self.known())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one verb that was named."""
        verb = self.known().get(cmd_name)
        if verb is None:
            return None
        module = importlib.import_module(f"netmodel.cli.{verb.module}")
        command = getattr(module, verb.module)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; its failure is printed here, where the choice of colour is known."""
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except (NetmodelError, click.ClickException) as error:
            _fail(error, ctx.color)
        except BrokenPipeError:
            _reader_left()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Offer the near verbs when none has the given name."""
        name = args[0]
        if not name.startswith("-") and name not in self.known():
            raise unknown_name("verb", name, self.known(), where="netmodel")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the verbs by section without importing them."""
        known = self.known()
        for title, verbs in SECTIONS:
            rows = [(verb.name, verb.help) for verb in verbs if verb.name in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_spacing=3)


def _set_color(ctx: click.Context, param: click.Parameter, value: str) -> None:
    """Obey ``--color`` and ``NO_COLOR``, which Click ignores (its issue 2207)."""
    if value == "never" or (value == "auto" and os.environ.get("NO_COLOR")):
        ctx.color = False
    elif value == "always":
        ctx.color = True


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netmodel", message="%(prog)s %(version)s")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    expose_value=False,
    is_eager=True,
    callback=_set_color,
    help="When to use colour; NO_COLOR is obeyed.",
)
def netmodel_group() -> None:
    """Model distributed training on any cluster, and find the wires it waits for.

    GB is 1e9 bytes and GiB is 2**30; bandwidths are of one direction.

    \b
    Example:
      netmodel step --cluster deepseek-h800-mpft --model deepseek-v3 --gpus 2048
    """


def run(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 no answer, 2 misuse or bad input."""
    try:
        code = netmodel_group.main(args, prog_name="netmodel", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(MISUSE)
    except (NetmodelError, click.ClickException) as error:
        _fail(error, None)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _reader_left()
    gc.freeze()  # the process ends: a search for cycles would cost a tenth of a second
    sys.exit(code if isinstance(code, int) else 0)


def _reader_left() -> NoReturn:
    """End well: who reads, e.g. ``| head``, has all it wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _fail(error: NetmodelError | click.ClickException, color: bool | None) -> NoReturn:
    """Print a line for each error, red on a terminal, and exit with its code."""
    if color is None:
        color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    if isinstance(error, NetmodelError):
        message, code = str(error), error.exit_code
    elif isinstance(error, click.UsageError):
        message, code = _usage_line(error), MISUSE
    else:
        message, code = error.format_message(), MISUSE
    for line in message.splitlines():
        click.echo(click.style(line, fg="red") if color else line, err=True, color=color)
    sys.exit(code)


def _usage_line(error: click.UsageError) -> str:
    """Say in one line what is wrong with the arguments and where the help is."""
    path = error.ctx.command_path if error.ctx else "netmodel"
    words = " ".join(line.strip() for line in error.format_message().splitlines()).rstrip(".")
    return str(InputError(words, where=path, remedy=f"See {path} --help."))
