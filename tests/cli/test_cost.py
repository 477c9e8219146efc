"""``netmodel cost`` and ``goodput``: keys, tables, files, and one line for what is wrong."""

import csv
import io
import json
import subprocess
import sys

import pytest

SUPERPOD = ("cost", "--cluster", "dgx-superpod-h100", "--gpus", "512")
V3 = ("--cluster", "deepseek-h800-mpft", "--gpus", "2048", "--model", "deepseek-v3")
META = ("goodput", "--cluster", "meta-24k-roce", "--gpus", "16384", "--model", "llama-3.1-405b")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_cost_has_both_bases_of_the_network_share(call):
    data = json.loads(call(*SUPERPOD, "--json"))
    node, gpu = data["network_share_of_node_and_network"], data["network_share_of_gpu_price"]
    assert 0 < node["low"] <= node["typical"] <= node["high"] < 1
    assert gpu["typical"] > node["typical"]
    assert data["purchase_usd"]["typical"] == pytest.approx(
        sum(line["sum_usd"] for line in data["bill"])
    )


def test_every_dollar_of_the_bill_names_source_row_and_date(call):
    for line in json.loads(call(*SUPERPOD, "--json"))["bill"]:
        assert line["price_row"]
        assert line["source"]
        assert line["date"]


def test_a_run_has_hours_dollars_and_energy(call):
    data = json.loads(call("cost", *V3, "--tokens", "14.8T", "--json"))
    assert data["of_run"]["gpu_hours"]["typical"] == pytest.approx(2664e3, rel=0.08)
    assert data["of_run"]["rent_usd"]["typical"] == pytest.approx(5.328e6, rel=0.08)
    assert data["of_run"]["energy_J"]["low"] < data["of_run"]["energy_J"]["high"]
    lost = json.loads(call("cost", *V3, "--tokens", "14.8T", "--interruptions", "--json"))
    assert lost["run_time_s"] > data["run_time_s"]


def test_stated_prices_rent_and_energy_are_used(call):
    data = json.loads(
        call(
            *("cost", *V3, "--tokens", "1T", "--rent", "3 USD/h", "--electricity", "0.10 USD/kWh"),
            *("--price", "DeepSeek-H800=$300k", "--pue", "1.2", "--lifetime", "4 years"),
            *("--space", "1M USD/year", "--staff", "2M USD/year", "--facility", "--json"),
        )
    )
    assert data["terms"]["rent_usd_per_s"]["typical"] == pytest.approx(3 / 3600)
    assert data["terms"]["pue"]["typical"] == 1.2
    assert data["yearly"]["staff_usd"]["typical"] == pytest.approx(2e6)
    assert data["owning_usd_per_gpu_hour"]["typical"] > 0
    assert data["of_run"]["electricity_of_run_usd"]["typical"] > 0


def test_goodput_has_its_keys_and_shares_add_up(call):
    data = json.loads(call(*META, "--tokens", "15.6T", "--json"))
    assert sum(data["shares"].values()) == pytest.approx(1)
    assert data["effective"] > 0.9
    assert data["interruptions_in_54_days"]["mean"] == pytest.approx(419)
    assert data["time_s"] > data["run"]["time_s"]
    assert data["rent_usd"]["low"] <= data["rent_usd"]["high"]
    assert len(data["causes"]) == 18


def test_goodput_of_several_sizes_is_a_row_each(call):
    arguments = (*META[:3], "--gpus", "1024,4096", "--checkpoint-size", "5TB")
    rows = rows_of(call(*arguments, "--csv"))
    assert [row["gpus"] for row in rows] == ["1024", "4096"]
    assert float(rows[0]["effective"]) > float(rows[1]["effective"])
    points = json.loads(call(*arguments, "--json"))["points"]
    assert [point["gpus"] for point in points] == [1024, 4096]


@pytest.mark.parametrize("verb", [SUPERPOD, META])
def test_tables_rows_and_pictures_are_written(call, tmp_path, verb):
    files = [tmp_path / f"out.{kind}" for kind in ("png", "svg", "csv", "json", "html")]
    text = call(*verb, *(word for path in files for word in ("-o", str(path))))
    assert "arXiv" in text or "substack" in text
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert rows_of(files[2].read_text())
    assert all(path.stat().st_size > 500 for path in files)


HEAVY = ("matplotlib.pyplot", "networkx", "scipy", "pandas", "rich")


@pytest.mark.parametrize("verb", [SUPERPOD, META])
def test_a_picture_takes_neither_pyplot_nor_the_graph_library(tmp_path, verb):
    """What keeps the whole process under a second at 16,384 GPUs."""
    script = (
        "import sys\nfrom netmodel.cli.main import run\n"
        "try:\n    run(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *verb, "-o", str(tmp_path / "out.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_other_gpus_say_what_they_cost_and_save(call, tmp_path):
    asked = (
        *("whatif", "--cluster", "dgx-superpod-h100", "--gpus", "64", "--model", "llama-3.1-8b"),
        *("--strategy", "tp=2,global_batch=128", "--swap-gpu", "H200"),
    )
    bought = json.loads(call(*asked, "--json"))["purchase"]
    assert bought["difference_usd"]["typical"] == pytest.approx(8 * 40e3)
    assert bought["usd_per_s_of_step_saved"]["typical"] > bought["difference_usd"]["typical"] / 100
    rows = {row["name"]: row for row in rows_of(call(*asked, "--csv"))}
    assert float(rows["purchase"]["difference_typical_usd"]) == pytest.approx(8 * 40e3)
    assert float(rows["power"]["difference_typical_W"]) == 0.0
    assert float(rows["step time saved"]["difference_typical_usd_per_s"]) > 0
    text = call(*asked, "-o", tmp_path / "swap.png")
    assert "+$320k" in text
    assert "node-h200" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*SUPERPOD, "--tokens", "1T"), "--model"),
        ((*SUPERPOD, "--prices", "isca"), "isca-table3"),
        ((*SUPERPOD, "--price", "DGX-H100"), "--price"),
        ((*SUPERPOD, "--price", "DGX-H100=310"), "--price DGX-H100"),
        ((*SUPERPOD, "--pue", "0.5"), "--pue"),
        ((*SUPERPOD, "--length", "host-leaf=3"), "--length host-leaf"),
        ((*SUPERPOD, "--length", "leaf=3m"), "host-leaf"),
        ((*SUPERPOD, "--electricity", "0.10"), "--electricity"),
        ((*SUPERPOD, "--set", "num_hidden_layers=4"), "--model"),
        (("cost", *V3, "--tokens", "lots"), "--tokens"),
        (("goodput", "--cluster", "selene"), "--checkpoint-size"),
        ((*META, "--rates", "llama"), "llama-3-405b"),
        ((*META, "--checkpoint-stall", "2 h"), "--checkpoint-stall"),
        ((*META, "--interval", "0 s"), "--interval"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(netmodel, arguments, said):
    done = netmodel(*arguments, check=False)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line
