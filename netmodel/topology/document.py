"""Read a YAML file and know the line of every field in it.

YAML 1.1 reads ``2:1`` as the number 121 and ``no`` as false; here a plain scalar is null, true,
false, a decimal number or text, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netmodel.errors import InputError

MAX_BYTES = 1_000_000
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*)?\.?[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_MERGE = "the merge key '<<' is not supported"

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file (or of a mapping made in Python) and where each field stands.

    Attributes
    ----------
    data : dict
        Mappings, lists, text, numbers.
    file : str
        Name shown in messages; empty for a mapping made in Python.
    places : mapping
        Field path to the place to show instead of the file: a line number, or the text of the
        ``--set`` that changed it.
    """

    data: dict[str, Any]
    file: str = ""
    places: Mapping[FieldPath, int | str] = field(default_factory=dict)

    def where(self, path: FieldPath) -> str:
        """Name a field for a message: ``topologies/dgx.yaml:12 fabric.radix``.

        A field that is missing is shown at the line of the mapping that lacks it.
        """
        dotted = ".".join(str(part) for part in path)
        for length in range(len(path), -1, -1):
            place = self.places.get(path[:length])
            if isinstance(place, str):
                return place
            if place is not None:
                return f"{self.file}:{place} {dotted}".rstrip()
        return f"{self.file} {dotted}".strip()


def read_yaml(path: Path, shown: str) -> Document:
    """Read one YAML mapping from a file; messages call it ``shown``.

    Raises
    ------
    InputError
        When there is no such file, or it is not a small UTF-8 text with one mapping at its top.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"the file has {size:,} bytes, a cluster specification at most {MAX_BYTES:,}",
                where=shown,
            )
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=shown) from error
    if b"\0" in raw:
        raise InputError("this is a binary file, a cluster specification is YAML text", where=shown)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError("this is not UTF-8 text", where=f"{shown}:{line}") from error
    return parse_yaml(text, shown)


def parse_yaml(text: str, file: str) -> Document:
    """Turn YAML text into a document; ``file`` is only shown."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _syntax_error(text, file, error) from error
    if root is None:
        raise InputError(
            "the file is empty",
            where=file,
            remedy="Start from one of `netmodel list clusters`.",
        )
    if not isinstance(root, yaml.MappingNode):
        found = (
            "a list" if isinstance(root, yaml.SequenceNode) else f"the text {_short(root.value)}"
        )
        raise InputError(
            f"{found} stands at the top, a cluster specification is a mapping of fields",
            where=f"{file}:{root.start_mark.line + 1}",
            remedy="Write `name: ...` and so on, one field a line.",
        )
    places: dict[FieldPath, int | str] = {}
    data = _convert(root, (), file, places, [])
    return Document(data, file, places)


def _syntax_error(text: str, file: str, error: Exception) -> InputError:
    """Say in one line what the YAML reader did not like."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    rows = text.splitlines()
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in str(error):
        return InputError(
            "a tab indents this line, YAML allows only spaces",
            where=f"{file}:{line}",
            remedy="Replace the tab by two spaces.",
        )
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    context = getattr(error, "context", None)
    return InputError(
        f"not valid YAML: {problem}{' ' + context if context else ''}", where=f"{file}:{line}"
    )


def _convert(
    node: Any, path: FieldPath, file: str, places: dict[FieldPath, int | str], open_: list[Any]
) -> Any:
    """Turn a composed YAML node into plain Python, noting the line of every field."""
    import yaml

    line = node.start_mark.line + 1
    if any(node is other for other in open_) or len(path) > 12:
        raise InputError("this alias or nesting is too deep", where=f"{file}:{line}")
    if len(places) > 50_000:
        raise InputError("the aliases of this file expand too far", where=f"{file}:{line}")
    places.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        return scalar(node.value) if not node.style else node.value
    open_.append(node)
    result: Any
    if isinstance(node, yaml.SequenceNode):
        result = [
            _convert(item, (*path, i), file, places, open_) for i, item in enumerate(node.value)
        ]
    else:
        result = {}
        for key_node, value in node.value:
            at = f"{file}:{key_node.start_mark.line + 1}"
            key = key_node.value
            if not isinstance(key, str):
                raise InputError("a field name must be plain text", where=at)
            if key == "<<":
                raise InputError(_MERGE, where=at, remedy="Repeat the fields.")
            if key in result:
                first = places[(*path, key)]
                raise InputError(f"{key} stands here and in line {first}", where=at)
            places[(*path, key)] = key_node.start_mark.line + 1
            result[key] = _convert(value, (*path, key), file, places, open_)
    open_.pop()
    return result


def scalar(text: str) -> Any:
    """Read an unquoted scalar: null, true, false, a number, or text.

    >>> [scalar(each) for each in ("2", "1.5e3", "2:1", "no", "400 Gb/s")]
    [2, 1500.0, '2:1', 'no', '400 Gb/s']
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def override(document: Document, settings: Iterable[str], expands: Iterable[str]) -> Document:
    """Return the document with fields replaced by ``PATH=VALUE`` texts.

    Parameters
    ----------
    document : Document
        Left as it is.
    settings : iterable of str
        ``fabric.oversubscription=2``, ``nodes.0.share=0.5``.
    expands : iterable of str
        Fields in which a name may stand for a mapping ``{name: ...}``, so that
        ``fabric.link.latency=1us`` also works where the file says ``link: ib-ndr``.
    """
    import copy

    names = set(expands)
    data = copy.deepcopy(document.data)
    places = dict(document.places)
    for setting in settings:
        where = f"--set {setting}"
        dotted, equals, text = setting.partition("=")
        path = tuple(int(part) if part.isdigit() else part for part in dotted.strip().split("."))
        if not equals or not all(str(part) for part in path):
            raise InputError(
                "no PATH=VALUE", where=where, remedy="Write e.g. --set fabric.oversubscription=2."
            )
        target: Any = data
        for depth, part in enumerate(path[:-1]):
            below = _child(target, part, where)
            if below is None or (isinstance(below, str) and str(part) in names):
                below = {} if below is None else {"name": below}
                target[part] = below
            elif not isinstance(below, dict | list):
                shown = ".".join(map(str, path[: depth + 1]))
                raise InputError(f"{shown} is {_short(below)}, it has no fields", where=where)
            target = below
        last = path[-1]
        if isinstance(target, list):
            _child(target, last, where)
        target[last] = parse_yaml(f"value: {text}", where).data["value"]
        places = {key: line for key, line in places.items() if key[: len(path)] != path}
        places[path] = where
    return Document(data, document.file, places)


def _child(target: Any, part: str | int, where: str) -> Any:
    if isinstance(target, list):
        if not isinstance(part, int) or part >= len(target):
            raise InputError(
                f"the list has {len(target)} entries, {part!r} is none of them",
                where=where,
                remedy=f"Use 0 to {len(target) - 1}.",
            )
        return target[part]
    return target.get(part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
