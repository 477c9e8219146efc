"""The fields of a cluster specification, and every wrong one of a file at once."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from netmodel.errors import InputError, InputErrors
from netmodel.topology.document import Document, FieldPath
from netmodel.topology.family import FAMILIES, FabricSpec, family
from netmodel.topology.fields import Count, LinkField, Strict, Text
from netmodel.topology.node_group import NodeGroup


class Sites(Strict):
    """Several sites (or zones), each with a fabric of its own, joined by a few cables."""

    gpus: Count
    """GPUs that one site holds; sites fill up in turn."""
    link: LinkField
    cables: Count
    """Cables between each two sites, spread over their top switches."""


class ClusterSpec(Strict):
    """A cluster design that can be sized.

    ``fabric`` stays a mapping here; the family named in it says what it may hold.
    """

    name: Text
    description: Text
    sources: tuple[Text, ...] = Field(min_length=1)
    assumptions: tuple[Text, ...] = ()
    """What the sources leave open, and what was taken for it."""
    gpus: Count
    """Size as published, when no other is asked for."""
    published_gpus: Count | None = None
    """Largest size that the sources state, where it is more than ``gpus``."""
    max_gpus: Count | None = None
    """Where the design ends although its fabric has ports left."""
    nodes: tuple[NodeGroup, ...] = Field(min_length=1)
    fabric: dict[str, Any]
    sites: Sites | None = None
    software: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_group(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("nodes"), str | dict):
            return value | {"nodes": [value["nodes"]]}
        return value


def validate(document: Document) -> tuple[ClusterSpec, FabricSpec]:
    """Check a document field by field.

    Raises
    ------
    InputErrors
        One line for each wrong field: place, what was found, what is allowed.
    """
    errors: list[InputError] = []
    spec = _checked(ClusterSpec, document.data, (), document, errors)
    fabric = None
    section = document.data.get("fabric")
    if isinstance(section, dict):
        where = document.where(("fabric", "family"))
        name = section.get("family")
        if not isinstance(name, str):
            shown = "is missing" if name is None else f"is {_short(name)}"
            known = ", ".join(FAMILIES)
            errors.append(InputError(f"family {shown}", where=where, remedy=f"Use one of {known}."))
        else:
            try:
                module = family(name, where)
            except InputError as error:
                errors.append(error)
            else:
                fabric = _checked(module.Spec, section, ("fabric",), document, errors)
    if errors or spec is None or fabric is None:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return spec, fabric


def _checked(
    model: type[BaseModel], data: Any, root: FieldPath, document: Document, errors: list[InputError]
) -> Any:
    """Build a model, or note what is wrong with each field."""
    try:
        return model.model_validate(data)
    except ValidationError as caught:
        for each in caught.errors(include_url=False, include_context=True):
            if each["type"] == "too_short" and each["input"]:
                continue  # only because its members are wrong, which the other errors say
            path = _file_path((*root, *each["loc"]), document.data)
            errors.append(_sentence(each, model, root, path, document))
    return None


def _file_path(path: FieldPath, data: Any) -> FieldPath:
    """Leave out what validation added to a path: ``nodes.0`` where the file has one mapping."""
    if path[:2] == ("nodes", 0) and not isinstance(data.get("nodes"), list):
        return ("nodes", *path[2:])
    return path


def _sentence(
    error: Any, model: type[BaseModel], root: FieldPath, path: FieldPath, document: Document
) -> InputError:
    """Say what one wrong field holds and what it may hold."""
    kind, field = error["type"], path[-1] if path else ""
    where, found = document.where(path), _short(error["input"])
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(_model_at(model, error["loc"][:-1]).model_fields)
        near = difflib.get_close_matches(str(field), known, n=2, cutoff=0.6)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"Fields: {', '.join(known)}."
        return InputError(f"there is no field {field!r} here", where=where, remedy=remedy)
    if kind == "missing":
        at = _model_at(model, error["loc"][:-1]).model_fields[str(field)]
        remedy = f"Give it, {at.description}." if at.description else ""
        return InputError(f"the field {field!r} is missing", where=where, remedy=remedy)
    if kind == "literal_error":
        return InputError(f"found {found}, allowed is {context['expected']}", where=where)
    if kind == "value_error":
        text = str(context["error"])
        remedy = ""
        if "?" in text or ". " in text:
            text, _, remedy = text.partition(". ")
        return InputError(text.rstrip("."), where=where, remedy=remedy)
    message = error["msg"].replace("Input should", "it should")
    return InputError(f"found {found}, {message[0].lower()}{message[1:]}", where=where)


def _model_at(model: type[BaseModel], path: FieldPath) -> type[BaseModel]:
    """Find the model of a nested mapping by the path of fields to it."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            model = inner or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def json_schema() -> dict[str, Any]:
    """JSON Schema of a cluster file, for editors."""
    schema = ClusterSpec.model_json_schema()
    families = [family(name).Spec.model_json_schema() for name in FAMILIES]
    for each in families:
        schema.setdefault("$defs", {}).update(each.pop("$defs", {}))
    schema["properties"]["fabric"] = {"anyOf": families}
    return schema
