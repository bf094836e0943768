"""A distribution as HdrHistogram's users plot it: each half of what is left to 100 % gets the same room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loadgen.snapshot import Milliseconds, milliseconds

if TYPE_CHECKING:
    from loadgen._engine import Histogram

KINDS = ("response", "service", "lateness")
# Points in each half.
_STEPS = 5

Point = tuple[float, Milliseconds]


def points_of(histogram: Histogram, lost: int = 0) -> list[Point]:
    """(percent, ms), up to the highest sample; `lost` ones are not in the histogram, and never ended.

    "inf" stands once, where samples begin that never ended.
    """
    recorded = histogram.count + histogram.infinite
    count = recorded + lost
    if not count:
        return []
    found: list[Point] = []
    for percent in _percents(count):
        rank = max(1, math.ceil(percent / 100 * count))
        value = histogram.percentile((rank - 0.5) / recorded * 100) if rank <= recorded else math.inf
        found.append((percent, milliseconds(None if value is None else round(value / 1e6, 6))))
        if found[-1][1] == "inf":
            break
    return found


def _percents(count: int) -> list[float]:
    """0, 12.9, 24.2, 34.0, 42.6, 50, ... up to the one above which there is one sample; then 100."""
    halvings = math.log2(count)
    steps = range(math.floor(halvings * _STEPS) + 1)
    return [round(100 * (1 - 2 ** (-step / _STEPS)), 7) for step in steps] + [100.0]
