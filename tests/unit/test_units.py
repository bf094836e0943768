"""Values with units: what is read, what is refused and in which words, what is printed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import units


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("5000", 5000),
        ("5000/s", 5000),
        ("0.5/s", 0.5),
        (".5", 0.5),
        ("300/m", 5),
        ("300/min", 5),
        ("3600/h", 1),
        ("5k", 5000),
        ("2.5k/s", 2500),
        ("1M/minute", 1_000_000 / 60),
        (" 10 / s ", 10),
        (7, 7),
        (0.25, 0.25),
        (0, 0),
    ],
)
def test_rates_are_read(text: str | float, per_second: float) -> None:
    assert units.parse_rate(text) == pytest.approx(per_second, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        *("fast", "", "-5", "5/d", "5/", "1e3", "5,000", "inf", "nan", "5 5", "٣/s"),
        *(-1, math.inf, math.nan, True),
    ],
)
def test_what_is_no_rate_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match=r'^expected a rate such as "500/s", got ".*"$'):
        units.parse_rate(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("30s", 30_000_000_000),
        ("5m", 300_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("7ns", 7),
        ("1d", 86_400_000_000_000),
        ("2min", 120_000_000_000),
        ("10", 10_000_000_000),
        ("0.1", 100_000_000),
        ("0s", 0),
        (10, 10_000_000_000),
        (0.1, 100_000_000),
    ],
)
def test_durations_are_read_exactly(text: str | float, ns: int) -> None:
    assert units.parse_duration_ns(text) == ns


@pytest.mark.parametrize("text", ["", "fast", "-3s", "3x", "s", "3s!", "1h30", "٣s", -1, math.nan, True])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match=r'^expected a duration such as "30s", "5m" or "1h30m", got ".*"$'):
        units.parse_duration_ns(text)


@given(st.integers(0, 10**7))
def test_a_printed_duration_in_seconds_reads_back(seconds: int) -> None:
    printed = units.format_duration(seconds * 1_000_000_000)
    assert units.parse_duration_ns(printed) == seconds * 1_000_000_000


@pytest.mark.parametrize(("text", "at_least", "count"), [("5", 1, 5), (" 5 ", 1, 5), ("0", 0, 0), (7, 1, 7)])
def test_counts_are_read(text: str | int, at_least: int, count: int) -> None:
    assert units.parse_count(text, at_least=at_least) == count


@pytest.mark.parametrize("text", ["", "five", "5.0", "0", "-1", "1_000", True])
def test_what_is_no_count_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match=r'^expected a whole number, 1 or more, got ".*"$'):
        units.parse_count(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "-"),
        (math.inf, "∞"),
        (0, "0 ns"),
        (85, "85.0 ns"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (85_000, "85.0 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (1_234_567, "1.23 ms"),
        (12_345_678, "12.3 ms"),
        (123_456_789, "123 ms"),
        (999_500_000, "1.00 s"),
        (3_600_000_000_000, "3600 s"),
    ],
)
def test_latencies_have_three_digits(ns: float | None, text: str) -> None:
    assert units.format_ns(ns) == text


@given(st.floats(0, 3.6e12))
def test_latencies_fit_their_column(ns: float) -> None:
    assert len(units.format_ns(ns)) <= 8


@given(st.floats(1, 3.6e12))
def test_a_printed_latency_is_the_value_to_three_digits(ns: float) -> None:
    number, unit = units.format_ns(ns).split()
    scale = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number) * scale == pytest.approx(ns, rel=0.006)


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (5000, "5,000/s"),
        (100, "100/s"),
        (12.5, "12.5/s"),
        (1, "1/s"),
        (0.5, "30/m"),
        (0.001, "3.6/h"),
        (0, "0/s"),
    ],
)
def test_rates_are_printed(per_second: float, text: str) -> None:
    assert units.format_rate(per_second) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (250_000_000, "250ms"),
        (2_500_000_000, "2.5s"),
        (5_400_000_000_000, "1h30m"),
        (10_000, "10us"),
        (7, "7ns"),
    ],
)
def test_durations_are_printed_as_people_type_them(ns: int, text: str) -> None:
    assert units.format_duration(ns) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (950, "950 B"),
        (999.6, "1.00 kB"),
        (1_200_000, "1.20 MB"),
        (5e9, "5.00 GB"),
        (5e13, "50.0 TB"),
    ],
)
def test_sizes_are_printed(count: float, text: str) -> None:
    assert units.format_bytes(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.0004, "0.04 %"),
        (0.123, "12 %"),
        (0.00000001, "< 0.01 %"),
        (0.99999, "99.99 %"),
        (1.001, "101 %"),
        (2.5, "250 %"),
        (144.0, "14,400 %"),
    ],
)
def test_a_share_is_never_a_false_nothing_or_all(share: float, text: str) -> None:
    assert units.format_percent(share) == text


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    assert units.printable("a\x1b[2Jb\nc\u202ed é") == "a\\x1b[2Jb\\nc\\u202ed é"


def test_long_values_are_cut_in_messages() -> None:
    assert units.quoted("x" * 1000) == f'"{"x" * 57}..."'
