"""Where a share crosses what is allowed: known curves, steps, and what too little says."""

from __future__ import annotations

import numpy as np
import pytest

from loadgen.crossing import NEAR, Crossing, Observation, locate


def observations(
    crossing: float, steepness: float, rates: list[float], *, of: int = 30_000
) -> list[Observation]:
    """Without noise: as many over as the curve says."""
    odds = 0.01 / 0.99 * (np.array(rates) / crossing) ** steepness
    shares = odds / (1 + odds)
    return [Observation(rate, round(share * of), of) for rate, share in zip(rates, shares, strict=True)]


@pytest.mark.parametrize("steepness", [5, 50, 400])
def test_it_finds_the_crossing_of_a_curve_without_noise(steepness: float) -> None:
    rates = [crossing * 1000 for crossing in (0.9, 0.95, 0.98, 0.99, 1.01, 1.02, 1.05, 1.1)]
    found = locate(observations(1000, steepness, rates), 0.01, 960)
    assert found.low < 1000 < found.high
    assert found.rate == pytest.approx(1000, rel=0.01)
    assert found.steepness == pytest.approx(steepness, rel=0.4)


def test_a_step_lies_between_what_passed_and_what_failed() -> None:
    rates = (900, 980, 990, 1010, 1020, 1100)
    step = [Observation(rate, 0 if rate < 1000 else 5000, 5000) for rate in rates]
    found = locate(step * 2, 0.01, 960)
    assert 975 < found.low < found.rate < found.high < 1025


def test_where_nothing_is_known_it_is_anywhere() -> None:
    found = locate([], 0.01, 1000)
    assert found.low < 1000 / NEAR * 1.03 and found.high > 1000 * NEAR / 1.03
    assert locate([Observation(10, 5, 100)], 0.01, 1000) == found, "it is too far away to say anything"


def test_what_scatters_makes_the_interval_wide() -> None:
    rates = [950.0, 980.0, 1020.0, 1050.0] * 3
    calm = locate(observations(1000, 40, rates), 0.01, 1000)
    random = np.random.default_rng(1)
    noisy = [
        one._replace(over=round(one.over * random.exponential())) for one in observations(1000, 40, rates)
    ]
    assert locate(noisy, 0.01, 1000).width > 2 * calm.width


def test_a_stray_failure_far_below_is_no_stall() -> None:
    """A step with one failure in a probe at half of it, which the curve of a step does not have."""
    rates = (850, 900, 980, 990, 1010, 1020, 1100)
    step = [Observation(rate, 0 if rate < 1000 else 30_000, 30_000) for rate in rates]
    stray = [one._replace(over=1) if one.rate == 850 else one for one in step]
    assert locate(stray * 2, 0.01, 960).width < 0.02


def test_the_width_is_how_far_it_reaches_from_its_middle() -> None:
    found = Crossing(1000 / 1.02, 1000 * 1.02, 1)
    assert found.rate == pytest.approx(1000) and found.width == pytest.approx(0.02)
