"""The group of verbs: lazy, and every failure one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from netmodel.cli.main import SECTIONS, Verbs, netmodel_group, run
from netmodel.errors import InputError, InputErrors, ModelError

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "networkx", "scipy", "matplotlib", "pydantic", "yaml", "rich", "pandas")


def test_help_imports_no_heavy_library():
    """STYLE section 1: ``netmodel --help`` answers at once."""
    script = (
        "import sys; sys.argv = ['netmodel', '--help']\n"
        "from netmodel.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_every_verb_in_the_help_can_be_imported():
    group = netmodel_group
    assert isinstance(group, Verbs)
    context = click.Context(group)
    names = group.list_commands(context)
    assert {"list", "show", "step", "scale"} <= set(names)
    for name in names:
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_every_verb_has_a_line_of_help_and_one_section():
    verbs = [verb for _, section in SECTIONS for verb in section]
    assert len({verb.name for verb in verbs}) == len(verbs)
    assert all(verb.help.endswith(".") for verb in verbs)


@pytest.mark.parametrize("name", netmodel_group.list_commands(click.Context(netmodel_group)))
def test_every_verb_ends_its_help_with_an_example(name):
    """STYLE section 8; test_examples.py runs them."""
    result = CliRunner().invoke(netmodel_group, [name, "--help"])
    assert result.exit_code == 0
    if not isinstance(netmodel_group.get_command(click.Context(netmodel_group), name), click.Group):
        assert "Example" in result.output
        assert f"netmodel {name}" in result.output


def _exit(capsys, monkeypatch, failure):
    """Run a verb that fails and return its exit code and stderr."""

    @click.command()
    def broken() -> None:
        raise failure

    monkeypatch.setattr(Verbs, "known", lambda self: {"broken": None})
    monkeypatch.setattr(Verbs, "get_command", lambda self, ctx, name: broken)
    with pytest.raises(SystemExit) as stop:
        run(["broken"])
    return stop.value.code, capsys.readouterr()


def test_bad_input_is_one_line_and_exit_code_2(capsys, monkeypatch):
    error = InputError("radix is 63", where="a.yaml:12 leaf.radix", remedy="Use radix = 64.")
    code, out = _exit(capsys, monkeypatch, error)
    assert (code, out.err) == (2, "a.yaml:12 leaf.radix: radix is 63. Use radix = 64.\n")
    assert out.out == ""


def test_a_question_without_answer_is_exit_code_1(capsys, monkeypatch):
    code, out = _exit(capsys, monkeypatch, ModelError("no route from a to b"))
    assert (code, out.err) == (1, "no route from a to b\n")


def test_several_errors_are_one_line_each(capsys, monkeypatch):
    errors = InputErrors([InputError("first"), InputError("second")])
    code, out = _exit(capsys, monkeypatch, errors)
    assert (code, out.err) == (2, "first\nsecond\n")


def test_a_fault_of_ours_is_not_hidden(capsys, monkeypatch):
    """A traceback is how a mistake in the program is found; only the user's are made short."""

    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Verbs, "known", lambda self: {"broken": None})
    monkeypatch.setattr(Verbs, "get_command", lambda self, ctx, name: broken)
    with pytest.raises(ZeroDivisionError):
        run(["broken"])


def test_ctrl_c_is_one_word(capsys, monkeypatch):
    code, out = _exit(capsys, monkeypatch, KeyboardInterrupt())
    assert (code, out.err.strip()) == (130, "interrupted")


def test_an_unknown_verb_offers_the_near_one(netmodel):
    done = netmodel("shwo", check=False)
    assert done.returncode == 2
    assert done.stderr == "netmodel: no verb is named 'shwo'. Did you mean show?\n"


@pytest.mark.parametrize(
    "arguments", [["--nope"], ["list", "--nope"], ["list", "planets"], ["list", "links", "more"]]
)
def test_misuse_is_one_line_that_names_the_help(netmodel, arguments):
    done = netmodel(*arguments, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("netmodel")


def test_a_verb_without_arguments_prints_its_help(netmodel):
    done = netmodel("list", check=False)
    assert done.returncode == 2
    assert "netmodel list clusters" in done.stderr


def test_a_reader_that_stops_early_is_no_failure(tmp_path):
    listing = f"{sys.executable} -m netmodel list accelerators"
    command = f"{listing} | (sleep 0; exec 0<&-); echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("flags", "env", "colored"),
    [
        (["--color", "always"], {}, True),
        (["--color", "never"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        ([], {}, False),
    ],
)
def test_colour_is_a_choice(netmodel, flags, env, colored):
    """https://no-color.org: any value but the empty one; what is asked for on the line wins."""
    done = netmodel(*flags, "list", "planets", check=False, **env)
    assert ("\x1b[31m" in done.stderr) is colored


def test_the_version_is_printed(netmodel):
    from netmodel._version import __version__

    assert netmodel("--version").stdout == f"netmodel {__version__}\n"
