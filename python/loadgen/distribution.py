"""A distribution that is made here, of what no single worker knows: within 0.1 %, in little memory.

0 .. 2047          a bucket for each value
2048 .. 4095       one for 2, 4096 .. 8191 one for 4, ...       1,024 buckets for each doubling
"""

from __future__ import annotations

import math

_BITS = 11


class Distribution:
    """Non-negative whole numbers, in ns; read as `loadgen._engine.Histogram` is."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}  # by the highest value of each
        self._sum = self._sum_of_squares = 0
        self.count = 0
        self.infinite = 0
        self.min_ns: int | None = None
        self.max_ns: int | None = None

    def add(self, value: int) -> None:
        """One more sample."""
        self.count += 1
        self._sum += value
        self._sum_of_squares += value * value
        self.min_ns = value if self.min_ns is None else min(value, self.min_ns)
        self.max_ns = value if self.max_ns is None else max(value, self.max_ns)
        shift = max(0, value.bit_length() - _BITS)
        highest = (((value >> shift) + 1) << shift) - 1
        self._buckets[highest] = self._buckets.get(highest, 0) + 1

    @property
    def mean_ns(self) -> float | None:
        """Of all samples, exactly."""
        return self._sum / self.count if self.count else None

    @property
    def stddev_ns(self) -> float | None:
        """Of all samples."""
        if not self.count:
            return None
        return math.sqrt(max(0, self._sum_of_squares * self.count - self._sum**2)) / self.count

    def percentile(self, percent: float) -> float | None:
        """The sample of rank ceil(p n), as the highest value of its bucket."""
        left = max(1, math.ceil(percent / 100 * self.count))
        for highest in sorted(self._buckets):
            left -= self._buckets[highest]
            if left <= 0:
                assert self.max_ns is not None
                return min(highest, self.max_ns)
        return None
