"""Quantities as people write them, and back."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmodel import units
from netmodel.errors import InputError

POSITIVE = st.floats(1e-3, 1e17, allow_nan=False, allow_infinity=False)
PAIRS: dict[str, tuple[Callable[[float], str], Callable[[str], float]]] = {
    "bandwidth": (units.format_bandwidth, units.parse_bandwidth),
    "bit rate": (lambda x: units.format_bandwidth(x, bits=True), units.parse_bandwidth),
    "size": (units.format_size, units.parse_size),
    "binary size": (lambda x: units.format_size(x, binary=True), units.parse_size),
    "time": (units.format_time, units.parse_time),
    "flops": (units.format_flops, units.parse_flops),
    "power": (units.format_power, units.parse_power),
    "money": (units.format_money, units.parse_money),
    "length": (units.format_length, units.parse_length),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_what_is_printed_is_read_back(kind: str) -> None:
    """Three significant digits are kept, in every dimension, over twenty decades."""
    show, read = PAIRS[kind]

    @settings(max_examples=50)
    @given(value=POSITIVE)
    def law(value: float) -> None:
        assert read(show(value)) == pytest.approx(value, rel=5.01e-3)

    law()


@given(value=POSITIVE)
def test_a_printed_number_stays_between_one_and_a_thousand(value: float) -> None:
    """The unit suits the value: no ``1e+03 MB``, no ``0.02 GB``."""
    number = float(units.format_bandwidth(value).split()[0])
    largest = value >= 999.5e18
    assert largest or value < 1 or 1 <= number < 1000


@given(share=st.floats(0, 1))
def test_percent_is_read_back(share: float) -> None:
    """A fraction survives its percent form to three digits."""
    back = units.parse_fraction(units.format_percent(share))
    assert back == pytest.approx(share, rel=5.01e-3, abs=1e-300)


@given(count=st.integers(1, 10**12))
def test_a_count_is_read_back_without_its_commas(count: int) -> None:
    """Tables group thousands; options do not."""
    assert units.parse_count(units.format_count(count).replace(",", "")) == count


@given(text=st.text(max_size=20))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    """No text at all gives anything but a finite number from zero up, or an InputError."""
    for parse in (units.parse_bandwidth, units.parse_size, units.parse_time, units.parse_money):
        outcome = value_or_error(parse, text)
        if isinstance(outcome, str):
            assert "\n" not in outcome
            assert outcome.startswith("here: ")
        else:
            assert math.isfinite(outcome)
            assert outcome >= 0


def value_or_error(parse: Callable[..., float], text: str) -> float | str:
    """What a parser makes of a text: its value, or the message of its InputError."""
    try:
        return parse(text, where="here")
    except InputError as error:
        return str(error)


@given(value=st.floats(1e-6, 1e6), unit=st.sampled_from(["GB/s", "Gb/s", "TFLOP/s", "us", "W"]))
def test_a_table_cell_converts_as_its_text_parses(value: float, unit: str) -> None:
    """Catalog rows keep numbers and units apart; both ways give the same SI value."""
    parse = {
        "bandwidth": units.parse_bandwidth,
        "flops": units.parse_flops,
        "time": units.parse_time,
        "power": units.parse_power,
    }[units.dimension(unit)]
    assert units.convert(value, unit) == parse(f"{value!r} {unit}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 GB/s", 50e9),
        ("50GBps", 50e9),
        ("50 GBytes/s", 50e9),
        ("400 Gb/s", 50e9),
        ("400Gbps", 50e9),
        ("400 Gbit/s", 50e9),
        ("400 gbit/s", 50e9),
        ("400 Gbit/sec", 50e9),
        ("3.2 Tb/s", 400e9),
        ("25GiB/s", 25 * 2**30),
        ("1_000 MB/s", 1e9),
        ("5e10 B/s", 50e9),
        ("\u00a050\u202fGB/s ", 50e9),
    ],
)
def test_bandwidths(text: str, expected: float) -> None:
    assert units.parse_bandwidth(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8", 8),
        (8, 8),
        ("8B", 8),
        ("256MB", 256e6),
        ("256 MBytes", 256e6),
        ("1GiB", 2**30),
        ("64 KiB", 65536),
        ("1.5 TB", 1.5e12),
    ],
)
def test_sizes(text: str | int, expected: float) -> None:
    assert units.parse_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500 ns", 500e-9),
        ("3.7 us", 3.7e-6),
        ("3.7 µs", 3.7e-6),  # micro sign
        ("3.7 μs", 3.7e-6),  # Greek mu
        ("12 ms", 12e-3),
        ("90 min", 5400),
        ("1h30min", 5400),
        ("1 h 30 min", 5400),
        ("54.25 days", 54.25 * 86400),
        ("2 weeks", 14 * 86400),
    ],
)
def test_times(text: str, expected: float) -> None:
    assert units.parse_time(text) == pytest.approx(expected, rel=1e-12)


def test_other_dimensions() -> None:
    assert units.parse_flops("989 TFLOPS") == units.parse_flops("989 TFLOP/s") == 989e12
    assert units.parse_flops("1.979 PFLOP/s") == pytest.approx(1.979e15)
    assert units.parse_power("10.2 kW") == 10200
    assert units.parse_power("3 MW") == 3e6
    assert units.parse_money("$36k") == units.parse_money("36 k$") == 36000
    assert units.parse_money("36000 USD") == units.parse_money("36 kUSD") == 36000
    assert units.parse_money("$1.2B") == units.parse_money("US$ 1.2B") == 1.2e9
    assert units.parse_money_rate("2 USD/h") == units.parse_money_rate("$2/GPU-h") == 2 / 3600
    assert units.parse_energy_price("0.10 USD/kWh") == pytest.approx(0.1 / 3.6e6)
    assert units.parse_length("30 m") == 30
    assert units.parse_fraction("75%") == units.parse_fraction("0.75") == 0.75


def test_ranges_double_up_to_their_end() -> None:
    assert units.parse_counts("2048") == [2048]
    assert units.parse_counts("64,128,256") == [64, 128, 256]
    assert units.parse_counts("256..65536") == [256 * 2**i for i in range(9)]
    assert units.parse_counts("3..20") == [3, 6, 12]
    assert units.parse_sizes("8..16GiB") == [2.0**i for i in range(3, 35)]
    assert units.parse_sizes("1MB,8MB") == [1e6, 8e6]


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (units.parse_bandwidth, "400G", "'400 Gb/s' (50 GB/s) or '400 GB/s'"),
        (units.parse_bandwidth, "400gbps", "may mean bits or bytes"),
        (units.parse_bandwidth, "400 gb/s", "may mean bits or bytes"),
        (units.parse_bandwidth, "400GBPS", "may mean bits or bytes"),
        (units.parse_bandwidth, "400 Gb", "Write '400 Gb/s'"),
        (units.parse_bandwidth, "50", "has no unit"),
        (units.parse_bandwidth, 50, "has no unit"),
        (units.parse_bandwidth, "5 MHz", "is a frequency, not a bandwidth"),
        (units.parse_bandwidth, "400 Gibt/s", "Did you mean Gib/s"),
        (units.parse_bandwidth, "1,000 GB/s", "has a comma"),
        (units.parse_bandwidth, "0 GB/s", "above zero"),
        (units.parse_bandwidth, "-1 GB/s", "below zero"),
        (units.parse_bandwidth, "−1 GB/s", "below zero"),
        (units.parse_bandwidth, "nan GB/s", "not a finite number"),
        (units.parse_bandwidth, "inf GB/s", "not a finite number"),
        (units.parse_bandwidth, "1e400 GB/s", "not a finite number"),
        (units.parse_bandwidth, "1e305 GB/s", "too large"),
        (units.parse_bandwidth, True, "True is not a bandwidth"),
        (units.parse_bandwidth, None, "None is not a bandwidth"),
        (units.parse_bandwidth, "", "'' is not a bandwidth"),
        (units.parse_bandwidth, "x" * 400, "xxx...' is not a bandwidth"),
        (units.parse_size, "16G", "Write 16GiB (as nccl-tests reads it) or 16GB"),
        (units.parse_size, "4k", "Write 4KiB (as nccl-tests reads it) or 4kB"),
        (units.parse_size, "256mb", "Write 256MB"),
        (units.parse_size, "256Mb", "Write 32MB, or 256MB if bytes were meant"),
        (units.parse_size, "16Gi", "Write 16GiB"),
        (units.parse_sizes, "8..4", "ends before it starts"),
        (units.parse_sizes, "0..8", "starts at zero"),
        (units.parse_time, "5 Ms", "Did you mean ms"),
        (units.parse_time, "2 m", "is a length, not a time"),
        (units.parse_power, "10.2 kw", "Did you mean kW"),
        (units.parse_money, "2 EUR", "e.g. 36000 USD"),
        (units.parse_money, "2 USD/h", "is a price per time, not an amount of money"),
        (units.parse_fraction, "75", "Write 75% or 0.75"),
        (units.parse_fraction, "150%", "at most 100%"),
        (units.parse_count, "65k", "may mean 65000 or 66560"),
        (units.parse_count, "2,048", "Write 2048"),
        (units.parse_count, "0", "whole number from 1 up"),
        (units.parse_count, "1.5", "whole number from 1 up"),
        (units.parse_counts, "8..4", "ends before it starts"),
        (units.parse_counts, "64,,128", "'' is not a count"),
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(
    parse: Callable[[object], object], text: object, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert said in str(caught.value)


def test_an_unknown_unit_in_a_table_is_refused() -> None:
    assert units.dimension("furlong") == ""
    with pytest.raises(InputError, match="'furlong' is not a known unit"):
        units.convert(1.0, "furlong")
