"""Distributions as rows of the closing table: percentiles, and why one is missing. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadgen.percentile import percent_of, samples_needed
from loadgen.snapshot import Latency, nanoseconds
from loadgen.units import format_count, format_ns

_COLUMNS = {
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "p99.9": "p999_ms",
    "max": "max_ms",
    "mean": "mean_ms",
}


def latency_rows(title: str, rows: Mapping[str, Latency]) -> list[str]:
    """A head, and a line for each. Where a percentile is missing, the count says why."""
    lines = [f"{title:<20}" + "".join(f"{name:>10}" for name in _COLUMNS)]
    for name, row in rows.items():
        head = f"{name} ({format_count(row.count)})" if _missing(row) else name
        cells = (format_ns(nanoseconds(getattr(row, field))) for field in _COLUMNS.values())
        lines.append(f"{head:<20}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def footnotes(rows: Sequence[Latency]) -> list[str]:
    """What the signs in such rows mean; the first of them may have been answered or not."""
    notes = []
    missing = sorted({name for row in rows for name in _missing(row)}, key=percent_of)
    if missing:
        needs = [f"{name} {format_count(samples_needed(percent_of(name)))}" for name in missing]
        notes.append(f"- : too few samples; needed are: {', '.join(needs)}")
    if any(getattr(rows[0], field) == "inf" for field in _COLUMNS.values()):
        notes.append("∞ : so many requests never had an answer; mean is of those that had one")
    return notes


def _missing(latency: Latency) -> list[str]:
    """Percentiles that too few samples support."""
    names = ("p50", "p90", "p99", "p99.9")
    return [name for name in names if latency.count and getattr(latency, _COLUMNS[name]) is None]
