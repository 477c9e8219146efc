"""Logs of every layout are read alike, and hostile ones give one clear line."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel.cli.calibrate import calibrate
from netmodel.cli.check import check
from netmodel.errors import InputError
from netmodel.studies import calibrate_nccl_tests, check_log
from netmodel.studies.collectives_data import read_cases
from netmodel.studies.collectives_log import read_log
from netmodel.topology import load_cluster

GPU = "NVIDIA H100 80GB HBM3"
HALF = "time   algbw   busbw"
HEADER = f"""#                    out-of-place                       in-place
#  size   count   type   redop    root  {HALF} #wrong  {HALF} #wrong
#  (B)  (elements)  (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)"""
OLD_HEADER = f"""#                    out-of-place                       in-place
#  size   count   type   redop   {HALF}  error   {HALF}  error
#  (B)  (elements)  (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)"""


def curve(series):
    cases = [case for case in read_cases()[0] if case.series == series and not case.flagged]
    return [(int(case.size), case.measured * 1e6) for case in cases]


def devices(ranks, hosts):
    return [
        f"#  Rank {i:2d} Group  0 Pid {900 + i} on node-{i * hosts // ranks} device {i % 8:2d} "
        f"[0000:{i:02x}:00] {GPU}"
        for i in range(ranks)
    ]


def written(path, rows, ranks=8, hosts=1, *, prefix="", header=HEADER, cells=None, program=True):
    lines = ["# Collective test starting: all_reduce_perf"] if program else []
    lines += ["# nThread 1 nGpus 1 minBytes 8 maxBytes 8589934592", "# Using devices"]
    lines += [*devices(ranks, hosts), *header.splitlines()]
    factor = 2 * (ranks - 1) / ranks
    for size, time in rows:
        rate = size / time / 1e3
        body = f"{time:.3f}  {rate:.5f}  {rate * factor:.5f}  0"
        lines.append(f"{size}  {size // 4}  {cells or 'float sum -1'}  {body}  {body}")
    lines.append("# Out of bounds values : 0 OK")
    path.write_text("".join(f"{prefix}{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("prefix", "header", "cells"),
    [
        ("", HEADER, None),
        ("[1,0]<stdout>:", HEADER, None),
        ("[1,0]<stdout>: ", HEADER, None),
        ("worker-0: ", HEADER, None),
        ("0: ", HEADER, None),
        ("2025-11-02T10:11:12.123Z ", HEADER, None),
        ("", OLD_HEADER, "float sum"),
        ("", HEADER, "float -1"),
        ("", HEADER.replace("time", "cputime"), None),
    ],
)
def test_every_layout_gives_the_same_run(tmp_path, prefix, header, cells):
    rows = curve("c001")
    run = read_log(written(tmp_path / "a", rows, prefix=prefix, header=header, cells=cells))[0]
    assert (run.kind, run.ranks, run.nodes, run.gpu) == ("all_reduce", 8, 1, GPU)
    assert run.size.tolist() == [size for size, _ in rows]
    assert run.time * 1e6 == pytest.approx([time for _, time in rows], abs=1e-3)
    assert run.in_place.tolist() == run.time.tolist()
    assert (run.unread, run.cut, run.repeated) == (0, 0, 0)


def test_json_gives_the_same_run(tmp_path):
    rows = curve("c001")
    half = [
        {"time": t, "alg_bw": s / t / 1e3, "bus_bw": 1.75 * s / t / 1e3, "nwrong": 0}
        for s, t in rows
    ]
    document = {
        "args": ["./build/all_reduce_perf", "-J", "out.json"],
        "config": {
            "nthreads": 1,
            "ngpus": 1,
            "devices": [{"rank": i, "hostname": "a", "device_info": GPU} for i in range(8)],
        },
        "results": [
            {"size": size, "count": 1, "out_of_place": each, "in_place": None}
            for (size, _), each in zip(rows, half, strict=True)
        ],
    }
    path = tmp_path / "out.json"
    path.write_text(json.dumps(document))
    run = read_log(path)[0]
    assert (run.kind, run.ranks, run.gpu) == ("all_reduce", 8, GPU)
    assert run.best_time * 1e6 == pytest.approx([time for _, time in rows])
    path.write_text(json.dumps(document)[:-40])
    with pytest.raises(InputError, match="no complete JSON"):
        read_log(path)


def test_units_are_taken_from_the_header(tmp_path):
    rows = [(1024, 0.017), (2**30, 4.0)]
    header = HEADER.replace("(us)", "(ms)")
    run = read_log(written(tmp_path / "a", rows, header=header))[0]
    assert run.time.tolist() == pytest.approx([17e-6, 4e-3])
    with pytest.raises(InputError, match="the unit line names no time"):
        read_log(written(tmp_path / "b", rows, header=HEADER.replace("(us)", "(ticks)")))


def test_what_is_not_read_is_counted(tmp_path):
    path = written(tmp_path / "a", [(1024, 17.0), (2048, 18.0), (2048, 20.0)])
    text = path.read_text() + "node-0:12:12 [0] NCCL INFO Channel 00\n" + "4096  1024  float\n"
    path.write_text(text + "8192 2048 float sum -1 nan 0 0 0 nan 0 0 0\n")
    run = read_log(path)[0]
    assert (run.unread, run.cut, run.repeated) == (1, 2, 1)
    assert run.time.tolist() == pytest.approx([17e-6, 19e-6])


def test_two_tests_in_one_log_are_two_runs(tmp_path):
    path = written(tmp_path / "a", [(1024, 17.0)])
    other = path.read_text().replace("all_reduce", "all_gather")
    path.write_text(path.read_text() + other)
    assert [run.kind for run in read_log(path)] == ["all_reduce", "all_gather"]


def test_a_reduction_is_known_by_its_bus_factor(tmp_path):
    path = written(tmp_path / "a", curve("c001"), program=False)
    assert read_log(path)[0].kind == "all_reduce"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x7fELF\0\0", "is a binary file"),
        (b"hello\nworld\n", "no row of an nccl-tests table .2 lines unread"),
        (b"{}", "has no list 'results'"),
        (b"{" * 5000, "no complete JSON"),
    ],
)
def test_hostile_files_give_one_line(tmp_path, content, message):
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_log(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_log(tmp_path / "missing")


@given(st.lists(st.text(alphabet="0123456789 .#()abusGB/-[]:<>\tNan", max_size=90), max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_reader(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("log") / "x"
    path.write_text(HEADER + "\n" + "\n".join(lines))
    said = ""
    runs = []
    try:
        runs = read_log(path, kind="all_reduce", ranks=8)
    except InputError as error:
        said = str(error)
    assert all((run.best_time > 0).all() for run in runs)
    assert bool(runs) != bool(said)
    assert "\n" not in said


def test_a_good_run_passes(tmp_path):
    path = written(tmp_path / "a", curve("c001"))
    found = check_log(path, load_cluster("dgx-superpod-h100"))[0]
    assert found.passed
    assert found.reached == pytest.approx(1, abs=0.06)


def test_missing_nics_are_named(tmp_path):
    """Four published nodes, slowed as five NICs of eight would."""
    rows = [(size, time if size < 2**22 else time * 8 / 5) for size, time in curve("c103")]
    found = check_log(written(tmp_path / "a", rows, 32, 4), load_cluster("dgx-superpod-h100"))[0]
    assert not found.passed
    assert found.verdict.endswith(
        "of what this fabric should give from 64 MiB up; looks like three NICs of eight missing."
    )


def test_a_ring_where_multicast_should_be_is_named(tmp_path):
    """H200 with rings forced: 367 GB/s, published."""
    path = written(tmp_path / "a", curve("c070"))
    found = check_log(path, load_cluster("dgx-superpod-h100"))[0]
    assert "looks like NVLink SHARP (NVLS) being off" in found.verdict


def test_check_exits_with_one_below_the_tolerance(tmp_path):
    path = written(tmp_path / "a", [(size, 2 * time) for size, time in curve("c001")])
    arguments = [str(path), "--cluster", "dgx-superpod-h100"]
    short = CliRunner().invoke(check, arguments)
    assert short.exit_code == 1
    assert "reaches 49" in short.output
    assert CliRunner().invoke(check, [*arguments, "--tolerance", "60 %"]).exit_code == 0
    answer = json.loads(CliRunner().invoke(check, [*arguments, "--json"]).stdout)
    assert answer["passed"] is False
    assert len(answer["checks"][0]["rows"]) == len(curve("c001"))


def test_calibration_halves_the_error_and_writes_a_cluster_to_use(tmp_path):
    log = written(tmp_path / "a", curve("c001"))
    slow = [(size, 100 + 1.25 * time) for size, time in curve("c103")]
    nodes = written(tmp_path / "b", slow, 32, 4)
    found = calibrate_nccl_tests([log, nodes], cluster="dgx-superpod-h100")
    errors = found.to_dict()["median_abs_pct"]
    assert errors["fitted"] < errors["shipped"] / 2
    assert found.cluster == "dgx-superpod-h100"
    assert all(0 < found.constants[name] < 1 for name in ("port", "network", "multicast"))
    assert len(found.constants) <= 6
    target = tmp_path / "mine.yaml"
    arguments = ["nccl-tests", str(log), str(nodes), "-o", str(target)]
    arguments += ["--cluster", "dgx-superpod-h100"]
    assert CliRunner().invoke(calibrate, arguments).exit_code == 0
    mine = load_cluster(target)
    assert set(mine.software["collectives"]) == set(found.constants)
    again = check_log(nodes, mine)[0].expected.tolist()
    fitted = [row["fitted_s"] for row in found.rows if row["gpus"] == 32]
    assert again == pytest.approx(fitted, rel=2e-3)


def test_a_log_without_gpu_needs_a_cluster(tmp_path):
    path = written(tmp_path / "a", curve("c001"))
    path.write_text(path.read_text().replace(GPU, "Mystery 9000"))
    with pytest.raises(InputError, match="no shipped cluster has the GPU 'Mystery 9000'"):
        calibrate_nccl_tests([path])
    several = written(tmp_path / "b", curve("c001"))
    with pytest.raises(InputError, match=r"Add --cluster with one of .*dgx-superpod-h100"):
        calibrate_nccl_tests([several])
