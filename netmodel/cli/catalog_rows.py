"""Catalog rows as text for people and as SI values for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netmodel import catalog
from netmodel.catalog import Fact
from netmodel.units import (
    dimension,
    format_bandwidth,
    format_flops,
    format_money,
    format_power,
    format_size,
    format_time,
)

Row = tuple[Mapping[str, Any], Sequence[str]]
"""Values by JSON key, and the cells of the printed table."""

HEADINGS: Mapping[str, Sequence[str]] = {
    "accelerators": (
        "accelerator",
        "vendor",
        "generation",
        "bf16",
        "memory",
        "memory bandwidth",
        "scale-up",
        "power",
    ),
    "links": ("link", "bandwidth", "latency"),
    "switches": ("switch", "kind", "ports", "per port", "latency", "power"),
    "nics": ("NIC", "protocol", "bandwidth", "ports", "power"),
    "nodes": ("node", "accelerator", "GPUs", "scale-up", "domain", "NICs", "NIC", "power"),
    "prices": ("price", "what", "low", "typical", "high", "date", "source"),
    "models": ("model", "source"),
}

_SUFFIX = {
    "byte": "_B",
    "B": "_B",
    "s": "_s",
    "B/s": "_Bps",
    "FLOP/s": "_FLOPps",
    "W": "_W",
    "USD": "_usd",
    "USD/s": "_usd_per_s",
}


def rows(kind: str) -> list[Row]:
    """Every row of one kind, in the order of the catalog."""
    make = {
        "accelerators": _accelerator,
        "links": _link,
        "switches": _switch,
        "nics": _nic,
        "nodes": _node,
        "prices": _price,
        "models": _model,
    }[kind]
    return [make(name) for name in catalog.names(kind)]


def _maybe(write: Any, value: float | None) -> str:
    """Write a value, or a dash where none was published."""
    return write(value) if value else "-"


def _accelerator(name: str) -> Row:
    row = catalog.accelerator(name)
    bf16 = row.peak.get("bf16")
    data = {
        "name": name,
        "vendor": row.vendor,
        "generation": row.generation,
        **{f"{key}_FLOPps": value for key, value in row.peak.items()},
        "memory_B": row.memory,
        "memory_bandwidth_Bps": row.memory_bandwidth,
        "scaleup_bandwidth_Bps": row.scaleup_bandwidth,
        "power_W": row.power,
    }
    return data, (
        name,
        row.vendor,
        row.generation,
        _maybe(format_flops, bf16),
        format_size(row.memory),
        format_bandwidth(row.memory_bandwidth),
        _maybe(format_bandwidth, row.scaleup_bandwidth),
        _maybe(format_power, row.power),
    )


def _link(name: str) -> Row:
    row = catalog.link(name)
    data = {"name": name, "bandwidth_Bps": row.bandwidth, "latency_s": row.latency}
    return data, (name, format_bandwidth(row.bandwidth), _maybe(format_time, row.latency))


def _switch(name: str) -> Row:
    row = catalog.switch(name)
    data = {
        "name": name,
        "kind": row.kind,
        "ports": row.ports,
        "port_bandwidth_Bps": row.port_bandwidth,
        "latency_s": row.latency,
        "power_W": row.power,
    }
    return data, (
        name,
        row.kind,
        str(row.ports),
        format_bandwidth(row.port_bandwidth, bits=True),
        _maybe(format_time, row.latency),
        _maybe(format_power, row.power),
    )


def _nic(name: str) -> Row:
    row = catalog.nic(name)
    data = {
        "name": name,
        "protocol": row.protocol,
        "bandwidth_Bps": row.bandwidth,
        "ports": row.ports,
        "power_W": row.power,
    }
    return data, (
        name,
        row.protocol,
        format_bandwidth(row.bandwidth, bits=True),
        str(row.ports),
        _maybe(format_power, row.power),
    )


def _node(name: str) -> Row:
    row = catalog.node(name)
    data = {
        "name": name,
        "accelerator": row.accelerator,
        "gpus": row.gpus,
        "scaleup": row.scaleup,
        "scaleup_domain": row.scaleup_domain,
        "nics": row.nics,
        "nic": row.nic,
        "power_W": row.power,
    }
    return data, (
        name,
        row.accelerator,
        str(row.gpus),
        row.scaleup,
        str(row.scaleup_domain),
        str(row.nics),
        row.nic or "-",
        _maybe(format_power, row.power),
    )


def _price(name: str) -> Row:
    row = catalog.price(name)
    unit = row.facts["typical"].unit
    suffix, write = {
        "power": ("_W", format_power),
        "money": ("_usd", format_money),
        "money_rate": ("_usd_per_s", lambda each: f"${each * 3600:.2f}/h"),
        "time": ("_s", format_time),
    }.get(dimension(unit), ("", lambda each: f"{each:.3g}"))
    amounts = (row.low, row.typical, row.high)
    data = {
        "name": name,
        "what": row.what,
        **{
            f"{key}{suffix}": value
            for key, value in zip(("low", "typical", "high"), amounts, strict=True)
        },
        "date": row.date,
        "region": row.region,
        "source": row.source,
    }
    return data, (name, row.what, *(write(each) for each in amounts), row.date, row.source)


def _model(name: str) -> Row:
    source = str(catalog.model_config(name).get("_source", ""))
    return {"name": name, "source": source}, (name, source)


def fact_rows(facts: Mapping[str, Fact]) -> list[Row]:
    """Each published value of one catalog row, as its source states it."""
    return [
        (
            {
                "field": field,
                "value": fact.value,
                "stated": fact.stated,
                "unit": fact.unit,
                "basis": fact.basis,
                "source": fact.source,
            },
            (
                field,
                fact.stated if fact.unit == "text" else f"{fact.stated} {fact.unit}",
                fact.basis,
                fact.source,
            ),
        )
        for field, fact in facts.items()
    ]
