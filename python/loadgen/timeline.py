"""What a run showed from second to second: `timeline.jsonl`, and what those see who follow it live.

One moment is the interval since the moment before it. Counts are what was added; `now` is how things stood at
its end. Times are in seconds since the start of the run; latencies in ms, with "inf" where so many samples
never ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from loadgen.snapshot import Milliseconds, Samples, busy_share, counted_by_name, milliseconds

if TYPE_CHECKING:
    from loadgen._engine import Histogram
    from loadgen.progress import Progress

NOW = ("connections", "in_flight", "overdue", "users", "active_users")
COUNTS = (
    *("scheduled", "sent", "ok", "failed", "dropped", "cancelled", "retries", "connects"),
    *("bytes_sent", "bytes_received", "iterations_started", "iterations_ok", "iterations_failed"),
)
# Steps of the heat map in one doubling of the latency: each is 19 % wide.
STEPS = 4


class Spread(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A distribution in one moment, as a line shows it. Of few samples, high percentiles are `max`."""

    count: int
    mean: float | None = None
    p50: Milliseconds = None
    p90: Milliseconds = None
    p95: Milliseconds = None
    p99: Milliseconds = None
    p999: Milliseconds = None
    max: Milliseconds = None


class Moment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One interval, usually a second. What is zero, empty or unknown is left out."""

    at_s: float
    length_s: float
    draining: bool = False
    target_rate_per_s: float | None = None
    target_users: int | None = None
    counts: Mapping[str, int] = {}
    now: Mapping[str, int] = {}
    response: Spread | None = None
    service: Spread | None = None
    lateness: Spread | None = None
    heat: list[tuple[int, int]] = []  # of response: (step, samples); step s begins at 2 ** (s / 4) ns
    status: Mapping[str, int] = {}
    errors: Mapping[str, int] = {}
    tallies: Mapping[str, int] = {}  # what is counted by name: messages of sockets, a script's own counters
    busy: float | None = None  # share of their time in which the workers worked
    cpu_s: float | None = None  # of the workers


def moment_of(progress: Progress) -> Moment:
    """The last interval of a run."""
    interval = progress.interval
    counters = interval.counters
    response = interval.histogram("response")
    busy = busy_share(counters)
    return Moment(
        at_s=round(progress.elapsed_s, 3),
        length_s=round(progress.interval_s, 3),
        draining=progress.phase == "drain",
        target_rate_per_s=progress.target_rate_per_s,
        target_users=progress.target_users,
        counts=_some({name: counters[name] for name in COUNTS}),
        now=_some({name: progress.now.get(name, 0) for name in NOW}),
        response=spread_of(response),
        service=spread_of(interval.histogram("service")),
        lateness=spread_of(interval.histogram("lateness")),
        heat=_heat(response),
        status=_some({str(status): count for status, count in interval.statuses.items()}),
        errors=_some(interval.errors),
        tallies=_some(counted_by_name(interval)),
        busy=None if busy is None else round(busy, 4),
        cpu_s=round(counters["cpu_ns"] / 1e9, 4) or None,
    )


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def spread_of(histogram: Samples) -> Spread | None:
    """How a moment shows a distribution; None where there is none."""

    def at(percent: float) -> Milliseconds:
        return _ms(histogram.percentile(percent))

    count = histogram.count + histogram.infinite
    if not count:
        return None
    return Spread(
        count=count,
        mean=None if histogram.mean_ns is None else round(histogram.mean_ns / 1e6, 4),
        p50=at(50.0),
        p90=at(90.0),
        p95=at(95.0),
        p99=at(99.0),
        p999=at(99.9),
        max="inf" if histogram.infinite else _ms(histogram.max_ns),
    )


def _ms(value_ns: float | None) -> Milliseconds:
    return milliseconds(None if value_ns is None else round(value_ns / 1e6, 4))


def _heat(histogram: Histogram) -> list[tuple[int, int]]:
    steps: dict[int, int] = {}
    for lowest, highest, count in histogram.buckets():
        step = math.floor(math.log2(max(1, (lowest + highest) / 2)) * STEPS)
        steps[step] = steps.get(step, 0) + count
    return sorted(steps.items())
