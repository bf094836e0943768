"""Where a share crosses what is allowed: known curves, steps, and what too little says."""

from __future__ import annotations

import numpy as np
import pytest

from loadgen.crossing import NEAR, Crossing, Piece, locate


def pieces(crossing: float, steepness: float, rates: list[float], *, of: int = 5000) -> list[Piece]:
    """Without noise: as many over as the curve says."""
    odds = 0.01 / 0.99 * (np.array(rates) / crossing) ** steepness
    shares = odds / (1 + odds)
    return [Piece(rate, rate, round(share * of), of) for rate, share in zip(rates, shares, strict=True)]


@pytest.mark.parametrize("steepness", [5, 50, 400])
def test_it_finds_the_crossing_of_a_curve_without_noise(steepness: float) -> None:
    rates = [crossing * 1000 for crossing in (0.9, 0.95, 0.98, 0.99, 1.01, 1.02, 1.05, 1.1)]
    found = locate(pieces(1000, steepness, rates), 0.01, 960)
    assert found.low < 1000 < found.high
    assert found.rate == pytest.approx(1000, rel=0.01)
    assert found.steepness == pytest.approx(steepness, rel=0.3)


def test_a_step_lies_between_what_passed_and_what_failed() -> None:
    step = [Piece(rate, rate, 0 if rate < 1000 else 5000, 5000) for rate in (900, 980, 990, 1010, 1020, 1100)]
    found = locate(step * 2, 0.01, 960)
    assert 975 < found.low < found.rate < found.high < 1025


def test_where_nothing_is_known_it_is_anywhere() -> None:
    found = locate([], 0.01, 1000)
    assert found.low < 1000 / NEAR * 1.03 and found.high > 1000 * NEAR / 1.03
    assert locate([Piece(10, 10, 5, 100)], 0.01, 1000) == found, "it is too far away to say anything"


def test_what_scatters_makes_the_interval_wide() -> None:
    rates = [950.0, 980.0, 1020.0, 1050.0] * 3
    calm = locate(pieces(1000, 40, rates), 0.01, 1000)
    random = np.random.default_rng(1)
    noisy = [one._replace(over=round(one.over * random.exponential())) for one in pieces(1000, 40, rates)]
    assert locate(noisy, 0.01, 1000).width > 2 * calm.width


def test_the_rate_that_came_counts_and_not_the_one_asked_for() -> None:
    rates = [950.0, 980.0, 1020.0, 1050.0] * 3
    came = [one._replace(asked=one.rate * 0.97) for one in pieces(1000, 40, rates)]
    found = locate(came, 0.01, 1000)
    assert found.rate == pytest.approx(1000 * np.exp(-40 * np.log(0.97) ** 2 / 4), rel=0.01)
    assert found.low < 1000 < found.high


def test_the_width_is_half_of_the_interval() -> None:
    assert Crossing(990, 1000, 1010, 1).width == pytest.approx(0.01, rel=0.01)
