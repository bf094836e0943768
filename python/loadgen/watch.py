"""Thresholds while a run goes on: where each begins to count, how it stands, which ends it. Stops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadgen.stretch import Stretch
from loadgen.threshold_grammar import parse_threshold
from loadgen.thresholds import Outcome, Threshold
from loadgen.windows import START, Mark, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadgen._engine import Snapshot
    from loadgen.engine_plan import EnginePlan
    from loadgen.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Abort:
    """A threshold that ended the run."""

    at_s: float
    threshold: Threshold
    value: float

    def __str__(self) -> str:
        return f"{self.threshold} ends the run: {self.threshold.show(self.value)}"


@dataclass(frozen=True, slots=True)
class State:
    """How a threshold stands: on the run so far, or in the worst of its windows."""

    threshold: Threshold
    value: float | None = None
    window_ends_at_s: float | None = None

    def __str__(self) -> str:
        assert self.value is not None
        place = self.threshold.place(self.window_ends_at_s)
        return f"{self.threshold} fails: {self.threshold.show(self.value)}{place}"

    @property
    def outcome(self) -> Outcome:
        """What the run so far makes of it."""
        outcome = self.threshold.judge(self.value)
        return "no data" if outcome == "fail" and self.threshold.may_still_hold() else outcome

    def or_worse(self, other: State) -> State:
        """The worse of two windows, the first of two alike. One without data says nothing."""
        if other.value is None:
            return self
        return other if self.value is None or self.threshold.is_worse(other.value, self.value) else self


class Watch:
    """The thresholds of one run."""

    def __init__(self, plan: EnginePlan) -> None:
        self._scripted = plan.counts_iterations
        thresholds = thresholds_of(plan)
        self._windows = {one.span: Windows(one.over_ns) for one in thresholds if one.over_ns}
        self.delays_ns = sorted({one.after_ns for one in thresholds if one.after_ns})
        self.marks: dict[int, Mark] = {}  # by the delay
        self.states = {threshold: State(threshold) for threshold in thresholds}
        self.aborts: list[Abort] = []
        self._begin(0, START)

    def mark(self, delay_ns: int, total: Snapshot, elapsed_ns: int) -> None:
        """A delay is over."""
        self._begin(delay_ns, Mark(elapsed_ns, total))

    def _begin(self, delay_ns: int, mark: Mark) -> None:
        self.marks[delay_ns] = mark
        for (_, after_ns), windows in self._windows.items():
            if after_ns == delay_ns:
                windows.begin(mark)

    def look(self, total: Snapshot, elapsed_ns: int, *, windows: bool = True) -> list[State]:
        """Judge the run so far, and each window that ends now. Returns first failures among windows."""
        begins = {span: each.end(total, elapsed_ns) for span, each in self._windows.items() if windows}
        failed = []
        for threshold, stretch in self._stretches(begins, total, total, elapsed_ns):
            before, value = self.states[threshold], threshold.measure(stretch)
            state = State(threshold, value)
            if threshold.over_ns:
                state = before.or_worse(State(threshold, value, elapsed_ns / 1e9))
            self.states[threshold] = state
            if threshold.abort and threshold.ends_the_run(stretch):
                assert value is not None
                self.aborts.append(Abort(elapsed_ns / 1e9, threshold, value))
            elif threshold.over_ns and before.outcome != "fail" and state.outcome == "fail":
                failed.append(state)
        return failed

    def look_after(self, total: Snapshot, at_gate: Snapshot, load_ns: int) -> None:
        """The load is over: no window ends any more but the last, which is judged when all is known."""
        for threshold, stretch in self._stretches({}, total, at_gate, load_ns):
            self.states[threshold] = State(threshold, threshold.measure(stretch))

    def last_windows(self, load_ns: int) -> dict[tuple[int, int], Mark]:
        """Where those begin that end with the load."""
        found = {span: windows.last(load_ns) for span, windows in self._windows.items()}
        return {span: mark for span, mark in found.items() if mark is not None}

    def _stretches(
        self,
        begins: Mapping[tuple[int, int], Mark | None],
        total: Snapshot,
        at_gate: Snapshot,
        elapsed_ns: int,
    ) -> list[tuple[Threshold, Stretch]]:
        """What each is judged on now, if it is. `begins`: where the windows begin that end now."""
        made: dict[Mark, Stretch] = {}
        found = []
        for threshold in self.states:
            begin = begins.get(threshold.span) if threshold.over_ns else self.marks.get(threshold.after_ns)
            if begin is None:
                continue
            if begin not in made:
                made[begin] = stretch_since(begin, total, at_gate, elapsed_ns, scripted=self._scripted)
            found.append((threshold, made[begin]))
        return found


def thresholds_of(plan: EnginePlan) -> list[Threshold]:
    """The plan's, in its order."""
    return [parse_threshold(text, scripted=plan.has_metrics) for text in plan.thresholds]


def stretch_since(
    begin: Mark,
    total: Snapshot,
    at_gate: Snapshot,
    elapsed_ns: int,
    *,
    scripted: bool,
    whole: Ledger | None = None,
) -> Stretch:
    """From a mark until now. `whole`: a run that has ended."""
    sent = at_gate.counters["sent"]
    if begin.total is not None:
        total, sent = total.since(begin.total), sent - begin.total.counters["sent"]
    length_s = max(elapsed_ns - begin.at_ns, 1) / 1e9
    return Stretch(total, scripted=scripted, sent=sent, length_s=length_s, whole=whole)
