"""What a cluster and a run cost: laws, and what DeepSeek published."""

import netmodel as nm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import catalog
from netmodel.errors import InputError
from netmodel.studies.cost import HOUR, YEAR, Terms, cost
from netmodel.studies.goodput import goodput
from netmodel.studies.layouts import Request
from netmodel.studies.price_list import PriceList
from netmodel.studies.run import training_run

H800 = nm.load_cluster("deepseek-h800-mpft")
H100 = nm.load_cluster("dgx-superpod-h100")
KWH = 3.6e6


def deepseek(name, tokens):
    """Hours are counted on a clock that runs through interruptions."""
    run = training_run(nm.load_model(name), H800, 2048, tokens)
    return cost(H800, 2048, run=run, effective=goodput(H800, 2048, state=run.state).effective)


@pytest.fixture(scope="module")
def v3():
    return deepseek("deepseek-v3", 14.8e12)


@settings(max_examples=15, deadline=None)
@given(
    lifetime=st.floats(1, 10),
    pue=st.floats(1, 2),
    electricity=st.floats(0.01, 0.5),
    space=st.floats(0, 1e7),
    staff=st.floats(0, 1e7),
)
def test_owning_is_the_sum_of_its_parts(lifetime, pue, electricity, space, staff):
    terms = Terms(
        lifetime=lifetime * YEAR,
        pue=pue,
        electricity=electricity / KWH,
        facility=True,
        space=space / YEAR,
        staff=staff / YEAR,
    )
    found = cost(H100, 512, terms=terms)
    bought = found.bill.total + 64 * catalog.price("facility-node").typical
    fed = found.bill.load.typical * pue * YEAR * electricity / KWH
    expected = bought / lifetime + fed + space + staff
    assert found.per_year.typical == pytest.approx(expected)
    assert found.per_gpu_hour.typical == pytest.approx(expected / 8760 / 512)
    assert found.per_year.low <= found.per_year.typical <= found.per_year.high


@settings(max_examples=10, deadline=None)
@given(tokens=st.floats(1e9, 1e14), effective=st.floats(0.1, 1))
def test_a_run_costs_in_proportion_to_its_time(tokens, effective):
    run = training_run(nm.load_model("deepseek-v3"), H800, 2048, tokens)
    found = cost(H800, 2048, run=run, effective=effective)
    hours = found.figure("gpu_hours").typical
    assert hours == pytest.approx(2048 * run.seconds / effective / HOUR)
    assert found.figure("rent").typical > 0
    rented = next(each.value for each in found.of_run if each.name == "rent")
    assert rented.typical == pytest.approx(2 * hours)
    energy = next(each.value for each in found.of_run if each.name == "energy")
    assert energy.typical == pytest.approx(found.figure("load").typical * found.time)


def spent(found, name):
    return next(each.value for each in found.of_run if each.name == name)


def test_v3_takes_the_published_gpu_hours_and_dollars(v3):
    """arXiv:2412.19437 Table 1: 2,664K H800 hours for 14.8T tokens, 5.328 M$ at 2 $ an hour."""
    assert spent(v3, "gpu_hours").typical == pytest.approx(2664e3, rel=0.08)
    assert spent(v3, "rent").typical == pytest.approx(5.328e6, rel=0.08)


def test_v3_with_context_extension_and_post_training_is_5_576_million(v3):
    """Those two stages, 119K and 5K hours, are published and not modelled."""
    rent = catalog.price("gpu-hour-h800").typical * HOUR
    total = spent(v3, "rent").typical + rent * (119e3 + 5e3)
    assert total == pytest.approx(5.576e6, rel=0.08)
    assert rent * (2664e3 + 119e3 + 5e3) == pytest.approx(5.576e6)


def test_r1_costs_two_dollars_an_hour():
    """arXiv:2501.12948 v2: 101K, 5K and 41K hours make 294 k$."""
    hour = catalog.price("gpu-hour-h800").typical * HOUR
    assert hour * (101e3 + 5e3 + 41e3) == pytest.approx(294e3)


def test_v2_takes_the_published_gpu_hours_and_dollars():
    """arXiv:2405.04434 section 3.2.3: 172.8K hours for each 1T of 8.1T tokens.

    On the published layout; how many GPUs, and which operators run again, is not said.
    """
    found = deepseek("deepseek-v2", 8.1e12)
    assert spent(found, "gpu_hours").typical == pytest.approx(1400e3, rel=0.08)
    assert spent(found, "rent").typical == pytest.approx(2.80e6, rel=0.08)


def test_the_best_layout_of_67b_needs_no_more_than_the_published_gpu_hours():
    """Same place: 300.6K hours for each 1T of 2T tokens, in a layout that was not published."""
    hours = spent(deepseek("deepseek-67b", 2e12), "gpu_hours").typical
    assert 0.8 * 601e3 < hours < 601e3


def test_v3_takes_no_more_energy_than_rated_nodes_would(v3):
    """256 nodes of 10.2 kW for 54.25 days: 3.4 GWh before PUE, an upper bound."""
    energy = spent(v3, "energy")
    assert energy.typical / KWH < 3.4e6
    assert energy.high / KWH == pytest.approx(3.4e6, rel=0.08)


def test_electricity_is_a_small_part_of_the_rent(v3):
    """At 0.10 $ a kWh, 0.34 M$ or 6 % of 5.6 M$ at the rated power."""
    terms = Terms(electricity=0.10 / KWH, pue=1.0)
    found = cost(H800, 2048, terms=terms, run=v3.run)
    paid = spent(found, "electricity_of_run")
    assert paid.high == pytest.approx(0.34e6, rel=0.1)
    assert paid.high / spent(found, "rent").typical == pytest.approx(0.06, abs=0.01)


def test_every_term_names_its_row_and_date(v3):
    for figure in v3.terms:
        row = figure.source.partition(":")[0]
        assert catalog.price(row).date in figure.source


def test_power_names_who_published_it(v3):
    (load,) = [each for each in v3.power if each.name == "load"]
    assert "arXiv:2506.14551" in load.source
    assert "optics" in load.source


def test_what_nobody_published_stays_open():
    cluster = nm.load_cluster("tpu-v5p")
    found = cost(cluster, 64)
    assert found.per_year is None
    assert found.per_gpu_hour is None
    assert any("TPU-v5p" in note for note in found.notes)
    data = found.to_dict()
    assert data["purchase_usd"] is None
    assert data["yearly"]["write_off_usd"]["typical"] is None
    stated = cost(H800, 2048, prices=PriceList(stated={"deepseek-h800": 3e5}))
    assert stated.bill.total == pytest.approx(256 * 3e5 + stated.bill.network)


@pytest.mark.parametrize("terms", [{"pue": 0.9}, {"lifetime": 0.0}, {"pue": float("nan")}])
def test_impossible_terms_are_refused(terms):
    with pytest.raises(InputError):
        Terms(**terms)


def test_a_run_without_tokens_to_train_on_is_refused():
    with pytest.raises(InputError, match="--tokens"):
        training_run(nm.load_model("deepseek-v3"), H800, 2048, 0.0)


def test_a_mixed_cluster_rents_at_the_mean_of_its_gpus():
    cluster = nm.load_cluster("hybrid-a100-h100-mi300x")
    found = cost(cluster, 8 * 96)
    rents = [catalog.price(f"gpu-hour-{name}") for name in ("a100", "h100", "mi300x")]
    assert found.figure("rent").typical == pytest.approx(sum(row.typical for row in rents) / 3)
    assert found.figure("rent").high == pytest.approx(sum(row.high for row in rents) / 3)
    (term,) = [each for each in found.terms if each.name == "rent"]
    assert all(row.name in term.source and row.date in term.source for row in rents)
    groups = found.to_dict()["groups"]
    assert [group["accelerator"] for group in groups] == ["A100-SXM-80GB", "H100-SXM", "MI300X"]
    loads = sum(group["load_W"]["typical"] for group in groups)
    others = [line for line in found.bill.lines if line.kind != "host" and line.load]
    drawn = sum((line.load * line.count).typical for line in others)
    assert found.figure("load").typical == pytest.approx(loads + drawn)


def test_a_run_on_a_mix_is_shared_out_and_priced():
    cluster = nm.load_cluster("hybrid-a100-h100-mi300x")
    request = Request(strategy="tp=4,global_batch=192", seq_len=4096)
    run = training_run(nm.load_model("llama-3.1-8b"), cluster, 96, 1e10, request)
    found = cost(cluster, 96, run=run)
    rented = next(each.value for each in found.of_run if each.name == "rent")
    assert rented.typical == pytest.approx(96 * run.seconds * found.figure("rent").typical)


@pytest.mark.parametrize(
    ("name", "dollars"),
    [("tpu-v4", 3.22), ("tpu-v5e", 1.2), ("tpu-v5p", 4.2), ("tpu-v6e", 2.7)],
)
def test_tpus_are_rented_at_googles_list_price(name, dollars):
    cluster = nm.load_cluster(name)
    rent = cost(cluster, 64).figure("rent") * HOUR
    assert rent.typical == pytest.approx(dollars)
    assert rent.low < rent.typical <= rent.high


def test_a_cost_prints_well():
    found = cost(H100, 512)
    first, *rest = str(found).splitlines()
    assert "512 GPUs" in first
    assert any(line.startswith("  purchase") and "$" in line for line in rest)
    assert "not known" in str(cost(nm.load_cluster("tpu-v5e"), 64))
