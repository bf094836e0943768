import time
from typing import Any

import pytest

from loadgen.errors import UsageError
from loadgen.importers.locust.shape import LoadTestShape, spawning, stages_of
from loadgen.shapes import Stage


def test_a_rate_adds_its_first_users_at_once() -> None:
    assert spawning(0, 1, 1, 10) == [Stage(0, users=1), Stage(10, users=1)]
    assert spawning(0, 10, 2, 10) == [Stage(0, users=2), Stage(4, users=10), Stage(6, users=10)]


def test_a_rate_below_one_adds_one_at_a_time() -> None:
    assert spawning(0, 3, 0.5, 10) == [Stage(0, users=1), Stage(4, users=3), Stage(6, users=3)]


def test_what_time_does_not_suffice_for_does_not_come() -> None:
    assert spawning(0, 100, 10, 3)[-1].users == 40


def test_users_go_as_they_come() -> None:
    assert spawning(10, 4, 2, 5) == [Stage(0, users=8), Stage(2, users=4), Stage(3, users=4)]


class Steps(LoadTestShape):
    def tick(self) -> Any:
        at = self.get_run_time()
        return None if at >= 6 else (5, 5) if at < 3 else (2, 1)


def test_ticks_that_say_the_same_are_one_stretch() -> None:
    stages, notes = stages_of(Steps())
    assert stages == [
        Stage(0, users=5),
        Stage(3, users=5),
        Stage(0, users=4),
        Stage(2, users=2),
        Stage(1, users=2),
    ]
    assert notes == ()


class Reader(LoadTestShape):
    def tick(self) -> Any:
        return (self.runner.stats.total.num_requests, 1)


class Counter(LoadTestShape):
    def tick(self) -> Any:
        return (self.get_current_user_count() + 2, 2) if self.get_run_time() < 3 else None


def test_a_shape_may_look_at_how_many_users_there_are() -> None:
    stages, _ = stages_of(Counter())
    assert stages[-1].users == 6


def test_a_shape_that_reads_the_results_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"Reader\.tick\(\) at 0 s") as refused:
        stages_of(Reader())
    assert refused.value.hint is not None
    assert "before the run" in refused.value.hint


class Clocked(LoadTestShape):
    def __init__(self) -> None:
        super().__init__()
        self.began = time.time()

    def tick(self) -> Any:
        return (3, 3) if time.time() - self.began < 2.5 else None


def test_a_shape_may_look_at_a_clock_of_its_own() -> None:
    stages, _ = stages_of(Clocked())
    assert sum(float(stage.duration) for stage in stages) == 3


class Endless(LoadTestShape):
    def tick(self) -> Any:
        return (1, 1)


def test_an_endless_shape_is_cut_off_and_that_is_said() -> None:
    stages, notes = stages_of(Endless(), 5)
    assert sum(float(stage.duration) for stage in stages) == 5
    assert notes == ()
    assert "does not end by itself" in stages_of(Endless())[1][0]
