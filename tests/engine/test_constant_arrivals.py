"""Constant arrivals are exact: number k is due at floor(k / rate), and ceil(rate * duration) of them fit."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.plans import RATE_UNITS, SECOND, due_ns, flat

RATES = [
    pytest.param(Fraction(1), id="1/s"),
    pytest.param(Fraction(3), id="3/s"),
    pytest.param(Fraction(333_333), id="333333/s"),
    pytest.param(Fraction(700_001), id="700001/s"),
    pytest.param(Fraction(1_000_000), id="1000000/s"),
    pytest.param(Fraction(100, 60), id="100/min"),
    pytest.param(Fraction(1, 2), id="0.5/s"),
]
# Rates are given as floats, like those of a user: a wrong rounding to the engine's unit would show.
rates = st.integers(1, 10_000_000 * RATE_UNITS).map(lambda units: Fraction(units, RATE_UNITS))


@pytest.mark.parametrize("rate", RATES)
def test_first_and_far_arrivals_are_due_when_the_fraction_says(rate: Fraction) -> None:
    """Catches an accumulated or truncated period, and floats that lose nanoseconds in a long run."""
    day = flat(float(rate), 86_400 * SECOND)
    for number, due in islice(day.arrivals(), 10_000):
        assert due == floor(number / rate * SECOND), f"arrival {number}"
    total = ceil(rate * 86_400)
    for number in [total // 3, total // 2, total - 2, total - 1]:
        assert due_ns(day, number) == floor(number / rate * SECOND), f"arrival {number} of {total}"


def test_the_ten_billionth_arrival_is_exact() -> None:
    """Catches an error that grows with the number: a truncated period is 4 s off by then."""
    schedule = flat(700_001, 20_000 * SECOND)
    assert schedule.total == 700_001 * 20_000
    assert due_ns(schedule, 10**10) == 10**10 * SECOND // 700_001


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("duration_ns", [1, SECOND // 7, SECOND, 60 * SECOND, 60 * SECOND + 1])
def test_as_many_arrivals_as_fit_into_the_duration(rate: Fraction, duration_ns: int) -> None:
    """Catches one arrival too many or too few at the end: of [0, T) exactly ceil(rate * T) are due."""
    schedule = flat(float(rate), duration_ns)
    assert schedule.total == ceil(rate * duration_ns / SECOND)
    assert schedule.duration_ns == duration_ns
    if schedule.total < 200_000:
        listed = list(schedule.arrivals())
        assert [number for number, _ in listed] == list(range(schedule.total))
        assert all(due < duration_ns for _, due in listed)


@given(rate=rates, seconds=st.integers(1, 1000), share=st.fractions(0, 1))
def test_any_rate_is_exact_anywhere(rate: Fraction, seconds: int, share: Fraction) -> None:
    """Catches a rate at which the arithmetic overflows or rounds: the law holds for all of them."""
    schedule = flat(float(rate), seconds * SECOND)
    assert schedule.total == ceil(rate * seconds)
    number = floor(share * (schedule.total - 1))
    assert due_ns(schedule, number) == floor(number / rate * SECOND)


@given(rate=rates, ns=st.integers(0, 2 * SECOND))
def test_the_count_before_an_instant_inverts_the_due_time(rate: Fraction, ns: int) -> None:
    """Catches a count that is one off at an arrival's own instant: it is not before itself."""
    schedule = flat(float(rate), SECOND)
    count = schedule.count_before(ns)
    assert 0 <= count <= schedule.total
    if count > 0:
        assert due_ns(schedule, count - 1) < ns
    if count < schedule.total:
        assert due_ns(schedule, count) >= ns


def test_a_flat_rate_is_told_as_it_was_given_and_ends_with_the_plan() -> None:
    """Catches a rate that leaks past the end of the plan, where reports would draw it."""
    schedule = flat(333.5, 2 * SECOND)
    assert [schedule.rate_at(ns) for ns in (0, SECOND, 2 * SECOND - 1, 2 * SECOND)] == [333.5] * 3 + [0.0]
