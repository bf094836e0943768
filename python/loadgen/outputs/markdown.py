"""`markdown=FILE`: the run on one page, for the summary of a CI job or a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.error_kinds import ERROR_WORDS
from loadgen.outputs.cells import markdown_text
from loadgen.outputs.file_at_end import FileAtEnd
from loadgen.report.thresholds import measured
from loadgen.snapshot import nanoseconds
from loadgen.units import counted, format_count, format_duration, format_ns, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadgen.result import Latencies, Result

_OUTCOMES = {True: "pass", False: "**FAIL**", None: "**no data**"}
MOST_LABELS = 100


class Markdown(FileAtEnd):
    """Tables that GitHub, GitLab and others show. Text of others is shown as text."""

    kind = "markdown"

    def render(self, result: Result) -> str:
        """All of it."""
        return "\n".join(_lines(result)) + "\n"


def _lines(result: Result) -> Iterator[str]:
    yield f"## {markdown_text(result.name)}: {result.verdict}"
    yield ""
    yield f"{_counts(result)} Exit code {result.exit_code}."
    yield ""
    if result.thresholds:
        rows = [
            (
                _OUTCOMES[threshold.passed],
                markdown_text(threshold.expression),
                markdown_text(measured(threshold, result)),
            )
            for threshold in result.thresholds
        ]
        yield from _table(("", "threshold", "measured"), rows)
    yield from _latencies(result)
    answers = [(f"status {code}", format_count(count)) for code, count in result.requests.status.items()]
    answers += [
        (markdown_text(ERROR_WORDS.get(kind, kind)), format_count(count))
        for kind, count in result.requests.errors.items()
    ]
    yield from _table(("answer", "requests"), answers)
    checks = [
        (markdown_text(check.name), format_count(check.passed), format_count(check.failed))
        for check in result.checks
    ]
    yield from _table(("check", "passed", "failed"), checks)
    yield f"Generator: {result.generator.verdict}."
    for reason in result.generator.reasons:
        yield f"- {markdown_text(reason)}"


def _counts(result: Result) -> str:
    requests = result.requests
    lasted = format_duration(round(result.duration_s, 1) * 1e9)
    rate = f"{format_rate(result.achieved_rate_per_s)} achieved"
    if result.target_rate_per_s is not None:
        rate += f" of {format_rate(result.target_rate_per_s)}"
    return (
        f"{counted(requests.total, 'request')} in {lasted}, {format_count(requests.ok)} ok, "
        f"{format_count(requests.failed)} failed; {rate}."
    )


def _latencies(result: Result) -> Iterator[str]:
    """Those of all requests, then each label's response."""
    names = ("response", "service", "lateness")
    rows = [(name, *_percentiles(result.latency, name)) for name in names]
    yield from _table(("latency", "count", "p50", "p90", "p99", "max"), rows)
    labels = result.labels if len(result.labels) > 1 else []
    rows = [
        (markdown_text(row.label), *_percentiles(row.latency, "response")) for row in labels[:MOST_LABELS]
    ]
    yield from _table(("response by label", "count", "p50", "p90", "p99", "max"), rows)
    if len(labels) > MOST_LABELS:
        yield f"and {counted(len(labels) - MOST_LABELS, 'label')} more"
        yield ""


def _percentiles(latencies: Latencies, name: str) -> tuple[str, ...]:
    found = getattr(latencies, name)
    values = (getattr(found, f"{statistic}_ms") for statistic in ("p50", "p90", "p99", "max"))
    return (format_count(found.count), *(format_ns(nanoseconds(value)) for value in values))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Text to the left, numbers to the right; nothing where there are no rows."""
    if not rows:
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join([' --- '] + [' ---: '] * (len(head) - 1))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
