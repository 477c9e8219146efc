"""Every row of every table can be trusted to be read: unit, basis, source, aliases."""

import csv
import math

import pytest
from netmodel import catalog, units
from netmodel.catalog import table
from netmodel.errors import InputError


def lines(name: str) -> list[list[str]]:
    """Cells of one CSV of the package, without its header."""
    with (catalog.DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


FIELDS = ("name", "field", "value", "unit", "basis", "source")
ROWS = [(kind, dict(zip(FIELDS, row, strict=True))) for kind in table.KINDS for row in lines(kind)]
MAKERS = {
    "accelerators": catalog.accelerator,
    "links": catalog.link,
    "switches": catalog.switch,
    "nics": catalog.nic,
    "nodes": catalog.node,
    "prices": catalog.price,
}
ALIASES = lines("aliases")


def test_every_row_has_a_value_a_unit_a_basis_and_a_source() -> None:
    """A fact nobody published is none."""
    for kind, row in ROWS:
        where = f"{kind} {row['name']} {row['field']}"
        assert all(row.values()), where
        assert row["basis"] in {"rated", "measured", "assumed"}, where
        assert len(row["source"]) > 8, where
        assert "unverified" not in row["source"], where
        assert "[?]" not in row["source"], where


def test_every_unit_is_read_and_every_number_is_finite() -> None:
    for kind, row in ROWS:
        assert units.dimension(row["unit"]), f"{kind} {row['name']}: {row['unit']}"
        if row["unit"] != "text":
            assert math.isfinite(float(row["value"])), row
            assert float(row["value"]) >= 0, row


def test_no_fact_is_stated_twice() -> None:
    stated = [(kind, row["name"], row["field"]) for kind, row in ROWS]
    assert len(stated) == len(set(stated))


@pytest.mark.parametrize("kind", MAKERS)
def test_every_row_makes_its_value_under_its_own_name(kind: str) -> None:
    names = catalog.names(kind)
    assert len(names) > 8
    assert [MAKERS[kind](name).name for name in names] == names
    assert [MAKERS[kind](name.upper().replace("-", "_")).name for name in names] == names


def test_aliases_are_unique_and_lead_to_a_row() -> None:
    spelled = [(kind, alias) for kind, alias, _ in ALIASES]
    assert len(spelled) == len(set(spelled))
    for kind, alias, name in ALIASES:
        assert alias == table.key(alias), alias
        assert name in catalog.names(kind), (kind, alias, name)
        assert alias not in {table.key(other) for other in catalog.names(kind)}, (kind, alias)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_wrong_name_is_refused_with_the_near_ones(kind: str) -> None:
    first = catalog.names(kind)[0]
    with pytest.raises(InputError) as caught:
        MAKERS[kind](f"{first}x", where="cluster.yaml:3")
    assert str(caught.value).startswith("cluster.yaml:3: no ")
    assert first.lower() in str(caught.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"no kind of row is named 'gpus'"):
        catalog.names("gpus")


def test_a_fact_keeps_what_its_source_states() -> None:
    fact = catalog.link("InfiniBand-NDR").facts["bandwidth"]
    assert (fact.value, fact.stated, fact.unit, fact.basis) == (50e9, "400", "Gbit/s", "rated")


def test_public_names_are_those_listed() -> None:
    for name in catalog.__all__:
        assert getattr(catalog, name) is not None
