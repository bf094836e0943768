"""What is known of a run so far, and what of it each viewer has not seen yet. It sends nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from loadgen.report.feed import (
    ErrorRow,
    Feed,
    Introduction,
    LabelRow,
    ThresholdRow,
    Told,
    error_rows,
    metric_rows,
    standing,
)
from loadgen.report.series import Series, columns
from loadgen.report.shown import shown
from loadgen.result import Gauge, Metric
from loadgen.snapshot import Milliseconds, milliseconds, percentile_ns

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.control import ControlState
    from loadgen.timeline import Moment
    from loadgen.watch import State

# Rows that are looked up each second: of a thousand labels each has its turn every ten.
ROWS_A_SECOND = 100
MOST_EVENTS = 2000


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all that has rows."""

    thresholds: Sequence[ThresholdRow]
    errors: Sequence[ErrorRow]

    labels: Sequence[LabelRow]
    label_count: int
    checks: Sequence[tuple[str, int, int]]
    metrics: Sequence[tuple[str, str, Metric]]


class Looker:
    """Looks at as many labels as cost next to nothing, at the others later."""

    def __init__(self) -> None:
        self._next = 0

    def look(self, total: Snapshot, states: Sequence[State] = ()) -> Look:
        """What is there now."""
        names = [name for name in total.labels if total.role(name) != "trend"]
        first = self._next if self._next < len(names) else 0
        self._next = first + ROWS_A_SECOND
        tallies = total.tallies
        return Look(
            thresholds=standing(states),
            errors=error_rows(total.errors, {str(status): count for status, count in total.statuses.items()}),
            labels=[
                _row(number, name, total) for number, name in enumerate(names[first : self._next], first)
            ],
            label_count=len(names),
            checks=[
                (shown(name), round(passed), round(failed))
                for kind, name, passed, failed, *_ in tallies
                if kind == "check"
            ],
            metrics=metric_rows(_metrics(tallies)),
        )


def _row(number: int, name: str, total: Snapshot) -> LabelRow:
    counters, histogram = total.label_counters(name), total.histogram("response", name)

    def at(percent: float) -> Any:
        value = percentile_ns(histogram, percent)
        return milliseconds(None if value is None else value / 1e6)

    top: Milliseconds = None if histogram.max_ns is None else histogram.max_ns / 1e6
    if histogram.infinite:
        top = "inf"
    kind = total.role(name)
    return LabelRow(
        number, shown(name), kind, counters["sent"], counters["failed"], at(50.0), at(95.0), at(99.0), top
    )


def _metrics(tallies: Sequence[tuple[str, str, float, float, float, float]]) -> list[tuple[str, str, Metric]]:
    found: list[tuple[str, str, Metric]] = []
    for kind, name, first, second, third, _ in tallies:
        if kind == "counter":
            found.append((name, kind, first))
        elif kind == "gauge":
            found.append((name, kind, Gauge(last=first, min=second, max=third)))
        elif kind == "rate" and first + second:
            found.append((name, kind, first / (first + second)))
    return found


@dataclass(slots=True)
class Seen:
    """How far one viewer has come."""

    opening: bool = False
    generation: int = -1
    moments: int = 0
    look: int = 0
    events: int = 0
    control: ControlState | None = None
    ended: bool = False
    answer: str | UnsetType | None = UNSET  # to this viewer's order, until it is told


@dataclass(slots=True)
class Board:
    """One run."""

    opening: Introduction | None = None
    control: ControlState | None = None
    ending: Mapping[str, Any] | None = None  # parts of a feed
    _series: Series = field(default_factory=Series)
    _events: list[Told] = field(default_factory=list)
    _look: Look | None = None
    _looks: int = 0
    _rows: dict[int, tuple[int, LabelRow]] = field(default_factory=dict)  # and the look that brought it

    def add_moment(self, moment: Moment, look: Look | None) -> None:
        """What the last second showed."""
        self._series.add(moment)
        if look is not None:
            self._look, self._looks = look, self._looks + 1
            for row in look.labels:
                self._rows[row.number] = (self._looks, row)

    def add_event(self, told: Told) -> None:
        """What happened."""
        if len(self._events) < MOST_EVENTS:
            self._events.append(told)

    def news(self, seen: Seen) -> Feed | None:
        """What this viewer has not seen; it counts as seen then."""
        if self.opening is None:
            return None
        series, parts = self._series, dict[str, Any]()
        if not seen.opening:
            parts["opening"] = self.opening
        if seen.generation != series.generation:
            seen.moments = 0
            parts["afresh"] = True
        if len(series.moments) > seen.moments:
            parts["moments"] = columns(series.moments[seen.moments :])
        if len(self._events) > seen.events:
            parts["events"] = self._events[seen.events :]
        if self._look is not None and self._looks > seen.look and self.ending is None:
            parts["labels"] = [row for look, row in self._rows.values() if look > seen.look]
            parts["label_count"] = self._look.label_count
            parts["thresholds"], parts["errors"] = self._look.thresholds, self._look.errors
            parts["checks"], parts["metrics"] = self._look.checks, self._look.metrics
        if self.control is not None and self.control != seen.control:
            parts["control"] = self.control
        if seen.answer is not UNSET:
            parts["answer"], seen.answer = seen.answer, UNSET
        if self.ending is not None and not seen.ended:
            parts |= self.ending
        seen.opening, seen.ended = True, self.ending is not None
        seen.generation, seen.moments = series.generation, len(series.moments)
        seen.events, seen.look, seen.control = len(self._events), self._looks, self.control
        return Feed(**parts) if parts else None
