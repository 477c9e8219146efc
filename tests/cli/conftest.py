"""Running the command line as people do: in a process, or in this one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def netmodel(tmp_path: Path) -> Run:
    """Run ``netmodel ARGS`` as its own process in an empty folder, without a terminal."""

    def run(
        *arguments: str | Path, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "netmodel", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def call():
    """Run a verb inside this process and return its stdout."""
    from click.testing import CliRunner
    from netmodel.cli.main import netmodel_group

    def run(*arguments: str | Path) -> str:
        result = CliRunner().invoke(
            netmodel_group, [str(each) for each in arguments], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    return run
