"""What the closing table has of a script's run only: labels, checks, metrics, errors. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TypeVar

from loadgen.report.columns import WIDTH, cut_middle, pad, width_of
from loadgen.result import (
    BlockedCall,
    CheckResult,
    FailureGroup,
    Gauge,
    LabelResult,
    Metric,
    Result,
    ScriptErrorGroup,
    ScriptResult,
)
from loadgen.snapshot import Latency, Milliseconds, nanoseconds
from loadgen.units import counted, format_count, format_ns, format_number, format_percent, printable

T = TypeVar("T")

MOST_ROWS = 30
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")
# Requests speak for themselves.
_MARKS = {"request": "", "operation": " (operation)", "group": " (group)", "iteration": " (iteration)"}


def labels(result: Result) -> list[str]:
    """Response times of each label: requests first, scenarios last."""
    order = list(_MARKS)
    rows = sorted(result.labels, key=lambda row: (order.index(row.kind), -row.requests.total))
    head = f"{'response by label':<31}{'count':>10}{'failed':>9}{'p50':>10}{'p95':>10}{'p99':>10}"
    return _table(head, rows, _label, "labels")


def _table(head: str, rows: Sequence[T], lines_of: Callable[[T], list[str]], noun: str) -> list[str]:
    """Rows under their head, as far as they can be taken in; nothing where there are none."""
    if not rows:
        return []
    lines = [head] + [line for row in rows[:MOST_ROWS] for line in lines_of(row)]
    if len(rows) > MOST_ROWS:
        lines.append(f"and {format_count(len(rows) - MOST_ROWS)} more {noun}, in summary.json")
    return lines


def _label(row: LabelResult) -> list[str]:
    mark = _MARKS[row.kind]
    name = f"{cut_middle(printable(row.label), 30 - len(mark))}{mark}"
    counts = f"{format_count(row.requests.total):>10}{format_count(row.requests.failed):>9}"
    cells = [format_ns(nanoseconds(getattr(row.latency.response, field))) for field in _PERCENTILES]
    return [f"{pad(name, 31)}{counts}" + "".join(f"{cell:>10}" for cell in cells)]


def checks(result: Result) -> list[str]:
    """How often each named check passed."""
    rows = sorted(result.checks, key=lambda check: -check.failed)
    return _table(f"{'checks':<42}{'passed':>14}{'failed':>14}", rows, _check, "checks")


def _check(check: CheckResult) -> list[str]:
    share = format_percent(check.failed / (check.passed + check.failed)) if check.failed else ""
    counts = f"{format_count(check.passed):>14}{format_count(check.failed):>14}{share:>10}"
    return [f"{pad(printable(check.name), 41)} {counts}"]


def metrics(result: Result, script: ScriptResult) -> list[str]:
    """The script's own."""

    def line(name: str) -> list[str]:
        words = _metric(script.metrics[name], result.metrics[name])
        return [f"{pad(printable(name), 30)} {cut_middle(words, WIDTH - 31)}"]

    return _table("metrics", sorted(script.metrics), line, "metrics")


def _metric(kind: str, value: Metric) -> str:
    if isinstance(value, Gauge):
        return f"last {number(value.last)}, min {number(value.min)}, max {number(value.max)}"
    if isinstance(value, Latency):
        parts = [
            f"{name} {number(found)}"
            for name, found in (
                *(("p50", value.p50_ms), ("p95", value.p95_ms), ("p99", value.p99_ms)),
                *(("max", value.max_ms), ("mean", value.mean_ms)),
            )
            if found is not None
        ]
        return ", ".join(parts) or "no value"
    return format_percent(value) if kind == "rate" else number(value)


def number(value: Milliseconds) -> str:
    """A value whose unit only the script knows."""
    return "-" if value is None else format_number(math.inf if value == "inf" else value)


def errors(script: ScriptResult) -> list[str]:
    """Exceptions, each with its place in the user's script and the line that stands there."""
    return _table(f"{'script errors':<18}{'iterations':>14}", script.errors, _error, "kinds of error")


def _error(group: ScriptErrorGroup) -> list[str]:
    head = f"{pad(printable(group.scenario), 17)} {format_count(group.count):>14}"
    error = printable(group.error)
    lines = [f"{head}   {error}"]
    if width_of(lines[0]) > WIDTH:
        lines = [head, f"    {cut_middle(error, WIDTH - 4)}"]
    return [*lines, _place(group)] if group.file else lines


def failures(script: ScriptResult) -> list[str]:
    """Requests that failed, in the script's words."""
    return _table(f"{'failures':<31}{'count':>10}", script.failures, _failure, "kinds of failure")


def _failure(group: FailureGroup) -> list[str]:
    name = cut_middle(printable(f"{group.method} {group.name}"), 30)
    head = f"{pad(name, 30)} {format_count(group.count):>10}   {printable(group.error)}"
    if width_of(head) <= WIDTH:
        return [head]
    error = cut_middle(printable(group.error), WIDTH - 4)
    return [f"{pad(name, 30)} {format_count(group.count):>10}", f"    {error}"]


def blocked(script: ScriptResult) -> list[str]:
    """Calls that held up all users of a worker."""
    return _table(f"{'blocking calls':<18}{'seen':>14}{'longest':>14}", script.blocked, _blocked, "calls")


def _blocked(call: BlockedCall) -> list[str]:
    return [f"{format_count(call.count):>32}{format_ns(call.longest_ms * 1e6):>14}", _place(call)]


def _place(where: ScriptErrorGroup | BlockedCall) -> str:
    """File and line, and what stands there."""
    place = cut_middle(f"{PurePath(printable(where.file)).name}:{where.line}", WIDTH // 2)
    return f"    {place}    {cut_middle(printable(where.code), WIDTH - 8 - width_of(place))}"


def retries(script: ScriptResult) -> list[str]:
    """What a policy made of it, where it did."""
    if not script.retries or script.amplification is None:
        return []
    asked = script.attempts - script.retries
    what = f"{counted(asked, 'request')} took {counted(script.attempts, 'attempt')}"
    return [f"retries     {what}, {script.amplification:.3g} for each"]
