"""Stand-ins for what the engine hands out: histograms and snapshots from plain lists. No test lives here."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram


@dataclass
class Samples:
    """A histogram that keeps its samples; percentiles straight from the definition."""

    values: list[int] = field(default_factory=list)
    infinite: int = 0

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def mean_ns(self) -> float | None:
        return sum(self.values) / self.count if self.values else None

    @property
    def stddev_ns(self) -> float | None:
        mean = self.mean_ns
        if mean is None:
            return None
        return math.sqrt(sum((value - mean) ** 2 for value in self.values) / self.count)

    @property
    def min_ns(self) -> int | None:
        return min(self.values, default=None)

    @property
    def max_ns(self) -> int | None:
        return max(self.values, default=None)

    def percentile(self, percent: float) -> float | None:
        everything = [*sorted(self.values), *[math.inf] * self.infinite]
        if not everything:
            return None
        return everything[max(1, math.ceil(percent / 100 * len(everything))) - 1]

    def count_above(self, ns: int) -> int:
        return sum(value > ns for value in self.values)

    def buckets(self) -> list[tuple[int, int, int]]:
        return [(value, value, count) for value, count in sorted(Counter(self.values).items())]

    def encode(self) -> str:
        histogram = HdrHistogram(1, 3_600_000_000_000, 3)
        for value in self.values:
            histogram.record_value(value)
        encoded: bytes = histogram.encode()
        return encoded.decode("ascii")


COUNTERS = (
    *(
        "scheduled",
        "sent",
        "ok",
        "failed",
        "dropped",
        "cancelled",
        "infinite",
        "connects",
        "connect_failures",
    ),
    *(
        "connections",
        "overdue",
        "in_flight",
        "active_users",
        "bytes_sent",
        "bytes_received",
        "busy_ns",
        "spin_ns",
    ),
    *("blocked_ns", "cpu_ns", "max_rss_kb", "cap_hits", "pool_waits", "margin_ns"),
    *(
        "iterations_started",
        "iterations_ok",
        "iterations_failed",
        "script_ns",
        "users",
        "attempts",
        "retries",
    ),
)


class Counted:
    """A snapshot in which everything is what the test says, and the rest is nothing."""

    def __init__(
        self,
        *,
        response: Samples | None = None,
        service: Samples | None = None,
        statuses: dict[int, int] | None = None,
        errors: dict[str, int] | None = None,
        labels: tuple[str, ...] = ("GET /",),
        histograms: dict[str, Samples] | None = None,
        counters: dict[str, int] | None = None,
    ) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0) | (counters or {})
        self.statuses = statuses or {}
        self.errors = errors or {}
        self.labels = list(labels)
        self._histograms = {"response": response or Samples(), "service": service or Samples()}
        self._histograms |= histograms or {}

    def label_counters(self, label: str) -> dict[str, int]:
        assert label in self.labels
        return self.counters

    def label_statuses(self, label: str) -> dict[int, int]:
        assert label in self.labels
        return self.statuses

    def label_errors(self, label: str) -> dict[str, int]:
        assert label in self.labels
        return self.errors

    def role(self, label: str) -> str:
        assert label in self.labels
        return "request"

    def role_histogram(self, role: str, kind: str) -> Samples:
        return self._histograms.get(kind, Samples()) if role == "request" else Samples()

    @property
    def tallies(self) -> list[tuple[str, str, float, float, float, float]]:
        return []

    def histogram(self, kind: str, label: str | None = None) -> Samples:
        assert label is None or label in self.labels
        return self._histograms.get(kind, Samples())


class Given:
    """What a threshold asks of a run, as a test wants it."""

    def __init__(self, **values: float | None) -> None:
        self.values = values
        self.asked: list[tuple[str, str | None]] = []

    def latency_ms(self, kind: str, statistic: str, label: str | None) -> float | None:
        self.asked.append((f"{kind}.{statistic}", label))
        return self.values.get("latency")

    def count(self, name: str, label: str | None) -> int | None:
        self.asked.append((name, label))
        value = self.values.get(name)
        return None if value is None else int(value)

    def rate_per_s(self, label: str | None) -> float | None:
        self.asked.append(("rate", label))
        return self.values.get("rate")

    def check_share(self, name: str | None) -> float | None:
        self.asked.append(("checks", name))
        return self.values.get("checks")

    def check_count(self, name: str | None) -> int:
        self.asked.append(("checks", name))
        return int(self.values.get("made") or 0)

    def metric(self, name: str, statistic: str | None) -> float | None:
        self.asked.append((name, statistic))
        return self.values.get("made" if statistic == "count" else "metric")
