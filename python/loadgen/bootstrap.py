"""What chance may do to a difference of two runs: their windows, drawn anew a thousand times. Pure numbers.

The spread of the logarithm of the ratio over the resamples is its standard error (Efron's bootstrap, by
blocks). It knows nothing of what differs from run to run.

Where many figures are looked at, one in twenty seems to differ. So each also gets the probability that chance
makes *any* of them differ by as much (Westfall and Young's largest statistic); by that it is judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from loadgen.hlog import Real
from loadgen.stored_windows import Windows, quantiles

LEVEL = 0.95
RESAMPLES = 1000
_NORMAL = NormalDist().inv_cdf((1 + LEVEL) / 2)
# Half a bucket of the histograms: closer than that two values are the same.
_BUCKET = 0.0005


def draw_windows(number: int, chance: np.random.Generator) -> Real:
    """How often each window is drawn in each resample."""
    return chance.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).astype(np.float64)


def redrawn_logs(windows: Windows, shares: Sequence[float], chance: np.random.Generator) -> Real:
    """The logarithm of each share's quantile (rows) in each resample."""
    return np.log(np.maximum(1.0, quantiles(draw_windows(windows.number, chance), windows, shares)))


def spread_of(redrawn: Real, number: int) -> Real:
    """The standard error of each row's figure. A resample of n windows varies by (n - 1) / n of what n do."""
    spread: Real = redrawn.std(axis=1, ddof=1) * math.sqrt(number / (number - 1))
    return spread


def student(freedom: int) -> float:
    """The quantile of Student's t that belongs to the level; from seven degrees on exact to 0.1 %."""
    z = _NORMAL
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def errors(before: Real, after: Real, windows: tuple[int, int], least: float = _BUCKET) -> Real:
    """The standard error of each row's difference; stretched so that 1.96 of them are the interval.

    `least` is what is known of no figure more exactly.
    """
    error = np.sqrt(spread_of(before, windows[0]) ** 2 + spread_of(after, windows[1]) ** 2 + least**2)
    stretched: Real = error * student(min(windows) - 1) / _NORMAL
    return stretched


def interval(difference: float, error: float) -> tuple[float, float]:
    """Of one figure, by the error that `errors` has for it."""
    return difference - _NORMAL * error, difference + _NORMAL * error


def together(differences: Real, of_each: Real, redrawn: Real) -> Real:
    """For each figure (row): how probably chance alone makes any of them differ by so many errors."""
    deviations = np.abs(redrawn - redrawn.mean(axis=1, keepdims=True))
    largest = (deviations / np.maximum(redrawn.std(axis=1, keepdims=True), 1e-18)).max(axis=0)
    return share_at_least(largest, np.abs(differences) / of_each)


def share_at_least(drawn: Real, found: Real) -> Real:
    """Of what was drawn, for each of what was found."""
    share: Real = (drawn[None, :] >= found[:, None]).mean(axis=1)
    return share
