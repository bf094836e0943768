"""A distribution of our own, against the sorted samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.distribution import Distribution
from loadgen.snapshot import summarise
from tests.unit.figures import Samples


def of(values: list[int]) -> Distribution:
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    return distribution


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=200), st.floats(0, 100, exclude_min=True))
def test_every_percentile_is_within_a_thousandth_of_the_sample(values: list[int], percent: float) -> None:
    found, exact = of(values).percentile(percent), Samples(values).percentile(percent)
    assert found is not None and exact is not None
    assert exact <= found <= exact * 1.001


@given(st.lists(st.integers(0, 10**13), min_size=1))
def test_the_rest_is_exact(values: list[int]) -> None:
    found, exact = of(values), Samples(values)
    assert (found.count, found.min_ns, found.max_ns) == (exact.count, exact.min_ns, exact.max_ns)
    assert found.mean_ns == exact.mean_ns
    assert found.stddev_ns == pytest.approx(exact.stddev_ns, rel=1e-9, abs=1)


def test_many_samples_take_little_room() -> None:
    assert len(of(list(range(1_000_000, 2_000_000, 10)))._buckets) <= 2048


def test_nothing_is_nothing() -> None:
    empty = Distribution()
    assert (empty.count, empty.mean_ns, empty.stddev_ns, empty.percentile(50)) == (0, None, None, None)
    assert summarise(empty).count == 0
