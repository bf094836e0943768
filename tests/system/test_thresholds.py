"""Thresholds, percentiles with too few samples, and caps: what a run is judged by, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen

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
