"""Whatever a user gets wrong is one line on stderr, exit code 2, and no traceback."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLUSTER = "deepseek-h800-mpft"
SMALL = ("--cluster", "dgx-superpod-h100", "--model", "llama-3.1-8b")
CONFIG = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}


def refused(done) -> str:
    """The one line that the command printed."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_an_unknown_cluster_offers_the_near_ones(netmodel):
    line = refused(
        netmodel("step", "--cluster", "deepseek-h800-mptf", "--model", "deepseek-v3", check=False)
    )
    assert "deepseek-h800-mpft" in line


def test_an_unknown_model_offers_the_near_ones(netmodel):
    line = refused(netmodel("step", "--cluster", CLUSTER, "--model", "deepsek-v3", check=False))
    assert "deepseek-v3" in line


def test_an_unknown_thing_to_show_offers_the_near_ones(netmodel):
    assert "h100-sxm" in refused(netmodel("show", "h100-smx", check=False))


@pytest.fixture
def broken_cluster(tmp_path):
    """A shipped cluster file with one text replaced."""

    def write(old: str, new: str) -> Path:
        text = (ROOT / "topologies" / "dgx-superpod-h100.yaml").read_text()
        assert old in text
        path = tmp_path / "mine.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_a_tab_in_yaml_is_named_with_its_line(netmodel, broken_cluster):
    path = broken_cluster("  family:", "\tfamily:")
    line = refused(netmodel("show", path, check=False))
    number = 1 + path.read_text().split("\tfamily")[0].count("\n")
    assert f"mine.yaml:{number}" in line
    assert "tab" in line


def test_a_wrong_field_is_named_with_its_line(netmodel, broken_cluster):
    path = broken_cluster("  tiers:", "  teirs:")
    done = netmodel("show", path, check=False)
    assert done.returncode == 2
    number = 1 + path.read_text().split("teirs")[0].count("\n")
    assert any(
        f"mine.yaml:{number}" in line and "teirs" in line for line in done.stderr.splitlines()
    )


def test_an_ambiguous_bandwidth_is_refused_with_both_readings(netmodel):
    line = refused(netmodel("show", CLUSTER, "--set", "fabric.link.bandwidth=400G", check=False))
    assert "400 Gb/s" in line
    assert "400 GB/s" in line


def test_heads_that_do_not_divide_list_the_degrees_that_do(netmodel, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    arguments = ("--cluster", "dgx-superpod-h100", "--model", tmp_path / "config.json")
    line = refused(netmodel("step", *arguments, "--gpus", "24", "--strategy", "tp=3", check=False))
    assert "64 attention heads" in line
    assert "1, 2, 4, 8" in line


def test_factors_that_do_not_multiply_are_shown(netmodel):
    line = refused(
        netmodel("step", *SMALL, "--gpus", "64", "--strategy", "tp=8,pp=2,dp=8", check=False)
    )
    for factor in ("tp 8", "pp 2", "dp 8", "128", "64"):
        assert factor in line


@pytest.mark.parametrize("text", ["[1, 2, 3]", "", "\x00\x01\x02", "{", '"words"'])
def test_a_config_that_is_no_config_is_named(netmodel, tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    line = refused(netmodel("step", "--cluster", CLUSTER, "--model", path, check=False))
    assert "config.json" in line


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF\x02\x01\x01\x00\xff\xfe", b"- a\n- b\n", b"a: ["]
)
def test_a_cluster_file_that_is_no_cluster_is_named(netmodel, tmp_path, content):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(content)
    line = refused(netmodel("show", path, check=False))
    assert "cluster.yaml" in line


@pytest.mark.parametrize("option", ["--cluster", "--model"])
def test_a_missing_file_is_named(netmodel, option):
    names = {"--cluster": CLUSTER, "--model": "deepseek-v3"}
    names[option] = "no/such/file.yaml" if option == "--cluster" else "no/such/config.json"
    arguments = [text for pair in names.items() for text in pair]
    assert names[option] in refused(netmodel("step", *arguments, check=False))


@pytest.mark.parametrize("gpus", ["0", "-8", "many", "2k"])
def test_a_size_that_is_none_is_refused_by_name(netmodel, gpus):
    line = refused(netmodel("step", *SMALL, f"--gpus={gpus}", check=False))
    assert line.startswith("--gpus:")


def test_a_model_that_does_not_fit_says_by_how_much_and_what_would(netmodel):
    line = refused(
        netmodel(
            *("step", "--cluster", "dgx-superpod-h100", "--model", "llama-3.1-70b"),
            *("--gpus", "64", "--strategy", "tp=1,global_batch=64,zero=1"),
            check=False,
        )
    )
    assert re.search(r"needs \d+ GB .* \d+ GB more than the 80 GB", line)
    assert "It fits with " in line


def test_what_makes_it_fit_makes_it_fit(netmodel):
    """The remedy is an answer that the program itself accepts."""
    arguments = (
        "step",
        "--cluster",
        "dgx-superpod-h100",
        "--model",
        "llama-3.1-70b",
        "--gpus",
        "64",
    )
    stated = "tp=1,global_batch=64,zero=1"
    line = refused(netmodel(*arguments, "--strategy", stated, check=False))
    offers = line.split("It fits with ")[1].rstrip(".").split(" or with ")
    assert offers
    for offer in offers:
        fields = dict(part.split("=") for part in [*stated.split(","), *offer.split(",")])
        strategy = ",".join(f"{key}={value}" for key, value in fields.items())
        assert netmodel(*arguments, "--strategy", strategy).returncode == 0


def test_an_unknown_suffix_is_refused_before_any_work(netmodel):
    line = refused(netmodel("scale", *SMALL, "--gpus", "8..16", "-o", "curve.jpg", check=False))
    assert ".svg" in line


def test_a_place_that_cannot_be_written_is_named(netmodel, tmp_path):
    (tmp_path / "file").write_text("")
    done = netmodel("list", "links", "-o", tmp_path / "file" / "links.csv", check=False)
    assert "links.csv" in refused(done)


@pytest.mark.parametrize("text", ["fabric.oversubscription", "=2", "fabric.nope=1", "nope=1"])
def test_an_override_that_is_none_is_refused(netmodel, text):
    line = refused(netmodel("step", *SMALL, "--set", text, check=False))
    assert text.strip("=").split("=")[0].split(".")[-1] in line


@pytest.mark.parametrize(
    "strategy", ["tp=two", "tp", "pipes=2", "tp=2,tp=4", "schedule=spiral", "recompute=some", ""]
)
def test_a_strategy_that_is_none_is_refused(netmodel, strategy):
    refused(netmodel("step", *SMALL, "--gpus", "8", "--strategy", strategy, check=False))
