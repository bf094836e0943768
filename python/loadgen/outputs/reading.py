"""What a run has shown up to a moment, small enough to wait for receivers: counts and latencies by label.

Labels and other names come from scripts and servers. They are made printable here, once, so that a line feed
or a NUL in one can break no receiver's format, and their number is limited: each is a series for ever in
somebody's database. Whoever came first keeps its place, because a series may not change its meaning.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

from loadgen.snapshot import busy_share
from loadgen.timeline import Spread, spread_of
from loadgen.units import printable

if TYPE_CHECKING:
    from loadgen._engine import Histogram, Snapshot
    from loadgen.progress import Progress

MOST_LABELS = 100
MOST_NAMES = 200
LONGEST_NAME = 500
OTHER = "(other)"
REJECTED = "rejected"  # the kind of error that is a script's own word
# They are in the same families, where one name is one series.
_OTHER_KINDS = {"operation": "request"}
# Upper bounds of buckets, in seconds: three steps a decade, from a tenth of a millisecond on.
BOUNDS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
NOW = ("connections", "in_flight", "overdue", "users", "active_users")

L = TypeVar("L")  # how latencies are told: Spread of an interval, Buckets of a run
L_co = TypeVar("L_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Buckets:
    """A distribution in samples at or below each of BOUNDS_S. Those that never ended are in `count` only."""

    count: int
    sum_s: float
    at_most: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures(Generic[L_co]):
    """One label. `kind` is request, operation, group, iteration or trend."""

    label: str
    kind: str
    sent: int
    ok: int
    failed: int
    bytes_sent: int
    bytes_received: int
    status: Mapping[str, int]
    errors: Mapping[str, int]
    # Each that ended, once: by its status and its kind of error, of which it has one or neither.
    ends: Mapping[tuple[str, str], int]
    response: L_co
    service: L_co
    lateness: L_co
    mean: float  # of a trend, in its own unit


@dataclass(frozen=True, slots=True)
class Figures(Generic[L_co]):
    """Everything that grows, over an interval or since the start."""

    counters: Mapping[str, int]
    labels: Sequence[LabelFigures[L_co]]
    tallies: Sequence[tuple[str, str, float, float]]  # kind, name, and the first two of its values


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One moment of a run."""

    at_ns: int  # its end, since 1970
    at_s: float  # the same since the start
    length_s: float
    draining: bool
    interval: Figures[Spread | None]
    total: Figures[Buckets]
    now: Mapping[str, float]


class Reader:
    """Makes readings of one run."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._last: Progress | None = None
        self._labels = _Names(MOST_LABELS)
        self._names = _Names(MOST_NAMES)

    def read(self, progress: Progress) -> Reading:
        """The moment since the one that was read before, which need not be the run's last."""
        last, self._last = self._last, progress
        interval = progress.total if last is None else progress.total.since(last.total)
        length_s = progress.elapsed_s - (last.elapsed_s if last is not None else 0)
        now: dict[str, float] = {name: progress.now.get(name, 0) for name in NOW}
        wanted = {"target_rate": progress.target_rate_per_s, "target_users": progress.target_users}
        wanted["busy"] = busy_share(interval.counters)
        return Reading(
            at_ns=round((self._started_at + progress.elapsed_s) * 1e9),
            at_s=round(progress.elapsed_s, 3),
            length_s=round(length_s, 3),
            draining=progress.phase == "drain",
            interval=self._figures(interval, spread_of),
            total=self._figures(progress.total, _buckets),
            now=now | {name: value for name, value in wanted.items() if value is not None},
        )

    def _figures(self, snapshot: Snapshot, tell: Callable[[Histogram | Together], L]) -> Figures[L]:
        shown = self._labels.sort((snapshot.role(label), label) for label in snapshot.labels)
        tallies: dict[tuple[str, str], tuple[float, float]] = {}
        everything = snapshot.tallies
        for (kind, name), hidden in self._names.sort((row[0], row[1]) for row in everything).items():
            rows = [row for row in everything if row[0] == kind and row[1] in hidden]
            summed = (sum(row[2] for row in rows), sum(row[3] for row in rows))
            tallies[kind, name] = rows[-1][2:4] if kind == "gauge" else summed
        return Figures(
            counters=snapshot.counters,
            labels=[
                _of_label(snapshot, kind, label, hidden, tell) for (kind, label), hidden in shown.items()
            ],
            tallies=[(kind, name, *values) for (kind, name), values in tallies.items()],
        )


class _Names:
    """Which names have a series of their own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, str]] = set()

    def sort(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """(kind, name) as it is shown, to the names behind it."""
        found: dict[tuple[str, str], list[str]] = {}
        for kind, name in names:
            key = (kind, shown_name(name))
            if key not in self._known:
                if len(self._known) < self._most:
                    self._known.add(key)
                else:
                    key = (_OTHER_KINDS.get(kind, kind), OTHER)
            found.setdefault(key, []).append(name)
        return found


def shown_name(name: str) -> str:
    """A name as receivers see it."""
    text = printable(name[: LONGEST_NAME + 1])
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."


class Together:
    """Several histograms, read as one."""

    def __init__(self, parts: Sequence[Histogram]) -> None:
        self._parts = parts
        self.count = sum(part.count for part in parts)
        self.infinite = sum(part.infinite for part in parts)
        total_ns = sum((part.mean_ns or 0) * part.count for part in parts)
        self.mean_ns = total_ns / self.count if self.count else None
        self.max_ns = max((part.max_ns for part in parts if part.max_ns is not None), default=None)

    @cached_property
    def _buckets(self) -> tuple[list[int], list[int]]:
        """The highest value of each, and the samples up to it."""
        counts: dict[int, int] = {}
        for part in self._parts:
            for _, highest, count in part.buckets():
                counts[highest] = counts.get(highest, 0) + count
        filled = sorted(counts)
        return filled, list(accumulate(counts[highest] for highest in filled))

    def count_above(self, ns: int) -> int:
        """Finite samples above `ns`."""
        return sum(part.count_above(ns) for part in self._parts)

    def percentile(self, percent: float) -> float | None:
        """Type 1, as the engine's."""
        rank = max(1, math.ceil(percent / 100 * (self.count + self.infinite) - 1e-9))
        filled, ranks = self._buckets
        place = bisect_left(ranks, rank)
        if place < len(filled):
            return filled[place]
        return math.inf if self.infinite else None


def _of_label(
    snapshot: Snapshot,
    kind: str,
    label: str,
    hidden: Sequence[str],
    tell: Callable[[Histogram | Together], L],
) -> LabelFigures[L]:
    def latency(what: str) -> Histogram | Together:
        parts = [snapshot.histogram(what, name) for name in hidden]
        return parts[0] if len(parts) == 1 else Together(parts)

    counters = _sum(snapshot.label_counters(name) for name in hidden)
    status = _sum(snapshot.label_statuses(name) for name in hidden)
    response = latency("response")
    return LabelFigures(
        label=label,
        kind=kind,
        sent=counters["sent"] if kind != "trend" else response.count,
        ok=counters["ok"],
        failed=counters["failed"],
        bytes_sent=counters["bytes_sent"],
        bytes_received=counters["bytes_received"],
        status={str(code): count for code, count in status.items() if count},
        errors={kind: n for kind, n in _sum(map(snapshot.label_errors, hidden)).items() if n},
        ends={end: n for end, n in _sum(dict(_ends(snapshot, name)) for name in hidden).items() if n},
        response=tell(response),
        service=tell(latency("service")),
        lateness=tell(latency("lateness")),
        mean=(response.mean_ns or 0) / 1e6,
    )


def _ends(snapshot: Snapshot, name: str) -> Iterator[tuple[tuple[str, str], int]]:
    statuses = snapshot.label_statuses(name)
    for status, count in statuses.items():
        yield (str(status), ""), count
    for kind, count in snapshot.label_errors(name).items():
        # Where a script says that an answer is none, it has been counted by its status.
        if kind != REJECTED or snapshot.role(name) != "request":
            yield ("", kind), count
    if not any(statuses.values()):  # operations, messages: all that is no HTTP
        yield ("", ""), snapshot.label_counters(name)["ok"]


K = TypeVar("K")


def _sum(parts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    summed: dict[K, int] = {}
    for part in parts:
        for name, count in part.items():
            summed[name] = summed.get(name, 0) + count
    return summed


def _buckets(histogram: Histogram | Together) -> Buckets:
    return Buckets(
        count=histogram.count + histogram.infinite,
        sum_s=round((histogram.mean_ns or 0) * histogram.count) / 1e9,
        at_most=tuple(histogram.count - histogram.count_above(round(bound * 1e9)) for bound in BOUNDS_S),
    )
