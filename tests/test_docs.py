"""What the documentation shows can be done, and the examples print what they promise."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("refresh_docs", ROOT / "scripts/refresh_docs.py")
assert _spec is not None
assert _spec.loader is not None
refresh_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(refresh_docs)

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+)\)")


def shown() -> dict[str, str]:
    """Every command of a console block with the first line of the output under it."""
    found = {}
    for page in PAGES:
        for block in refresh_docs.BLOCK.findall(page.read_text(encoding="utf-8")):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found[command] = output.split("\n")[0]
    return found


COMMANDS = shown()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_shown_runs_and_starts_as_shown(command):
    """Numbers move with the fits; scripts/refresh_docs.py puts the new ones in."""
    first = refresh_docs.shell(command).split("\n")[0]
    assert re.findall(r"[A-Za-z]{3,}", first) == re.findall(r"[A-Za-z]{3,}", COMMANDS[command])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem
)
def test_an_example_prints_what_it_promises(path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=ROOT,
        env=refresh_docs.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == path.with_suffix(".out").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_leads_nowhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_reached_from_the_index():
    reached, queue = set(), [ROOT / "docs/index.md"]
    while queue:
        page = queue.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        queue += [(page.parent / each).resolve() for each in links if not each.startswith("http")]
    assert set((ROOT / "docs").rglob("*.md")) <= reached


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "docs/how-to/python.md"], ids=lambda page: page.stem
)
def test_python_that_is_shown_runs(page, tmp_path):
    script = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    assert script
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env=refresh_docs.environment(),
        check=True,
    )
