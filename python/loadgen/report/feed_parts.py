"""What the parts of a feed are made of: a plan, a result, what is counted of errors and thresholds so far."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.error_kinds import ERROR_WORDS
from loadgen.machine import Finding
from loadgen.report.feed import Ending, ErrorRow, Introduction, LabelRow, ThresholdRow
from loadgen.report.shown import document, shown
from loadgen.report.thresholds import measured
from loadgen.report.words import changed_by_hand, headline, trust
from loadgen.result import LabelResult, Metric, Requests, Result, ScriptErrorGroup
from loadgen.snapshot import Latency
from loadgen.thresholds import Outcome
from loadgen.units import format_count

if TYPE_CHECKING:
    from loadgen.engine_plan import EnginePlan
    from loadgen.watch import State

MOST_ROWS = 1000
_OUTCOMES: dict[bool | None, Outcome] = {True: "pass", False: "fail", None: "no data"}
FIRST_FAILURE = 400  # of statuses
_EXAMPLES = 3
_STATUS_WORDS = {status.value: status.phrase.lower() for status in HTTPStatus}


def introduction(
    plan: EnginePlan, started_at: str, machine: Sequence[Finding], note: str | None = None
) -> Introduction:
    """Of a plan; what is secret in it is left out."""
    plan = plan.redacted()
    return Introduction(
        name=shown(plan.name),
        command=plan.command,
        load=plan.describe_load(),
        target=shown(plan.target_url),
        note=None if note is None else shown(note),
        started_at=started_at,
        duration_s=plan.duration_ns / 1e9,
        open_model=plan.is_open,
        iterations=plan.counts_iterations,
        sockets=plan.sockets is not None,
        plan=document(msgspec.to_builtins(plan)),
        machine=list(machine),
    )


def ending_parts(result: Result) -> dict[str, Any]:
    """The parts of a feed that a result brings."""
    kinds: Mapping[str, str] = result.script.metrics if result.script else {}
    own = {name: result.metrics[name] for name in sorted(kinds)}
    if result.sockets is not None:
        # What sockets count; the rates stand elsewhere.
        own = {
            name: value
            for name, value in result.metrics.items()
            if isinstance(value, float) and not name.endswith("_per_s")
        }
        kinds = dict.fromkeys(own, "counter")
    return {
        "labels": [_label_row(number, row) for number, row in enumerate(result.labels[:MOST_ROWS])],
        "label_count": len(result.labels),
        "thresholds": [
            ThresholdRow(shown(one.expression), _OUTCOMES[one.passed], shown(measured(one, result)))
            for one in result.thresholds
        ],
        "errors": _errors(result),
        "checks": [(shown(one.name), one.passed, one.failed) for one in result.checks[:MOST_ROWS]],
        "metrics": metric_rows((name, kinds[name], value) for name, value in own.items()),
        "result": _ending(result),
    }


def standing(states: Sequence[State]) -> list[ThresholdRow]:
    """How thresholds stand while the run goes on."""
    return [
        ThresholdRow(
            shown(state.threshold.expression),
            state.outcome,
            ""
            if state.value is None
            else state.threshold.show(state.value) + state.threshold.place(state.window_ends_at_s),
        )
        for state in states
    ]


def error_rows(
    errors: Mapping[str, int],
    statuses: Mapping[str, int],
    labels_with_error: Callable[[str], list[str]],
    labels_with_status: Callable[[str], list[str]],
) -> list[ErrorRow]:
    """Kinds of error, and statuses that are errors."""
    rows = [
        ErrorRow(
            kind=shown(kind), words=ERROR_WORDS.get(kind, ""), count=count, examples=labels_with_error(kind)
        )
        for kind, count in errors.items()
    ]
    return rows + [
        ErrorRow(
            kind=f"status {status}",
            words=_STATUS_WORDS.get(int(status), ""),
            count=count,
            examples=labels_with_status(status),
        )
        for status, count in statuses.items()
        if int(status) >= FIRST_FAILURE
    ]


def exception_rows(groups: Iterable[ScriptErrorGroup]) -> list[ErrorRow]:
    """A script's own errors, with the line that each came from."""
    rows = []
    for group in groups:
        place = f"{PurePath(group.file).name}:{group.line}  {group.code}" if group.file else ""
        rows.append(
            ErrorRow(
                kind="exception",
                words=shown(f"{group.scenario}: {group.error}"),
                count=group.count,
                examples=[shown(place)] if place else [],
            )
        )
    return rows


def most_of(counted: Iterable[tuple[int, str]]) -> list[str]:
    """The labels that had most of something, and how much."""
    found = heapq.nlargest(_EXAMPLES, counted, key=lambda pair: pair[0])
    return [f"{shown(label)} ({format_count(count)})" for count, label in found if count]


def metric_rows(found: Iterable[tuple[str, str, Metric]]) -> list[tuple[str, str, Metric]]:
    """Name, kind and value of each, as they are shown."""
    return [(shown(name), kind, value) for name, kind, value in found][:MOST_ROWS]


def _label_row(number: int, row: LabelResult) -> LabelRow:
    response = row.latency.response
    return LabelRow(
        number,
        shown(row.label),
        row.kind,
        row.requests.total,
        row.requests.failed,
        response.p50_ms,
        response.p95_ms,
        response.p99_ms,
        response.max_ms,
    )


def _ending(result: Result) -> Ending:
    completed = result.metrics.get("completed_rate_per_s")
    latency: dict[str, Latency] = {
        name: getattr(result.latency, name) for name in ("response", "service", "lateness")
    }
    wait = result.metrics.get("connection_wait")
    if isinstance(wait, Latency):
        latency["connection wait"] = wait
    latency |= {name: getattr(result.phases, name) for name in result.phases.__struct_fields__}
    if result.sockets is not None:
        latency |= {"ping": result.sockets.ping, "delivery": result.sockets.delivery.latency}
    return Ending(
        verdict=result.verdict,
        exit_code=result.exit_code,
        headline=headline(result),
        trust=trust(result),
        changed=changed_by_hand(result),
        generator=document(msgspec.to_builtins(result.generator)),
        duration_s=result.duration_s,
        target_rate_per_s=result.target_rate_per_s,
        achieved_rate_per_s=result.achieved_rate_per_s,
        completed_rate_per_s=completed if isinstance(completed, float) else None,
        arrivals=result.arrivals,
        requests=document(msgspec.to_builtins(result.requests)),
        latency={name: row for name, row in latency.items() if row.count},
        workers=document(msgspec.to_builtins(result.workers)),
        sockets=document(msgspec.to_builtins(result.sockets)),
        blocked=document(msgspec.to_builtins(result.script.blocked)) if result.script else [],
    )


def _errors(result: Result) -> list[ErrorRow]:
    """Of requests, with the labels that had most of them; then a script's own."""
    rows = error_rows(
        result.requests.errors,
        result.requests.status,
        lambda kind: _labels_with(result, lambda requests: requests.errors.get(kind, 0)),
        lambda status: _labels_with(result, lambda requests: requests.status.get(status, 0)),
    )
    return rows + exception_rows(result.script.errors if result.script else [])


def _labels_with(result: Result, count_of: Callable[[Requests], int]) -> list[str]:
    return most_of((count_of(row.requests), row.label) for row in result.labels if row.kind != "iteration")
