"""The grammar of thresholds."""

from __future__ import annotations

import re

import pytest

from loadgen.threshold_grammar import parse_threshold
from tests.unit.figures import Given

SECOND = 1_000_000_000


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
