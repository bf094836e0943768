"""Several loads as one schedule: sums of what the engine says of each."""

from __future__ import annotations

import itertools

import pytest

from loadgen.engine_plan import ScenarioPlan
from loadgen.errors import PlanError
from loadgen.levels import flat, silent
from loadgen.plan import Plan
from loadgen.schedule import make_schedule
from tests.unit.scripts import SECOND, closed_load, open_load, scripted_plan


def test_one_load_is_what_the_engine_makes_of_it() -> None:
    schedule = make_schedule(Plan(url="http://host/", rate=4, duration="2s").compile())
    assert schedule is not None
    assert list(schedule.arrivals()) == [(number, number * SECOND // 4) for number in range(8)]


def test_several_are_summed() -> None:
    plan = scripted_plan(
        ScenarioPlan("browse", 1.0, None),
        ScenarioPlan("buy", 0.0, open_load(rate=10, seconds=5)),
        ScenarioPlan("idle", 0.0, closed_load()),
        load=open_load(rate=100, seconds=10),
    )
    schedule = make_schedule(plan)
    assert schedule is not None
    assert schedule.total == 1050
    assert schedule.duration_ns == 10 * SECOND
    assert [schedule.rate_at(second * SECOND) for second in (1, 6)] == [110, 100]
    assert [schedule.count_before(second * SECOND) for second in (1, 10)] == [110, 1050]
    dues = [due for _, due in schedule.arrivals()]
    assert dues == sorted(dues)
    assert len(dues) == schedule.total


@pytest.mark.parametrize("count", [0, 1, 2, 17, 40])
def test_when_so_many_had_been_due(count: int) -> None:
    schedule = make_schedule(Plan(url="http://host/", rate=20, duration="2s").compile())
    assert schedule is not None
    at_ns = schedule.reached_at(count)
    assert schedule.count_before(at_ns) == count
    assert count == 0 or schedule.count_before(at_ns - 1) == count - 1
    assert schedule.reached_at(41) == 2 * SECOND


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_shares_of_workers_add_up_to_the_whole(workers: int) -> None:
    plan = scripted_plan(
        ScenarioPlan("a", 0.0, open_load(rate=7, seconds=3)),
        ScenarioPlan("b", 0.0, open_load(rate=11, seconds=2)),
        load=open_load(rate=7, seconds=3),
    )
    schedule = make_schedule(plan)
    assert schedule is not None
    for ns in (0, 1, SECOND, 2 * SECOND + 5, 5 * SECOND):
        shares = [schedule.share_before(ns, worker, workers) for worker in range(workers)]
        assert sum(shares) == schedule.count_before(ns)
        assert all(abs(one - other) <= 2 for one, other in itertools.pairwise(shares))


def test_users_alone_have_no_schedule() -> None:
    assert make_schedule(scripted_plan(load=closed_load())) is None


def test_a_load_without_arrivals_is_a_mistake() -> None:
    with pytest.raises(PlanError, match="no arrival is due"):
        make_schedule(Plan(url="http://host/", rate="1/h", duration="1s", arrivals="poisson").compile())


def test_each_load_follows_its_own_change() -> None:
    plan = scripted_plan(
        ScenarioPlan("browse", 1.0, None),
        ScenarioPlan("idle", 0.0, closed_load()),
        ScenarioPlan("buy", 0.0, open_load(rate=10, seconds=5)),
        load=open_load(rate=100, seconds=10),
    )
    schedule = make_schedule(plan)
    assert schedule is not None
    schedule.change(2 * SECOND, [None, silent(closed_load()), flat(open_load(rate=10, seconds=5), 40)])
    assert [schedule.rate_at(second * SECOND) for second in (1, 2, 6)] == [110, 140, 100]
    schedule.change(4 * SECOND, [silent(open_load(rate=100, seconds=10)), None, None])
    assert schedule.total == 400 + 20 + 120
    assert schedule.count_before(4 * SECOND) == 400 + 20 + 80
    assert schedule.duration_ns == 10 * SECOND
