"""Which class each user of a run is of, in the order in which they come: as even a split as can be. Pure.

Classes with a fixed count come first, then the others by weight, for ever. The next user is of the class that
brings what there is nearest to the weights: of weight w with n users so far, the one of least

    w · log2((w + n) / (w + n + 1))

which is by how much one more lessens the Kullback-Leibler divergence from the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heapreplace
from itertools import islice
from math import log2


def class_order(weights: Mapping[str, float], fixed: Mapping[str, int]) -> Iterator[str]:
    """Endless, unless all classes are fixed: the weights of those that are not, the counts of the others."""
    left = {name: float(count) for name, count in fixed.items() if count > 0}
    yield from islice(evenly(left), round(sum(left.values())))
    yield from evenly(weights)


def evenly(weights: Mapping[str, float]) -> Iterator[str]:
    """Each as often as its weight, at every moment as nearly as can be."""
    usable = [(name, weight) for name, weight in weights.items() if weight > 0]
    standing = [(_gain(weight, weight), weight + 1, weight, name) for name, weight in usable]
    heapify(standing)
    while standing:
        _, reached, weight, name = standing[0]
        yield name
        heapreplace(standing, (_gain(weight, reached), reached + 1, weight, name))


def _gain(weight: float, reached: float) -> float:
    return weight * log2(reached / (reached + 1))
