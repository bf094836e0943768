"""Windows of a run: quantiles by the definition, samples that never ended, intervals of any length."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadgen.hlog import Intervals
from loadgen.stored_windows import MOST_WINDOWS, Windows, latency_windows, quantiles, summed


def intervals(lengths_s: list[float], values: list[list[int]]) -> Intervals:
    """Values below 2,048, which have buckets of their own."""
    found = Intervals()
    for length_s, some in zip(lengths_s, values, strict=True):
        found.lengths_s.append(length_s)
        buckets, counts = np.unique(np.array(some, dtype=np.int64), return_counts=True)
        found.cells.append((buckets.astype(np.uint16), counts.astype(np.uint32)))
    return found


@given(
    st.lists(st.lists(st.integers(0, 2047), max_size=20), min_size=1, max_size=6),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.integers(0, 5),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 0.999]),
)
def test_a_quantile_is_the_sample_of_its_rank(
    seconds: list[list[int]], times: list[int], lost: int, share: float
) -> None:
    """Windows drawn several times count several times; those that never ended stand above all."""
    of_each = np.full(len(seconds), float(lost))
    windows = latency_windows(intervals([1.0] * len(seconds), seconds), of_each)
    assert windows.number == len(seconds)
    weights = np.array([times[: len(seconds)]], dtype=np.float64)
    drawn: list[float] = []
    for some, often in zip(seconds, times, strict=False):
        drawn += [*some, *[math.inf] * lost] * often
    expected = sorted(drawn)[max(1, math.ceil(share * len(drawn) - 1e-9)) - 1] if drawn else None
    found = quantiles(weights, windows, [share])[0, 0]
    if expected is None:
        assert found in (0, math.inf) or not math.isnan(found)
    else:
        assert found == expected


def test_what_never_ended_at_an_unknown_time_is_spread_over_the_samples() -> None:
    windows = latency_windows(intervals([1, 1], [[1], [1, 2, 3]]), lost_in_all=8)
    assert windows.lost.tolist() == [2, 6]
    assert windows.samples == 12


def test_windows_are_of_one_length_where_intervals_are_not() -> None:
    """Labels have short intervals first and long ones then."""
    lengths_s = [*[1.0] * 10, *[10.0] * 9]
    rows = summed(lengths_s, [lengths_s])
    assert rows[:, 0].tolist() == [5, 5, *[10] * 9]


def test_clocks_that_are_late_cost_no_window() -> None:
    assert len(summed([1.0, 1.1, 0.95, 1.2, 1.0, 0.9, 1.0, 1.0, 0.2], [[1] * 9])) == 8


def test_a_long_run_has_not_too_many() -> None:
    rows = summed([1.0] * 3600, [[1.0] * 3600])
    assert len(rows) == MOST_WINDOWS
    assert rows.sum() == 3600


def test_a_run_without_samples_has_no_quantile() -> None:
    nothing = latency_windows(Intervals())
    assert (nothing.number, nothing.samples) == (0, 0)
    assert nothing.quantiles_ns([0.5]).tolist() == [math.inf]
    lost = Windows(np.zeros((2, 0)), np.zeros(0), np.array([1.0, 1.0]))
    assert lost.quantiles_ns([0.5]).tolist() == [math.inf]
