"""Every failure that a user can meet.

::

    NetmodelError
    ├── InputError    a wrong file, flag, name or value        exit code 2
    └── ModelError    a fair question that has no answer       exit code 1

A message has three parts: where it happened, what was found with its bound, and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class NetmodelError(Exception):
    """Base of all errors that netmodel raises on purpose.

    Parameters
    ----------
    found : str
        What was found and what is allowed, without a final full stop.
    where : str
        File, line and field: ``topologies/dgx.yaml:12 leaf.radix``. May be empty.
    remedy : str
        What to do about it, a full sentence. May be empty.
    """

    exit_code = 1

    def __init__(self, found: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        if not self.remedy:
            return text
        return f"{text} {self.remedy}" if text.endswith((".", "?")) else f"{text}. {self.remedy}"


class InputError(NetmodelError):
    """A wrong file, flag, name or value."""

    exit_code = 2


class InputErrors(InputError):  # noqa: N818 - it is several errors
    """Several wrong fields of one input, all found in one reading; prints one line for each."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        super().__init__("; ".join(error.found for error in errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class ModelError(NetmodelError):
    """A fair question that has no answer: no route, no strategy that fits."""

    exit_code = 1


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> InputError:
    """Return the error for a name that is in no list, offering the near ones.

    >>> print(unknown_name("model", "deepseek-v4", ["deepseek-v2", "deepseek-v3", "grok-1"]))
    no model is named 'deepseek-v4'. Did you mean deepseek-v3 or deepseek-v2?
    """
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    if not near:
        near = [other for other in names if name.lower() in other][:3]
    if near:
        remedy = f"Did you mean {' or '.join(near)}?"
    else:
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        remedy = f"Known: {listed}."
    return InputError(f"no {kind} is named {name!r}", where=where, remedy=remedy)
