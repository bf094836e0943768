"""Which class each user of a run is of, in the order in which they come: as even a split as can be. Pure.

Classes with a fixed count come first, then the others by weight, for ever. The next user is of the class that
brings what there is nearest to the weights: of weight w with n users so far, the one of least

    w · log2((w + n) / (w + n + 1))

which is by how much one more lessens the Kullback-Leibler divergence from the weights. Those that came last
go first; then classes with a fixed count may be short of users, and are the first to come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heapreplace
from itertools import islice
from math import log2
from typing import NamedTuple


class Step(NamedTuple):
    """How many users there are to be, and of which classes those are that come; None: of those before."""

    users: int
    names: Collection[str] | None = None


class Dispatch:
    """The users that there are, by class: those that came last stand last."""

    def __init__(self, weights: Mapping[str, float], fixed: Mapping[str, int]) -> None:
        self.present: list[str] = []
        self._weights = weights
        self._fixed = {name: count for name, count in fixed.items() if count > 0}
        self._chosen = self.names
        self._may_miss_fixed = True
        self._next = self._draw()

    @property
    def names(self) -> frozenset[str]:
        """All classes."""
        return frozenset([*self._weights, *self._fixed])

    def go_to(self, step: Step) -> list[tuple[int, str]]:
        """Users that come: their places among all, and their classes. Fewer where there is nobody to come."""
        if step.names is not None and frozenset(step.names) != self._chosen:
            self._chosen = frozenset(step.names)
            self._next = self._draw()
        if step.users < len(self.present):
            del self.present[step.users :]
            self._may_miss_fixed = True
        came: list[tuple[int, str]] = []
        while len(self.present) < step.users and (name := next(self._next)) is not None:
            came.append((len(self.present), name))
            self.present.append(name)
        return came

    def _draw(self) -> Iterator[str | None]:
        by_weight = evenly({name: one for name, one in self._weights.items() if name in self._chosen})
        while True:
            if not self._may_miss_fixed:
                yield next(by_weight, None)
                continue
            self._may_miss_fixed = False
            there = Counter(self.present)
            missing = {
                name: float(count - there[name])
                for name, count in self._fixed.items()
                if name in self._chosen and count > there[name]
            }
            yield from islice(evenly(missing), round(sum(missing.values())))


class Comings:
    """The classes of the users that come to one worker, of so many, in their order."""

    def __init__(self, dispatch: Dispatch, steps: Iterable[Step], index: int = 0, workers: int = 1) -> None:
        self._dispatch = dispatch
        self._all: list[str] = []
        self._known: list[str] = []
        self._index, self._workers = index, workers
        for step in steps:
            self._add(step)

    def __getitem__(self, number: int) -> str:
        """More may come than the steps say, when people change the load."""
        while number >= len(self._known) and self._add(Step(len(self._dispatch.present) + 1)):
            pass
        # Where all counts are fixed nobody is left: the order begins anew.
        return self._known[number] if number < len(self._known) else self._all[number % len(self._all)]

    def _add(self, step: Step) -> bool:
        came = self._dispatch.go_to(step)
        self._all += [name for _, name in came]
        self._known += [name for place, name in came if place % self._workers == self._index]
        return bool(came)


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
