"""Field types of a specification: quantities with units, catalog rows with overrides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from netmodel import catalog, units
from netmodel.errors import InputError
from netmodel.topology.host import Part


def _quantity(parse: Callable[..., float]) -> BeforeValidator:
    """Turn text with a unit into SI; a number made in Python is SI already."""

    def convert(value: Any) -> Any:
        if isinstance(value, _Known):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("needs a number and a unit")  # noqa: TRY004 - pydantic's protocol
        try:
            return parse(value)
        except InputError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(convert)


class _Known(float):
    """A figure that comes from the catalog, in SI."""


def _ratio(value: Any) -> Any:
    """Read 2, 1.5 or '2:1' as a ratio of bandwidth down to bandwidth up."""
    if isinstance(value, str) and value.count(":") == 1:
        down, up = value.split(":")
        try:
            return float(down) / float(up)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{value!r} is no ratio like 2 or 2:1") from error
    return value


def _ratios(value: Any) -> Any:
    return [_ratio(each) for each in value] if isinstance(value, list) else [_ratio(value)]


Bandwidth = Annotated[float, _quantity(units.parse_bandwidth), Field(gt=0)]
Duration = Annotated[float, _quantity(units.parse_time), Field(ge=0)]
Power = Annotated[float, _quantity(units.parse_power), Field(ge=0)]
Count = Annotated[int, Field(ge=1, strict=True)]
Ratio = Annotated[float, BeforeValidator(_ratio), Field(gt=0)]
Ratios = Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_ratios)]
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A mapping of a specification: frozen, and no field beyond the named ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(Strict):
    """A catalog row, by name alone or as a mapping that replaces some of its figures."""

    @classmethod
    @abstractmethod
    def known(cls, name: str) -> dict[str, Any]:
        """Figures of the row of that name."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return value
        try:
            return cls.known(value["name"]) | {k: v for k, v in value.items() if k != "name"}
        except InputError as error:
            needed = {name for name, info in cls.model_fields.items() if info.is_required()}
            if needed <= value.keys():  # a part of the user's own
                return value
            raise ValueError(str(error)) from error


class LinkField(Row):
    """A cable: ``ib-ndr``, or ``{name: ib-ndr, latency: 400 ns}``."""

    name: Text = "custom"
    bandwidth: Bandwidth = Field(description="of one cable, one direction: 400 Gb/s")
    latency: Duration = Field(description="first byte in to first byte out: 300 ns")

    @classmethod
    def known(cls, name: str) -> dict[str, Any]:
        """Look the link up."""
        row = catalog.link(name)
        return {
            "name": row.name,
            "bandwidth": _Known(row.bandwidth),
            "latency": _Known(row.latency),
        }

    @property
    def part(self) -> Part:
        """The same as a value."""
        return Part(name=self.name, bandwidth=self.bandwidth, latency=self.latency)


class SwitchField(Row):
    """A switch: ``QM9700``, or ``{name: SN5600, ports: 128}`` with its ports split in two."""

    name: Text = "custom"
    ports: Count = Field(description="ports of one speed")
    latency: Duration = Field(default=0.0, description="port to port: 130 ns")

    @classmethod
    def known(cls, name: str) -> dict[str, Any]:
        """Look the switch up."""
        row = catalog.switch(name)
        return {"name": row.name, "ports": row.ports, "latency": _Known(row.latency)}
