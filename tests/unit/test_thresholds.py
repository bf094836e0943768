"""The grammar of thresholds, and their three outcomes."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.thresholds import Threshold, parse_threshold

SECOND = 1_000_000_000


class Given:
    """Figures as a test wants them."""

    def __init__(self, **values: float | None) -> None:
        self.values = values
        self.asked: list[tuple[str, str | None]] = []

    def latency_ms(self, kind: str, statistic: str, label: str | None) -> float | None:
        self.asked.append((f"{kind}.{statistic}", label))
        return self.values.get("latency")

    def count(self, name: str, label: str | None) -> int | None:
        self.asked.append((name, label))
        value = self.values.get(name)
        return None if value is None else int(value)

    def rate_per_s(self, label: str | None) -> float | None:
        self.asked.append(("rate", label))
        return self.values.get("rate")

    def check_share(self, name: str | None) -> float | None:
        self.asked.append(("checks", name))
        return self.values.get("checks")

    def check_count(self, name: str | None) -> int:
        self.asked.append(("checks", name))
        return int(self.values.get("made") or 0)

    def metric(self, name: str, statistic: str | None) -> float | None:
        self.asked.append((name, statistic))
        return self.values.get("made" if statistic == "count" else "metric")


@pytest.mark.parametrize(
    ("text", "label", "metric", "op", "limit", "scale"),
    [
        ("p99 < 250ms", None, "response.p99", "<", 250, "ms"),
        ("p99<250ms", None, "response.p99", "<", 250, "ms"),
        ("p99.9 <= 1s", None, "response.p99.9", "<=", 1000, "ms"),
        ("service.p999 < 80us", None, "service.p999", "<", 0.08, "ms"),
        ("lateness.max < 1ms", None, "lateness.max", "<", 1, "ms"),
        ("connection_wait.p99 < 1ms", None, "connection_wait.p99", "<", 1, "ms"),
        ("mean > 1m", None, "response.mean", ">", 60_000, "ms"),
        ("errors < 1%", None, "errors", "<", 0.01, "share"),
        ("errors < 1 %", None, "errors", "<", 0.01, "share"),
        ("errors <= 10", None, "errors", "<=", 10, "count"),
        ("errors.timeout < 0.5%", None, "errors.timeout", "<", 0.005, "share"),
        ("requests >= 1000", None, "requests", ">=", 1000, "count"),
        ("rate > 300/m", None, "rate", ">", 5, "per_second"),
        ("GET /items: p95 < 80ms", "GET /items", "response.p95", "<", 80, "ms"),
        ("GET http://a:80/b: errors < 1", "GET http://a:80/b", "errors", "<", 1, "count"),
        ("a:p50<1s", "a", "response.p50", "<", 1000, "ms"),
    ],
)
def test_the_grammar(text: str, label: str | None, metric: str, op: str, limit: float, scale: str) -> None:
    threshold = parse_threshold(text)
    assert (threshold.label, threshold.metric, threshold.op, threshold.scale) == (label, metric, op, scale)
    assert threshold.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected METRIC OP VALUE"),
        ("p99", "expected METRIC OP VALUE"),
        ("p99 = 5ms", "expected METRIC OP VALUE"),
        ("p99 < 5ms please", "expected METRIC OP VALUE"),
        ("p99 < 250", 'p99: expected a duration with its unit such as "250ms", got "250"'),
        ("p99 < fast", "expected a duration"),
        ("p0 < 5ms", '"p0" is not a metric'),
        ("p100 < 5ms", '"p100" is not a metric'),
        ("speed < 5ms", '"speed" is not a metric'),
        ("dns.p99 < 5ms", '"dns.p99" is not a metric'),
        ("errors < 0.5", 'errors: expected a share such as "1%" or a count such as "10"'),
        ("errors.tiemout < 1%", 'no error is called "tiemout", did you mean "timeout"?'),
        ("GET /: errors.x < 1", 'no error is called "x": there are connect_refused, '),
        ("errors. < 1", 'no error is called "": there are connect_refused, '),
        ("requests > many", "expected a whole number"),
        ("rate > fast", "expected a rate"),
        ("p99 < 5ms over 2500ms", 'over: expected whole seconds such as "30s", got "2500ms"'),
        ("p99 < 5ms over 0s", "over: expected whole seconds"),
        ("p99 < 5ms after 10s over 30s", "in this order: over WINDOW, after DELAY, abort"),
        ("p99 < 5ms over", "in this order: over WINDOW, after DELAY, abort"),
        ("burn < 10", "burn(99.9%)"),
        ("burn() < 10", 'burn: expected an objective such as "burn(99.9%)", got "burn()"'),
        ("burn(99.9) < 10", "burn: expected an objective"),
        ("burn(100%) < 10", "burn: expected an objective"),
        ("budget(0%) < 10%", 'budget: expected an objective such as "budget(99.9%)"'),
        ("burn(99.9%) < 10%", 'burn: expected a number such as "10", got "10%"'),
        ("burn(99.9%) < -1", "burn: expected a number"),
        ("budget(99.9%) < 1", 'budget: expected a share such as "100%", got "1"'),
        ("budget(99.9%) < 100% over 1m", 'the budget is that of the whole run: leave "over" out'),
        ("p99 < 5ms after soon", "expected a duration"),
        ("p99 < 5ms abort after 10s", "expected METRIC OP VALUE"),
        ("requests > 5 abort", "requests only grows"),
        ("a: ok >= 5 after 10s abort", "ok only grows"),
        ("p99 < 5ms over soon", "expected a duration"),
    ],
)
def test_what_is_no_threshold_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_threshold(text)


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


@pytest.mark.parametrize(
    ("text", "label", "metric", "limit", "scale", "asked"),
    [
        ("checks > 99%", None, "checks", 0.99, "share", ("checks", None)),
        ("check(listing ok) > 99%", None, "check(listing ok)", 0.99, "share", ("checks", "listing ok")),
        ("check(a: p95 (b)) >= 99.5 %", None, "check(a: p95 (b))", 0.995, "share", ("checks", "a: p95 (b)")),
        ("orders > 100", None, "orders", 100, "number", ("orders", None)),
        ("checksum > -1.5e3", None, "checksum", -1500, "number", ("checksum", None)),
        ("cache-hits > 95%", None, "cache-hits", 0.95, "share", ("cache-hits", None)),
        ("basket_size: p95 < 20", "basket_size", "p95", 20, "number", ("basket_size", "p95")),
        ("basket size: p99.9 < 20", "basket size", "p99.9", 20, "number", ("basket size", "p99.9")),
        ("queue: max < 5", "queue", "max", 5, "number", ("queue", "max")),
        ("found: share > 5%", "found", "share", 0.05, "share", ("found", "share")),
        ("browse: p95 < 2s", "browse", "response.p95", 2000, "ms", ("response.p95", "browse")),
        ("GET /items/{id}: p95 < 80ms", "GET /items/{id}", "response.p95", 80, "ms", None),
        ("browse: errors < 1%", "browse", "errors", 0.01, "share", ("errors", "browse")),
        ("errors.ECONNRESET < 5", None, "errors.ECONNRESET", 5, "number", ("errors.ECONNRESET", None)),
        ("errors.script_error < 1", None, "errors.script_error", 1, "count", ("errors.script_error", None)),
        ("requests > 5", None, "requests", 5, "count", ("requests", None)),
        ("rate > 5/s", None, "rate", 5, "per_second", ("rate", None)),
    ],
)
def test_the_grammar_of_scripts(
    text: str, label: str | None, metric: str, limit: float, scale: str, asked: tuple[str, str | None] | None
) -> None:
    threshold = parse_threshold(text, scripted=True)
    assert (threshold.label, threshold.metric, threshold.scale) == (label, metric, scale)
    assert threshold.limit == pytest.approx(limit)
    figures = Given()
    threshold.measure(figures)
    assert asked is None or figures.asked[0] == asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p99 < 250", 'p99: expected a duration with its unit such as "250ms", got "250"'),
        ("service.p99.9 < 5", "expected a duration with its unit"),
        ("browse: service.p99 < 5", "expected a duration with its unit"),
        ("speed < 5ms", '"speed" is not a metric'),
        ("checks > 5", 'checks: expected a share such as "99%", got "5"'),
        ("browse: checks > 5%", 'checks belong to no label: leave "browse" out'),
        ("orders > many", '"orders" is not a metric'),
    ],
)
def test_what_is_no_threshold_of_a_script_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_threshold(text, scripted=True)


@pytest.mark.parametrize("text", ["orders > 100", "checks > 99%", "check(ok) > 99%", "a: p95 < 20"])
def test_blast_has_no_metrics_of_its_own(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a metric|expected a duration"):
        parse_threshold(text)
