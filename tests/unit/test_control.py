"""What people may change of a load: how it is dealt out, and what is refused, in a sentence."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from loadgen._engine import monotonic_ns
from loadgen.control import LEAD_NS, MOST_CHANGES, Change, Control, ControlState
from loadgen.engine_plan import ClosedLoad, EnginePlan, OpenLoad, ScenarioPlan, level_at, users_at
from loadgen.errors import ControlRefused, LoadgenError
from loadgen.plan import Plan
from loadgen.shapes import Stage
from tests.unit.scripts import SECOND, closed_load, open_load, scripted_plan
from tests.unit.sockets import socket_plan

if TYPE_CHECKING:
    from collections.abc import Callable


class Told:
    """A load that does as it is told, and has been on for a while."""

    def __init__(self, age_s: float = 1.0) -> None:
        self.is_on = True
        self.monotonic_ns = monotonic_ns() - int(age_s * 1e9)
        self.changes: list[Change] = []
        self.interrupts: list[str] = []

    def change(self, change: Change) -> None:
        self.changes.append(change)

    def interrupt(self, reason: str) -> None:
        self.interrupts.append(reason)


def steer(plan: EnginePlan, *acts: Callable[[Control], object], told: Told | None = None) -> Told:
    """What comes of it when somebody does all this."""
    told = told or Told()

    async def main() -> None:
        control = Control(plan, told)
        control.attach(asyncio.get_running_loop(), told.interrupt)
        for act in acts:
            act(control)
        await asyncio.sleep(0)

    asyncio.run(main())
    return told


def refused(plan: EnginePlan, *acts: Callable[[Control], object], told: Told | None = None) -> str:
    with pytest.raises(ControlRefused) as caught:
        steer(plan, *acts, told=told)
    assert isinstance(caught.value, LoadgenError)
    return caught.value.message


def open_plan(rate: float = 100, duration: str = "1h") -> EnginePlan:
    return Plan(url="http://host/", rate=rate, duration=duration, workers=2).compile()


def closed_plan(users: int = 10) -> EnginePlan:
    return Plan(url="http://host/", users=users, duration="1h", workers=2).compile()


MIXED = scripted_plan(
    ScenarioPlan("browse", 1.0, None),
    ScenarioPlan("buy", 0.0, open_load(rate=20, seconds=60)),
    ScenarioPlan("idle", 0.0, closed_load(users=3, seconds=60)),
    ScenarioPlan("watch", 0.0, closed_load(users=6, seconds=30)),
    load=open_load(rate=60, seconds=60),
)


def test_a_change_holds_from_one_instant_a_little_ahead_to_the_planned_end() -> None:
    before_ns = monotonic_ns()
    told = steer(open_plan(), lambda control: control.change_rate(250))
    (change,) = told.changes
    assert change.at_ns + told.monotonic_ns >= before_ns + LEAD_NS
    assert (change.kind, change.text) == ("rate_changed", "the rate was changed from 100/s to 250/s")
    (load,) = change.loads
    assert isinstance(load, OpenLoad)
    assert [level_at(load, ns) for ns in (0, 3600 * SECOND - 1)] == [250, 250]


def test_several_loads_keep_their_shares_and_others_are_left_alone() -> None:
    told = steer(MIXED, lambda control: control.change_rate("400/s"), lambda control: control.change_users(4))
    rates, users = (change.loads for change in told.changes)
    assert [None if load is None else level_at(load, 2 * SECOND) for load in rates] == [300, 100, None, None]
    assert [None if load is None else level_at(load, 2 * SECOND) for load in users] == [None, None, 1, 3]
    assert told.changes[1].text == "users were changed from 9 to 4"
    assert told.changes[0].at_ns < told.changes[1].at_ns


def test_a_load_that_is_over_stays_so() -> None:
    told = steer(MIXED, lambda control: control.change_users(5), Control.pause, told=Told(age_s=40))
    changed, paused = told.changes
    assert [load is None for load in changed.loads] == [True, True, False, True]
    assert [load is None for load in paused.loads] == [False, False, False, True]
    assert users_at([load for load in changed.loads if load], 50 * SECOND) == 5


def test_where_nothing_arrives_yet_the_highest_rates_tell_the_shares() -> None:
    plan = Plan(url="http://host/", stages=[Stage("10s", rate=0), Stage("1h", rate=50)]).compile()
    told = steer(plan, lambda control: control.change_rate(7))
    assert level_at(next(load for load in told.changes[0].loads if load), 2 * SECOND) == 7


def test_a_pause_silences_all_and_the_end_of_it_brings_back_what_was() -> None:
    states: list[ControlState] = []

    def look(control: Control) -> None:
        states.append(control.state)

    told = steer(
        MIXED, lambda control: control.change_users(18), look, Control.pause, look, Control.resume, look
    )
    _, paused, resumed = told.changes
    silent = [
        load.stages if isinstance(load, ClosedLoad) else level_at(load, 0) for load in paused.loads if load
    ]
    assert silent == [0, 0, [], []]
    assert [level_at(load, 5 * SECOND) for load in resumed.loads if load] == [60, 20, 6, 12]
    assert [change.kind for change in told.changes] == ["users_changed", "paused", "resumed"]
    assert resumed.text == "the load was resumed at 80/s and 18 users"
    assert [state.paused for state in states] == [False, True, False]
    assert {(state.rate_per_s, state.users) for state in states} == {(80, 18)}
    assert {state.can_change for state in states} == {("rate", "users", "pause", "stop")}


def test_stages_come_only_of_a_load_that_is_as_planned() -> None:
    seen: list[list[bool]] = []
    early: list[bool] = []

    def look(control: Control) -> None:
        seen.append([control.follows_plan(place, 20 * SECOND) for place in range(4)])
        early.append(control.follows_plan(0, SECOND))

    steer(MIXED, look, Control.pause, look, Control.resume, look, lambda one: one.change_rate(5), look)
    assert seen == [[True] * 4, [False] * 4, [True] * 4, [False, False, True, True]]
    assert all(early), "what came before a change was as planned"


def test_of_sockets_people_change_what_they_say() -> None:
    plan = socket_plan(connections=300)
    told = Told(age_s=4)
    steer(plan, lambda control: control.change_rate(30), Control.pause, Control.resume, told=told)
    changed, paused, resumed = told.changes
    assert changed.loads[0] is None
    assert changed.text == "the rate was changed from 100/s to 30/s"
    assert [level_at(load, 0) for load in paused.loads if load] == [0, 0]
    connects, sends = resumed.loads
    assert connects is not None and sends is not None
    assert level_at(sends, 5 * SECOND) == 30
    pause_ns = resumed.at_ns - paused.at_ns
    # What was to be opened meanwhile is opened later.
    assert level_at(connects, 3 * SECOND + pause_ns - 1) == 100
    assert level_at(connects, 3 * SECOND + pause_ns) == 0
    silent = socket_plan(send=(), send_rate=None)
    assert "says nothing" in refused(silent, lambda control: control.change_rate(5))


def test_a_stop_is_an_interrupt_and_may_come_at_any_time() -> None:
    told = Told()
    told.is_on = False
    steer(open_plan(), Control.stop, Control.stop, told=told)
    assert told.interrupts == ["stopped", "stopped"]


def test_it_may_be_asked_in_any_thread() -> None:
    def elsewhere(control: Control) -> None:
        thread = threading.Thread(target=control.change_rate, args=(5,))
        thread.start()
        thread.join()

    assert len(steer(open_plan(), elsewhere).changes) == 1


@pytest.mark.parametrize(
    ("plan", "acts", "words"),
    [
        (
            closed_plan(),
            [lambda one: one.change_rate(5)],
            "this load has no rate to change: its users make it",
        ),
        (open_plan(), [lambda one: one.change_users(5)], "this load has no users to change"),
        (open_plan(), [lambda one: one.change_rate(0)], "expected a rate above 0"),
        (open_plan(), [lambda one: one.change_rate(float("nan"))], "expected a rate such as"),
        (open_plan(), [lambda one: one.change_rate(2e7)], "at most 10,000,000/s"),
        (open_plan(duration="24h"), [lambda one: one.change_rate(9e6)], "more arrivals than can be counted"),
        (closed_plan(), [lambda one: one.change_users(0)], "1 or more"),
        (closed_plan(), [lambda one: one.change_users(2_000_000)], "at most 1,000,000 users"),
        (open_plan(), [Control.resume], "the load is not paused"),
        (open_plan(), [Control.pause, Control.pause], "the load is paused: resume it first"),
        (open_plan(), [Control.pause, lambda one: one.change_rate(5)], "the load is paused: resume it first"),
        (open_plan(duration="1050ms"), [Control.pause], "the load is about to end"),
        (open_plan(), [lambda one: one.change_rate(5)] * (MOST_CHANGES + 1), "can be changed 1,000 times"),
    ],
)
def test_what_cannot_be_is_refused(
    plan: EnginePlan, acts: list[Callable[[Control], object]], words: str
) -> None:
    assert words in refused(plan, *acts)


def test_a_load_that_is_over_is_not_changed() -> None:
    told = Told()
    told.is_on = False
    assert refused(open_plan(), Control.pause, told=told) == "the load is over"
    states: list[ControlState] = []
    steer(open_plan(), lambda control: states.append(control.state), told=told)
    assert states[0].can_change == ("stop",)


def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    told = Told()
    told.is_on = False
    states: list[ControlState] = []
    acts = (Control.detach, lambda control: states.append(control.state), Control.stop)
    assert refused(open_plan(), *acts, told=told) == "the run is over"
    assert states[0].can_change == () and told.interrupts == []


def test_a_run_that_is_gone_says_so() -> None:
    kept: list[Control] = []
    steer(open_plan(), kept.append)
    with pytest.raises(ControlRefused, match="the run is over"):
        kept[0].change_rate(5)
