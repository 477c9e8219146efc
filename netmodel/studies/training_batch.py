"""Many published steps at once: plans of equal structure stacked into arrays.

A plan holds numbers and words. Plans whose words agree (layer kinds, schedule, recomputed modules)
become one plan of arrays, and one call adds them all up: all published rows take some milliseconds,
so a fit of a hundred evaluations takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from netmodel.catalog.accelerators import Accelerator
from netmodel.graph import FloatArray, IntArray
from netmodel.network.tiers import Tiers
from netmodel.studies.training_rows import Case
from netmodel.training.compose import step_time
from netmodel.training.factors import (
    BITS,
    Factor,
    attained,
    gpu_keys,
    located,
    peaks,
    table,
)
from netmodel.training.messages import Wires, messages
from netmodel.training.plan import Plan, plan
from netmodel.workload import demands

Key = tuple[str, str]


def structure(value: Any) -> Any:
    """Return all that is no number: two values can be stacked when theirs are equal."""
    if isinstance(value, bool | str | None | frozenset):
        return value
    if is_dataclass(value):
        return (
            type(value).__name__,
            *(structure(getattr(value, each.name)) for each in fields(value)),
        )
    if isinstance(value, Mapping):
        return tuple((key, structure(each)) for key, each in sorted(value.items()))
    if isinstance(value, tuple | list):
        return tuple(structure(each) for each in value)
    return "number"


def stacked(values: Sequence[Any]) -> Any:
    """Stack values of one structure: each number becomes an array of all of them."""
    first = values[0]
    if isinstance(first, bool | str | None | frozenset):
        return first
    if is_dataclass(first):
        members = {
            each.name: stacked([getattr(value, each.name) for value in values])
            for each in fields(first)
        }
        return type(first)(**members)  # type: ignore[misc]  # a value, never a class
    if isinstance(first, Mapping):
        return {key: stacked([value[key] for value in values]) for key in first}
    if isinstance(first, tuple | list):
        return tuple(stacked(list(each)) for each in zip(*values, strict=True))
    return np.array([float(value) for value in values])


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one structure.

    Attributes
    ----------
    where : int array
        Their places among all cases.
    plan : Plan
        Their plans, stacked.
    hardware : mapping of str to array
        Rated peaks, memory bandwidth, units, operand width, fused attention.
    rows : mapping of str to int array
        By factor name: the table row of each case.
    shares : int array
        Table row of each case's share of the peak.
    """

    where: IntArray
    plan: Plan
    hardware: Mapping[str, FloatArray]
    rows: Mapping[str, IntArray]
    shares: IntArray


@dataclass(frozen=True, slots=True)
class Batch:
    """All cases, and the keys of the factor table in the order of its values."""

    size: int
    groups: tuple[Group, ...]
    keys: tuple[Key, ...]

    def step_times(self, values: FloatArray) -> FloatArray:
        """Time every case with the given factor values, in the order of ``keys`` [s]."""
        seconds = np.empty(self.size)
        for group in self.groups:
            factors = {name: values[rows] for name, rows in group.rows.items()}
            rates = attained(factors, share=values[group.shares], **group.hardware)
            seconds[group.where] = step_time(group.plan, rates, factors)
        return seconds


@lru_cache(maxsize=1024)
def fabric(
    gpu: Accelerator, gpus: int, gpus_per_node: int | None, nic_bandwidth: float | None
) -> Tiers:
    """Return the tiers of the usual cluster of a GPU."""
    from netmodel.network.tiers import tiers
    from netmodel.topology import reference_cluster

    cluster = reference_cluster(
        gpu.name, gpus=gpus, gpus_per_node=gpus_per_node, nic_bandwidth=nic_bandwidth
    )
    return tiers(cluster.wiring())


def case_plan(case: Case) -> Plan:
    """Plan one row's step."""
    where = fabric(case.gpu, case.gpus, case.gpus_per_node, case.nic_bandwidth)
    asked = demands(case.model, case.strategy, case.seq_len, case.software.recipe)
    wires = Wires.of(where, case.gpu.generation, case.software)
    timed = messages(asked, case.model, case.strategy, wires)
    return plan(case.model, case.strategy, case.seq_len, case.software, timed)


def batch(cases: Sequence[Case]) -> Batch:
    """Stack many cases."""
    keys = tuple(table())
    place = {key: i for i, key in enumerate(keys)}
    plans = _same_messages([case_plan(case) for case in cases])
    by_structure: dict[Any, list[int]] = {}
    for i, each in enumerate(plans):
        by_structure.setdefault(structure(each), []).append(i)
    groups = []
    for members in by_structure.values():
        mine = [cases[i] for i in members]
        found = [located(gpu_keys(case.gpu), case.software.keys) for case in mine]
        groups.append(
            Group(
                where=np.array(members),
                plan=stacked([plans[i] for i in members]),
                hardware=_hardware(mine),
                rows={name: np.array([place[each[name]] for each in found]) for name in found[0]},
                shares=np.array(
                    [
                        place[each[_share(case.strategy.precision)]]
                        for each, case in zip(found, mine, strict=True)
                    ]
                ),
            )
        )
    return Batch(len(cases), tuple(groups), keys)


def _same_messages(plans: Sequence[Plan]) -> list[Plan]:
    """Give plans of the same layer kinds the same messages; those that were none take no time."""
    union: dict[frozenset[str], dict[tuple[str, str, str], float]] = {}
    for each in plans:
        union.setdefault(frozenset(each.work), {}).update(dict.fromkeys(each.messages, 0.0))
    return [
        replace(each, messages={**union[frozenset(each.work)], **each.messages}) for each in plans
    ]


def _share(precision: str) -> str:
    return f"gemm_{precision if precision in BITS else 'bf16'}"


def _hardware(cases: Sequence[Case]) -> dict[str, FloatArray]:
    """Rated facts of each case's GPU."""
    rated = [peaks(case.gpu, case.strategy.precision) for case in cases]
    return {
        "peak": np.array([each[0] for each in rated]),
        "sixteen": np.array([each[1] for each in rated]),
        "memory": np.array([case.gpu.memory_bandwidth for case in cases]),
        "units": np.array([float(case.gpu.sms or 1) for case in cases]),
        "width": np.array([BITS.get(case.strategy.precision, 2.0) for case in cases]),
        "fused": np.array([1.0 if case.software.recipe.flash else 0.0 for case in cases]),
    }


def table_values(rows: Mapping[Key, Factor] | None = None) -> FloatArray:
    """Values of the factor table, in its order."""
    return np.array([each.value for each in (rows or table()).values()])
