"""The metrics of a run by the names that every receiver has them under. It knows no receiver and no format.

Names and units are Prometheus's: base units, counters without `_total`, which a receiver adds where it is
usual. The same families are made of an interval and of the whole run; what differs is how latencies are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from loadgen.outputs.reading import Figures, LabelFigures

L = TypeVar("L")
FamilyKind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Point(Generic[L]):
    """A value with its labels. A distribution is `latency`."""

    labels: Mapping[str, str]
    value: float = 0
    latency: L | None = None


@dataclass(frozen=True, slots=True)
class Family(Generic[L]):
    """All points of one name."""

    name: str
    kind: FamilyKind
    unit: str  # "", seconds, bytes or ratio
    help: str
    points: list[Point[L]]


_COUNTERS = {
    "scheduled": "Arrivals that were due.",
    "dropped": "Arrivals that were given up before they were sent.",
    "cancelled": "Arrivals that the end of the run cut off.",
    "connects": "Connections made.",
    "retries": "Requests that were sent again.",
}
_GAUGES = {
    "connections": ("", "Connections that are open."),
    "in_flight": ("", "Requests that wait for their response."),
    "overdue": ("", "Arrivals that are due and not sent yet."),
    "users": ("", "Users there are."),
    "active_users": ("", "Users at work."),
    "target_rate": ("", "Arrivals wanted per second."),
    "target_users": ("", "Users wanted."),
    "busy": ("ratio", "Share of their time in which the workers worked."),
}
_TALLIES = {
    "check": ("checks", ("passed", "failed"), "Checks of the script."),
    "rate": ("rate", ("true", "false"), "A rate of the script's own."),
}


def families(figures: Figures[L], now: Mapping[str, float]) -> Iterator[Family[L]]:
    """Everything, without what there is nothing of."""
    for family in _all(figures, now):
        if family.points:
            yield family


def _all(figures: Figures[L], now: Mapping[str, float]) -> Iterator[Family[L]]:
    requests = [row for row in figures.labels if row.kind in ("request", "operation")]
    ended: list[Point[L]] = [
        Point({"label": row.label, "status": status, "error": error}, count)
        for row in requests
        for (status, error), count in row.ends.items()
    ]
    yield Family("loadgen_requests", "counter", "", "Requests that ended, by status or kind of error.", ended)
    failed: list[Point[L]] = [Point({"label": row.label}, row.failed) for row in requests]
    yield Family("loadgen_requests_failed", "counter", "", "Of these, those that failed.", failed)
    sent: list[Point[L]] = [Point({"label": row.label}, row.sent) for row in requests]
    yield Family("loadgen_requests_sent", "counter", "", "Requests that were sent.", sent)
    for way in ("sent", "received"):
        moved: list[Point[L]] = [
            Point({"label": row.label}, getattr(row, f"bytes_{way}")) for row in requests
        ]
        yield Family(f"loadgen_{way}_bytes", "counter", "bytes", f"Bytes {way}.", moved)
    for what, words in (
        ("response", "From when a request was due until it was done."),
        ("service", "From when a request was sent until it was done."),
        ("lateness", "From when a request was due until it was sent."),
    ):
        taken = [Point({"label": row.label}, latency=getattr(row, what)) for row in requests]
        yield Family(f"loadgen_{what}_seconds", "histogram", "seconds", words, _some(taken))
    for kind in ("iteration", "group"):
        yield from _around(kind, [row for row in figures.labels if row.kind == kind])
    trends = [row for row in figures.labels if row.kind == "trend"]
    yield Family(
        "loadgen_trend_samples",
        "counter",
        "",
        "Values of a trend of the script's own.",
        [Point({"name": row.label}, row.sent) for row in trends],
    )
    yield Family(
        "loadgen_trend_sum",
        "counter",
        "",
        "Their sum, in the trend's unit.",
        [Point({"name": row.label}, row.mean * row.sent) for row in trends],
    )
    yield from _of_tallies(figures)
    for name, words in _COUNTERS.items():
        yield Family(f"loadgen_{name}", "counter", "", words, [Point({}, figures.counters.get(name, 0))])
    for name, (unit, words) in _GAUGES.items():
        points: list[Point[L]] = [Point({}, now[name])] if name in now else []
        yield Family(f"loadgen_{name}{unit and '_'}{unit}", "gauge", unit, words, points)


def _around(kind: str, rows: list[LabelFigures[L]]) -> Iterator[Family[L]]:
    """What is around requests."""
    ended: list[Point[L]] = [
        Point({"label": row.label, "outcome": outcome}, getattr(row, outcome))
        for row in rows
        for outcome in ("ok", "failed")
    ]
    words = f"{kind.capitalize()}s that ended."
    yield Family(f"loadgen_{kind}s", "counter", "", words, ended)
    taken = [Point({"label": row.label}, latency=row.response) for row in rows]
    words = f"How long {kind}s took, from when they were due."
    yield Family(f"loadgen_{kind}_seconds", "histogram", "seconds", words, _some(taken))


def _some(points: list[Point[L]]) -> list[Point[L]]:
    return [point for point in points if point.latency is not None]


def _of_tallies(figures: Figures[L]) -> Iterator[Family[L]]:
    """What is counted under names of its own."""
    for kind, (family, outcomes, words) in _TALLIES.items():
        points: list[Point[L]] = [
            Point({"name": name, "outcome": outcome}, value)
            for found, name, *values in figures.tallies
            if found == kind
            for outcome, value in zip(outcomes, values, strict=True)
        ]
        yield Family(f"loadgen_{family}", "counter", "", words, points)
    for kind, family, words in (
        ("counter", "counted", "What is counted by name."),
        ("gauge", "gauge", "What a gauge of the script's own shows."),
    ):
        named: list[Point[L]] = [
            Point({"name": name}, first) for found, name, first, _ in figures.tallies if found == kind
        ]
        yield Family(f"loadgen_{family}", "gauge" if kind == "gauge" else "counter", "", words, named)
