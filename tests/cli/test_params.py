"""Each kind of option text parses, or fails with a sentence that names the option."""

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netmodel.cli.params import COUNT, GPUS, SIZES, TOKENS, Named, Output, Quantity
from netmodel.errors import InputError
from netmodel.units import parse_bandwidth, parse_money

OPTION = click.Option(["--gpus"])


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_a_list_of_gpus_comes_out_growing_and_different(counts):
    text = ",".join(map(str, counts))
    assert GPUS.convert(text, None, None) == tuple(sorted(set(counts)))


@given(st.integers(1, 1000), st.integers(0, 10))
def test_a_range_doubles_from_end_to_end(low, doublings):
    counts = GPUS.convert(f"{low}..{low << doublings}", None, None)
    assert counts == tuple(low << k for k in range(doublings + 1))


@pytest.mark.parametrize("text", ["0", "-8", "many", "", "64..8", "1.5", "8,,16", "256...512"])
def test_what_is_no_number_of_gpus_is_refused_by_name(text):
    with pytest.raises(InputError) as failure:
        GPUS.convert(text, OPTION, None)
    assert failure.value.where == "--gpus"


def test_one_size_is_one_number():
    assert COUNT.convert("2048", OPTION, None) == 2048
    with pytest.raises(InputError):
        COUNT.convert("256..512", OPTION, None)


def test_sizes_read_as_nccl_tests_reads_them():
    """CONTRACTS: ``--sizes 8..16GiB`` is 8 B to 16 GiB, doubling."""
    sizes = SIZES.convert("8..16GiB", None, None)
    assert sizes == tuple(float(8 << k) for k in range(32))


def test_a_quantity_needs_its_unit():
    rate = Quantity("rate", parse_bandwidth)
    assert rate.convert("400 Gb/s", None, None) == 50e9
    with pytest.raises(InputError):
        rate.convert("400G", None, None)


@pytest.mark.parametrize("name", ["curve.png", "a/b.svg", "x.PDF", "r.html", "r.csv", "r.json"])
def test_a_known_suffix_is_a_path(name):
    assert Output().convert(name, None, None) == Path(name)


@pytest.mark.parametrize("name", ["curve.jpg", "curve", "curve.png.txt"])
def test_an_unknown_suffix_lists_the_known_ones(name):
    with pytest.raises(InputError, match="suffix") as failure:
        Output().convert(name, None, None)
    assert ".svg" in failure.value.remedy


def test_a_verb_without_a_picture_refuses_picture_files():
    with pytest.raises(InputError) as failure:
        Output(pictures=False).convert("list.png", None, None)
    assert ".png" not in failure.value.remedy


def test_a_folder_is_no_file(tmp_path):
    folder = tmp_path / "here.json"
    folder.mkdir()
    with pytest.raises(InputError, match="folder"):
        Output().convert(str(folder), None, None)


@given(st.integers(1, 10**6), st.sampled_from(["", "K", "M", "B", "T", "b", "t"]))
def test_tokens_are_read_with_decimal_prefixes(number, prefix):
    scale = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[prefix.upper()]
    assert TOKENS.convert(f"{number}{prefix}", None, None) == pytest.approx(number * scale)


@pytest.mark.parametrize("text", ["", "T", "0", "-3T", "1..2T", "1.2.3", ".", "14.8 TB", "many"])
def test_what_is_no_number_of_tokens_is_refused(text):
    with pytest.raises(InputError, match=r"14\.8T"):
        TOKENS.convert(text, OPTION, None)


def test_a_named_quantity_is_a_pair():
    kind = Named("price", parse_money, "DGX-H100=$310k")
    assert kind.convert("DGX-H100 = $310k", OPTION, None) == ("DGX-H100", 310e3)
    for text in ("DGX-H100", "=5 USD", "DGX-H100=5"):
        with pytest.raises(InputError) as failure:
            kind.convert(text, OPTION, None)
        assert failure.value.where.startswith("--gpus")
