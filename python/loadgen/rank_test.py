"""What chance may do to a difference of several runs on each side, where the run is the unit. Pure numbers.

The difference is the median of all pairs' differences (Hodges and Lehmann), its interval the exact one that
belongs to the rank test of Mann and Whitney.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from loadgen.bootstrap import LEVEL, share_at_least
from loadgen.hlog import Real

FEWEST_RUNS = 5
_MOST_SHUFFLES = 5000


def difference(before: Real, after: Real) -> float:
    """The median of the differences of all pairs."""
    return float(np.median(np.subtract.outer(after, before)))


def interval(before: Real, after: Real) -> tuple[float, float] | None:
    """The interval of that difference; None where so few runs have none at this level."""
    left_out = _pairs_left_out(len(before), len(after))
    if not left_out:
        return None
    pairs = np.sort(np.subtract.outer(after, before), axis=None)
    return float(pairs[left_out - 1]), float(pairs[-left_out])


def _pairs_left_out(first: int, second: int) -> int:
    """How many of the smallest, and of the largest, of all pairs' differences may be wrong at once.

    The number of orders in which u pairs are the wrong way round is the coefficient of q^u in the Gaussian
    binomial: the product of (1 - q^(second + i)) / (1 - q^i) over i = 1 ... first.
    """
    pairs = first * second
    orders = [1] + [0] * pairs
    for i in range(1, first + 1):
        for u in range(pairs, second + i - 1, -1):
            orders[u] -= orders[u - second - i]
        for u in range(i, pairs + 1):
            orders[u] += orders[u - i]
    tail, at_most = 0, (1 - LEVEL) / 2 * math.comb(first + second, first)
    for u, count in enumerate(orders):
        tail += count
        if tail > at_most:
            return u
    return 0


def together(before: Real, after: Real, chance: np.random.Generator) -> Real:
    """For each figure (column; a run is a row): how probably chance alone makes any of them differ so.

    Chance deals the runs to the two sides: all ways of doing so, or of very many some.
    """
    runs = np.concatenate([before, after])
    first, number = len(before), len(runs)
    sides = np.zeros((min(_MOST_SHUFFLES, math.comb(number, first)), number))
    if math.comb(number, first) <= _MOST_SHUFFLES:
        for row, chosen in enumerate(combinations(range(number), first)):
            sides[row, list(chosen)] = 1
    else:
        sides[:, :first] = 1
        sides[1:] = chance.permuted(sides[1:], axis=1)  # what has happened is one of the ways
    others = 1 - sides
    runs = runs - runs.mean(axis=0)
    means = sides @ runs / first, others @ runs / (number - first)
    squares = (runs**2).sum(axis=0) - first * means[0] ** 2 - (number - first) * means[1] ** 2
    statistics = np.abs(means[1] - means[0]) / np.sqrt(np.maximum(squares, 1e-18))
    happened = np.concatenate([np.ones(first), np.zeros(number - first)])
    row = int((sides == happened).all(axis=1).argmax())
    return share_at_least(statistics.max(axis=1), statistics[row] * (1 - 1e-9))
