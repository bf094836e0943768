"""Several runs on each side: intervals that hold in all orders, and chance over all figures at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from loadgen import rank_test
from loadgen.bootstrap import LEVEL


def test_the_difference_is_the_median_of_all_pairs() -> None:
    assert rank_test.difference(np.array([1.0, 2.0, 90.0]), np.array([3.0, 5.0, 4.0])) == 2


@pytest.mark.parametrize(("first", "second"), [(3, 3), (4, 4), (5, 5), (5, 7), (6, 6), (8, 4)])
def test_the_interval_holds_by_counting_all_orders(first: int, second: int) -> None:
    """Under every order of values the true difference, 0, is left out as seldom as promised, and no less."""
    values = np.arange(first + second, dtype=np.float64)
    misses = narrower = orders = 0
    for chosen in combinations(range(first + second), first):
        before = values[list(chosen)]
        after = np.delete(values, list(chosen))
        orders += 1
        interval = rank_test.interval(before, after)
        pairs = np.sort(np.subtract.outer(after, before), axis=None)
        if interval is None:
            narrower += pairs[0] > 0 or pairs[-1] < 0
            continue
        misses += interval[0] > 0 or interval[1] < 0
        left_out = int(np.flatnonzero(pairs == interval[0])[-1]) + 1
        if left_out < len(pairs):
            narrower += pairs[left_out] > 0 or pairs[-1 - left_out] < 0
    assert misses / orders <= 1 - LEVEL
    assert narrower / orders > 1 - LEVEL, "a narrower interval would hold, too"


@pytest.mark.parametrize(("runs", "exists"), [(2, False), (3, False), (4, True), (5, True)])
def test_too_few_runs_have_no_interval(runs: int, exists: bool) -> None:
    before, after = np.arange(float(runs)), np.arange(float(runs)) + 100
    assert (rank_test.interval(before, after) is not None) is exists


def test_sides_wholly_apart_are_the_rarest_of_all_deals() -> None:
    before = np.arange(5.0)[:, None]
    together = rank_test.together(before, before + 100, np.random.default_rng(1))
    assert together.tolist() == pytest.approx([2 / 252])


def test_figures_looked_at_together_are_judged_together() -> None:
    """Catches a probability of each figure alone: some of forty always stand out."""
    random = np.random.default_rng(7)
    alone = together = 0
    for _ in range(100):
        before, after = random.normal(size=(5, 40)), random.normal(size=(5, 40))
        intervals = [rank_test.interval(before[:, one], after[:, one]) for one in range(40)]
        alone += any(interval and (interval[0] > 0 or interval[1] < 0) for interval in intervals)
        together += bool((rank_test.together(before, after, random) <= 1 - LEVEL).any())
    assert alone > 50
    assert together <= 14  # 5 of 100, within the 99.9 % band


def test_many_runs_are_dealt_out_at_random() -> None:
    random = np.random.default_rng(3)
    before, after = random.normal(size=(20, 2)), random.normal([0, 2], size=(20, 2))
    first, second = rank_test.together(before, after, random)
    assert first > 0.05 and second == pytest.approx(1 / 5000, rel=5)


def test_runs_that_are_all_the_same_do_not_differ() -> None:
    same = np.zeros((5, 2))
    assert rank_test.together(same, same, np.random.default_rng(1)).tolist() == [1, 1]
    assert rank_test.interval(same[:, 0], same[:, 0]) == (0, 0)
