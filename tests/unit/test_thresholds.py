"""Thresholds: when they are judged, their three outcomes, what ends a run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Threshold
from tests.unit.figures import Given

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "figures", "value", "outcome"),
    [
        ("p99 < 250ms", Given(latency=249.9), 249.9, "pass"),
        ("p99 < 250ms", Given(latency=250.0), 250.0, "fail"),
        ("p99 <= 250ms", Given(latency=250.0), 250.0, "pass"),
        ("p99 < 250ms", Given(latency=math.inf), math.inf, "fail"),
        ("p99 < 250ms", Given(latency=None), None, "no data"),
        ("errors < 1%", Given(errors=5, requests=1000), 0.005, "pass"),
        ("errors < 1%", Given(errors=0, requests=0), None, "no data"),
        ("errors < 1%", Given(errors=None, requests=0), None, "no data"),
        ("errors < 5", Given(errors=5, requests=10), 5, "fail"),
        ("rate > 100/s", Given(rate=100.5), 100.5, "pass"),
        ("rate > 100/s", Given(rate=None), None, "no data"),
        ("burn(99.9%) < 10", Given(errors=10, requests=1000), 10, "fail"),
        ("burn(99.9%) < 10", Given(errors=9, requests=1000), 9, "pass"),
        ("burn(99%) <= 14.4", Given(errors=144, requests=1000), 14.4, "pass"),
        ("burn(99.9%) < 10", Given(errors=None, requests=0), None, "no data"),
        ("budget(99.9%) < 100%", Given(errors=1, requests=2000), 0.5, "pass"),
        ("budget(99.9%) <= 100%", Given(errors=3, requests=1000), 3, "fail"),
    ],
)
def test_outcomes(text: str, figures: Given, value: float | None, outcome: str) -> None:
    threshold = parse_threshold(text)
    measured = threshold.measure(figures)
    assert measured == value
    assert threshold.judge(measured) == outcome


@pytest.mark.parametrize(
    ("text", "span_s", "abort", "expression"),
    [
        ("p99 < 5ms", (0, 0), False, "p99 < 5ms"),
        ("p99 < 5ms  after 10s", (0, 10), False, "p99 < 5ms after 10s"),
        ("errors < 1%  abort", (0, 0), True, "errors < 1% abort"),
        ("errors < 1 % after 250ms abort", (0, 0.25), True, "errors < 1 % after 250ms abort"),
        ("a: errors < 5 after 0s abort", (0, 0), True, "a: errors < 5 after 0s abort"),
        ("a over b: errors < 5 over  1m30s", (90, 0), False, "a over b: errors < 5 over 1m30s"),
        ("p99 < 5ms over 2s after 10s abort", (2, 10), True, "p99 < 5ms over 2s after 10s abort"),
        ("requests > 5 over 2s abort", (2, 0), True, "requests > 5 over 2s abort"),
        ("GET /: burn(99.9%) < 14.4 over 1h", (3600, 0), False, "GET /: burn(99.9%) < 14.4 over 1h"),
    ],
)
def test_when_a_threshold_is_judged(
    text: str, span_s: tuple[float, float], abort: bool, expression: str
) -> None:
    threshold = parse_threshold(text)
    assert threshold.span == tuple(round(length * SECOND) for length in span_s)
    assert (threshold.abort, threshold.expression) == (abort, expression)


@pytest.mark.parametrize(
    ("sentence", "text", "figures", "ends"),
    [
        ("nine errors are too few for a share", "errors < 1% abort", Given(errors=9, requests=9), False),
        ("ten will do", "errors < 1% abort", Given(errors=10, requests=10), True),
        ("at the limit it holds", "errors <= 1% abort", Given(errors=10, requests=1000), False),
        ("one of many is one", "errors < 1% abort", Given(errors=1, requests=50), False),
        ("nothing ended yet", "errors < 1% abort", Given(errors=None, requests=0), False),
        ("a count that is reached stays", "errors < 1 abort", Given(errors=1, requests=1), True),
        ("a count below its limit", "errors < 5 abort", Given(errors=4, requests=4), False),
        ("a mean of nine", "mean < 1ms abort", Given(latency=5, requests=9), False),
        ("a mean of ten", "mean < 1ms abort", Given(latency=5, requests=10), True),
        ("a percentile without support", "p99 < 1ms abort", Given(latency=None, requests=50), False),
        ("a rate that holds", "rate > 5/s abort", Given(rate=6, requests=50), False),
        ("a rate that does not", "rate > 5/s abort", Given(rate=4, requests=50), True),
        ("nine errors are no burn yet", "burn(99.9%) < 10 abort", Given(errors=9, requests=9), False),
        ("ten errors burn", "burn(99.9%) < 10 abort", Given(errors=10, requests=900), True),
        ("ten errors spend", "budget(99.9%) < 100% abort", Given(errors=10, requests=900), True),
        ("what fails in a window has failed", "errors < 1% over 2s abort", Given(errors=1, requests=1), True),
        ("a window without data", "p99 < 1ms over 2s abort", Given(latency=None, requests=50), False),
        ("too little in a window", "requests > 9 over 2s abort", Given(requests=9), True),
        ("ten failed checks", "checks > 99% abort", Given(checks=0.9, made=100), True),
        ("nine failed checks", "checks > 99% abort", Given(checks=0.91, made=100), False),
        ("a gauge seen often", "queue < 5 abort", Given(metric=6, made=10), True),
        ("a gauge seen once", "queue < 5 abort", Given(metric=6, made=1), False),
        ("a share of one's own", "found > 50% abort", Given(metric=0.4, made=20), True),
    ],
)
def test_what_ends_a_run(sentence: str, text: str, figures: Given, ends: bool) -> None:
    assert parse_threshold(text, scripted=True).ends_the_run(figures) == ends, sentence


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("burn(99.9%) < 14.4 over 1m", 14.4, "14.4 in the 1m up to 61.0 s"),
        ("budget(99.9%) < 100%", 2.5, "250 %"),
    ],
)
def test_a_value_in_words(text: str, value: float, words: str) -> None:
    threshold = parse_threshold(text)
    assert threshold.show(value) + threshold.place(61.0 if threshold.over_ns else None) == words


@pytest.mark.parametrize(
    ("text", "hopes"),
    [("requests > 5", True), ("requests > 5 over 2s", False), ("errors < 5", False), ("rate > 5/s", False)],
)
def test_a_count_that_has_to_be_reached_may_still_be(text: str, hopes: bool) -> None:
    assert parse_threshold(text).may_still_hold() == hopes


@pytest.mark.parametrize(
    ("op", "value", "other", "worse"), [("<", 2, 1, True), ("<=", 1, 1, False), (">", 1, 2, True)]
)
def test_the_worse_of_two(op: str, value: float, other: float, worse: bool) -> None:
    assert parse_threshold(f"rate {op} 5/s").is_worse(value, other) == worse


def test_a_label_is_passed_on() -> None:
    figures = Given(latency=1.0)
    parse_threshold("GET /items: service.p95 < 80ms").measure(figures)
    assert figures.asked == [("service.p95", "GET /items")]


@given(st.sampled_from(["<", "<=", ">", ">="]), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_condition_and_its_opposite_never_agree(op: str, limit: float, value: float) -> None:
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[op]
    one, other = (Threshold("", None, "requests", which, limit, "count") for which in (op, opposite))
    assert {one.judge(value), other.judge(value)} == {"pass", "fail"}
