import time
from typing import Any

import pytest

from loadgen.errors import UsageError
from loadgen.importers.locust.order import Dispatch, Step
from loadgen.importers.locust.shape import LONGEST_S, LoadTestShape, spawning, stages_of
from loadgen.shapes import Stage


def foreseen(shape: LoadTestShape, longest_s: float = LONGEST_S) -> tuple[list[Stage], tuple[str, ...]]:
    stages, _, notes = stages_of(shape, Dispatch({"A": 1, "B": 1}, {}), longest_s)
    return stages, notes


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
    stages, notes = foreseen(Steps())
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
    stages, _ = foreseen(Counter())
    assert stages[-1].users == 6


def test_a_shape_that_reads_the_results_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"Reader\.tick\(\) at 0 s") as refused:
        foreseen(Reader())
    assert refused.value.hint is not None
    assert "before the run" in refused.value.hint


class Clocked(LoadTestShape):
    def __init__(self) -> None:
        super().__init__()
        self.began = time.time()

    def tick(self) -> Any:
        return (3, 3) if time.time() - self.began < 2.5 else None


def test_a_shape_may_look_at_a_clock_of_its_own() -> None:
    stages, _ = foreseen(Clocked())
    assert sum(float(stage.duration) for stage in stages) == 3


class Endless(LoadTestShape):
    def tick(self) -> Any:
        return (1, 1)


def test_an_endless_shape_is_cut_off_and_that_is_said() -> None:
    stages, notes = foreseen(Endless(), 5)
    assert sum(float(stage.duration) for stage in stages) == 5
    assert notes == ()
    assert "does not end by itself" in foreseen(Endless())[1][0]


class A:
    pass


class Named(LoadTestShape):
    """Adds users of A until the runner has five."""

    def tick(self) -> Any:
        assert self.runner.target_user_count <= 6
        counts = self.runner.user_classes_count
        if counts.get("A", 0) >= 5:
            return None
        return (self.runner.user_count + 2, 2, [A])


def test_a_shape_may_name_classes_and_count_users_by_class() -> None:
    stages, steps, _ = stages_of(Named(), Dispatch({"A": 1, "B": 1}, {}))
    assert stages[-1].users == 6
    assert steps == [Step(2, {"A"}), Step(4, {"A"}), Step(6, {"A"})]


class Unknown(LoadTestShape):
    def tick(self) -> Any:
        return (1, 1, [type("Nobody", (), {})])


def test_a_class_that_takes_no_part_is_refused() -> None:
    with pytest.raises(UsageError, match="Nobody is not among the users"):
        foreseen(Unknown())
