"""Moments as charts want them: columns, and no more points than a screen has. It decides nothing.

Where there are more moments than `MOST`, neighbours are joined, pairs at first. What was counted is added up.
Percentiles, users, connections and processor shares are the highest of those joined, because a percentile of
percentiles is none, and a peak must not vanish. The heat map, being counts, stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from loadgen.report.shown import shown
from loadgen.snapshot import Milliseconds
from loadgen.timeline import Moment, Spread

MOST = 1200
# Once moments had to be joined, there is room again for so large a part of them.
_ENOUGH = 0.8
# No moment is exactly a second long, and the last of a run is shorter.
_TOLERANCE_S = 0.5
_SPREADS = ("response", "service", "lateness")
_PERCENTILES = ("p50", "p90", "p95", "p99", "p999", "max")
_COUNTED = ("counts", "status", "errors", "tallies")

Column = list[object]


class Series:
    """The moments so far, at most `MOST` of them. `generation` grows when old ones have changed."""

    def __init__(self, most: int = MOST) -> None:
        self.moments: list[Moment] = []
        self.generation = 0
        self._most = most
        self._length_s = 1.0  # of a point, where moments are seconds

    def add(self, moment: Moment) -> None:
        """One more."""
        self.moments.append(moment)
        if len(self.moments) <= self._most:
            return
        self.generation += 1
        self.even()
        while len(self.moments) > self._most * _ENOUGH:
            self._length_s *= 2
            self.even()

    def even(self) -> None:
        """Make all points as long as the longest: what came last was not joined yet."""
        if self._length_s > 1:
            self.moments = list(_in_groups(self.moments, self._length_s + _TOLERANCE_S))


def _in_groups(moments: Sequence[Moment], most_s: float) -> Iterator[Moment]:
    group: list[Moment] = []
    for moment in moments:
        if group and sum(one.length_s for one in group) + moment.length_s > most_s:
            yield joined(group)
            group = []
        group.append(moment)
    if group:
        yield joined(group)


def joined(moments: Sequence[Moment]) -> Moment:
    """Neighbours as one moment."""
    if len(moments) == 1:
        return moments[0]
    length_s = sum(one.length_s for one in moments)
    rates = [(one.target_rate_per_s, one.length_s) for one in moments if one.target_rate_per_s is not None]
    rated_s = sum(seconds for _, seconds in rates)
    users = [one.target_users for one in moments if one.target_users is not None]
    heat: dict[int, int] = {}
    for moment in moments:
        for step, count in moment.heat:
            heat[step] = heat.get(step, 0) + count
    return Moment(
        at_s=moments[-1].at_s,
        length_s=round(length_s, 3),
        draining=moments[-1].draining,
        target_rate_per_s=sum(rate * seconds for rate, seconds in rates) / rated_s if rated_s else None,
        target_users=max(users, default=None),
        now=_highest([one.now for one in moments]),
        counts=_added([one.counts for one in moments]),
        status=_added([one.status for one in moments]),
        errors=_added([one.errors for one in moments]),
        tallies=_added([one.tallies for one in moments]),
        response=_spread([one.response for one in moments]),
        service=_spread([one.service for one in moments]),
        lateness=_spread([one.lateness for one in moments]),
        heat=sorted(heat.items()),
        busy=max((one.busy for one in moments if one.busy is not None), default=None),
        cpu_s=sum(one.cpu_s or 0.0 for one in moments) or None,
    )


def _added(all_counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for counts in all_counts:
        for name, count in counts.items():
            found[name] = found.get(name, 0) + count
    return found


def _highest(states: Sequence[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in states:
        for name, value in state.items():
            found[name] = max(value, found.get(name, value))
    return found


def _spread(all_spreads: Sequence[Spread | None]) -> Spread | None:
    spreads = [one for one in all_spreads if one is not None]
    if not spreads:
        return None
    means = [(one.mean, one.count) for one in spreads if one.mean is not None]
    return Spread(
        count=sum(one.count for one in spreads),
        mean=sum(mean * count for mean, count in means) / sum(count for _, count in means) if means else None,
        **{name: _slowest([getattr(one, name) for one in spreads]) for name in _PERCENTILES},
    )


def _slowest(values: Sequence[Milliseconds]) -> Milliseconds:
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: math.inf if value == "inf" else value, default=None)


def columns(moments: Sequence[Moment]) -> dict[str, Column]:
    """A list for each name, as long as there are moments; None where a moment says nothing."""
    found: dict[str, Column] = {}
    for index, moment in enumerate(moments):
        for name, value in _cells(moment):
            column = found.setdefault(name, [])
            column += [None] * (index - len(column))
            column[index:] = [value]  # of names that look the same, one
    for column in found.values():
        column.extend([None] * (len(moments) - len(column)))
    return found


def _cells(moment: Moment) -> Iterator[tuple[str, object]]:
    for name in ("at_s", "length_s"):
        yield name, getattr(moment, name)
    if moment.draining:
        yield "draining", 1
    for name in ("target_rate_per_s", "target_users", "busy", "cpu_s"):
        if (value := getattr(moment, name)) is not None:
            yield name, _short(value)
    for group in (*_COUNTED, "now"):
        for key, count in getattr(moment, group).items():
            yield f"{group}.{shown(key)}", count
    for kind in _SPREADS:
        spread: Spread | None = getattr(moment, kind)
        if spread is not None:
            for name in _PERCENTILES:
                if (value := getattr(spread, name)) is not None:
                    yield f"{kind}.{name}", _short(value)
    if moment.heat:
        yield "heat", _heat(moment.heat)


def _heat(steps: Sequence[tuple[int, int]]) -> list[int]:
    """The first step, then the samples in it and in each of those that follow."""
    (first, _), (last, _) = steps[0], steps[-1]
    counts = dict(steps)
    return [first, *(counts.get(step, 0) for step in range(first, last + 1))]


def _short(value: Milliseconds) -> Milliseconds:
    """Four digits: what a chart can show."""
    if value is None or value == "inf":
        return value
    return msgspec.json.decode(f"{value:.4g}", type=float, strict=False)
