"""Thresholds while a run goes on: where each begins to count, and which ends the run. It stops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadgen.stretch import Stretch
from loadgen.thresholds import Threshold, parse_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadgen._engine import Snapshot
    from loadgen.engine_plan import EnginePlan
    from loadgen.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Mark:
    """A run at the instant from which on a threshold counts."""

    at_ns: int
    total: Snapshot


@dataclass(frozen=True, slots=True)
class Abort:
    """A threshold that ended the run."""

    at_s: float
    threshold: Threshold
    value: float

    def __str__(self) -> str:
        return f'"{self.threshold.expression}" ends the run: {self.threshold.show(self.value)}'


class Watch:
    """The thresholds of one run."""

    def __init__(self, plan: EnginePlan) -> None:
        self._scripted = plan.counts_iterations
        thresholds = thresholds_of(plan)
        self._aborting = [threshold for threshold in thresholds if threshold.abort]
        self.delays_ns = sorted({threshold.after_ns for threshold in thresholds if threshold.after_ns})
        self.marks: dict[int, Mark] = {}  # by the delay
        self.aborts: list[Abort] = []

    def mark(self, delay_ns: int, total: Snapshot, elapsed_ns: int) -> None:
        """A delay is over."""
        self.marks[delay_ns] = Mark(elapsed_ns, total)

    def look(self, total: Snapshot, elapsed_ns: int) -> list[Abort]:
        """Those that end the run now, judged on the run so far."""
        for threshold in self._aborting:
            figures = stretch_of(threshold, self.marks, total, total, elapsed_ns, scripted=self._scripted)
            if figures is not None and threshold.ends_the_run(figures):
                value = threshold.measure(figures)
                assert value is not None
                self.aborts.append(Abort(elapsed_ns / 1e9, threshold, value))
        return self.aborts


def thresholds_of(plan: EnginePlan) -> list[Threshold]:
    """The plan's, in its order."""
    return [parse_threshold(text, scripted=plan.has_metrics) for text in plan.thresholds]


def stretch_of(
    threshold: Threshold,
    marks: Mapping[int, Mark],
    total: Snapshot,
    at_gate: Snapshot,
    elapsed_ns: int,
    *,
    scripted: bool,
    whole: Ledger | None = None,
) -> Stretch | None:
    """What a threshold is judged on, up to now; None before its delay is over. `whole`: an ended run."""
    if not threshold.after_ns:
        sent, from_ns = at_gate.counters["sent"], 0
    elif (mark := marks.get(threshold.after_ns)) is None:
        return None
    else:
        total, from_ns = total.since(mark.total), mark.at_ns
        sent = at_gate.counters["sent"] - mark.total.counters["sent"]
    length_s = max(elapsed_ns - from_ns, 1) / 1e9
    return Stretch(total, scripted=scripted, sent=sent, length_s=length_s, whole=whole)
