"""The closing table: what a run showed, in 80 columns of text. It reads a Result and decides nothing."""

from __future__ import annotations

import math
from pathlib import Path

from loadgen.engine_plan import OpenLoad
from loadgen.errors import ExitCode
from loadgen.result import Result, ThresholdResult
from loadgen.snapshot import Latency, nanoseconds
from loadgen.thresholds import parse_threshold, percent_of, samples_needed
from loadgen.units import (
    counted,
    format_bytes,
    format_count,
    format_duration,
    format_ns,
    format_percent,
    format_rate,
    printable,
)

WIDTH = 80
_COLUMNS = {
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "p99.9": "p999_ms",
    "max": "max_ms",
    "mean": "mean_ms",
}
_ERROR_WORDS = {
    "connect_refused": "connection refused",
    "connect_timeout": "no connection within the timeout",
    "connect_failed": "connection failed",
    "no_descriptors": "no descriptor left on this machine",
    "no_ports": "no local port left on this machine",
    "reset": "connection reset",
    "closed": "closed before the response was complete",
    "timeout": "no complete response within the timeout",
    "bad_response": "not an HTTP response",
    "header_too_large": "the response's header is too large",
    "body_too_large": "the response's body is too large",
}


def render(result: Result, folder: Path | None = None) -> str:
    """All of it. `folder` is where the rest is."""
    incomplete = result.exit_code == ExitCode.UNUSABLE  # nothing else gives a run that has a result this code
    blocks = [
        _head(result),
        _rates(result),
        _latencies(result),
        _answers(result),
        _thresholds(result),
        _trust(result),
        [f"run folder: {folder}{' (incomplete)' if incomplete else ''}"] if folder else [],
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _head(result: Result) -> list[str]:
    plan = result.plan
    how = f"{format_duration(round(result.duration_s, 1) * 1e9)}, {counted(len(result.workers), 'worker')}"
    title = _cut(printable(result.name), WIDTH - len(how) - 2)
    # How arrivals are spread changes what a queue does to them, so it stands at the top.
    load = plan.describe_load()
    if isinstance(plan.load, OpenLoad):
        load += f", {plan.load.describe_arrivals()} arrivals, {plan.pacing} pacing"
    return [
        f"{title}{how:>{WIDTH - len(title)}}",
        f"{_cut(printable(plan.label), WIDTH - len(load) - 2)}: {load}",
    ]


def _rates(result: Result) -> list[str]:
    """Counts are of the whole run; rates are over the time for which the load was on."""
    arrivals = result.arrivals
    rows: list[tuple[str, int, float | None, str]] = []
    if result.target_rate_per_s is not None:
        rows.append(("offered", arrivals.scheduled, result.target_rate_per_s, ""))
    rows.append(("sent", arrivals.sent, result.achieved_rate_per_s, _bytes(result)))
    # After an interrupt most answers come when the load is over: their rate until then says nothing.
    interrupted = result.exit_code == ExitCode.INTERRUPTED
    rows.append(
        ("ok", arrivals.completed, None if interrupted else _number(result, "completed_rate_per_s"), "")
    )
    rows.append(("failed", arrivals.failed, None, _share(arrivals.failed, arrivals.sent)))
    for name in ("unfinished", "dropped", "cancelled"):
        count = getattr(arrivals, name)
        if count:
            rows.append((name, count, None, _share(count, arrivals.scheduled)))
    lines = [f"{'requests':<12}{'count':>14}{'rate':>14}"]
    for name, count, rate, remark in rows:
        rate_text = "" if rate is None else format_rate(rate)
        lines.append(f"{name:<12}{format_count(count):>14}{rate_text:>14}   {remark}")
    if any(
        rate is not None and abs(rate * result.duration_s - count) > 0.01 * count
        for _, count, rate, _ in rows
    ):
        lines.append("rates are of the time that the load was on, counts of the whole run")
    return lines


def _number(result: Result, metric: str) -> float | None:
    value = result.metrics.get(metric)
    return value if isinstance(value, float) else None


def _bytes(result: Result) -> str:
    out, back = result.requests.bytes_sent, result.requests.bytes_received
    return f"{format_bytes(out)} out, {format_bytes(back)} in" if out else ""


def _share(part: int, whole: int) -> str:
    return format_percent(part / whole) if part and whole else ""


def _latencies(result: Result) -> list[str]:
    lines = [f"{'latency':<20}" + "".join(f"{name:>10}" for name in _COLUMNS)]
    latency = result.latency
    rows = {"response": latency.response, "service": latency.service, "lateness": latency.lateness}
    wait = result.metrics.get("connection_wait")
    if isinstance(wait, Latency) and wait.count:
        rows["conn. wait"] = wait
    if result.phases.connect.count:
        rows["connect"] = result.phases.connect
    for name, row in rows.items():
        # Where a percentile is missing, the count says why.
        title = f"{name} ({format_count(row.count)})" if _missing(row) else name
        lines.append(f"{title:<20}" + "".join(f"{_cell(row, field):>10}" for field in _COLUMNS.values()))
    return lines + _footnotes(list(rows.values()))


def _missing(latency: Latency) -> list[str]:
    """Percentiles that too few samples support."""
    names = ("p50", "p90", "p99", "p99.9")
    return [name for name in names if latency.count and getattr(latency, _COLUMNS[name]) is None]


def _cell(latency: Latency, field: str) -> str:
    return format_ns(nanoseconds(getattr(latency, field)))


def _footnotes(rows: list[Latency]) -> list[str]:
    notes = []
    missing = sorted({name for row in rows for name in _missing(row)}, key=percent_of)
    if missing:
        needs = [f"{name} {format_count(samples_needed(percent_of(name)))}" for name in missing]
        notes.append(f"- : too few samples; needed are: {', '.join(needs)}")
    if any(getattr(rows[0], field) == "inf" for field in _COLUMNS.values()):
        notes.append("∞ : so many requests never had an answer; mean is of those that had one")
    return notes


def _answers(result: Result) -> list[str]:
    lines = []
    if result.requests.status:
        counts = [f"{status} {format_count(count)}" for status, count in result.requests.status.items()]
        lines += _wrap("status", counts)
    errors = sorted(result.requests.errors.items(), key=lambda item: -item[1])
    for name, (kind, count) in zip(["errors"] + [""] * len(errors), errors, strict=False):
        lines.append(f"{name:<12}{format_count(count):>14}   {_ERROR_WORDS.get(kind, printable(kind))}")
    return lines


def _wrap(name: str, items: list[str]) -> list[str]:
    lines, line = [], f"{name:<12}"
    for index, item in enumerate(items):
        piece = item + ("" if index == len(items) - 1 else ", ")
        if len(line) + len(piece) > WIDTH and line.strip():
            lines.append(line)
            line = " " * 12
        line += piece
    return [*lines, line]


def _thresholds(result: Result) -> list[str]:
    if not result.thresholds:
        return []
    lines = ["thresholds"]
    for threshold in result.thresholds:
        outcome = {True: "pass", False: "FAIL", None: "no data"}[threshold.passed]
        measured = _measured(threshold, result)
        width = WIDTH - 9 - len(measured) - 1
        lines.append(f"{outcome:<9}{_cut(printable(threshold.expression), width):<{width}} {measured}")
    return lines


def _measured(threshold: ThresholdResult, result: Result) -> str:
    """The value, or why there is none."""
    value = math.inf if threshold.value == "inf" else threshold.value
    if value is None:
        return _why_no_data(threshold, result)
    scale = parse_threshold(threshold.expression).scale
    if scale == "ms":
        return format_ns(value * 1e6)
    return {"share": format_percent, "per_second": format_rate, "count": format_count}[scale](value)


def _why_no_data(threshold: ThresholdResult, result: Result) -> str:
    """`200 samples, p99 needs 368`."""
    kind, _, statistic = parse_threshold(threshold.expression).metric.partition(".")
    latencies = (result.latency, result.phases)
    latency = next(
        (getattr(group, kind) for group in latencies if hasattr(group, kind)), result.metrics.get(kind)
    )
    if not isinstance(latency, Latency) or not latency.count or not statistic.startswith("p"):
        return "nothing to measure"
    needed = samples_needed(percent_of(statistic))
    return f"{counted(latency.count, 'sample')}, {statistic} needs {format_count(needed)}"


def _trust(result: Result) -> list[str]:
    """The one line on whether the numbers can be trusted, the reasons, and how the run ended."""
    generator = result.generator
    if result.verdict == "invalid" and generator.verdict != "client-limited":
        line = "Do not rely on these numbers: the run is incomplete."
    else:
        line = {
            "valid": "The numbers can be trusted: the generator kept up.",
            "degraded": "Read the numbers with care: the generator was not at its best.",
            "client-limited": "Do not rely on these numbers: the generator was the limit, not the target.",
        }[generator.verdict]
    lines = [line]
    for reason in generator.reasons:
        lines += _bullet(printable(reason))
    lines += _unasked_failures(result)
    interrupted = ", interrupted" if result.exit_code == ExitCode.INTERRUPTED else ""
    lines.append(f"verdict: {result.verdict}{interrupted} (exit code {result.exit_code})")
    return lines


def _unasked_failures(result: Result) -> list[str]:
    """A run may pass although all went wrong, where nobody asked: that must not go unseen."""
    failed, sent = result.arrivals.failed, result.arrivals.sent
    metrics = [parse_threshold(threshold.expression).metric for threshold in result.thresholds]
    asked = any(metric == "ok" or metric.startswith("errors") for metric in metrics)
    if not failed or asked or result.exit_code == ExitCode.UNREACHABLE:
        return []
    how_many = "All" if failed == sent > 1 else f"{format_count(failed)} of"
    return [
        f"{how_many} {counted(sent, 'request')} failed, and no threshold asks about errors:",
        '  --threshold "errors < 1%"',
    ]


def _bullet(text: str) -> list[str]:
    lines, line = [], "  -"
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word}"
    return [*lines, line]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
