"""The closing table of a script's run: what must stand in it, and that it lines up."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from loadgen.engine_plan import ClosedLoad, ClosedStage, OpenLoad, OpenStage, ScenarioPlan
from loadgen.report.columns import WIDTH, width_of
from loadgen.report.script import MOST_ROWS
from loadgen.report.text import render
from loadgen.result import CheckResult, Gauge, Result, ScriptResult
from loadgen.script_news import ScriptNews
from tests.unit.scripts import closed_load, scripted_plan, shop
from tests.unit.test_script_conclusion import conclude


def news(**change: Any) -> ScriptNews:
    heard = ScriptNews(lambda *_: None)
    error = {
        "kind": "script_error",
        "scenario": "browse",
        "error": "KeyError: 'id'",
        "file": "/home/me/scenario.py",
        "line": 12,
        "code": 'item = listing["id"]',
        "count": 10,
    }
    heard.hear(json.dumps(error | change))
    return heard


def script_of(result: Result) -> ScriptResult:
    assert result.script is not None
    return result.script


def test_the_table() -> None:
    plan = scripted_plan(
        thresholds=["browse: p95 < 2s", "checks > 99%", "basket_size: p95 < 4", "errors < 1%"]
    )
    assert render(conclude(shop(), plan, news())) == (
        """\
scenario 127.0.0.1:8000                                            10s, 1 worker
browse: 100/s for 10s, constant arrivals, hybrid pacing

iterations           count          rate
offered              1,000         100/s
started              1,000         100/s
completed              990          99/s
failed                  10                 1 %

requests             2,500         250/s
ok                   2,480
failed                  20                 0.8 %

latency                    p50       p90       p99     p99.9       max      mean
response (2,500)       1.00 ms   2.00 ms   2.00 ms         -         ∞   1.29 ms
service (2,500)        1.00 ms   2.00 ms   2.00 ms         -         ∞   1.29 ms
lateness (1,000)       10.0 µs   10.0 µs   10.0 µs         -   10.0 µs   10.0 µs
- : too few samples; needed are: p99.9 3,688
∞ : so many requests never had an answer; mean is of those that had one
iterations and their first requests count from when due, others from when asked

response by label                   count   failed       p50       p95       p99
GET /items                          1,000        0   1.00 ms   1.00 ms   1.00 ms
GET /items/{id}                     1,000       20   2.00 ms   2.00 ms         ∞
redis get (operation)                 500        0    500 µs    500 µs    500 µs
checkout (group)                      990        0   10.0 ms   10.0 ms   10.0 ms
browse (iteration)                  1,000       10   20.0 ms   20.0 ms   20.0 ms

checks                                            passed        failed
listing ok                                           985             5    0.51 %
has price                                            990             0

metrics
basket_size                    p50 5, p95 5, p99 5, max 5, mean 5
found                          95 %
orders                         120
queue_depth                    last 3, min 0, max 12

script errors         iterations
browse                        10   KeyError: 'id'
    scenario.py:12    item = listing["id"]

retries     2,000 requests took 2,080 attempts, 1.04 for each

status      200 1,980
errors                  20   no complete response within the timeout

thresholds
pass     browse: p95 < 2s                                                20.0 ms
pass     checks > 99%                                                    99.74 %
FAIL     basket_size: p95 < 4                                                  5
pass     errors < 1%                                                       0.8 %

The numbers can be trusted: the generator kept up.
verdict: fail (exit code 1)
"""
    )


def test_what_has_not_happened_takes_no_room() -> None:
    found = shop(tallies=(), counters={})
    del found._found["basket_size"]
    found.labels.remove("basket_size")
    text = render(conclude(found))
    for head in ("checks ", "metrics", "script errors", "retries", "thresholds"):
        assert f"\n{head}" not in text


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (
            "GET /nope: p95 < 5ms",
            'no label "GET /nope" in this run; labels: GET /items, GET /items/{id}, browse',
        ),
        ("nope > 5", 'no metric "nope" in this run; metrics: basket_size, found, orders, queue_depth'),
        ("check(nope) > 5%", 'no check "nope" in this run; checks: listing ok, has price'),
        ("basket_size: p99.9 < 3", "500 samples, p99.9 needs 3,688"),
        ("browse: p99.9 < 3s", "1,000 samples, p99.9 needs 3,688"),
        ("orders: p95 < 3", "nothing to measure"),
    ],
)
def test_a_threshold_without_data_says_what_there_was(expression: str, words: str) -> None:
    text = render(conclude(shop(), scripted_plan(thresholds=[expression])))
    assert "no data" in text
    assert words in " ".join(text.split())


def test_checks_that_nobody_asked_about_are_said() -> None:
    words = "5 of 1,980 checks failed, and no threshold asks about checks:"
    assert words in render(conclude(shop()))
    for expression in ("checks > 1%", "check(has price) > 1%"):
        assert words not in render(conclude(shop(), scripted_plan(thresholds=[expression])))


def test_a_run_that_the_script_ended_says_why() -> None:
    text = render(conclude(shop(), stopped="10 iterations failed, and 10 stop the run"))
    assert "  - the run was stopped: 10 iterations failed, and 10 stop the run\n" in text
    assert text.endswith("verdict: fail (exit code 5)\n")


def test_several_loads_have_a_line_of_their_own() -> None:
    plan = scripted_plan(
        ScenarioPlan("browse_everything_there_is", 1.0, None),
        ScenarioPlan("buy", 0.0, ClosedLoad([ClosedStage(10**10, 1, 300)])),
        load=OpenLoad([OpenStage(10**10, 0, 100)], "poisson", 1, None),
    )
    lines = render(conclude(shop(), plan)).splitlines()
    assert lines[1] == "browse_everything_there_is, buy"
    assert "up to 100/s and 300 users for 10s, poisson arrivals, hybrid pacing" in lines[2]


def test_users_are_offered_no_rate() -> None:
    text = render(conclude(shop(), scripted_plan(load=closed_load()), due=0))
    assert "offered" not in text
    assert "count from when due" not in text


def test_no_line_is_wider_than_the_page() -> None:
    result = conclude(
        shop(),
        scripted_plan(
            *(ScenarioPlan(f"scenario number {number}", 1.0, None) for number in range(20)),
            thresholds=["日本" * 40 + ": p95 < 1s", "check(" + "x" * 100 + ") > 5%"],
        ),
        news(scenario="s" * 100, error="E" * 200, code="日" * 200, file="f" * 100),
        stopped="why " * 50,
    )
    (first, *others) = result.labels
    script = script_of(result)
    result = msgspec.structs.replace(
        result,
        labels=[
            *(
                msgspec.structs.replace(first, label="日本" * 30, kind=kind)
                for kind in ("group", "iteration")
            ),
            *others,
        ],
        checks=[CheckResult(name="日本" * 30, passed=10**9, failed=10**9)],
        metrics=result.metrics | {"m" * 90: Gauge(last=1.23456789e9, min=-1e-9, max=1e12)},
        script=msgspec.structs.replace(script, metrics=script.metrics | {"m" * 90: "gauge"}),
    )
    assert [line for line in render(result).splitlines() if width_of(line) > WIDTH] == []


def test_a_call_that_blocked_is_shown_with_its_line() -> None:
    heard = news()
    event = {"text": "time.sleep(1)", "file": "/a/scenario.py", "line": 7, "code": "time.sleep(1)"}
    heard.hear(json.dumps(event | {"kind": "blocked", "longest_ms": 1200, "count": 3}))
    lines = render(conclude(shop(), news=heard)).splitlines()
    at = lines.index("blocking calls              seen       longest")
    assert lines[at + 1 : at + 3] == [
        "                               3        1.20 s",
        "    scenario.py:7    time.sleep(1)",
    ]


def test_an_error_with_much_to_say_has_a_line_of_its_own() -> None:
    text = "AttributeError: 'NoneType' object has no attribute 'something long'"
    lines = render(conclude(shop(), news=news(error=text))).splitlines()
    at = lines.index("browse                        10")
    assert lines[at + 1 : at + 3] == [f"    {text}", '    scenario.py:12    item = listing["id"]']


def test_there_is_an_end_to_rows() -> None:
    checks = [CheckResult(name=f"check {number}", passed=number, failed=0) for number in range(MOST_ROWS + 7)]
    text = render(msgspec.structs.replace(conclude(shop()), checks=checks))
    assert "and 7 more checks, in summary.json" in text


def test_a_script_cannot_steer_the_terminal() -> None:
    evil = "evil\x1b[2J"
    result = conclude(shop(), news=news(error=evil, code=evil, file=evil, scenario=evil), stopped=evil)
    script = script_of(result)
    result = msgspec.structs.replace(
        result,
        labels=[msgspec.structs.replace(row, label=evil) for row in result.labels],
        checks=[CheckResult(name=evil, passed=1, failed=1)],
        metrics=result.metrics | {evil: 5.0},
        script=msgspec.structs.replace(
            script,
            metrics={evil: "counter"},
            errors=[msgspec.structs.replace(group, error=evil, code=evil) for group in script.errors],
        ),
    )
    assert "\x1b" not in render(result)
