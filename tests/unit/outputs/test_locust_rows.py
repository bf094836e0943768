"""Times as Locust's tables show them."""

from __future__ import annotations

import pytest

from loadgen.outputs.locust_rows import percentiles_of, rounded_ms


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.4, 0), (1.6, 2), (99.4, 99), (147, 150), (349.9, 350), (3432, 3400), (58_760, 59_000)],
)
def test_times_are_shown_to_two_digits(ms: float, shown: int) -> None:
    assert rounded_ms(ms * 1e6) == shown


def test_percentiles_are_those_of_the_sorted_times() -> None:
    times = {1: 50, 5: 40, 200: 9, 3000: 1}
    assert percentiles_of(times, [49.0, 66.0, 89.0, 95.0, 98.0, 99.9, 100.0]) == [
        *(1, 5, 5, 200, 200, 3000, 3000),
    ]
    assert percentiles_of({7: 1}, [0.0, 50.0, 100.0]) == [7, 7, 7]


def test_where_a_percentile_falls_between_two_it_is_the_upper_one() -> None:
    assert percentiles_of({1: 50, 5: 40, 200: 9, 3000: 1}, [50.0, 90.0, 99.0]) == [5, 200, 3000]
    assert percentiles_of({1: 1, 2: 1}, [50.0, 99.99]) == [2, 2]
