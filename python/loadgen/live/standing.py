"""How thresholds stand while a run goes on, in few words: those that fail first. It judges nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from loadgen.thresholds import Outcome
from loadgen.units import counted, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.progress import Progress
    from loadgen.thresholds import Threshold
    from loadgen.watch import State

MOST_SHOWN = 5
WORDS: dict[Outcome, str] = {"fail": "FAIL", "pass": "pass", "no data": "no data"}


def first_of(states: Sequence[State]) -> tuple[list[State], str]:
    """Those to show, in the plan's order but for the failing ones; and words for the others."""
    ranked = sorted(states, key=lambda state: state.outcome != "fail")
    shown, others = ranked[:MOST_SHOWN], Counter(state.outcome for state in ranked[MOST_SHOWN:])
    if not others:
        return shown, ""
    counts = ", ".join(
        f"{format_count(others[outcome])} {word}" for outcome, word in WORDS.items() if others[outcome]
    )
    return shown, f"and {format_count(others.total())} more: {counts}"


def value_of(state: State) -> str:
    """Its value so far, if it has one."""
    return "" if state.value is None else state.threshold.show(state.value)


class Changes:
    """Which thresholds fail that did not before, and the other way round. Of windows, events tell."""

    def __init__(self) -> None:
        self._failing: set[Threshold] = set()

    def since_last(self, progress: Progress) -> list[str]:
        """A line each, as far as they can be taken in."""
        lines = []
        for state in progress.thresholds:
            threshold, fails = state.threshold, state.outcome == "fail"
            if threshold.over_ns or state.outcome == "no data" or fails == (threshold in self._failing):
                continue
            self._failing ^= {threshold}
            how = "fails so far" if fails else "holds again"
            lines.append(f"{threshold} {how}: {value_of(state)}")
        if len(lines) > MOST_SHOWN:
            more = counted(len(lines) - MOST_SHOWN, "more threshold")
            lines[MOST_SHOWN:] = [f"{more} changed"]
        return lines
