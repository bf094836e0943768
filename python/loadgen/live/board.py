"""What is known of a run so far, and what of it each viewer has not seen yet. It sends nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import UNSET, UnsetType

from loadgen.report.feed import ErrorRow, Feed, Introduction, LabelRow, ThresholdRow, Told
from loadgen.report.feed_parts import error_rows, exception_rows, metric_rows, most_of, standing
from loadgen.report.series import Series, columns
from loadgen.report.shown import shown
from loadgen.result import Gauge, Metric, ScriptErrorGroup
from loadgen.snapshot import Milliseconds, milliseconds, percentile_ns, summarise

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.control import ControlState
    from loadgen.timeline import Moment
    from loadgen.watch import State

K = TypeVar("K")
V = TypeVar("V")

# Rows that are looked up each second: of a thousand labels each has its turn every four.
ROWS_A_SECOND = 250
# Of a script's own distributions, which are looked up each second, too.
MOST_TRENDS = 50
MOST_EVENTS = 2000
# Told whole where anything in them has changed.
_LISTS = ("label_count", "thresholds", "errors", "checks", "metrics")


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
        self._numbers: dict[str, int] = {}  # of labels, in the order in which they were first looked at
        self._failures: dict[str, dict[str, int]] = {}  # by kind or status: the labels that had it

    def look(
        self,
        total: Snapshot,
        states: Sequence[State] = (),
        exceptions: Sequence[ScriptErrorGroup] = (),
    ) -> Look:
        """What is there now."""
        names = [name for name in total.labels if total.role(name) != "trend"]
        first = self._next if self._next < len(names) else 0
        self._next = first + ROWS_A_SECOND
        labels = [self._row(name, total) for name in names[first : self._next]]
        statuses = {str(status): count for status, count in total.statuses.items()}
        tallies = total.tallies
        return Look(
            thresholds=standing(states),
            errors=error_rows(total.errors, statuses, self._labels_with, self._labels_with)
            + exception_rows(exceptions),
            labels=labels,
            label_count=len(names),
            checks=[
                (shown(name), round(passed), round(failed))
                for kind, name, passed, failed, *_ in tallies
                if kind == "check"
            ],
            metrics=metric_rows([*_metrics(tallies), *_trends(total)]),
        )

    def _row(self, name: str, total: Snapshot) -> LabelRow:
        row = _row(self._numbers.setdefault(name, len(self._numbers)), name, total)
        if row.failed and row.kind != "iteration":
            for what, count in (total.label_errors(name) | total.label_statuses(name)).items():
                self._failures.setdefault(str(what), {})[name] = count
        return row

    def _labels_with(self, what: str) -> list[str]:
        return most_of((count, name) for name, count in self._failures.get(what, {}).items())


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


def _trends(total: Snapshot) -> list[tuple[str, str, Metric]]:
    names = [name for name in total.labels if total.role(name) == "trend"][:MOST_TRENDS]
    return [(name, "trend", summarise(total.histogram("response", name))) for name in names]


def _renew(known: dict[K, tuple[int, V]], key: K, value: V, look: int) -> None:
    """What is as it was keeps its look, and is not told again."""
    if key not in known or known[key][1] != value:
        known[key] = (look, value)


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
    _looks: int = 0
    # Each with the look that brought it as it is.
    _rows: dict[int, tuple[int, LabelRow]] = field(default_factory=dict)
    _lists: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def add_moment(self, moment: Moment, look: Look | None) -> None:
        """What the last second showed."""
        self._series.add(moment)
        if look is None:
            return
        self._looks += 1
        for row in look.labels:
            _renew(self._rows, row.number, row, self._looks)
        for name in _LISTS:
            _renew(self._lists, name, getattr(look, name), self._looks)

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
        if self._looks > seen.look and self.ending is None:
            parts |= {name: value for name, (look, value) in self._lists.items() if look > seen.look}
            rows = [row for look, row in self._rows.values() if look > seen.look]
            if rows:
                parts["labels"] = rows
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
