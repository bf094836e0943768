"""The closing table: what must stand in it, and that it lines up."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from loadgen.report.columns import WIDTH, width_of
from loadgen.report.text import render
from loadgen.result import GeneratorResult, Result, ThresholdResult
from tests.unit.results import make_result


def test_the_table() -> None:
    assert render(make_result(), Path("runs/one")) == (
        """\
blast 127.0.0.1:8000                                               10s, 1 worker
GET /items: 500/s for 10s, constant arrivals, hybrid pacing

requests             count          rate
offered              5,000         500/s
sent                 5,000         500/s   400 kB out, 1.00 MB in
ok                   5,000         500/s
failed                   0

latency                    p50       p90       p99     p99.9       max      mean
response               3.00 ms   5.00 ms   5.00 ms   5.00 ms   5.00 ms   3.00 ms
service                3.00 ms   5.00 ms   5.00 ms   5.00 ms   5.00 ms   3.00 ms
lateness               10.0 µs   10.0 µs   10.0 µs   10.0 µs   10.0 µs   10.0 µs
connect (10)           1.00 ms         -         -         -   1.00 ms   1.00 ms
- : too few samples; needed are: p90 36, p99 368, p99.9 3,688

status      200 5,000

thresholds
pass     p99 < 250ms                                                     5.00 ms

The numbers can be trusted: the generator kept up.
verdict: pass (exit code 0)

run folder: runs/one
"""
    )


def test_failures_are_named_and_counted() -> None:
    text = render(make_result(infinite=600))
    assert "failed                 600                 12 %" in text
    assert "errors                 600   no complete response within the timeout" in text
    assert "∞ : so many requests never had an answer; mean is of those that had one" in text


def test_percentiles_without_support_say_what_they_need() -> None:
    result = make_result()
    few = msgspec.structs.replace(result.latency.response, count=100, p99_ms=None, p999_ms=None)
    text = render(
        msgspec.structs.replace(result, latency=msgspec.structs.replace(result.latency, response=few))
    )
    assert "- : too few samples; needed are: p90 36, p99 368, p99.9 3,688" in text
    assert "response (100) " in text


def generator(verdict: str, *reasons: str) -> GeneratorResult:
    sound = make_result().generator
    return msgspec.structs.replace(sound, verdict=verdict, reasons=list(reasons))


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (make_result(generator=generator("valid")), "The numbers can be trusted"),
        (make_result(generator=generator("degraded", "steal")), "Read the numbers with care"),
        (
            make_result(generator=generator("client-limited", "lateness"), verdict="invalid", exit_code=3),
            "Do not rely on these numbers: the generator was the limit",
        ),
        (
            make_result(generator=generator("valid", "worker 1 was lost"), verdict="invalid", exit_code=3),
            "Do not rely on these numbers: the run is incomplete",
        ),
    ],
)
def test_one_line_on_whether_the_numbers_can_be_trusted(result: Result, line: str) -> None:
    text = render(result)
    assert line in text
    assert all(f"  - {reason}" in text for reason in result.generator.reasons)


def test_an_interrupted_run_says_so() -> None:
    text = render(make_result(exit_code=130))
    assert "verdict: pass, interrupted (exit code 130)" in text
    assert re.search(r"^ok +5,000$", text, re.MULTILINE), "what was answered by then is no rate"


def test_rates_are_not_those_of_the_counts_where_sending_took_longer() -> None:
    words = "rates are of the time that the load was on, counts of the whole run"
    assert words not in render(make_result())
    assert words in render(make_result(achieved_rate_per_s=490.0))


@pytest.mark.parametrize(
    ("infinite", "expressions", "line"),
    [
        (5000, ["p99 < 1s"], "All 5,000 requests failed, and no threshold asks about errors:"),
        (120, [], "120 of 5,000 requests failed, and no threshold asks about errors:"),
        (120, ["errors < 1 %"], None),
        (120, ["errors.timeout < 5"], None),
        (120, ["ok > 5"], None),
        (0, [], None),
    ],
)
def test_failures_that_nobody_asked_about_are_said(
    infinite: int, expressions: list[str], line: str | None
) -> None:
    thresholds = [ThresholdResult(expression=text, value=1.0, passed=True) for text in expressions]
    text = render(make_result(infinite=infinite, thresholds=thresholds))
    assert ("no threshold asks" in text) == (line is not None)
    if line is not None:
        assert f'{line}\n  --threshold "errors < 1%"\nverdict:' in text


def test_a_record_that_is_incomplete_is_called_so() -> None:
    assert "run folder: runs/one (not everything could be written)" in render(
        make_result(exit_code=2), Path("runs/one")
    )


@pytest.mark.parametrize(
    ("expression", "value", "passed", "line_end"),
    [
        ("p99 < 250ms", "inf", False, "∞"),
        ("errors < 1%", 0.004, True, "0.4 %"),
        ("errors < 5", 3.0, True, "3"),
        ("rate > 400/s", 500.0, True, "500/s"),
        ("p99 < 1ms", None, None, "5,000 samples, p99 needs 368"),
        ("connect.p99.9 < 1ms", None, None, "10 samples, p99.9 needs 3,688"),
        ("first_byte.mean < 1ms", None, None, "nothing to measure"),
        ("errors < 1%", None, None, "nothing to measure"),
    ],
)
def test_thresholds(expression: str, value: float, passed: bool | None, line_end: str) -> None:
    threshold = ThresholdResult(expression=expression, value=value, passed=passed)
    line = next(
        line for line in render(make_result(thresholds=[threshold])).splitlines() if expression in line
    )
    assert line.startswith({True: "pass ", False: "FAIL ", None: "no data "}[passed])
    assert line.endswith(f" {line_end}")


def test_a_threshold_says_that_it_ended_the_run() -> None:
    ended = ThresholdResult(expression="errors < 1% abort", value=0.5, passed=False, aborted_at_s=3.004)
    (line,) = [line for line in render(make_result(thresholds=[ended])).splitlines() if "abort" in line]
    assert line.startswith("FAIL     errors < 1% abort ") and line.endswith(" 50 %, ended the run at 3.0 s")


def test_a_threshold_says_which_window_was_the_worst() -> None:
    worst = ThresholdResult(expression="p99 < 1s over 2s", value=1500.0, passed=False, window_ends_at_s=4.004)
    (line,) = [line for line in render(make_result(thresholds=[worst])).splitlines() if "over" in line]
    assert line.startswith("FAIL     p99 < 1s over 2s ") and line.endswith(" 1.50 s in the 2s up to 4.0 s")


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ("after 1h", "the run ended before"),
        ("after 1s", "too little after that"),
        ("over 11s", "the run ended before"),
        ("over 9s after 2s", "the run ended before"),
        ("over 10s", "too little in any window"),
    ],
)
def test_a_threshold_with_a_delay_says_why_it_has_no_data(after: str, why: str) -> None:
    late = ThresholdResult(expression=f"p99 < 1ms {after}", value=None, passed=None)
    assert f" {why}\n" in render(make_result(thresholds=[late]))


@pytest.mark.parametrize("letter", ["x", "日"], ids=["narrow", "wide"])
def test_no_line_is_wider_than_the_page(letter: str) -> None:
    result = make_result(
        infinite=1200,
        label="GET /" + letter * 300,
        name=letter * 200,
        generator=generator("degraded", "why " * 60),
        thresholds=[ThresholdResult(expression=letter * 200 + ": p99 < 1ms", value=1e9, passed=False)],
    )
    status = {str(number): 1234 for number in range(200, 240)}
    result = msgspec.structs.replace(result, requests=msgspec.structs.replace(result.requests, status=status))
    lines = render(result).splitlines()
    assert [line for line in lines if width_of(line) > WIDTH] == []


def test_labels_and_names_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in render(make_result(name="evil\x1b[2J", label="GET /\x1b]0;title\x07"))
