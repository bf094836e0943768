"""Latencies as reports have them: units, support, and samples that never ended."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.percentile import samples_needed
from loadgen.snapshot import busy_share, percentile_ns, statistic_ns, summarise
from tests.unit.figures import Samples

MS = 1_000_000


def test_a_summary_is_in_milliseconds() -> None:
    latency = summarise(Samples([MS, 2 * MS, 3 * MS] * 200))
    assert (latency.count, latency.mean_ms, latency.min_ms, latency.p50_ms, latency.max_ms) == (
        600,
        2,
        1,
        2,
        3,
    )
    assert latency.p99_ms == 3
    assert latency.p999_ms is None


def test_too_few_samples_are_no_percentile() -> None:
    latency = summarise(Samples([MS] * 5))
    assert latency.p50_ms is None
    assert latency.max_ms == 1


def test_an_empty_histogram_is_all_null() -> None:
    latency = summarise(Samples())
    assert latency.count == 0
    assert (latency.mean_ms, latency.min_ms, latency.p50_ms, latency.max_ms) == (None, None, None, None)


def test_what_never_ended_stands_above_all_else() -> None:
    latency = summarise(Samples([MS] * 95, infinite=5))
    assert (latency.count, latency.p90_ms, latency.max_ms, latency.mean_ms) == (100, 1, "inf", 1)
    assert summarise(Samples([MS] * 89, infinite=11)).p90_ms == "inf"


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=300),
    st.integers(0, 50),
    st.integers(0, 400),
    st.sampled_from([50.0, 75.0, 90.0, 95.0, 99.0]),
)
def test_lost_samples_count_as_if_they_were_in_the_histogram(
    values: list[int], infinite: int, lost: int, percent: float
) -> None:
    told = percentile_ns(Samples(values, infinite), percent, lost)
    recorded = percentile_ns(Samples(values, infinite + lost), percent)
    assert told == recorded


@given(st.lists(st.integers(1, 10**9), max_size=400), st.sampled_from([50.0, 90.0, 99.0]))
def test_a_percentile_is_given_exactly_where_enough_samples_support_it(
    values: list[int], percent: float
) -> None:
    assert (percentile_ns(Samples(values), percent) is None) == (len(values) < samples_needed(percent))


@pytest.mark.parametrize(
    ("busy", "spin", "blocked", "share"),
    [(25, 50, 25, 0.25), (0, 100, 0, 0.0), (100, 0, 0, 1.0), (0, 0, 0, None)],
)
def test_spinning_is_not_work(busy: int, spin: int, blocked: int, share: float | None) -> None:
    assert busy_share({"busy_ns": busy, "spin_ns": spin, "blocked_ns": blocked}) == share


def test_statistics_by_name() -> None:
    samples = Samples([1, 2, 9] * 10)
    assert statistic_ns(samples, "mean") == 4
    assert statistic_ns(samples, "min") == 1
    assert statistic_ns(samples, "max") == 9
    assert statistic_ns(samples, "max", lost=1) == math.inf
    assert statistic_ns(samples, "p50") == 2
