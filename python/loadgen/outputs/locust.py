"""`locust-csv=PREFIX`: Locust's four CSV files, so that what reads them goes on working.

    PREFIX_stats.csv  PREFIX_stats_history.csv  PREFIX_failures.csv  PREFIX_exceptions.csv

Times are in ms, to a microsecond. A percentile among requests that never ended is `inf`. The history has the
aggregated row of each second; rates in it are those of the last ten seconds.

Of a Locust file they are as Locust itself writes them: percentiles of what ended, to two digits; failures in
the script's words; with `full_history` a row for each name.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadgen.error_kinds import ERROR_WORDS
from loadgen.files import write_whole
from loadgen.outputs.cells import csv_line
from loadgen.outputs.locust_rows import percentiles_of, times_of
from loadgen.outputs.output import Output
from loadgen.outputs.places import check_writable, parse_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadgen._engine import Histogram, Snapshot
    from loadgen.progress import Opening, Progress
    from loadgen.result import Result

PERCENTS = (50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
_PERCENTILES = tuple(f"{percent:g}%" for percent in PERCENTS)
_TIMES = ("Median Response Time", "Average Response Time", "Min Response Time", "Max Response Time")
STATS = (
    *("Type", "Name", "Request Count", "Failure Count", *_TIMES),
    *("Average Content Size", "Requests/s", "Failures/s", *_PERCENTILES),
)
HISTORY = (
    *("Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s", *_PERCENTILES),
    *("Total Request Count", "Total Failure Count", *(f"Total {name}" for name in _TIMES)),
    "Total Average Content Size",
)
FAILURES = ("Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen")
EXCEPTIONS = ("Count", "Message", "Traceback", "Nodes")
WINDOW_S = 10.0
_NONE: list[object] = ["N/A"] * len(PERCENTS)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class LocustCsv(Output):
    """Keeps a line a second, and writes all four when the run is over."""

    def __init__(self, argument: str, *, of_locust: bool = False, full_history: bool = False) -> None:
        self._paths = {
            name: parse_file(f"{argument}_{name}.csv")
            for name in ("stats", "stats_history", "failures", "exceptions")
        }
        super().__init__(f"locust-csv {argument}", *self._paths.values())
        self._started_at = 0.0
        self._history = [csv_line(HISTORY)]
        self._of_locust, self._full = of_locust, full_history
        self._windows: dict[str, deque[tuple[float, int, int]]] = {}  # at, requests, failures
        self._totals: deque[tuple[float, Snapshot]] = deque()  # of the window
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}  # label, error: first and last
        self._counted: dict[tuple[str, str], int] = {}
        self._last: Snapshot | None = None

    def open(self) -> None:
        """Whether they can be written is known before the load."""
        for path in self._paths.values():
            check_writable(path)

    def begin(self, opening: Opening) -> None:
        """From now on."""
        self._started_at = opening.started_at

    def look(self, progress: Progress) -> None:
        """A row of the history."""
        total = self._last = progress.total
        now = round(self._started_at + progress.elapsed_s)
        self._totals.append((progress.elapsed_s, total))
        while len(self._totals) > 1 and self._totals[1][0] <= progress.elapsed_s - WINDOW_S:
            self._totals.popleft()
        for label in self._sorted(total) if self._full else ():
            self._add_history(progress, now, label)
        self._add_history(progress, now, None)
        if not self._of_locust:
            self._note_failures(total, now)

    def _add_history(self, progress: Progress, now: int, label: str | None) -> None:
        total = progress.total
        counters = total.counters if label is None else total.label_counters(label)
        requests, failures = counters["ok"] + counters["failed"], counters["failed"]
        # Of a name that has just come up there was nothing before, however long the run has lasted.
        since_s = max(0.0, progress.elapsed_s - WINDOW_S)
        window = self._windows.setdefault(label or "", deque([(since_s, 0, 0)]))
        while len(window) > 1 and window[1][0] <= progress.elapsed_s - WINDOW_S:
            window.popleft()
        at_s, requests_before, failures_before = window[0]
        length_s = max(progress.elapsed_s - at_s, 1e-3)
        window.append((progress.elapsed_s, requests, failures))
        users = progress.now.get("users") or progress.now.get("active_users") or 0
        cells: list[object] = [now, users, *(("", "Aggregated") if label is None else self._names(label))]
        cells += [(requests - requests_before) / length_s, (failures - failures_before) / length_s]
        cells += self._percentiles(self._shown(progress).histogram("response", label))
        cells += [requests, failures, *self._times(total.histogram("response", label)), _size(counters)]
        self._history.append(csv_line(cells))

    def _shown(self, progress: Progress) -> Snapshot:
        """Of what the history has percentiles: of Locust's, all so far, or beside each name the window's."""
        if not self._of_locust:
            return progress.interval
        at_s, before = self._totals[0]
        is_window = self._full and at_s < progress.elapsed_s
        return progress.total.since(before) if is_window else progress.total

    def _sorted(self, total: Snapshot) -> list[str]:
        """Labels in the order of rows: of Locust's, by name and then by method."""
        labels = _requests(total)
        return sorted(labels, key=lambda label: self._names(label)[::-1]) if self._of_locust else labels

    def _note_failures(self, total: Snapshot, now: float) -> None:
        """When each kind of failure was seen first and last."""
        for key, count in _failures(total):
            if count > self._counted.get(key, 0):
                self._counted[key] = count
                self._seen[key] = (self._seen.get(key, (now, now))[0], now)

    def finish(self, result: Result) -> None:
        """The four files, each whole or not at all."""
        texts = {
            "stats": [csv_line(STATS), *self._stats(result.duration_s)],
            "stats_history": self._history,
            "failures": [csv_line(FAILURES), *self._failure_lines(result)],
            "exceptions": [csv_line(EXCEPTIONS), *self._exceptions(result)],
        }
        for name, lines in texts.items():
            write_whole(self._paths[name], "".join(lines).encode())

    def _stats(self, duration_s: float) -> Iterator[str]:
        total = self._last
        if total is None:
            return
        for label in self._sorted(total):
            counters = total.label_counters(label)
            if counters["ok"] + counters["failed"] or not self._of_locust:
                yield self._row(*self._names(label), counters, total.histogram("response", label), duration_s)
        yield self._row("", "Aggregated", total.counters, total.histogram("response"), duration_s)

    def _failure_lines(self, result: Result) -> Iterator[str]:
        if self._of_locust and result.script is not None:
            for group in result.script.failures:
                seen = [_iso(group.first_seen), _iso(group.last_seen)]
                yield csv_line([group.method, group.name, group.error, group.count, *seen])
        for (label, error), count in self._counted.items():
            yield csv_line([*_type_and_name(label), error, count, *self._seen[label, error]])

    def _exceptions(self, result: Result) -> Iterator[str]:
        for group in result.script.errors if result.script is not None else ():
            place = f"{group.file}:{group.line}: {group.code}"
            message = group.error.partition(": ")[2] or group.error if self._of_locust else group.error
            yield csv_line([group.count, message, place, "local"])

    def _row(
        self, kind: str, name: str, counters: Mapping[str, int], response: Histogram, duration_s: float
    ) -> str:
        ended, failed = counters["ok"] + counters["failed"], counters["failed"]
        cells: list[object] = [kind, name, ended, failed, *self._times(response), _size(counters)]
        cells += [ended / duration_s, failed / duration_s, *self._percentiles(response)]
        return csv_line(cells)

    def _names(self, label: str) -> tuple[str, str]:
        """Type and name."""
        if not self._of_locust:
            return _type_and_name(label)
        kind, _, name = label.partition(" ")
        return kind, name

    def _percentiles(self, histogram: Histogram) -> list[object]:
        if not self._of_locust:
            return _percentiles(histogram) if histogram.count + histogram.infinite else _NONE
        times = times_of(histogram)
        return list(percentiles_of(times, PERCENTS)) if times else _NONE

    def _times(self, histogram: Histogram) -> list[object]:
        if not self._of_locust:
            return _times(histogram)
        times = times_of(histogram)
        least_ns, most_ns = histogram.min_ns or 0, histogram.max_ns or 0
        # It is rounded, and they are not.
        median_ns = min(max(percentiles_of(times, [50.0])[0] * 1e6, least_ns), most_ns) if times else 0
        return [_ms(value) for value in (median_ns, histogram.mean_ns, least_ns, most_ns)]


def _requests(total: Snapshot) -> list[str]:
    return [label for label in total.labels if total.role(label) in ("request", "operation")]


def _failures(total: Snapshot) -> Iterator[tuple[tuple[str, str], int]]:
    for label in _requests(total):
        for status, count in total.label_statuses(label).items():
            if status >= 400 and count:
                yield (label, f"status {status}"), count
        for kind, count in total.label_errors(label).items():
            if count:
                yield (label, ERROR_WORDS.get(kind, kind)), count


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _type_and_name(label: str) -> tuple[str, str]:
    method, space, name = label.partition(" ")
    return (method, name) if space and method in _METHODS else ("", label)


def _times(histogram: Histogram) -> list[object]:
    """Median, average, least and most."""
    most = math.inf if histogram.infinite else histogram.max_ns
    values = (histogram.percentile(50.0), histogram.mean_ns, histogram.min_ns, most)
    return [_ms(value) for value in values]


def _percentiles(histogram: Histogram) -> list[object]:
    return [_ms(histogram.percentile(percent)) for percent in PERCENTS]


def _ms(value_ns: float | None) -> object:
    return 0 if value_ns is None else value_ns if math.isinf(value_ns) else round(value_ns / 1e6, 3)


def _size(counters: Mapping[str, int]) -> float:
    ended = counters["ok"] + counters["failed"]
    return round(counters["bytes_received"] / ended, 3) if ended else 0
