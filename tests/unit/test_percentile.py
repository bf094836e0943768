"""Percentiles by their names, and the samples that they need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.percentile import percent_of, samples_needed


@pytest.mark.parametrize(
    ("name", "percent"),
    [("p50", 50), ("p5", 5), ("p99", 99), ("p99.9", 99.9), ("p999", 99.9), ("p9999", 99.99)],
)
def test_names_of_percentiles(name: str, percent: float) -> None:
    assert percent_of(name) == pytest.approx(percent)


@pytest.mark.parametrize(
    ("percent", "samples"),
    [(50, 6), (75, 13), (90, 36), (95, 72), (99, 368), (99.9, 3688), (99.99, 36_887), (10, 36)],
)
def test_samples_that_a_percentile_needs(percent: float, samples: int) -> None:
    assert samples_needed(percent) == samples


@given(st.floats(0.1, 99.99))
def test_the_number_of_samples_is_the_smallest_that_will_do(percent: float) -> None:
    share, samples = max(percent, 100 - percent) / 100, samples_needed(percent)
    assert share**samples <= 0.025 * (1 + 1e-9)
    assert share ** (samples - 1) >= 0.025 * (1 - 1e-9)
