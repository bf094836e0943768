"""How Locust's tables show times: in ms, to two digits, of what came to an end. It reads histograms only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen._engine import Histogram


def rounded_ms(value_ns: float) -> int:
    """Up to 100 ms exactly, then to 10 ms, from a second on to 100 ms, from ten on to a second."""
    ms = value_ns / 1e6
    digits = 0 if ms < 100 else -1 if ms < 1000 else -2 if ms < 10_000 else -3
    return int(round(ms, digits))


def times_of(histogram: Histogram) -> dict[int, int]:
    """How often each rounded time was seen."""
    found: dict[int, int] = {}
    for lowest, highest, count in histogram.buckets():
        ms = rounded_ms((lowest + highest) / 2)
        found[ms] = found.get(ms, 0) + count
    return found


def percentiles_of(times: Mapping[int, int], percents: Sequence[float]) -> list[int]:
    """Of what ended: requests that never did have no time there. Between two, the upper one."""
    count = sum(times.values())
    found, seen = [], 0
    places = iter(sorted(times.items()))
    ms = 0
    for percent in percents:
        below = int(count * round(percent / 100, 6))
        while seen < min(below + 1, count):
            ms, many = next(places)
            seen += many
        found.append(ms)
    return found
