"""Ramps, glued stages and bursts against exact arithmetic: no arrival is off by more than a nanosecond."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.plans import RATE_UNITS, SECOND, Stages, due_ns, flat, make_schedule

DIGITS = 50
DAY = 86_400 * SECOND


def units(rate: float) -> int:
    return round(rate * RATE_UNITS)


def oracle_ns(stages: Stages, position: Fraction) -> Decimal:
    """When the integral of the rate reaches a position: the stages one after the other, in 50 digits."""
    start_ns = 0
    for duration_ns, from_rate, to_rate in stages:
        per_ns = Fraction(1, RATE_UNITS * SECOND)
        first, last = units(from_rate) * per_ns, units(to_rate) * per_ns
        arrivals = (first + last) * duration_ns / 2
        if position < arrivals:
            return start_ns + _within(position, first, last, duration_ns)
        position -= arrivals
        start_ns += duration_ns
    raise AssertionError("the position lies behind the end")


def _within(position: Fraction, first: Fraction, last: Fraction, duration_ns: int) -> Decimal:
    """The root of `first * t + (last - first) / (2 * duration) * t^2 = position`."""
    with localcontext() as context:
        context.prec = DIGITS
        slope = (last - first) / duration_ns
        discriminant = first * first + 2 * slope * position
        root = (Decimal(discriminant.numerator) / Decimal(discriminant.denominator)).sqrt()
        start = Decimal(first.numerator) / Decimal(first.denominator)
        twice = 2 * Decimal(position.numerator) / Decimal(position.denominator)
        return twice / (start + root) if twice else Decimal(0)


def assert_exact(stages: Stages, number: int) -> None:
    error_ns = due_ns(make_schedule(stages), number) - oracle_ns(stages, Fraction(number))
    # A nanosecond for rounding down, and what doubles leave of a nanosecond in a stage of many hours.
    bound_ns = 1 + max(duration_ns for duration_ns, _, _ in stages) * 2**-51
    assert abs(error_ns) <= bound_ns, f"arrival {number} of {stages} is {error_ns} ns off"


RAMPS = [
    pytest.param(0, 1000, id="from nothing"),
    pytest.param(1000, 0, id="to nothing"),
    pytest.param(500, 700, id="rising"),
    pytest.param(900, 100, id="falling"),
    pytest.param(1000, 1000.001, id="hardly rising"),
    pytest.param(1000.001, 1000, id="hardly falling"),
    pytest.param(0, 100_000, id="steep"),
    pytest.param(100_000, 0.5, id="steeply falling"),
]


@pytest.mark.parametrize(("from_rate", "to_rate"), RAMPS)
@pytest.mark.parametrize("duration_ns", [10 * SECOND, 3600 * SECOND, DAY])
def test_a_ramp_is_the_inverse_of_its_area(from_rate: float, to_rate: float, duration_ns: int) -> None:
    """Catches cancellation in the root, which shows at the flat end of a long falling ramp."""
    stages = [(duration_ns, float(from_rate), float(to_rate))]
    total = math.ceil(Fraction(units(from_rate) + units(to_rate), 2 * RATE_UNITS) * duration_ns / SECOND)
    assert make_schedule(stages).total == total
    steps = 97
    for number in {0, 1, 2, total - 2, total - 1, *(total * step // steps for step in range(steps))}:
        assert_exact(stages, number)


rates = st.one_of(st.just(0.0), st.integers(1, 100_000 * RATE_UNITS).map(lambda number: number / RATE_UNITS))
durations = st.integers(1, DAY)


@given(
    stages=st.lists(st.tuples(durations, rates, rates), min_size=1, max_size=4),
    share=st.floats(0, 1, exclude_max=True),
)
def test_any_stages_are_exact_anywhere(stages: Stages, share: float) -> None:
    """Catches a stage that starts with a rounded remainder of the one before, and a stage of rate 0."""
    total = make_schedule(stages).total
    if total:
        assert_exact(stages, min(int(share * total), total - 1))


def test_stages_are_glued_without_a_seam() -> None:
    """Catches an arrival lost or doubled where one stage ends and the next begins."""
    stages: Stages = [
        (SECOND, 0, 1000),
        (SECOND, 1000, 1000),
        (0, 50, 50),
        (SECOND, 333, 333),
        (SECOND, 333, 0),
    ]
    schedule = make_schedule(stages)
    listed = list(schedule.arrivals())
    assert [number for number, _ in listed] == list(range(schedule.total))
    assert schedule.total == math.ceil(500 + 1000 + 333 + 166.5)
    for number, due in listed:
        assert -1 <= due - oracle_ns(stages, Fraction(number)) <= 1, f"arrival {number}"
    dues = [due for _, due in listed]
    assert dues == sorted(dues)
    for ns in [0, 1, SECOND - 1, SECOND, SECOND + 1, 2 * SECOND, 3 * SECOND, 4 * SECOND, 5 * SECOND]:
        assert schedule.count_before(ns) == sum(due < ns for due in dues), f"before {ns} ns"


def test_the_planned_rate_is_the_slope_of_the_count() -> None:
    """Catches a report that draws a rate other than the one that was sent."""
    schedule = make_schedule([(10 * SECOND, 0, 10_000), (10 * SECOND, 10_000, 2_000)])
    for second in range(20):
        at_ns = second * SECOND + SECOND // 2
        counted = schedule.count_before(at_ns + SECOND // 20) - schedule.count_before(at_ns - SECOND // 20)
        assert counted / 0.1 == pytest.approx(schedule.rate_at(at_ns), abs=20)


@given(
    rate=st.integers(1, 20_000),
    on_ns=st.integers(1, SECOND),
    off_ns=st.integers(0, SECOND),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_burst_squeezes_its_period_and_loses_nothing(
    rate: int, on_ns: int, off_ns: int, share: float
) -> None:
    """Catches arrivals in the silence, and a burst that is not spread evenly over its time."""
    even = flat(rate, 5 * SECOND)
    bursts = flat(rate, 5 * SECOND, {"on_ns": on_ns, "off_ns": off_ns})
    assert bursts.total == even.total
    number = int(share * even.total)
    period_ns = on_ns + off_ns
    periods, into_ns = divmod(due_ns(even, number), period_ns)
    assert due_ns(bursts, number) == periods * period_ns + into_ns * on_ns // period_ns


def test_bursts_are_on_and_off() -> None:
    """Catches a burst of the wrong length or at the wrong time: 20 ms on, 80 ms off."""
    schedule = flat(1000, SECOND, {"on_ns": 20_000_000, "off_ns": 80_000_000})
    dues = [due for _, due in schedule.arrivals()]
    assert len(dues) == 1000
    assert all(due % 100_000_000 < 20_000_000 for due in dues)
    assert [schedule.count_before(period * 100_000_000) for period in range(11)] == list(range(0, 1001, 100))
