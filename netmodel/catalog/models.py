"""Model shapes, as Hugging Face ``config.json`` dictionaries with their source."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from netmodel.catalog import table
from netmodel.errors import unknown_name


@cache
def _files() -> dict[str, Path]:
    """Map model names to config files."""
    return {path.stem: path for path in sorted((table.DATA / "models").glob("*.json"))}


@cache
def model_aliases() -> dict[str, str]:
    """Return every lower-case model name and alias, to the canonical name."""
    return table.read_aliases("models") | {table.key(name): name for name in _files()}


def model_config(name: str, where: str = "") -> dict[str, Any]:
    """Return a model's configuration with the keys of a Hugging Face ``config.json``.

    ``_source`` says who published it; ``_name`` is the canonical name.

    >>> model_config("deepseek-v3")["n_routed_experts"]
    256

    Raises
    ------
    InputError
        When no model has that name, offering the near ones.
    """
    found = model_aliases().get(table.key(name))
    if found is None:
        raise unknown_name("model", str(name), model_aliases(), where=where)
    config: dict[str, Any] = json.loads(_files()[found].read_text(encoding="utf-8"))
    return {"_name": found, **config}


def model_names() -> list[str]:
    """Return the canonical names of all models, sorted."""
    return list(_files())
