"""The search for the highest rate that keeps a service level. A function makes the probes.

    doubling      from the lowest rate until one fails, in short probes
    bisection     until the bracket is within a quarter
    repetition    long probes a little below and above the estimate of `crossing.py`, in turns, each of which
                  moves it: until its interval is as narrow as was asked, or the time is spent

A probe that the generator limited says nothing and is made again; two in a row end the search, and so do two
that find no target: what may have been a moment's trouble is no answer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from loadgen.crossing import NEAR, Crossing, Observation, locate
from loadgen.errors import ExitCode, Interrupted, LoadgenError
from loadgen.slo import Condition
from loadgen.snapshot import Milliseconds
from loadgen.units import format_percent
from loadgen.verdict import GeneratorVerdict

SHORTEST_S = 2.0
# Before so many long probes a narrow interval may be luck.
FEWEST = 8
# Around the estimate, in logarithms of the odds: two of three with fewer over the limit, because there it
# takes longer to see how many.
_AROUND = (-0.5, -0.5, 1.2)
_FURTHEST = math.log(1.05)

Outcome = Literal["found", "at-least", "fails", "client-limited", "unreachable", "interrupted", "broken"]

EXIT_CODES: dict[Outcome, ExitCode] = {
    "found": ExitCode.PASSED,
    "at-least": ExitCode.PASSED,
    "fails": ExitCode.THRESHOLD_FAILED,
    "client-limited": ExitCode.INVALID,
    "unreachable": ExitCode.UNREACHABLE,
    "interrupted": ExitCode.INTERRUPTED,
    "broken": ExitCode.INVALID,  # or what the error says
}

# How a run ends that says something about the target.
JUDGED = (ExitCode.PASSED, ExitCode.THRESHOLD_FAILED, ExitCode.UNUSABLE)


def settle_s(seconds: float) -> float:
    """How long a probe runs before its seconds begin to count."""
    return max(1.0, min(2.0, seconds / 5))


def budget_s(precision: float) -> float:
    """How long a search may take where nobody said: half of the interval takes four times as long."""
    return max(300.0, 1200.0 * (0.02 / precision) ** 2)


class Probe(Struct, frozen=True, kw_only=True):
    """What one run at one rate showed, after it had settled."""

    rate_per_s: float
    achieved_per_s: float
    seconds: float  # that count
    took_s: float  # with all around it
    passed: bool
    exit_code: int
    generator: GeneratorVerdict
    reasons: list[str]
    p50_ms: Milliseconds
    p99_ms: Milliseconds
    errors: float
    over: list[int]  # by condition: how many were over its limit
    of: list[int]  # by condition: of how many
    folder: str

    @property
    def counts(self) -> bool:
        """Whether it says something about the target."""
        return self.exit_code in JUDGED


class Bounds(Struct, frozen=True, kw_only=True):
    """Where to look, and how long."""

    lowest: float
    highest: float
    probe_s: float
    precision: float  # how far the interval may reach either way, relative
    budget_s: float


class Found(Struct, frozen=True, kw_only=True):
    """The answer. `low` and `high` are its 95 % interval, or only what was kept and what was not."""

    outcome: Outcome
    exit_code: ExitCode
    rate_per_s: float | None
    low_per_s: float | None
    high_per_s: float | None
    is_interval: bool
    why: str | None
    probes: list[Probe]

    @property
    def width(self) -> float | None:
        """How far the interval reaches either way, relative."""
        if not self.is_interval or not self.low_per_s or not self.high_per_s:
            return None
        return math.sqrt(self.high_per_s / self.low_per_s) - 1

    @property
    def took_s(self) -> float:
        """All of its probes, with what was around them."""
        return sum(probe.took_s for probe in self.probes)


class _Over(Exception):
    """Why there are no more probes."""

    def __init__(self, outcome: Outcome, why: str | None = None, exit_code: int | None = None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.why = why
        self.exit_code = EXIT_CODES[outcome] if exit_code is None else ExitCode(exit_code)


class Search:
    """One search. `make_probe` is asked for a rate and for how many seconds of it count."""

    def __init__(
        self, make_probe: Callable[[float, float], Probe], conditions: Sequence[Condition], bounds: Bounds
    ) -> None:
        self._make_probe = make_probe
        self._conditions = conditions
        self._bounds = bounds
        self._spent_s = 0.0
        self._passed: float | None = None
        self._failed: float | None = None
        self._crossing: Crossing | None = None
        self.probes: list[Probe] = []

    def run(self) -> Found:
        """To its end, whichever it is. Only what goes wrong before the first probe is raised."""
        try:
            self._double()
            self._bisect()
            self._repeat()
        except _Over as over:
            return self._found(over)
        except (Interrupted, KeyboardInterrupt):
            return self._found(_Over("interrupted"))
        except LoadgenError as error:
            if not self.probes:
                raise
            gone = error.exit_code == ExitCode.UNREACHABLE
            return self._found(_Over("unreachable" if gone else "broken", error.message, error.exit_code))
        return self._found(_Over("found"))

    def _double(self) -> None:
        rate = self._bounds.lowest
        probe = self._probe(rate, self._short_s(rate))
        if not probe.passed:  # for which one stall is enough in a short one
            self._failed = None
            probe = self._probe(rate, self._long_s(rate))
        while probe.passed:
            if rate >= self._bounds.highest:
                raise _Over("at-least", "no higher rate was asked for (--up-to)")
            if self._is_spent:
                raise _Over("at-least", "the time was spent (--budget)")
            rate = min(2 * rate, self._bounds.highest)
            probe = self._probe(rate, self._short_s(rate))
        if self._passed is None:
            raise _Over("fails")

    def _bisect(self) -> None:
        assert self._passed and self._failed
        while self._failed / self._passed > NEAR:
            if self._is_spent:
                raise _Over("found", "the time was spent before the search came near (--budget)")
            rate = math.sqrt(self._passed * self._failed)
            self._probe(rate, self._short_s(rate))

    def _repeat(self) -> None:
        for number in itertools.count():
            found = self._crossing = self._locate()
            if found.width <= self._bounds.precision and number >= FEWEST:
                return
            if self._is_spent:
                wanted = format_percent(self._bounds.precision)
                raise _Over("found", f"the time was spent before it was {wanted} (--budget)")
            step = _AROUND[number % len(_AROUND)] / found.steepness
            # Of what is all but a step, too: closer than what was asked nothing is gained.
            step = math.copysign(min(max(abs(step), self._bounds.precision / 4), _FURTHEST), step)
            rate = found.rate * math.exp(step)
            self._probe(min(rate, self._bounds.highest), self._long_s(rate))

    def _locate(self) -> Crossing:
        """Of the condition that is the first to fail."""
        assert self._passed and self._failed
        middle = self._crossing.rate if self._crossing else math.sqrt(self._passed * self._failed)
        found = []
        for index, condition in enumerate(self._conditions):
            seen = [
                Observation(probe.rate_per_s, probe.over[index], probe.of[index])
                for probe in self.probes
                if probe.counts
            ]
            one = locate(seen, condition.allowed, middle)
            if abs(math.log(one.rate / middle)) > _FURTHEST:
                one = locate(seen, condition.allowed, one.rate)
            found.append(one)
        return Crossing(
            min(one.low for one in found),
            min(one.high for one in found),
            min(found, key=lambda one: one.rate).steepness,
        )

    def _probe(self, rate: float, seconds: float) -> Probe:
        """One that counts."""
        probe = self._make(rate, seconds)
        if not probe.counts:
            if probe.exit_code == ExitCode.UNREACHABLE and self._passed is None:
                raise _Over("unreachable")
            probe = self._make(rate, seconds)
        if not probe.counts:
            raise _no_judgement(probe)
        if probe.passed:
            self._passed = max(rate, self._passed or 0.0)
        else:
            self._failed = min(rate, self._failed or math.inf)
        return probe

    def _make(self, rate: float, seconds: float) -> Probe:
        probe = self._make_probe(rate, seconds)
        self._spent_s += probe.took_s
        self.probes.append(probe)
        if probe.exit_code == ExitCode.INTERRUPTED:
            raise _Over("interrupted")
        return probe

    def _short_s(self, rate: float) -> float:
        if rate >= self._bounds.highest:
            return self._long_s(rate)
        return max(min(SHORTEST_S, self._bounds.probe_s), self._needed_s(rate))

    def _long_s(self, rate: float) -> float:
        return max(self._bounds.probe_s, self._needed_s(rate))

    def _needed_s(self, rate: float) -> float:
        # Poisson arrivals may be fewer than on average.
        return 1.2 * max(condition.samples for condition in self._conditions) / rate

    @property
    def _is_spent(self) -> bool:
        return self._spent_s >= self._bounds.budget_s

    def _found(self, over: _Over) -> Found:
        crossing = self._crossing
        answered = over.outcome not in ("fails", "client-limited")
        return Found(
            outcome=over.outcome,
            exit_code=over.exit_code,
            rate_per_s=crossing.rate if crossing else self._passed if answered else None,
            low_per_s=crossing.low if crossing else self._passed,
            high_per_s=crossing.high if crossing else self._failed,
            is_interval=crossing is not None,
            why=over.why,
            probes=self.probes,
        )


def _no_judgement(probe: Probe) -> _Over:
    """Why there is none, the second time."""
    why = "; ".join(probe.reasons) or None
    if probe.exit_code == ExitCode.UNREACHABLE:
        return _Over("unreachable")
    if probe.generator == "client-limited":
        return _Over("client-limited", why)
    if probe.exit_code == ExitCode.SCRIPT_FAILED:
        why = why or "the script's own errors stopped a probe"
    return _Over("broken", why or "a probe was not whole", probe.exit_code)


def knee(probes: Sequence[Probe]) -> float | None:
    """Where the curve of p99 over rate bends most: the point furthest below the line between its ends.

    It depends on how far the curve was followed, and is no limit: a description, and no answer.
    """
    points = sorted(
        (probe.rate_per_s, float(probe.p99_ms))
        for probe in probes
        if probe.counts and probe.p99_ms is not None and probe.p99_ms != "inf"
    )
    if len(points) < 3:
        return None
    (left, bottom), (right, top) = points[0], max(points, key=lambda point: point[1])
    if right <= left or top <= bottom:
        return None
    return max(
        (point for point in points if point[0] <= right),
        key=lambda point: (point[0] - left) / (right - left) - (point[1] - bottom) / (top - bottom),
    )[0]
