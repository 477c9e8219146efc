"""``netmodel collective``, its contract and its picture."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from netmodel.cli.collective import ALGORITHMS, KINDS, collective
from netmodel.collectives import ALGORITHMS as KNOWN
from netmodel.collectives import KINDS as OPERATIONS
from netmodel.collectives import bus_factor
from netmodel.plots.collective import collective_figure
from netmodel.studies.collectives_sweep import sweep
from netmodel.topology import load_cluster

ROW = ("bytes", "time_s", "algbw_Bps", "busbw_Bps", "algorithm", "protocol", "bottleneck")


def ask(*words: str):
    return CliRunner().invoke(collective, [*words, "--cluster", "dgx-superpod-h100"])


def test_the_verb_offers_what_the_room_knows():
    assert ("auto", *KNOWN) == tuple(sorted(ALGORITHMS, key=("auto", *KNOWN).index))
    assert set(KINDS) == set(OPERATIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_json_keeps_the_contract_for_every_operation(kind):
    answer = json.loads(ask(kind, "--gpus", "64", "--sizes", "1KiB..1GiB", "--json").stdout)
    assert [row["bytes"] for row in answer["rows"]] == [2.0**k for k in range(10, 31)]
    for row in answer["rows"]:
        assert set(ROW) <= set(row)
        assert row["time_s"] >= row["lower_bound_s"] > 0
        assert row["algbw_Bps"] == pytest.approx(row["bytes"] / row["time_s"])
        assert row["busbw_Bps"] == pytest.approx(row["algbw_Bps"] * bus_factor(kind, 64))


def test_csv_holds_the_same_rows():
    words = ("all_gather", "--gpus", "16", "--sizes", "1MiB,1GiB")
    rows = list(csv.DictReader(io.StringIO(ask(*words, "--csv").stdout)))
    answer = json.loads(ask(*words, "--json").stdout)["rows"]
    assert [float(row["time_s"]) for row in rows] == [row["time_s"] for row in answer]


def test_several_clusters_and_algorithms_stand_side_by_side():
    words = ("all_reduce", "--gpus", "32", "--sizes", "1GiB", "--json", "--cluster", "selene")
    answer = json.loads(ask(*words, "--algorithm", "ring", "--algorithm", "tree").stdout)
    assert [(row["cluster"], row["algorithm"]) for row in answer["rows"]] == [
        ("selene", "ring"),
        ("selene", "tree"),
        ("dgx-superpod-h100", "ring"),
        ("dgx-superpod-h100", "tree"),
    ]


def test_the_rungs_agree_on_a_fabric_without_contention():
    times = [
        json.loads(ask("all_reduce", "--gpus", "64", "--fidelity", each, "--json").stdout)["rows"]
        for each in ("closed", "contention")
    ]
    assert [row["time_s"] for row in times[0]] == pytest.approx(
        [row["time_s"] for row in times[1]], rel=0.01
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("all_reduce", "--gpus", "1"), "nobody to exchange with"),
        (("all_gather", "--gpus", "16", "--algorithm", "tree"), "cannot run as tree"),
    ],
)
def test_what_makes_no_sense_is_refused(words, found):
    assert found in str(ask(*words).exception)


def test_the_example_of_the_help_runs():
    example = CliRunner().invoke(collective, ["--help"]).output.split("Example:")[1].splitlines()
    words = next(line for line in example if "netmodel" in line).split()[2:]
    done = CliRunner().invoke(collective, words)
    assert done.exit_code == 0
    assert "17,179,869,184" in done.output


def test_no_heavy_library_is_loaded_for_a_table():
    code = (
        "import sys; from netmodel.cli.collective import collective;"
        "collective(['all_reduce','--cluster','dgx-superpod-h100','--json'],standalone_mode=False);"
        "print([m for m in ('scipy','networkx','matplotlib','rich') if m in sys.modules],"
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_picture_holds_lines_and_published_points(tmp_path):
    cluster = load_cluster("dgx-superpod-h100")
    sizes = 2.0 ** np.arange(3, 35)
    one = sweep("all_reduce", cluster, sizes, gpus=8, with_measured=True)
    assert {each.system for each in one.measured} >= {"DGX H100 (NVIDIA DGXC recipe)"}
    figure = collective_figure([one])
    top, below = figure.axes
    assert top.get_ylabel() == "Bus bandwidth (GB/s)"
    assert below.get_xlabel() == "Message size"
    assert len(top.lines) == 1 + len(one.measured)
    assert top.lines[0].get_ydata() == pytest.approx(one.busbw / 1e9)
    target = tmp_path / "busbw.png"
    done = ask("all_reduce", "--gpus", "8", "-o", str(target))
    assert done.exit_code == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_forced_ring_is_not_held_against_free_runs():
    """Two published H200 runs forced rings; they stand beside a forced ring only."""
    cluster = load_cluster("dgx-superpod-h100")
    free = sweep("all_reduce", cluster, [2.0**33], gpus=8, with_measured=True)
    ring = sweep("all_reduce", cluster, [2.0**33], gpus=8, algorithm="ring", with_measured=True)
    assert len(ring.measured) > len(free.measured)
