"""Published nccl-tests runs as witnesses: ceilings, two nodes, racks, and all rows together."""

import math
import re

import numpy as np
import pytest
from netmodel import catalog, studies
from netmodel.collectives import Operation, bus_factor, library, time
from netmodel.collectives.library import constants
from netmodel.network.tiers import Tiers
from netmodel.studies.collectives_data import read_cases, unstated
from netmodel.studies.collectives_fit import parameters
from netmodel.studies.collectives_validate import predict, refit, usable_rows

GIB = 2.0**30


def busbw(gpu, kind, ranks, size, *, domain=8, nic=50e9, algorithm="auto"):
    """Bus bandwidth [GB/s] of a published system."""
    accelerator = catalog.accelerator(gpu)
    tiers = Tiers(
        names=("nvlink", "leaf"),
        unit=(domain, max(ranks, domain + 1)),
        bandwidth=(accelerator.scaleup_bandwidth, nic),
        latency=(0.6e-6, 4.8e-6),
        links=(accelerator.scaleup_link, "InfiniBand-NDR"),
    )
    found = time(
        Operation(kind=kind, size=size, ranks=ranks),
        tiers.span(ranks),
        library(accelerator.generation, accelerator.scaleup_link, "InfiniBand-NDR"),
        algorithm=algorithm,
    )
    return size / found.time * bus_factor(kind, ranks) / 1e9


CEILINGS = (
    ("V100-SXM3", "all_reduce", 12, 8, 122, 123.5),
    ("A100-SXM", "all_reduce", 8, 16, 235, 235),
    ("A100-SXM", "all_to_all", 8, 8, 224, 224),
    ("A100-SXM", "send_recv", 2, 1, 195, 195),
    ("H200-SXM", "all_gather", 8, 16, 361, 367),
    ("H200-SXM", "reduce_scatter", 8, 16, 361, 367),
    ("B200-SXM", "all_gather", 8, 16, 672, 695),
    ("B200-SXM", "reduce_scatter", 8, 16, 672, 695),
    ("B200-SXM", "all_to_all", 8, 16, 673, 676),
    ("B200-SXM", "all_reduce", 8, 16, 843, 843),
)


@pytest.mark.parametrize(("gpu", "kind", "ranks", "gibibytes", "low", "high"), CEILINGS)
def test_the_ceiling_of_every_nvlink_within_three_percent(gpu, kind, ranks, gibibytes, low, high):
    """At the largest size that was published."""
    found = busbw(gpu, kind, ranks, gibibytes * GIB, domain=16)
    assert 0.97 * low <= found <= 1.03 * high


@pytest.mark.parametrize(("ranks", "measured"), [(5, 414), (6, 436), (7, 460), (8, 476.5)])
def test_multicast_on_five_to_eight_h200_within_four_percent(ranks, measured):
    """stas00/ml-engineering: a sweep of the number of GPUs at 8 GiB."""
    assert busbw("H200-SXM", "all_reduce", ranks, 8 * GIB) == pytest.approx(measured, rel=0.04)


def test_two_nodes_exceed_the_nic_rate_and_four_do_not():
    """Eight NICs of 50 GB/s: 400 GB/s. Measured: 440 to 490 on two nodes, 366 on four."""
    assert busbw("H100-SXM", "all_reduce", 16, 8 * GIB) > 440
    assert busbw("H100-SXM", "all_reduce", 32, 8 * GIB) == pytest.approx(366, rel=0.04)


@pytest.mark.parametrize(("size", "measured"), [(0.5, 151), (1, 219), (8, 381), (16, 406)])
def test_twenty_racks_of_gb200_within_fifteen_percent(size, measured):
    """CoreWeave: 1,440 GPUs."""
    predicted = busbw("GB200", "all_reduce", 1440, size * GIB, domain=72)
    assert predicted == pytest.approx(measured, rel=0.15)


def test_the_half_size_grows_with_the_ranks():
    """The message at which a ring reaches half of its best bandwidth."""

    def half(ranks):
        best = busbw("H100-SXM", "all_reduce", ranks, 64 * GIB, algorithm="ring")
        powers = range(10, 37)
        return next(
            p
            for p in powers
            if busbw("H100-SXM", "all_reduce", ranks, 2.0**p, algorithm="ring") > best / 2
        )

    halves = [half(ranks) for ranks in (8, 64, 512, 4096)]
    assert halves == sorted(set(halves))


@pytest.fixture(scope="module")
def report():
    return studies.validate_collectives()["summary"]


def test_every_published_row_is_predicted_and_the_errors_are_as_stated(report):
    """1,435 rows; those that their publisher marks as degraded or jitter are not counted."""
    assert (report["rows"], report["predicted"]) == (1435, 1435)
    assert report["median_abs_pct"] < 5.5
    assert report["p90_abs_pct"] < 21
    assert report["by_group"]["size"][">= 16 MiB"]["median_abs_pct"] < 3.5
    assert report["by_group"]["size"]["64 KiB - 16 MiB"]["median_abs_pct"] < 8.5


def test_fitted_numbers_are_under_a_twentieth_of_the_rows_and_every_share_below_one(report):
    cases, _ = read_cases()
    assert report["fitted_numbers"] == len(parameters()) < usable_rows(cases).sum() / 20
    shares = [value for (_, _, field), value in constants().items() if field == "efficiency"]
    assert len(shares) > 20
    assert all(0 < share <= 1 for share in shares)
    assert all(constants()[each.rows[0]] < 1 for each in parameters() if each.limit < 1)


def test_the_shipped_constants_are_those_that_the_fit_finds():
    """`netmodel calibrate collectives` reproduces the table, within what its rows can tell."""
    found, told = refit()
    assert told["fitted_numbers"] < told["rows"] / 20
    for each in parameters():
        shipped = constants()[each.rows[0]]
        deviation = max(found.deviation[each.rows[0]], 0.01)
        assert abs(found.table[each.rows[0]] / shipped - 1) < 2 * deviation


def launcher_words(notes):
    found = re.search(r"torch all_reduce|(?<!\S)-g \d+", notes)
    return found.group() if found else "a note"


def test_a_launcher_that_nobody_states_costs_what_the_summary_says():
    """Without the notes, the errors are those that the summary gives beside the others."""
    cases, _ = read_cases()
    told = studies.validate_collectives()["summary"]["launcher_unstated"]
    errors = [
        abs(predict(unstated(case))[0] / case.measured - 1) for case in cases if not case.flagged
    ]
    assert told["median_abs_pct"] == pytest.approx(100 * np.median(errors))
    assert told["p90_abs_pct"] == pytest.approx(100 * np.percentile(errors, 90))
    assert 0 < told["rows_that_state_it"] < len(cases) / 5


def test_a_row_is_predicted_from_its_allowed_columns_alone(tmp_path):
    """Shuffle what was measured, who measured it and what it is called: nothing changes.

    Of the notes only what names the launcher counts.
    """
    import csv

    from netmodel.studies.collectives_data import MEASURED

    with MEASURED.open(newline="") as file:
        rows = list(csv.DictReader(file))[::20]
    scrambled = [
        row
        | {"id": f"x{i}-1", "system": "s", "source": "t", "time_us": "7", "algbw_GBps": "1"}
        | {"busbw_GBps": "1", "total_gpus": "1", "notes": launcher_words(row["notes"])}
        for i, row in enumerate(rows)
    ]
    for name, table in (("plain.csv", rows), ("scrambled.csv", scrambled)):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(table)
    plain = studies.validate_collectives(tmp_path / "plain.csv")["rows"]
    other = studies.validate_collectives(tmp_path / "scrambled.csv")["rows"]
    assert [row["predicted"] for row in plain] == [row["predicted"] for row in other]
    assert not any(row["used_in_fit"] for row in other)
    assert not math.isnan(plain[0]["predicted"])
