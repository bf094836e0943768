"""A load that is changed while it is on: every worker follows from one instant, and the books balance.

Each request says its number and when it was due, so the target's log can be laid beside the instants that the
run tells of. Both follow from the plan and the changes alone.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
import threading
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import loadgen
from loadgen import Plan, Sockets, Stage
from loadgen.errors import ControlRefused
from loadgen.report.feed_parts import ending_parts
from loadgen.report.text import render
from loadgen.script import load_script
from tests.support.books import balanced, balanced_sockets, label
from tests.support.command import CommandResult
from tests.support.site import Asked, Site, answer
from tests.support.web_sockets import statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from loadgen import Result
    from loadgen.control import Control
    from loadgen.progress import Progress
    from tests.conftest import RawServerFactory, Target
    from tests.support.command import Loadgen

SECOND = 1_000_000_000
# The parent looks this often, and does the next thing then; it holds a little later, also on a slow machine.
LOOK_NS = 400_000_000
LEAD_NS = 250_000_000


class Sent(NamedTuple):
    """One request, as the target saw it."""

    number: int
    due_ns: int  # since the start


@dataclass(frozen=True)
class Steered:
    """A run and what was done to it."""

    result: Result
    folder: Path
    looks: list[Progress]

    @cached_property
    def command(self) -> CommandResult:
        return CommandResult([], self.result.exit_code, "", "", self.folder)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    @cached_property
    def instants_ns(self) -> list[int]:
        """When the changes began to hold, exactly."""
        return [round(change.at_s * SECOND) for change in self.result.changes]

    def sent(self, site: Site) -> list[Sent]:
        """The target's log, by number where there are numbers."""
        began_ns = self.events[0]["monotonic_ns"]
        found = [asked.target.removeprefix("/").split("/") for asked in site.asked]
        return sorted(Sent(int(number), int(due_ns) - began_ns) for number, due_ns in found)


@pytest.fixture
def steered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Steered]:
    monkeypatch.setattr("loadgen.load.TICK_NS", LOOK_NS)
    monkeypatch.setattr("loadgen.control.LEAD_NS", LEAD_NS)

    def run(plan: Plan, *acts: Callable[[Control], object] | None) -> Steered:
        """One act at each look, from the first on; None does nothing."""
        left, looks = list(acts), []

        def steer(progress: Progress, control: Control) -> None:
            looks.append(progress)
            if left and (act := left.pop(0)) is not None:
                act(control)

        result = loadgen.run(plan, out=tmp_path / "run", steer=steer)
        assert not left, "the load was over too soon"
        return Steered(result, tmp_path / "run", looks)

    return run


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Site) -> Callable[..., Plan]:
    monkeypatch.setattr("sys.path", list(sys.path))  # it gets the script's folder

    def plan(source: str, **load: Any) -> Plan:
        wishes = {"base_url": site.url, "workers": 2, **load}
        text = f"from loadgen import Plan\n{textwrap.dedent(source)}\nplan = Plan(**{wishes!r})\n"
        (tmp_path / "changed.py").write_text(text)
        return load_script(tmp_path / "changed.py").plan_with()

    return plan


@pytest.fixture
def site(raw_server: RawServerFactory) -> Site:
    return Site(raw_server, lambda _: answer())


def numbered(site: Site, **load: Any) -> Plan:
    return Plan(url=f"{site.url}/{{{{k}}}}/{{{{due_ns}}}}", workers=2, **load)


def rate(per_s: float) -> Callable[[Control], object]:
    return lambda control: control.change_rate(per_s)


def users(count: int) -> Callable[[Control], object]:
    return lambda control: control.change_users(count)


def pause(control: Control) -> None:
    control.pause()


def resume(control: Control) -> None:
    control.resume()


def due_of(stretches: Sequence[tuple[int, int, int]]) -> list[int]:
    """When arrivals are due in stretches of (from ns, to ns, rate), in fractions: the law that holds."""
    found: list[int] = []
    passed = Fraction(0)
    for begin_ns, end_ns, per_s in stretches:
        area = Fraction(per_s * (end_ns - begin_ns), SECOND)
        first, after = math.ceil(passed), math.ceil(passed + area)
        found += [
            begin_ns + int((number - passed) * SECOND / per_s) for number in range(first, after) if per_s
        ]
        passed += area
    return found


def test_every_worker_follows_a_changed_rate_and_a_pause_from_one_instant(
    steered: Callable[..., Steered], site: Site
) -> None:
    run = steered(numbered(site, rate=50, duration="3s"), rate(300), None, pause, None, resume, rate(40))
    summary = balanced(run.command)
    changed, paused, resumed, again = run.instants_ns
    end = 3 * SECOND
    stretches = [(0, changed, 50), (changed, paused, 300), (paused, resumed, 0)]
    stretches += [(resumed, again, 300), (again, end, 40)]
    expected = due_of(stretches)
    sent = run.sent(site)
    # Numbers are dealt out in turn, so both workers had each stretch, and neither missed an instant.
    assert [one.number for one in sent] == list(range(len(expected)))
    assert all(abs(one.due_ns - due_ns) <= 1 for one, due_ns in zip(sent, expected, strict=True))
    assert summary["arrivals"]["scheduled"] == summary["arrivals"]["completed"] == len(expected)
    assert summary["target_rate_per_s"] == pytest.approx(len(expected) / 3)
    assert not [one for one in sent if paused <= one.due_ns < resumed]
    targets = [look.target_rate_per_s for look in run.looks]
    assert targets == [50, 300, 300, 0, 0, 300, *([40] * (len(targets) - 6))]
    assert [event["event"] for event in run.events if event["event"] not in ("stage", "gate_shut")] == [
        *("start", "rate_changed", "paused", "resumed", "rate_changed", "end")
    ]
    told = [event["at_s"] for event in run.events if event["event"] in ("rate_changed", "paused", "resumed")]
    assert told == [round(change.at_s, 3) for change in run.result.changes]
    assert json.loads((run.folder / "plan.json").read_text())["load"]["stages"][0]["to_rate"] == 50


@pytest.mark.parametrize("arrivals", ["poisson", "onoff:50ms/150ms"])
def test_other_arrivals_follow_too_and_keep_their_numbers(
    steered: Callable[..., Steered], site: Site, arrivals: str
) -> None:
    plan = numbered(site, rate=200, duration="2100ms", arrivals=arrivals, seed=3)
    run = steered(plan, rate(60), pause, None, resume)
    summary = balanced(run.command)
    sent = run.sent(site)
    assert [one.number for one in sent] == list(range(summary["arrivals"]["scheduled"]))
    _, paused, resumed = run.instants_ns
    due = [one.due_ns for one in sent]
    assert due == sorted(due)
    assert not [due_ns for due_ns in due if paused <= due_ns < resumed]
    assert due[-1] >= resumed


def test_a_worker_whose_share_is_done_is_there_for_what_is_changed(
    steered: Callable[..., Steered], site: Site
) -> None:
    """One arrival in ten seconds: the second worker has none."""
    run = steered(numbered(site, rate="6/m", duration="1200ms"), rate(100))
    summary = balanced(run.command)
    expected = due_of([(0, run.instants_ns[0], 0), (run.instants_ns[0], 1_200_000_000, 100)])
    sent = run.sent(site)
    assert [one.number for one in sent] == list(range(summary["arrivals"]["scheduled"]))
    assert abs(len(sent) - len(expected) - 1) <= 1
    assert {one.number % 2 for one in sent} == {0, 1}


def test_users_come_go_and_pause_from_one_instant(steered: Callable[..., Steered], site: Site) -> None:
    plan = numbered(site, users=2, duration="4s")
    run = steered(plan, users(7), None, pause, None, resume, users(1))
    balanced(run.command)
    more, paused, resumed, fewer = run.instants_ns
    asked = sorted(one.due_ns for one in run.sent(site))
    assert not [due_ns for due_ns in asked if paused <= due_ns < resumed]
    # All go on at the very instant, and none was kept waiting before it.
    assert asked.count(resumed) == 7
    assert [look.target_users for look in run.looks][:7] == [2, 7, 7, 7, 7, 7, 1]
    assert any(more <= due_ns < paused for due_ns in asked) and asked[-1] > fewer
    assert run.result.achieved_rate_per_s > 0


def test_as_many_users_as_there_are_have_a_connection_each(
    steered: Callable[..., Steered], raw_server: RawServerFactory
) -> None:
    """All five are answered only when all five have asked: with fewer connections that would never be."""
    together, have_met = threading.Barrier(5), threading.Event()

    def pages(_: Asked) -> bytes:
        if not have_met.is_set():
            together.wait(timeout=10)
            have_met.set()
        return answer()

    site = Site(raw_server, pages)
    run = steered(numbered(site, users=1, duration="1500ms", drain="5s"), users(5))
    assert run.result.requests.errors == {}
    balanced(run.command)


def test_a_scripts_users_stay_while_it_pauses(
    steered: Callable[..., Steered], scripted: Callable[..., Plan], site: Site
) -> None:
    source = """
        from loadgen import User, scenario, session

        @session
        async def known(user: User):
            await user.get("/hello")
            yield
            await user.get("/bye")

        @scenario
        async def browse(user: User) -> None:
            await user.get("/page")
            await user.pause(0.02)
        """
    plan = scripted(source, users=2, duration="3200ms")
    run = steered(plan, users(6), None, pause, None, resume, users(3))
    counts = Counter(asked.target for asked in site.asked)
    # Nobody has left for the pause, and come back; three have left for good.
    assert (counts["/hello"], counts["/bye"]) == (6, 6)
    arrivals = run.result.arrivals
    assert arrivals.sent == arrivals.completed == counts["/page"] == arrivals.scheduled
    assert run.looks[4].interval.counters["iterations_started"] == 0
    assert run.looks[6].interval.counters["iterations_started"] > 0
    assert [look.now["users"] for look in run.looks][4] == 6


def test_scenarios_with_loads_of_their_own_keep_their_shares(
    steered: Callable[..., Steered], scripted: Callable[..., Plan]
) -> None:
    source = """
        from loadgen import User, scenario

        @scenario
        async def often(user: User) -> None:
            await user.get("/often")

        @scenario(rate="20/s", duration="2900ms")
        async def seldom(user: User) -> None:
            await user.get("/seldom")

        @scenario(users=2, duration="2900ms")
        async def crowd(user: User) -> None:
            await user.get("/crowd")
            await user.pause(0.05)
        """
    plan = scripted(source, rate=80, duration="2900ms")
    run = steered(plan, rate(400), None, pause, resume, users(4))
    changed, paused, resumed, _ = run.instants_ns
    end = 2_900_000_000

    def expected(before: int, after: int) -> int:
        stretches = [
            (0, changed, before),
            (changed, paused, after),
            (paused, resumed, 0),
            (resumed, end, after),
        ]
        return len(due_of(stretches))

    rows = {row.label: row.requests for row in run.result.labels if row.kind == "iteration"}
    assert (rows["often"].total, rows["seldom"].total) == (expected(80, 320), expected(20, 80))
    assert run.looks[-1].target_users == 4
    arrivals = run.result.arrivals
    assert (
        arrivals.scheduled == arrivals.sent == arrivals.completed == sum(row.total for row in rows.values())
    )


def test_sockets_say_more_or_less_and_all_come_after_a_pause(
    steered: Callable[..., Steered], target: Target
) -> None:
    sockets = Sockets(
        connections=30,
        connect_rate="30/s",
        hold="1500ms",
        send=['{"id": {{k}}}'],
        send_rate="20/s",
        expect="any",
    )
    plan = Plan(url=f"{target.url}/ws/echo", sockets=sockets, workers=2)
    run = steered(plan, pause, None, resume, None, rate(200))
    summary = balanced_sockets(run.command)
    assert summary["sockets"]["connections"]["opened"] == 30
    paused, resumed, changed = run.instants_ns
    end = round(2.5 * SECOND)
    begins = SECOND  # when all sockets are due
    first = max(begins, resumed)
    assert paused < begins and first < changed
    sends = due_of([(0, first, 0), (first, changed, 20), (changed, end, 200)])
    assert label(summary, "send")["requests"]["total"] == len(sends)
    counted = statistics(target.url)
    assert counted["messages"]["received"] == label(summary, "send")["requests"]["total"]
    assert counted["connections"] == {"open": 0, "opened": 30, "closed": 30}


def test_stages_of_the_plan_come_no_more_when_it_is_changed(
    steered: Callable[..., Steered], site: Site
) -> None:
    stages = [Stage("0s", rate=20), Stage("1s", rate=20), Stage("1s", rate=500)]
    run = steered(numbered(site, stages=stages), rate(30))
    (changed,) = run.instants_ns
    assert run.result.arrivals.sent == len(due_of([(0, changed, 20), (changed, 2 * SECOND, 30)]))
    assert [event["text"] for event in run.events if event["event"] == "stage"] == ["stage 1: 20/s for 1s"]
    balanced(run.command)


def test_a_stop_ends_it_as_ctrl_c_does(steered: Callable[..., Steered], site: Site) -> None:
    run = steered(numbered(site, rate=50, duration="1h"), pause, lambda control: control.stop())
    summary = balanced(run.command)
    assert (run.result.exit_code, run.result.duration_s < 600) == (130, True)
    assert "interrupted" in [event["event"] for event in run.events]
    assert summary["arrivals"]["sent"] == len(site.asked)


def test_what_was_changed_is_said_wherever_the_run_is_shown(
    steered: Callable[..., Steered], site: Site, loadgen: Loadgen
) -> None:
    run = steered(numbered(site, rate=300, duration="1500ms"), rate(400), rate(350))
    first = f"{run.result.changes[0].at_s:.1f} s"
    line = f"changed by hand 2 times from {first} on: this was not the load of the plan"
    assert line in render(run.result).splitlines()
    assert ending_parts(run.result)["result"].changed == line  # what the page is told
    summary = json.loads((run.folder / "summary.json").read_text())
    assert [change["event"] for change in summary["changes"]] == ["rate_changed", "rate_changed"]
    assert summary["changes"][1]["text"] == "the rate was changed from 400/s to 350/s"
    compared = loadgen("compare", str(run.folder), str(run.folder), "--json")
    assert json.loads(compared.stdout)["runs"][0]["load"].endswith("300/s for 1.5s, changed by hand")
    compared = loadgen("compare", str(run.folder), str(run.folder))
    assert all("changed by hand" in line for line in compared.stdout.splitlines()[:2]), compared


def test_a_control_that_is_kept_knows_when_it_is_over(steered: Callable[..., Steered], site: Site) -> None:
    kept: list[Control] = []
    steered(numbered(site, rate=50, duration="600ms"), kept.append)
    with pytest.raises(ControlRefused, match="is over"):
        kept[0].pause()
    assert kept[0].state.can_change == ()


def test_what_steers_may_not_fail(steered: Callable[..., Steered], site: Site) -> None:
    def fail(_: Control) -> None:
        raise ZeroDivisionError("somebody's own mistake")

    with pytest.raises(ZeroDivisionError, match="own mistake"):
        steered(numbered(site, rate=50, duration="1h"), fail)
