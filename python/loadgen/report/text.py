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
    workers = len(result.workers)
    plan = result.plan
    how = (
        f"{format_duration(round(result.duration_s, 1) * 1e9)}, {workers} worker{'s' if workers != 1 else ''}"
    )
    title = _cut(printable(result.name), WIDTH - len(how) - 2)
    # How arrivals are spread changes what a queue does to them, so it stands at the top.
    arrivals = f", {plan.load.describe_arrivals()} arrivals" if isinstance(plan.load, OpenLoad) else ""
    load = f"{plan.describe_load()}{arrivals}, {plan.pacing} pacing"
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
    rows.append(("sent", arrivals.sent, result.achieved_rate_per_s, _bytes(result.requests.bytes_sent)))
    received = _bytes(result.requests.bytes_received)
    rows.append(("completed", arrivals.completed, _number(result, "completed_rate_per_s"), received))
    rows.append(("failed", arrivals.failed, None, _share(arrivals.failed, arrivals.sent)))
    for name in ("unfinished", "dropped", "cancelled"):
        count = getattr(arrivals, name)
        if count:
            rows.append((name, count, None, _share(count, arrivals.scheduled)))
    lines = [f"{'requests':<12}{'count':>14}{'rate':>14}"]
    for name, count, rate, remark in rows:
        rate_text = "" if rate is None else format_rate(rate)
        lines.append(f"{name:<12}{format_count(count):>14}{rate_text:>14}   {remark}")
    return lines


def _number(result: Result, metric: str) -> float | None:
    value = result.metrics.get(metric)
    return value if isinstance(value, float) else None


def _bytes(count: int) -> str:
    return format_bytes(count) if count else ""


def _share(part: int, whole: int) -> str:
    return format_percent(part / whole) if part and whole else ""


def _latencies(result: Result) -> list[str]:
    lines = [f"{'latency':<12}" + "".join(f"{name:>11}" for name in _COLUMNS)]
    latency = result.latency
    rows = {"response": latency.response, "service": latency.service, "lateness": latency.lateness}
    wait = result.metrics.get("connection_wait")
    if isinstance(wait, Latency) and wait.count:
        rows["conn. wait"] = wait
    if result.phases.connect.count:
        rows["connect"] = result.phases.connect
    for name, row in rows.items():
        lines.append(f"{name:<12}" + "".join(f"{_cell(row, field):>11}" for field in _COLUMNS.values()))
    return lines + _footnotes(result.latency.response)


def _cell(latency: Latency, field: str) -> str:
    return format_ns(nanoseconds(getattr(latency, field)))


def _footnotes(response: Latency) -> list[str]:
    notes = []
    missing = [name for name in ("p50", "p90", "p99", "p99.9") if getattr(response, _COLUMNS[name]) is None]
    if response.count and missing:
        needed = format_count(samples_needed(percent_of(missing[0])))
        notes.append(
            f"- : too few samples ({missing[0]} needs {needed}, there were {format_count(response.count)})"
        )
    if any(getattr(response, field) == "inf" for field in _COLUMNS.values()):
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
    width = WIDTH - 9 - 20
    lines = ["thresholds"]
    for threshold in result.thresholds:
        outcome = {True: "pass", False: "FAIL", None: "no data"}[threshold.passed]
        expression = _cut(printable(threshold.expression), width)
        lines.append(f"{outcome:<9}{expression:<{width}}{_measured(threshold):>20}")
    return lines


def _measured(threshold: ThresholdResult) -> str:
    value = math.inf if threshold.value == "inf" else threshold.value
    if value is None:
        return "-"
    scale = parse_threshold(threshold.expression).scale
    if scale == "ms":
        return format_ns(value * 1e6)
    return {"share": format_percent, "per_second": format_rate, "count": format_count}[scale](value)


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
    interrupted = ", interrupted" if result.exit_code == ExitCode.INTERRUPTED else ""
    lines.append(f"verdict: {result.verdict}{interrupted} (exit code {result.exit_code})")
    return lines


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
