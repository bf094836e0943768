"""A run cut into windows of equal length, of which chance is asked. Reads intervals, knows no file.

What happens in one stall happens together, so samples say less than their number promises. Windows that are
longer than stalls are nearly independent: a second at the least, and of a long run a thirtieth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadgen.hlog import BUCKETS, Intervals, Real, Whole, highest_ns

MOST_WINDOWS = 30
# Below so many the spread between windows is itself too uncertain.
FEWEST_WINDOWS = 8


@dataclass(frozen=True)
class Windows:
    """Counts by window and filled bucket; `lost` samples of each window never ended."""

    counts: Real  # windows x buckets
    values_ns: Real  # of the buckets
    lost: Real

    @property
    def number(self) -> int:
        """How many windows."""
        return len(self.lost)

    @property
    def samples(self) -> int:
        """Of all windows, with those that never ended."""
        return round(float(self.counts.sum() + self.lost.sum()))

    def quantiles_ns(self, shares: Sequence[float]) -> Real:
        """The sample of rank ceil(share n) each; infinite where that one never ended."""
        return quantiles(np.ones((1, self.number)), self, shares)[:, 0]


def quantiles(weights: Real, windows: Windows, shares: Sequence[float]) -> Real:
    """Each share's quantile (rows) where each window counts as often as a row of weights says (columns)."""
    cumulative = np.cumsum(windows.counts, axis=1)
    values = np.append(windows.values_ns, math.inf)
    last = windows.counts.shape[1]
    total = weights @ (windows.counts.sum(axis=1) + windows.lost)
    found = np.full((len(shares), len(weights)), math.inf)
    for row, share in enumerate(shares if last else ()):
        # The hair's breadth keeps 99.9 % of 1000 at rank 999 although 0.999 is no binary fraction.
        ranks = np.maximum(1, np.ceil(share * total - 1e-9))
        low, high = np.zeros(len(weights), np.int64), np.full(len(weights), last)
        while (low < high).any():  # for all weights at once: the first bucket up to which there are enough
            middle = (low + high) // 2
            seen = np.einsum("rw,wr->r", weights, cumulative[:, np.minimum(middle, last - 1)])
            enough = (seen >= ranks) | (middle == last)
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
        found[row] = values[low]
    return found


def latency_windows(intervals: Intervals, lost: Real | None = None, *, lost_in_all: int = 0) -> Windows:
    """Of a tag. `lost` is by interval; where only their sum is known, they are spread over the samples."""
    counts = np.array([counts.sum() for _, counts in intervals.cells], dtype=np.float64)
    if lost is None:
        lost = counts * (lost_in_all / max(1.0, counts.sum()))
    is_filled = np.zeros(BUCKETS, np.bool_)
    for buckets, _ in intervals.cells:
        is_filled[buckets] = True
    filled, column = np.flatnonzero(is_filled), np.cumsum(is_filled) - 1
    places = _windows_of(intervals.lengths_s)
    number = int(places[-1]) + 1 if places.size else 0
    table = np.zeros((number, filled.size))
    for place, (buckets, cells) in zip(places, intervals.cells, strict=True):
        table[place, column[buckets]] += cells
    return Windows(table, highest_ns(filled), np.bincount(places, lost, number).astype(np.float64))


def summed(lengths_s: Sequence[float], columns: Sequence[Sequence[float]]) -> Real:
    """Columns of figures by interval, added up by window (rows)."""
    places = _windows_of(lengths_s)
    number = int(places[-1]) + 1 if places.size else 0
    return np.array([np.bincount(places, column, number) for column in columns]).T


def _windows_of(lengths_s: Sequence[float]) -> Whole:
    """The window of each interval: all of about one length, and not too many."""
    total_s = sum(lengths_s)
    enough_s = max(max(lengths_s, default=0.0) / 2, total_s / MOST_WINDOWS * 0.99)
    places = np.zeros(len(lengths_s), np.int64)
    window, length_s, left_s = 0, 0.0, total_s
    for index, one_s in enumerate(lengths_s):
        # What is left at the end is no window of its own where it is shorter.
        if length_s >= enough_s and left_s >= enough_s:
            window, length_s = window + 1, 0.0
        places[index] = window
        length_s += one_s
        left_s -= one_s
    return places
