"""`environment.stats`: what this worker has counted, read from the engine when it is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loadgen.importers.locust.failures import FAILURES

if TYPE_CHECKING:
    from loadgen._engine import Engine, Histogram, Snapshot


class StatsEntry:
    """One name, or all of them together."""

    def __init__(
        self, snapshot: Snapshot | None, label: str | None, name: str, method: str, for_s: float
    ) -> None:
        self.name = name
        self.method = method
        counters: Mapping[str, int] = {}
        if snapshot is not None:
            counters = snapshot.counters if label is None else snapshot.label_counters(label)
        self._histogram: Histogram | None = snapshot.histogram("response", label) if snapshot else None
        self.num_failures = counters.get("failed", 0)
        self.num_requests = counters.get("ok", 0) + self.num_failures
        self.num_none_requests = 0
        self.total_content_length = counters.get("bytes_received", 0)
        self._for_s = for_s

    @property
    def fail_ratio(self) -> float:
        """The share that failed."""
        return self.num_failures / self.num_requests if self.num_requests else 0.0

    @property
    def avg_response_time(self) -> float:
        """In ms."""
        return _ms(self._histogram.mean_ns) if self._histogram else 0.0

    @property
    def min_response_time(self) -> float:
        """In ms."""
        return _ms(self._histogram.min_ns) if self._histogram else 0.0

    @property
    def max_response_time(self) -> float:
        """In ms."""
        return _ms(self._histogram.max_ns) if self._histogram else 0.0

    @property
    def median_response_time(self) -> float:
        """In ms."""
        return self.get_response_time_percentile(0.5)

    @property
    def total_response_time(self) -> float:
        """In ms."""
        return self.avg_response_time * (self._histogram.count if self._histogram else 0)

    @property
    def avg_content_length(self) -> float:
        """Bytes of a response."""
        return self.total_content_length / self.num_requests if self.num_requests else 0.0

    @property
    def total_rps(self) -> float:
        """Requests per second since the start."""
        return self.num_requests / self._for_s

    @property
    def total_fail_per_sec(self) -> float:
        """Failures per second since the start."""
        return self.num_failures / self._for_s

    current_rps = total_rps
    current_fail_per_sec = total_fail_per_sec

    def get_response_time_percentile(self, percent: float) -> float:
        """In ms; `percent` from 0 to 1."""
        return _ms(self._histogram.percentile(percent * 100)) if self._histogram else 0.0

    get_current_response_time_percentile = get_response_time_percentile

    def to_dict(self) -> dict[str, Any]:
        """All of it."""
        return {
            "name": self.name,
            "method": self.method,
            "num_requests": self.num_requests,
            "num_failures": self.num_failures,
            "avg_response_time": self.avg_response_time,
            "min_response_time": self.min_response_time,
            "max_response_time": self.max_response_time,
            "median_response_time": self.median_response_time,
            "total_rps": self.total_rps,
            "total_fail_per_sec": self.total_fail_per_sec,
            "avg_content_length": self.avg_content_length,
        }


class StatsError:
    """Requests of one name that failed alike."""

    def __init__(self, method: str, name: str, error: str, occurrences: int) -> None:
        self.method, self.name, self.error, self.occurrences = method, name, error, occurrences


class RequestStats:
    """What this worker has counted."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._engine: Engine | None = None
        self._began_at = time.monotonic()
        self.history: list[Any] = []

    def attach(self, engine: Engine) -> None:
        """The load begins, and this is who counts."""
        self._engine = engine
        self._began_at = time.monotonic()

    @property
    def _for_s(self) -> float:
        return max(time.monotonic() - self._began_at, 1e-3)

    def _snapshot(self) -> Snapshot | None:
        return None if self._engine is None else self._engine.snapshot()

    @property
    def total(self) -> StatsEntry:
        """All of them together."""
        return StatsEntry(self._snapshot(), None, "Aggregated", "", self._for_s)

    @property
    def entries(self) -> dict[tuple[str, str], StatsEntry]:
        """By name and method."""
        snapshot = self._snapshot()
        return {} if snapshot is None else {(one.name, one.method): one for one in self._read(snapshot)}

    def _read(self, snapshot: Snapshot) -> Iterator[StatsEntry]:
        for label in snapshot.labels:
            if snapshot.role(label) in ("request", "operation"):
                method, _, name = label.partition(" ")
                yield StatsEntry(snapshot, label, name, method, self._for_s)

    def get(self, name: str, method: str) -> StatsEntry:
        """Of one name; an empty one where there is none."""
        return self.entries.get((name, method)) or StatsEntry(None, None, name, method, self._for_s)

    @property
    def errors(self) -> dict[tuple[str, str, str], StatsError]:
        """Failures, by method, name and error."""
        return {key: StatsError(*key, count) for key, count in FAILURES.totals.items()}

    @property
    def num_requests(self) -> int:
        """All of them."""
        return self.total.num_requests

    @property
    def num_failures(self) -> int:
        """All of them."""
        return self.total.num_failures

    def log_request(self, method: str, name: str, response_time: float, content_length: int) -> None:
        """Counts one that the script has made by other means."""
        self.count(method, name, response_time, content_length, None)

    def log_error(self, method: str, name: str, error: Exception | str) -> None:
        """Notes why one failed."""
        FAILURES.add(method, name, error)

    def count(
        self, method: str, name: str, took_ms: float, length: int, error: BaseException | str | None
    ) -> None:
        """What `events.request` was told of by the script itself."""
        if self._engine is not None:
            self._engine.foreign(
                f"{method} {name}".strip(), float(took_ms or 0), int(length or 0), error is None
            )
        if error is not None:
            FAILURES.add(method, name, error)

    def count_fired(
        self,
        request_type: str = "",
        name: str = "",
        response_time: float = 0,
        response_length: int = 0,
        exception: BaseException | str | None = None,
        **_: Any,
    ) -> None:
        """The same, with the arguments of the event."""
        self.count(request_type, name, response_time, response_length, exception)

    def clear_all(self) -> None:
        """Nothing: what was counted stays counted."""

    reset_all = clear_all


def stats_printer(*_: Any, **__: Any) -> None:
    """Nothing: the live view prints."""


def stats_history(*_: Any, **__: Any) -> None:
    """Nothing: the run folder has it."""


def sort_stats(stats: Mapping[Any, StatsEntry]) -> list[StatsEntry]:
    """By name."""
    return [stats[key] for key in sorted(stats)]


def _ms(value_ns: float | None) -> float:
    return 0.0 if value_ns is None else round(value_ns / 1e6, 3)
