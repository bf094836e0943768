"""One probe of a search: a run at one rate, of which a first part does not count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from loadgen.crossing import Piece
from loadgen.find_max import Probe, pieces_of, settle_s
from loadgen.loads import MAX_SEED
from loadgen.outputs.outputs import Outputs
from loadgen.plan import Plan
from loadgen.run import conduct
from loadgen.slo import Condition
from loadgen.snapshot import Milliseconds, milliseconds
from loadgen.windows import LATE_NS

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import Result


class Prober:
    """Makes the probes of a plan, each with a folder of its own. Nothing is in flight when one begins.

    A run waits for its answers (`--drain`); what it gave up then has a server busy for as long as the next
    probe settles, at the most.
    """

    def __init__(self, plan: Plan, conditions: Sequence[Condition], folder: Path) -> None:
        self._plan = plan
        self._conditions = conditions
        self._folder = folder
        self._number = 0

    def __call__(self, rate: float, seconds: float) -> Probe:
        """At that rate, and for so long after it has settled."""
        self._number += 1
        folder = self._folder / f"probe-{self._number:02}"
        plan = self._plan_at(rate, seconds)
        watcher = _Watcher(seconds, in_iterations=plan.compile().counts_iterations)
        began = time.monotonic()
        result = conduct(plan, folder, Outputs([]), [watcher])
        total = watcher.whole()
        cut = watcher.pieces()
        pieces = [
            [
                Piece(rate, arrived / length_s, *condition.count(interval))
                for interval, arrived, length_s in cut
            ]
            for condition in self._conditions
        ]
        shares = [over / count if count else 0.0 for over, count in map(_sum, pieces)]
        response = total.histogram("response") if total else None
        ended = total.counters["ok"] + total.counters["failed"] if total else 0
        return Probe(
            rate_per_s=rate,
            achieved_per_s=result.achieved_rate_per_s,
            seconds=seconds,
            took_s=time.monotonic() - began,
            # Not by the run's own thresholds: a percentile of one sample too few would be no data.
            passed=total is not None and _is_kept(self._conditions, shares),
            exit_code=result.exit_code,
            generator=result.generator.verdict,
            reasons=result.generator.reasons,
            p50_ms=_ms(response.percentile(50) if response else None),
            p99_ms=_ms(response.percentile(99) if response else None),
            errors=total.counters["failed"] / ended if total and ended else 0.0,
            over=shares,
            pieces=pieces,
            folder=str(folder),
        )

    def _plan_at(self, rate: float, seconds: float) -> Plan:
        before_s = settle_s(seconds)
        thresholds = [
            f"{condition.threshold.expression} after {before_s:g}s" for condition in self._conditions
        ]
        return msgspec.structs.replace(
            self._plan,
            rate=round(rate, 3),
            duration=round(before_s + seconds, 3),
            # Other arrivals in each: the same ones again would be the same chance again.
            seed=(int(self._plan.seed) + self._number) % (MAX_SEED + 1),
            thresholds=thresholds,
        )


def _is_kept(conditions: Sequence[Condition], shares: Sequence[float]) -> bool:
    return all(share <= condition.allowed for condition, share in zip(conditions, shares, strict=True))


def _sum(pieces: Sequence[Piece]) -> tuple[int, int]:
    return sum(piece.over for piece in pieces), sum(piece.of for piece in pieces)


def _ms(value_ns: float | None) -> Milliseconds:
    return milliseconds(None if value_ns is None else round(value_ns / 1e6, 6))


class _Watcher:
    """Keeps the run as it was at the beginning of each piece, and at its end."""

    def __init__(self, seconds: float, *, in_iterations: bool) -> None:
        number = pieces_of(seconds)
        before_s = settle_s(seconds)
        self._begins_s = [before_s + seconds / number * index for index in range(number)]
        self._arrivals = "iterations_started" if in_iterations else "sent"
        self._marks: list[tuple[float, Snapshot]] = []
        self._at_gate: tuple[float, Snapshot] | None = None
        self._end: Snapshot | None = None

    def progress(self, progress: Progress) -> None:
        """The run's own ticks will do: a piece is as long as what lies between two of them."""
        mark = (progress.elapsed_s, progress.total)
        self._end = progress.total
        if progress.phase == "drain":
            return
        self._at_gate = mark
        begun = len(self._marks)
        if begun < len(self._begins_s) and progress.elapsed_s >= self._begins_s[begun] - LATE_NS / 1e9:
            self._marks.append(mark)

    def whole(self) -> Snapshot | None:
        """All that counts; None where the run ended before."""
        return self._end.since(self._marks[0][1]) if self._marks and self._end else None

    def pieces(self) -> list[tuple[Snapshot, int, float]]:
        """Each with how many arrived in it, and its length. What came in the drain is the last one's."""
        if not self._marks or not self._end or not self._at_gate:
            return []
        found = []
        ends = [(mark, mark[1]) for mark in self._marks[1:]] + [(self._at_gate, self._end)]
        for (begin_s, begin), ((end_s, gate), end) in zip(self._marks, ends, strict=True):
            arrived = gate.counters[self._arrivals] - begin.counters[self._arrivals]
            if end_s > begin_s and arrived:
                found.append((end.since(begin), arrived, end_s - begin_s))
        return found

    def begin(self, opening: Opening) -> None:
        """Nothing to keep yet."""

    def event(self, event: Event) -> None:
        """What it has to say is in the result."""

    def end(self, result: Result) -> None:
        """The same."""

    def close(self) -> None:
        """Nothing is open."""
