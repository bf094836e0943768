"""Poisson arrivals over 200 fixed seeds: memoryless, of the right rate, independent of each other."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tests.engine.plans import SECOND, flat, make_schedule
from tests.engine.statistics import (
    anderson_darling,
    anderson_darling_p,
    correlation,
    dispersion,
    kolmogorov_p,
    quantile,
)

SEEDS = range(200)
RATE, DURATION_NS = 1000, 4 * SECOND
EXPECTED = RATE * DURATION_NS // SECOND
WINDOWS = 400  # ten arrivals each

Lists = list[list[int]]


@pytest.fixture(scope="module")
def lists() -> Lists:
    return [[due for _, due in flat(RATE, DURATION_NS, "poisson", seed).arrivals()] for seed in SEEDS]


def counts(dues: list[int]) -> list[int]:
    """Arrivals in each of the windows."""
    found = [0] * WINDOWS
    for due in dues:
        found[due * WINDOWS // DURATION_NS] += 1
    return found


def test_the_number_of_arrivals_is_poisson(lists: Lists) -> None:
    """Catches a wrong rate, and a count that is fixed although the times are random."""
    assert all(abs(len(dues) - EXPECTED) <= 4.9 * math.sqrt(EXPECTED) for dues in lists)
    total = sum(map(len, lists))
    assert abs(total - EXPECTED * len(lists)) <= 4 * math.sqrt(EXPECTED * len(lists))
    spread = dispersion([len(dues) for dues in lists])
    assert abs(spread - 1) <= 4 * math.sqrt(2 / (len(lists) - 1))


def test_arrivals_are_uniform_over_the_time(lists: Lists) -> None:
    """Catches a rate that drifts: arrivals are uniform, given their number, and so are the p-values."""
    p_values = sorted(kolmogorov_p([due / DURATION_NS for due in dues]) for dues in lists)
    assert kolmogorov_p(p_values) > 1e-4, p_values[:5]


def test_gaps_are_exponential(lists: Lists) -> None:
    """Catches gaps that are even, rounded to ms or clipped: A squared sees both ends of the distribution."""
    p_values = []
    for dues in lists:
        # The survival function: small for long gaps. Half a ns keeps a gap of 0 off the pole.
        gaps = sorted(math.exp(-(after - before + 0.5) * RATE / SECOND) for before, after in pairwise(dues))
        p_values.append(anderson_darling_p(anderson_darling(gaps)))
    assert kolmogorov_p(sorted(p_values)) > 1e-4, sorted(p_values)[:5]


def test_the_test_for_exponential_gaps_sees_gaps_rounded_to_milliseconds(lists: Lists) -> None:
    """Catches a test that accepts everything: a pacer that rounds to ms must be far outside."""
    dues = [-(-due // 1_000_000) * 1_000_000 for due in lists[0]]
    gaps = sorted(math.exp(-(after - before + 0.5) * RATE / SECOND) for before, after in pairwise(dues))
    assert anderson_darling_p(anderson_darling(gaps)) < 1e-6


def test_counts_are_dispersed_like_poisson_counts(lists: Lists) -> None:
    """Catches clustering or regularity between the gaps, which each gap by itself does not show."""
    bound = 4 * math.sqrt(2 / (WINDOWS - 1))
    outside = [
        seed for seed, dues in zip(SEEDS, lists, strict=True) if abs(dispersion(counts(dues)) - 1) > bound
    ]
    assert not outside
    mean = math.fsum(dispersion(counts(dues)) for dues in lists) / len(lists)
    assert abs(mean - 1) <= bound / math.sqrt(len(lists))


def test_neighbouring_seeds_are_independent(lists: Lists) -> None:
    """Catches agents of one run that beat together because their seeds differ by one."""
    windows = [counts(dues) for dues in lists]
    bound = 5 / math.sqrt(WINDOWS)
    assert all(abs(correlation(left, right)) < bound for left, right in pairwise(windows))
    mean = math.fsum(correlation(left, right) for left, right in pairwise(windows)) / (len(windows) - 1)
    assert abs(mean) < 4 / math.sqrt(WINDOWS * len(windows))


def test_successive_windows_of_one_list_are_independent(lists: Lists) -> None:
    """Catches a random stream with memory: a full window says nothing about the next."""
    windows = [counts(dues) for dues in lists]
    mean = math.fsum(correlation(found[:-1], found[1:]) for found in windows) / len(windows)
    # A sample's autocorrelation is biased by -1/n.
    assert abs(mean + 1 / WINDOWS) < 4 / math.sqrt(WINDOWS * len(windows))


@pytest.mark.parametrize("workers", [2, 3])
def test_one_share_of_many_has_gaps_of_its_own_kind(workers: int, lists: Lists) -> None:
    """Catches shares that are Poisson each but not together: every n-th of a list has Erlang gaps."""
    share = [due for _, due in flat(RATE, DURATION_NS, "poisson", 0).arrivals(0, workers)]
    assert share == lists[0][::workers]
    gaps = [after - before for before, after in pairwise(share)]
    mean_ns = math.fsum(gaps) / len(gaps)
    deviation = math.sqrt(math.fsum((gap - mean_ns) ** 2 for gap in gaps) / len(gaps)) / mean_ns
    assert deviation == pytest.approx(1 / math.sqrt(workers), rel=4 / math.sqrt(len(gaps)))


def test_ramped_poisson_arrivals_follow_the_ramp() -> None:
    """Catches random arrivals that ignore the profile: a ramp from 0 has a quarter in its first half."""
    dues = [due for _, due in make_schedule([(10 * SECOND, 0, 4000)], "poisson", 5).arrivals()]
    area = sorted((due / (10 * SECOND)) ** 2 for due in dues)
    assert abs(len(dues) - 20_000) <= 4 * math.sqrt(20_000)
    assert kolmogorov_p(area) > 1e-4
    assert quantile(area, 50) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(area)))
