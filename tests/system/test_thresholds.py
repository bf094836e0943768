"""Thresholds, percentiles with too few samples, and caps: what a run is judged by, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen
    from tests.support.scripts import Scripts

# Below ten, so that no share of them is judged: however busy the machine, the exit code is the same.
SHORT = ("--tps", "45", "--duration", "200ms")
COUNT = 9


def judge(loadgen: Loadgen, url: str, *expressions: str) -> CommandResult:
    thresholds = [part for expression in expressions for part in ("--threshold", expression)]
    return loadgen("blast", url, *SHORT, *thresholds)


def test_thresholds_that_hold_pass(loadgen: Loadgen, target: Target) -> None:
    expressions = [
        "p50 < 10s", "errors < 1%", "errors <= 0", "requests >= 9", "ok >= 9", "rate > 1/s",
        "service.mean < 10s", "max < 30s", "lateness.min < 10s", "GET /health: p50 < 10s",
    ]  # fmt: skip
    result = judge(loadgen, f"{target.url}/health", *expressions)
    summary = balanced(result)
    assert [threshold["expression"] for threshold in summary["thresholds"]] == expressions
    assert [threshold["passed"] for threshold in summary["thresholds"]] == [True] * len(expressions), result
    assert (summary["verdict"], summary["exit_code"], result.exit_code) == ("pass", 0, 0), result


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/status/500", {"errors < 1%": 1.0, "ok > 0": 0, "errors <= 8": 9, "requests > 9": 9}),
        ("/drop", {"errors.closed < 1": 9, "max < 1h": "inf"}),
    ],
)
def test_a_threshold_that_does_not_hold_fails_the_run(
    loadgen: Loadgen, target: Target, path: str, values: dict[str, Any]
) -> None:
    result = judge(loadgen, target.url + path, "requests > 0", *values)
    summary = balanced(result)
    held, *failed = summary["thresholds"]
    assert held["passed"], result
    assert {one["expression"]: one["value"] for one in failed} == values, result
    assert not any(one["passed"] for one in failed), result
    assert (summary["verdict"], summary["exit_code"], result.exit_code) == ("fail", 1, 1), result
    for expression in values:
        assert f"FAIL     {expression}" in result.stdout, result


def test_what_could_not_be_judged_has_not_passed(loadgen: Loadgen, target: Target) -> None:
    """Nine requests say nothing of a p99."""
    result = judge(loadgen, f"{target.url}/health", "p99 < 10s", "GET /health: p90 < 10s", "p50 < 10s")
    summary = balanced(result)
    assert [one["passed"] for one in summary["thresholds"]] == [None, None, True], result
    assert (summary["verdict"], result.exit_code) == ("no-data", 1), result
    assert result.stdout.count("no data  ") == 2, result
    assert "9 samples, p99 needs 368" in result.stdout, result


def test_percentiles_that_too_few_samples_support_are_null(loadgen: Loadgen, target: Target) -> None:
    response = balanced(judge(loadgen, target.url))["latency"]["response"]
    assert response["count"] == COUNT
    assert response["p50_ms"] is not None
    assert [response[name] for name in ("p95_ms", "p99_ms", "p999_ms", "p9999_ms")] == [None] * 4
    response = balanced(loadgen("blast", target.url, "--tps", "1000", "--duration", "400ms"))["latency"][
        "response"
    ]
    assert response["count"] == 400
    assert response["p99_ms"] is not None, "368 samples are enough for this one"
    assert (response["p999_ms"], response["p9999_ms"]) == (None, None)


def test_what_is_dropped_for_being_late_never_ended(loadgen: Loadgen, target: Target, reactor: str) -> None:
    """One connection that is busy for 100 ms takes 5 requests in half a second; 500 are due."""
    result = loadgen(
        *("blast", f"{target.url}/delay/100", "--reactor", reactor, "--tps", "1000", "--duration", "500ms"),
        *("--connections", "1", "--drop-late", "50ms"),
    )
    summary = balanced(result)
    arrivals, response = summary["arrivals"], summary["latency"]["response"]
    assert arrivals["scheduled"] == 500, result
    assert arrivals["dropped"] > 400, result
    assert arrivals["sent"] == target.requests()["total"] <= 7, result
    assert [response[name] for name in ("p50_ms", "p99_ms", "max_ms")] == ["inf"] * 3, result
    assert summary["latency"]["service"]["max_ms"] != "inf", "what was sent was answered"
    assert (summary["verdict"], result.exit_code) == ("invalid", 3), result
    assert summary["generator"]["verdict"] == "client-limited"
    assert any("dropped" in reason for reason in summary["generator"]["reasons"]), result


def test_a_cap_on_connections_that_was_the_limit_is_named(
    loadgen: Loadgen, target: Target, reactor: str
) -> None:
    """Two connections of 50 ms each make 40 requests a second; ten times as many are due."""
    result = loadgen(
        *("blast", f"{target.url}/delay/50", "--reactor", reactor, "--tps", "400", "--duration", "400ms"),
        *("--connections", "2", "--drain", "200ms"),
    )
    summary = balanced(result)
    waits = summary["metrics"]["connection_wait"]
    assert waits["count"] >= summary["arrivals"]["sent"] - 2 > 10, result
    assert waits["max_ms"] > 50, "the waits are long, for the backlog grows"
    assert summary["arrivals"]["cancelled"] > 50, "the drain was too short for the backlog"
    assert (summary["verdict"], result.exit_code) == ("invalid", 3), result
    assert any("the cap is 2" in reason for reason in summary["generator"]["reasons"]), result
    assert summary["latency"]["response"]["max_ms"] == "inf"
    assert target.requests()["total"] == summary["arrivals"]["sent"]


# A run that nothing ends takes longer than its test may. It is slow, so that few samples are there when it is
# ended: no tail of theirs is judged, and however busy the machine, the exit code is the same.
LONG = ("--tps", "20", "--duration", "2m", "--workers", "1")
DUE = 20 * 120

FAILS = """
from loadgen import User, scenario

@scenario
async def ask(user: User) -> None:
    answer = await user.get("/status/500")
    user.expect(answer.status == 200, "page ok")
"""
# The hanging ones are still under way when the failing ones have ended the run.
FAILS_AND_HANGS = (
    FAILS
    + """
@scenario
async def hang(user: User) -> None:
    await user.get("/delay/60000")
"""
)
# Twenty iterations take 0.4 s; what comes after them is sound.
BEGINS_BADLY = """
from loadgen import Plan, User, scenario

begun = 0

@scenario
async def ask(user: User) -> None:
    global begun
    begun += 1
    await user.get("/status/500" if begun <= 20 else "/")

plan = Plan(rate="50/s", duration="4s", workers=1, thresholds=["errors < 1%", "errors < 1% after 2s abort"])
"""


def with_thresholds(*expressions: str) -> list[str]:
    return [part for expression in expressions for part in ("--threshold", expression)]


def aborts_in(result: CommandResult) -> list[str]:
    events = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    return [event["text"] for event in events if event["event"] == "threshold_abort"]


def assert_ended_early(summary: dict[str, Any], result: CommandResult) -> None:
    assert 0 < summary["arrivals"]["sent"] < DUE / 2, result
    assert (summary["verdict"], summary["exit_code"], result.exit_code) == ("fail", 1, 1), result


def test_a_threshold_ends_the_run(loadgen: Loadgen, target: Target) -> None:
    expressions = ["errors < 1% abort", "p50 < 10s abort", "errors < 2%"]
    result = loadgen("blast", f"{target.url}/status/500", *LONG, *with_thresholds(*expressions))
    summary = balanced(result)
    assert_ended_early(summary, result)
    assert summary["arrivals"]["sent"] == target.requests()["total"], result
    ended, held, late = summary["thresholds"]
    assert (ended["passed"], ended["value"]) == (False, 1.0) and ended["aborted_at_s"] > 0, result
    assert (held["passed"], held["aborted_at_s"]) == (True, None), result
    assert (late["passed"], late["aborted_at_s"]) == (False, None), "without abort it ends nothing"
    assert aborts_in(result) == ['"errors < 1% abort" ends the run: 100 %'], result
    assert '"errors < 1% abort" ends the run: 100 %' in result.stderr, result
    assert "100 %, ended the run at " in result.stdout, result


def test_two_thresholds_end_the_run_together(loadgen: Loadgen, target: Target) -> None:
    expressions = ["errors < 5 abort", "GET /status/500: errors < 1% abort"]
    result = loadgen("blast", f"{target.url}/status/500", *LONG, *with_thresholds(*expressions))
    summary = balanced(result)
    assert_ended_early(summary, result)
    first, second = summary["thresholds"]
    assert first["aborted_at_s"] == second["aborted_at_s"] is not None, result
    assert [text.partition(" ends")[0] for text in aborts_in(result)] == [f'"{one}"' for one in expressions]


def test_thresholds_that_hold_end_nothing(loadgen: Loadgen, target: Target) -> None:
    expressions = ["errors < 1% abort", "max < 1h abort", "errors < 1 after 1s abort"]
    load = ("--tps", "50", "--duration", "2500ms", "--workers", "1")
    result = loadgen("blast", target.url, *load, *with_thresholds(*expressions))
    summary = balanced(result)
    assert summary["arrivals"]["sent"] == 125, result
    assert [one["passed"] for one in summary["thresholds"]] == [True] * 3, result
    assert not aborts_in(result), result


def test_a_delay_that_the_run_does_not_reach_leaves_nothing_to_judge(
    loadgen: Loadgen, target: Target
) -> None:
    expressions = ["errors < 1% after 1h abort", "errors < 1% after 200ms"]
    result = judge(loadgen, f"{target.url}/status/500", *expressions)
    summary = balanced(result)
    assert [one["passed"] for one in summary["thresholds"]] == [None, None], result
    assert (summary["verdict"], result.exit_code) == ("no-data", 1), result
    assert result.stdout.count("the run ended before") == 2, result
    assert not aborts_in(result), result


def test_what_came_before_the_delay_does_not_count(scripts: Scripts, target: Target) -> None:
    told = scripts(BEGINS_BADLY, "--url", target.url)
    told.assert_iterations_balance()
    whole, later = told.summary["thresholds"]
    assert (whole["value"], whole["passed"]) == (0.1, False), told.result
    assert (later["value"], later["passed"], later["aborted_at_s"]) == (0.0, True, None), told.result
    assert told.summary["requests"]["total"] == 200, told.result


@pytest.mark.parametrize("expression", ["checks > 99% abort", "ask: errors < 5 abort", "errors < 1% abort"])
def test_a_threshold_ends_the_run_of_a_script(scripts: Scripts, target: Target, expression: str) -> None:
    # An iteration whose answer is a 500 has not failed: of `ask` there are no errors.
    source = FAILS + ("    raise RuntimeError\n" if expression.startswith("ask") else "")
    told = scripts(source, "--url", target.url, *LONG, *with_thresholds(expression))
    arrivals = told.assert_iterations_balance()
    assert 0 < arrivals["sent"] < DUE / 2, told.result
    (threshold,) = told.summary["thresholds"]
    assert threshold["passed"] is False and threshold["aborted_at_s"] > 0, told.result
    # Where every iteration raised, that is what is wrong with the run.
    assert told.exit_code == (5 if expression.startswith("ask") else 1), told.result
    assert told.summary["verdict"] == "fail", told.result


def test_an_interrupt_cuts_the_drain_of_an_ended_run_short(scripts: Scripts, target: Target) -> None:
    load = (*LONG, "--tps", "24", "--drain", "60s")
    running = scripts.start(
        FAILS_AND_HANGS, "--url", target.url, *load, *with_thresholds("errors < 1% abort")
    )
    running.wait_for_line("ends the run", stream="stderr")
    running.interrupt()
    told = scripts.end(running)
    arrivals = told.assert_iterations_balance()
    assert arrivals["unfinished"] > 0, told.result
    (threshold,) = told.summary["thresholds"]
    assert threshold["passed"] is False and threshold["aborted_at_s"] > 0, told.result
    assert (told.summary["verdict"], told.exit_code) == ("fail", 130), told.result
