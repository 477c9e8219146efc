"""Imports point one way: a room takes only from the rooms below it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "netmodel"
ROOMS = (
    ("_version", "errors", "numeric"),
    ("units",),
    ("graph",),
    ("catalog",),
    ("topology",),
    ("network",),
    ("collectives",),
    ("workload",),
    ("training",),
    ("studies",),
    ("plots",),
    ("report", "explorer"),
    ("cli",),
)
FLOOR = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
APART = {("network", "topology"), ("workload", "topology"), ("workload", "network")}
HOMES = {
    "matplotlib": {"plots"},
    "click": {"cli"},
    "rich": {"cli"},
    "networkx": {"graph", "topology", "network"},
}


def imports(path: Path, *, at_run_time: bool = False) -> list[tuple[str, int]]:
    """Every module that a file imports, with the line; for types alone too, unless told."""
    found = []
    tree = ast.parse(path.read_text())
    if at_run_time:
        tree.body = [node for node in tree.body if not is_type_checking(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            module = node.module or ""
            found.append((module, node.lineno))
            found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def is_type_checking(node: ast.stmt) -> bool:
    """Whether a statement is ``if TYPE_CHECKING:``."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def room_of(module: str) -> str | None:
    """The room a dotted name of ours lies in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "netmodel" and len(parts) > 1 and parts[1] in FLOOR else None


FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).as_posix() not in ("__init__.py", "__main__.py", "api.py")
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_from_the_rooms_below(path: Path) -> None:
    """DESIGN: the chain runs one way; topology and network never meet, workload sees no graph."""
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module, line in imports(path):
        there = room_of(module)
        if there is None or there == here:
            continue
        assert FLOOR[there] < FLOOR[here], f"{path.name}:{line} {here} imports upwards from {there}"
        assert (here, there) not in APART, f"{path.name}:{line} {here} must not know {there}"
        if (here, there) == ("workload", "collectives"):
            allowed = ("netmodel.collectives.ops", "netmodel.collectives")
            assert module.startswith(allowed[0]) or module == allowed[1], f"{path.name}:{line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_each_library_stays_in_its_home(path: Path) -> None:
    """STYLE section 1: matplotlib in plots, click and rich in cli, networkx near the graph."""
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module, line in imports(path, at_run_time=True):
        homes = HOMES.get(module.split(".")[0])
        assert homes is None or here in homes, f"{path.name}:{line} {here} imports {module}"
