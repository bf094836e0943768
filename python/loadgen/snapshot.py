"""What the engine's snapshots mean to readers: latencies as reports have them. Knows nothing of workers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from loadgen.percentile import percent_of, samples_needed

Infinite = Literal["inf"]  # JSON has no infinity
Milliseconds = float | Infinite | None

PERCENTILES = {
    "p50_ms": 50.0,
    "p75_ms": 75.0,
    "p90_ms": 90.0,
    "p95_ms": 95.0,
    "p99_ms": 99.0,
    "p999_ms": 99.9,
    "p9999_ms": 99.99,
}


class Samples(Protocol):
    """What every histogram tells, the engine's and several of them read as one."""

    @property
    def count(self) -> int: ...
    @property
    def infinite(self) -> int: ...
    @property
    def mean_ns(self) -> float | None: ...
    @property
    def max_ns(self) -> int | None: ...
    def percentile(self, percent: float) -> float | None: ...


class Histogram(Samples, Protocol):
    """What is needed of `loadgen._engine.Histogram`."""

    @property
    def stddev_ns(self) -> float | None: ...
    @property
    def min_ns(self) -> int | None: ...


class Tallied(Protocol):
    """What is needed of `loadgen._engine.Snapshot`."""

    @property
    def tallies(self) -> Sequence[tuple[str, str, float, float, float, float]]: ...


class Latency(Struct, frozen=True, kw_only=True):
    """One distribution in a summary. Percentiles that too few samples support are null.

    `count` and the percentiles are over all samples; those that never ended (dropped, cancelled, failed
    without an answer, unfinished) stand above every finite one, as "inf". Mean, standard deviation and
    minimum are of the finite ones: one lost request must not hide how the others fared.
    """

    count: int
    mean_ms: float | None
    stddev_ms: float | None
    min_ms: float | None
    p50_ms: Milliseconds
    p75_ms: Milliseconds
    p90_ms: Milliseconds
    p95_ms: Milliseconds
    p99_ms: Milliseconds
    p999_ms: Milliseconds
    p9999_ms: Milliseconds
    max_ms: Milliseconds


EMPTY = Latency(count=0, **dict.fromkeys(Latency.__struct_fields__[1:]))


def summarise(histogram: Histogram, lost: int = 0) -> Latency:
    """A histogram for the summary. `lost` samples never ended and are not in it (their worker died)."""
    infinite = histogram.infinite + lost
    percentiles = {
        name: _to_ms(percentile_ns(histogram, percent, lost)) for name, percent in PERCENTILES.items()
    }
    return Latency(
        count=histogram.count + infinite,
        mean_ms=_finite_ms(histogram.mean_ns),
        stddev_ms=_finite_ms(histogram.stddev_ns),
        min_ms=_finite_ms(histogram.min_ns),
        max_ms="inf" if infinite else _finite_ms(histogram.max_ns),
        **percentiles,
    )


def percentile_ns(histogram: Histogram, percent: float, lost: int = 0) -> float | None:
    """A percentile over finite, infinite and `lost` samples; None where too few samples support it."""
    recorded = histogram.count + histogram.infinite
    if recorded + lost < samples_needed(percent):
        return None
    if lost == 0:
        return histogram.percentile(percent)
    # Type 1: the sample of rank ceil(p n). The histogram is asked for the same rank among what it has; half a
    # rank is taken off so that no rounding on the way to a percentage and back reaches the next one.
    rank = max(1, math.ceil(percent / 100 * (recorded + lost)))
    return math.inf if rank > recorded else histogram.percentile((rank - 0.5) / recorded * 100)


def statistic_ns(histogram: Histogram, statistic: str, lost: int = 0) -> float | None:
    """`p99.5`, `mean`, `min` or `max` of a histogram."""
    if statistic == "mean":
        return histogram.mean_ns
    if statistic == "min":
        return histogram.min_ns
    if statistic == "max":
        return math.inf if histogram.infinite + lost else histogram.max_ns
    return percentile_ns(histogram, percent_of(statistic), lost)


def _finite_ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 6)


def _to_ms(value_ns: float | None) -> Milliseconds:
    return "inf" if value_ns is not None and math.isinf(value_ns) else _finite_ms(value_ns)


def busy_share(counters: Mapping[str, int]) -> float | None:
    """Share of the time in which workers worked; spinning is patience, not work."""
    elapsed = counters["busy_ns"] + counters["spin_ns"] + counters["blocked_ns"]
    return min(1.0, counters["busy_ns"] / elapsed) if elapsed else None


def counted_by_name(snapshot: Tallied) -> dict[str, int]:
    """What was counted under names of its own, such as the sockets that were lost."""
    return {name: round(first) for kind, name, first, *_ in snapshot.tallies if kind == "counter"}


def milliseconds(value: float | None) -> Milliseconds:
    """A number that may be infinite, for JSON."""
    return "inf" if value is not None and math.isinf(value) else value


def nanoseconds(value: Milliseconds) -> float | None:
    """Back again, for printing."""
    return math.inf if value == "inf" else None if value is None else value * 1e6
