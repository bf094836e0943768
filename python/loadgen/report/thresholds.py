"""How thresholds ended, and what failed that none asked about. It reads a Result and decides nothing."""

from __future__ import annotations

import math

from loadgen.errors import ExitCode
from loadgen.percentile import percent_of, samples_needed
from loadgen.report.columns import WIDTH, bullet, fitted, pad
from loadgen.result import Result, ThresholdResult
from loadgen.snapshot import Latency
from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Threshold
from loadgen.units import counted, format_count, printable, quoted
from loadgen.windows import LATE_NS

MOST_NAMES = 20


def lines(result: Result) -> list[str]:
    """One for each: how it ended, what it asks, what was measured."""
    if not result.thresholds:
        return []
    found = ["thresholds"]
    for threshold in result.thresholds:
        outcome = {True: "pass", False: "FAIL", None: "no data"}[threshold.passed]
        value = measured(threshold, result)
        width = WIDTH - 9 - len(value) - 1
        found.append(f"{outcome:<9}{pad(fitted(threshold.expression, width), width)} {value}")
        found += _known_names(threshold, result)
    return found


def _known_names(threshold: ThresholdResult, result: Result) -> list[str]:
    """What a threshold could have asked about, where it asked about what never came up."""
    if threshold.value is not None or not result.plan.counts_iterations:
        return []
    metrics = result.script.metrics if result.script is not None else []
    parsed = _parse(threshold, result)
    if parsed.metric.startswith("check("):
        asked, known, kind = parsed.metric[len("check(") : -1], [one.name for one in result.checks], "checks"
    else:
        own = parsed.own_metric
        asked, kind = (own[0], "metrics") if own is not None else (parsed.label or "", "labels")
        known = ([] if own else [row.label for row in result.labels]) + sorted(metrics)
    if not asked or asked in known:
        return []
    names = [printable(name) for name in known] or ["none"]
    return bullet(f"no {kind[:-1]} {quoted(asked)} in this run; {kind}: {', '.join(names[:MOST_NAMES])}")


def measured(threshold: ThresholdResult, result: Result) -> str:
    """The value, or why there is none."""
    value = math.inf if threshold.value == "inf" else threshold.value
    if value is None:
        return _why_no_data(threshold, result)
    parsed = _parse(threshold, result)
    if threshold.aborted_at_s is not None:
        return f"{parsed.show(value)}, ended the run at {threshold.aborted_at_s:.1f} s"
    return parsed.show(value) + parsed.place(threshold.window_ends_at_s)


def _parse(threshold: ThresholdResult, result: Result) -> Threshold:
    return parse_threshold(threshold.expression, scripted=result.plan.has_metrics)


def _why_no_data(threshold: ThresholdResult, result: Result) -> str:
    """`200 samples, p99 needs 368`."""
    parsed = _parse(threshold, result)
    if parsed.over_ns or parsed.after_ns:
        late_ns = LATE_NS if parsed.over_ns else 0
        ended_before = result.duration_s * 1e9 <= sum(parsed.span) - late_ns
        too_little = "too little in any window" if parsed.over_ns else "too little after that"
        return "the run ended before" if ended_before else too_little
    kind, _, statistic = parsed.metric.partition(".")
    latencies = (result.latency, result.phases)
    latency = next(
        (getattr(group, kind) for group in latencies if hasattr(group, kind)), result.metrics.get(kind)
    )
    if parsed.own_metric is not None:
        name, statistic = parsed.own_metric[0], parsed.own_metric[1] or ""
        latency = result.metrics.get(name)
    elif parsed.label is not None:
        found = [row.latency for row in result.labels if row.label == parsed.label]
        latency = getattr(found[0], kind, None) if found else result.metrics.get(parsed.label)
    if not isinstance(latency, Latency) or not latency.count or not statistic.startswith("p"):
        return "nothing to measure"
    needed = samples_needed(percent_of(statistic))
    return f"{counted(latency.count, 'sample')}, {statistic} needs {format_count(needed)}"


def unasked_failures(result: Result) -> list[str]:
    """A run may pass although all went wrong, where nobody asked: that must not go unseen."""
    failed, sent = result.requests.failed, result.requests.total
    metrics = [_parse(threshold, result).metric for threshold in result.thresholds]
    asked = any(metric == "ok" or metric.startswith("errors") for metric in metrics)
    if not failed or asked or result.exit_code == ExitCode.UNREACHABLE:
        return []
    how_many = "All" if failed == sent > 1 else f"{format_count(failed)} of"
    return [
        f"{how_many} {counted(sent, 'request')} failed, and no threshold asks about errors:",
        '  --threshold "errors < 1%"',
    ]


def unasked_checks(result: Result) -> list[str]:
    """The same of checks."""
    failed = sum(check.failed for check in result.checks)
    made = failed + sum(check.passed for check in result.checks)
    asked = any(
        _parse(threshold, result).metric.startswith(("checks", "check(")) for threshold in result.thresholds
    )
    if not failed or asked:
        return []
    return [
        f"{format_count(failed)} of {counted(made, 'check')} failed, and no threshold asks about checks:",
        '  --threshold "checks > 99%"',
    ]
