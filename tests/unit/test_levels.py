"""Loads at other levels over the same time."""

from __future__ import annotations

import pytest

from loadgen.engine_plan import ClosedLoad, OpenStage, level_at
from loadgen.levels import delayed, flat, silent, whole
from tests.unit.scripts import SECOND, closed_load, open_load


def test_flat_is_one_level_for_as_long() -> None:
    assert level_at(flat(open_load(rate=10, seconds=5), 2.5), 5 * SECOND - 1) == 2.5
    users = flat(closed_load(users=3, seconds=5), 7)
    assert isinstance(users, ClosedLoad)
    assert (users.stages[0].from_users, users.stages[0].duration_ns) == (7, 5 * SECOND)


def test_silence_has_no_arrivals_and_keeps_its_users() -> None:
    assert level_at(silent(open_load(rate=10, seconds=5)), SECOND) == 0
    users = silent(closed_load(users=3, seconds=5))
    assert users.stages == []


@pytest.mark.parametrize("by_s", [1, 4, 7, 9])
def test_what_is_delayed_comes_later_and_ends_when_it_would(by_s: int) -> None:
    load = open_load(rate=10, seconds=10)
    stages = [OpenStage(4 * SECOND, 0.0, 80.0), OpenStage(6 * SECOND, 80.0, 20.0)]
    load = type(load)(stages=stages, arrivals=load.arrivals, seed=1, drop_after_ns=None)
    later = delayed(load, by_s * SECOND)
    assert sum(stage.duration_ns for stage in later.stages) == 10 * SECOND
    for second in range(10):
        expected = level_at(load, (second - by_s) * SECOND) if second >= by_s else 0
        assert level_at(later, second * SECOND) == pytest.approx(expected)


def test_whole_numbers_add_up_to_the_same() -> None:
    assert whole({0: 2.5, 3: 1.25, 4: 1.25}) == {0: 3, 3: 1, 4: 1}
    assert whole({0: 1 / 3, 1: 1 / 3, 2: 1 / 3}) == {0: 1, 1: 0, 2: 0}
    assert whole({5: 7.0}) == {5: 7}
