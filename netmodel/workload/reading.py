"""Reading a JSON configuration that a stranger wrote: typed keys, one-line refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from netmodel.errors import InputError

MAX_BYTES = 8 * 2**20
MAX_COUNT = 10**9
_ABSENT = object()


def shown(value: Any) -> str:
    """Quote a value in an error: its type where it is a container, its text cut short if long.

    >>> shown([1]), shown("a" * 60), shown(True)
    ('a list', "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...", 'true')
    """
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def read_bytes(path: Path, what: str) -> bytes:
    """Read a whole file of modest size.

    Raises
    ------
    InputError
        When it is missing, a directory or device, unreadable, empty, or larger than 8 MiB.
    """
    where = str(path)
    try:
        if not path.exists():
            raise InputError(
                "no such file", where=where, remedy=f"Give the path of an existing {what}."
            )
        if not path.is_file():
            raise InputError("this is no regular file", where=where, remedy=f"Give a {what}.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{size} bytes are more than the {MAX_BYTES} that a {what} may have",
                where=where,
                remedy="A configuration takes a few thousand; is this the weights?",
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot be read ({reason})", where=where, remedy=f"Give a readable {what}."
        ) from None
    if not data.strip():
        raise InputError("the file is empty", where=where, remedy=f"Give a {what}.")
    return data


def read_text(path: Path, what: str) -> str:
    """Read a whole text file; see :func:`read_bytes`."""
    try:
        return read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte {error.start} is not UTF-8 text", where=str(path), remedy=f"Give a {what}."
        ) from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON value")


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    InputError
        When the file is not one JSON object in UTF-8, naming line and column where it breaks.
    """
    text = read_text(path, what)
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not JSON: {error.msg} at column {error.colno}",
            where=f"{path}:{error.lineno}",
            remedy=f"Give a {what}.",
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"not JSON: {reason}", where=str(path), remedy=f"Give a {what}.") from None
    if not isinstance(data, dict):
        raise InputError(
            f"the file holds {shown(data)}, a {what} is an object",
            where=str(path),
            remedy='It starts with "{".',
        )
    return data


@dataclass(frozen=True, slots=True)
class Reader:
    """Typed access to a mapping; every refusal names the file, the key, and what is allowed."""

    data: Mapping[str, Any]
    where: str

    def get(self, *names: str, default: Any = _ABSENT) -> Any:
        """Return the first of several spellings that is present and not null."""
        for name in names:
            if (value := self.data.get(name)) is not None:
                return value
        if default is _ABSENT:
            also = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
            raise InputError(
                f"key {names[0]!r}{also} is missing",
                where=self.where,
                remedy="It is needed; a config.json that Hugging Face writes has it.",
            )
        return default

    def refuse(self, names: tuple[str, ...], value: Any, allowed: str) -> InputError:
        """Build the refusal of a value."""
        name = next((name for name in names if self.data.get(name) is not None), names[0])
        return InputError(
            f"{name} is {shown(value)}", where=self.where, remedy=f"It must be {allowed}."
        )

    def count(self, *names: str, default: Any = _ABSENT, least: int = 1) -> int:
        """Return a whole number from ``least`` to a thousand million."""
        value = self.get(*names, default=default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_COUNT:
            raise self.refuse(names, value, f"a whole number from {least} to {MAX_COUNT}")
        return value

    def flag(self, *names: str, default: bool) -> bool:
        """Return true or false."""
        value = self.get(*names, default=default)
        if not isinstance(value, bool):
            raise self.refuse(names, value, "true or false")
        return value

    def text(self, *names: str, default: Any = _ABSENT) -> str:
        """Return a text."""
        value = self.get(*names, default=default)
        if not isinstance(value, str):
            raise self.refuse(names, value, "a text")
        return value

    def items(self, *names: str) -> list[Any]:
        """Return a list, empty where the key is absent."""
        value = self.get(*names, default=[])
        if not isinstance(value, list):
            raise self.refuse(names, value, "a list")
        return value

    def inner(self, name: str) -> Reader:
        """Return a reader of a nested object, empty where it is absent."""
        value = self.get(name, default={})
        if not isinstance(value, Mapping):
            raise self.refuse((name,), value, "an object")
        return Reader(value, f"{self.where} {name}")
