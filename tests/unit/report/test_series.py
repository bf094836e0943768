"""Moments in columns: few enough for a screen, and joined without a lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadgen.report.series import Series, columns, joined
from loadgen.timeline import Moment, Spread
from tests.support.shown_runs import make_moment


def series_of(count: int, most: int = 1200) -> Series:
    series = Series(most)
    for second in range(1, count + 1):
        series.add(make_moment(second))
    return series


@given(count=st.integers(0, 300), most=st.integers(8, 40))
def test_nothing_counted_is_lost_however_many_are_joined(count: int, most: int) -> None:
    series = series_of(count, most)
    assert len(series.moments) <= most
    assert sum(one.counts["sent"] for one in series.moments) == 100 * count
    everything = [make_moment(second) for second in range(1, count + 1)]
    assert samples(series.moments) == samples(everything)
    assert round(sum(one.length_s for one in series.moments), 3) == count
    times = [one.at_s for one in series.moments]
    assert times == sorted(times)
    assert times[-1:] == [one.at_s for one in everything[-1:]]


def samples(moments: list[Moment]) -> int:
    return sum(count for one in moments for _, count in one.heat)


def test_an_hour_has_points_of_the_same_length() -> None:
    series = series_of(3600)
    series.even()
    assert 450 <= len(series.moments) <= 1200
    lengths = {one.length_s for one in series.moments[:-1]}
    assert len(lengths) == 1
    assert series.generation > 0


def test_a_run_of_a_few_minutes_stays_as_it_was() -> None:
    series = series_of(600)
    series.even()
    assert series.moments == [make_moment(second) for second in range(1, 601)]
    assert series.generation == 0


def test_percentiles_are_the_highest_of_those_joined() -> None:
    """A percentile of percentiles is none; and a peak must not vanish."""
    one = make_moment(1, response=Spread(count=10, mean=1.0, p50=1.0, p99=5.0, max=6.0))
    other = make_moment(2, response=Spread(count=30, mean=2.0, p50=2.0, p99=3.0, max="inf"))
    found = joined([one, other]).response
    assert found == Spread(count=40, mean=1.75, p50=2.0, p99=5.0, max="inf")


def test_states_are_the_highest_and_rates_the_mean() -> None:
    found = joined(
        [
            make_moment(1, now={"users": 7}, target_rate_per_s=100.0, length_s=1.0, busy=0.5),
            make_moment(2, now={"users": 3}, target_rate_per_s=400.0, length_s=2.0, busy=0.1),
        ]
    )
    assert (found.now, found.target_rate_per_s, found.busy, found.cpu_s) == ({"users": 7}, 300.0, 0.5, 0.2)
    assert (found.at_s, found.length_s) == (2.001, 3.0)


def test_a_column_has_a_place_for_each_moment() -> None:
    quiet = Moment(at_s=2.0, length_s=1.0)
    found = columns([make_moment(1), quiet, make_moment(3, heat=[(4, 1), (6, 2)])])
    assert {len(column) for column in found.values()} == {3}
    assert found["counts.sent"] == [100, None, 100]
    assert found["response.p99"] == [19.74, None, 39.48]
    assert found["heat"][2] == [4, 1, 0, 2]


def test_names_of_a_script_are_as_harmless_as_all_that_is_shown() -> None:
    one = make_moment(1, tallies={"a\u202eb": 2, "a\\u202eb": 3})
    found = columns([one, make_moment(2, tallies={"a\u202eb": 4})])
    assert [name for name in found if name.startswith("tallies.")] == ["tallies.a\\u202eb"]
    assert found["tallies.a\\u202eb"] == [3, 4]
