"""From the evidence of a script's run to its result: what blast has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from loadgen.conclusion import WorkerEnd, conclude_run
from loadgen.engine_plan import EnginePlan, ScenarioPlan
from loadgen.result import Gauge, Result
from loadgen.schedule import make_schedule
from loadgen.script_news import ScriptNews
from loadgen.user import RESERVED
from tests.unit.figures import Samples
from tests.unit.scripts import MS, SECOND, Label, Scripted, closed_load, open_load, scripted_plan, shop
from tests.unit.test_conclusion import evidence
from tests.unit.test_conclusion import plan as plan_of_blast

if TYPE_CHECKING:
    from loadgen._engine import Snapshot


def conclude(
    found: Scripted, plan: EnginePlan | None = None, news: ScriptNews | None = None, **change: Any
) -> Result:
    """The result of one worker's run, whose books must balance."""
    plan = plan or scripted_plan()
    snapshot = cast("Snapshot", found)
    ends = [WorkerEnd(index=0, pid=7, exit=0, lost=False)]
    result, wrong = conclude_run(
        plan, make_schedule(plan), evidence(snapshot, [snapshot], **change), ends, news
    )
    assert wrong == []
    return result


def test_arrivals_are_iterations_and_requests_are_counted_beside() -> None:
    result = conclude(shop())
    assert (result.arrivals.scheduled, result.arrivals.sent) == (1000, 1000)
    assert (result.arrivals.completed, result.arrivals.failed) == (990, 10)
    assert (result.target_rate_per_s, result.achieved_rate_per_s) == (100, 100)
    assert (result.requests.total, result.requests.failed) == (2500, 20)
    assert result.script is not None
    assert result.script.requests_per_s == 250
    assert (result.verdict, result.exit_code) == ("pass", 0)


def test_each_label_says_what_it_counts_and_trends_are_metrics() -> None:
    result = conclude(shop())
    assert {row.label: row.kind for row in result.labels} == {
        "GET /items": "request",
        "GET /items/{id}": "request",
        "browse": "iteration",
        "checkout": "group",
        "redis get": "operation",
    }
    assert result.script is not None
    assert result.script.metrics == {
        "basket_size": "trend",
        "found": "rate",
        "orders": "counter",
        "queue_depth": "gauge",
    }
    assert (result.metrics["orders"], result.metrics["found"]) == (120, 0.95)
    assert set(result.metrics) - set(result.script.metrics) == RESERVED, "these a script is refused"
    assert result.metrics["queue_depth"] == Gauge(last=3, min=0, max=12)
    assert [(check.name, check.passed, check.failed) for check in result.checks] == [
        ("listing ok", 985, 5),
        ("has price", 990, 0),
    ]
    assert Result.from_json(result.to_json()) == result


def test_attempts_and_what_was_asked_for_are_apart() -> None:
    script = conclude(shop()).script
    assert script is not None
    assert (script.attempts, script.retries, script.amplification) == (2080, 80, 1.04)
    assert script.cpu_share == 0.2


@pytest.mark.parametrize(
    ("expression", "value", "passed"),
    [
        ("browse: p95 < 2s", 20, True),
        ("browse: errors < 0.5%", 0.01, False),
        ("GET /items/{id}: p95 < 80ms", 2, True),
        ("GET /nowhere: p95 < 80ms", None, None),
        ("p95 < 1.5ms", 2, False),
        ("requests > 2000", 2500, True),
        ("rate > 200/s", 250, True),
        ("browse: rate > 200/s", 100, False),
        ("checks > 99%", 0.997475, True),
        ("check(listing ok) > 99.9%", 0.994949, False),
        ("check(unheard of) > 9%", None, None),
        ("orders > 100", 120, True),
        ("orders: count > 100", 60, False),
        ("found > 96%", 0.95, False),
        ("found: share > 96%", 0.95, False),
        ("queue_depth < 3", 3, False),
        ("queue_depth: max < 13", 12, True),
        ("queue_depth: p95 < 13", None, None),
        ("basket_size: p95 < 20", 5, True),
        ("basket_size: p95 < 4ms", 5, False),
        ("basket_size: count > 400", 500, True),
        ("basket_size < 4", None, None),
        ("unheard_of > 5", None, None),
    ],
)
def test_thresholds(expression: str, value: float | None, passed: bool | None) -> None:
    (threshold,) = conclude(shop(), scripted_plan(thresholds=[expression])).thresholds
    assert (threshold.value, threshold.passed) == (value, passed)


def all_failing(error: str = "script_error") -> Scripted:
    return Scripted(
        {
            "browse": Label("iteration", response=Samples(infinite=100), failed=100, error=error),
            "GET /": Label("request", response=Samples([MS] * 100)),
        }
    )


def test_a_script_that_stopped_the_run_ends_it_with_its_own_code() -> None:
    result = conclude(shop(), stopped="10 iterations failed, and 10 stop the run")
    assert (result.verdict, result.exit_code) == ("fail", 5)
    assert result.script is not None
    assert result.script.stopped == "10 iterations failed, and 10 stop the run"


def test_a_run_in_which_nothing_worked_has_not_passed() -> None:
    result = conclude(all_failing(), due=100)
    assert (result.verdict, result.exit_code) == ("fail", 5)


def test_one_iteration_that_worked_is_left_to_thresholds() -> None:
    found = Scripted(
        {
            "browse": Label(
                "iteration",
                response=Samples([MS], infinite=99),
                lateness=Samples([0] * 100),
                failed=99,
                error="script_error",
            )
        }
    )
    assert conclude(found, due=100).exit_code == 0


def test_a_target_that_is_not_there_is_the_cause_of_the_exceptions() -> None:
    found = Scripted(
        {
            "browse": Label("iteration", response=Samples(infinite=9), failed=9, error="script_error"),
            "GET /": Label("request", response=Samples(infinite=9), failed=9, error="connect_refused"),
            "GET /b": Label("request", response=Samples(infinite=9), failed=9, error="breaker_open"),
        }
    )
    assert conclude(found, due=9).exit_code == 4


def test_operations_that_succeed_have_reached_something() -> None:
    found = Scripted(
        {
            "browse": Label("iteration", response=Samples([MS] * 9)),
            "GET /": Label("request", response=Samples(infinite=9), failed=9, error="connect_refused"),
            "redis": Label("operation", response=Samples([MS] * 9)),
        }
    )
    assert conclude(found, due=9).exit_code == 0


def late(ms: int, **counters: int) -> Scripted:
    """Iterations begun late, whose one request is quick."""
    spoilt, quick = Samples([(ms + 1) * MS] * 1000), Samples([MS] * 1000)
    lateness = Samples([ms * MS] * 1000)
    return Scripted(
        {
            "browse": Label("iteration", response=spoilt, service=quick, lateness=lateness),
            "GET /": Label("request", response=spoilt, service=quick, lateness=lateness),
        },
        counters=counters,
    )


def test_a_script_that_burns_the_core_is_named_before_the_lateness_that_it_makes() -> None:
    result = conclude(late(100, script_ns=83 * SECOND // 10))
    assert (result.generator.verdict, result.exit_code) == ("client-limited", 3)
    assert result.generator.reasons[0] == "scenario code took 83 % of the core"
    assert "the generator's lateness makes the p99" in result.generator.reasons[1]
    assert result.generator.lateness_p99_ms == 100


def test_few_iterations_are_judged_by_a_lesser_percentile() -> None:
    spoilt, quick, lateness = Samples([101 * MS] * 100), Samples([MS] * 100), Samples([100 * MS] * 100)
    found = Scripted(
        {"browse": Label("iteration", response=spoilt, service=quick, lateness=lateness)},
        counters={"script_ns": 9 * SECOND},
    )
    reasons = conclude(found, due=100).generator.reasons
    assert reasons[0] == "scenario code took 90 % of the core"
    assert reasons[1].startswith("the generator's lateness makes the p95: response 101 ms")


def test_a_call_that_blocks_is_named_with_its_place() -> None:
    news = ScriptNews(lambda *_: None)
    event = {"kind": "blocked", "text": "time.sleep", "file": "/a/scenario.py", "line": 12, "longest_ms": 120}
    news.hear(json.dumps(event))
    result = conclude(late(100), news=news)
    assert result.generator.reasons[0] == (
        "time.sleep in scenario.py:12 blocks every user of the worker; use await user.pause()"
    )
    assert result.generator.verdict == "client-limited"


def test_what_a_script_does_before_it_asks_is_not_lateness() -> None:
    """It pauses first: its request counts from when the iteration was due, and that was begun in time."""
    found = Scripted(
        {
            "browse": Label(
                "iteration", response=Samples([101 * MS] * 1000), lateness=Samples([1000] * 1000)
            ),
            "GET /": Label(
                "request",
                response=Samples([101 * MS] * 1000),
                service=Samples([MS] * 1000),
                lateness=Samples([100 * MS] * 1000),
            ),
        }
    )
    assert conclude(found).generator.verdict == "valid"


def test_what_it_computes_before_it_asks_is_where_that_took_the_core() -> None:
    """Iterations begin in time, and each burns 9 ms before its request: that is not the target's time."""
    found = Scripted(
        {
            "browse": Label("iteration", response=Samples([10 * MS] * 1000), lateness=Samples([1000] * 1000)),
            "GET /": Label(
                "request",
                response=Samples([10 * MS] * 1000),
                service=Samples([MS] * 1000),
                lateness=Samples([9 * MS] * 1000),
            ),
        },
        counters={"script_ns": 9 * SECOND},
    )
    result = conclude(found)
    assert (result.generator.verdict, result.exit_code) == ("client-limited", 3)
    assert result.generator.reasons[0] == "scenario code took 90 % of the core"


def test_late_iterations_are_found_among_many_requests() -> None:
    """With 500 requests each, their p99 does not show that the first was late; that of iterations does."""
    found = Scripted(
        {
            "browse": Label(
                "iteration",
                response=Samples([150 * MS] * 1000),
                service=Samples([50 * MS] * 1000),
                lateness=Samples([100 * MS] * 1000),
            ),
            "GET /": Label("request", response=Samples([MS] * 5000)),
        }
    )
    assert conclude(found).generator.verdict == "client-limited"
    # So it does of a blast whose arrivals are iterations.
    follows = plan_of_blast(follow_redirects=True)
    judged = conclude(found, follows)
    assert judged.generator.verdict == "client-limited"
    assert judged.generator.reasons[1] == "100 % of iterations were begun more than 1 ms late"
    assert judged.generator.lateness_p99_ms == 100
    assert (judged.arrivals.sent, judged.requests.total) == (1000, 5000)
    assert judged.metrics["requests_rate_per_s"] == 500 and judged.script is None


def test_users_do_not_make_up_for_arrivals_that_were_missed() -> None:
    plan = scripted_plan(ScenarioPlan("browse", 1.0, None), ScenarioPlan("buy", 0.0, closed_load()))
    quick = Samples([MS] * 800)
    found = Scripted(
        {
            "browse": Label("iteration", response=quick, lateness=Samples([0] * 800)),
            "buy": Label("iteration", response=Samples([MS] * 5000), lateness=Samples([0] * 5000)),
        }
    )
    result = conclude(found, plan)
    assert result.generator.verdict == "client-limited"
    assert "only 80 % of what was due was sent in time" in result.generator.reasons[0]


def test_users_do_not_hide_that_arrivals_were_late() -> None:
    plan = scripted_plan(ScenarioPlan("browse", 1.0, None), ScenarioPlan("buy", 0.0, closed_load()))
    found = late(100)._found | {
        "buy": Label("iteration", response=Samples([MS] * 200_000), lateness=Samples([0] * 200_000))
    }
    assert conclude(Scripted(found), plan).generator.verdict == "client-limited"


def test_a_lost_worker_costs_what_was_due_of_open_loads() -> None:
    plan = scripted_plan(
        ScenarioPlan("browse", 1.0, None),
        ScenarioPlan("buy", 0.0, closed_load()),
        load=open_load(),
        workers=2,
    )
    one, other = (
        Scripted(
            {
                "browse": Label("iteration", response=Samples([MS] * count)),
                "buy": Label("iteration", response=Samples([MS] * 70)),
            }
        )
        for count in (500, 100)
    )
    both = Scripted(
        {
            "browse": Label("iteration", response=Samples([MS] * 600)),
            "buy": Label("iteration", response=Samples([MS] * 140)),
        }
    )
    final = cast("Snapshot", both)
    ends = [WorkerEnd(index=index, pid=index, exit=0, lost=index == 1) for index in (0, 1)]
    shown = evidence(final, [cast("Snapshot", one), cast("Snapshot", other)])
    result, wrong = conclude_run(plan, make_schedule(plan), shown, ends)
    assert wrong == []
    assert (result.arrivals.cancelled, result.arrivals.scheduled) == (400, 1140)
    assert (result.verdict, result.exit_code) == ("invalid", 3)


def test_a_script_without_requests_has_been_run() -> None:
    found = Scripted({"browse": Label("iteration", response=Samples([MS] * 1000))})
    assert conclude(found).verdict == "pass"


def test_blast_has_no_part_of_it() -> None:
    from tests.unit.results import make_result

    document = json.loads(make_result().to_json())
    assert document["script"] is None
    assert [row["kind"] for row in document["labels"]] == ["request"]
