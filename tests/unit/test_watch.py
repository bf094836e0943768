"""Thresholds while a run goes on: the worst window, the first to fail, and what ends the run."""

from __future__ import annotations

from typing import cast

import pytest

from loadgen._engine import Snapshot
from loadgen.engine_plan import EnginePlan
from loadgen.plan import Plan
from loadgen.watch import State, Watch
from tests.unit.figures import Counted, Samples

MS = 1_000_000
SECOND = 1_000_000_000


class Growing(Counted):
    """A run in which each second has its own answers; two of them subtract."""

    def __init__(self, *seconds: list[int | None]) -> None:
        self.seconds = seconds
        answers = [value for second in seconds for value in second]
        ok = [value * MS for value in answers if value is not None]
        failed = len(answers) - len(ok)
        super().__init__(
            response=Samples(ok, failed),
            service=Samples(ok, failed),
            statuses={200: len(ok)},
            errors={"timeout": failed},
            counters={"sent": len(answers), "ok": len(ok), "failed": failed},
        )

    def since(self, earlier: Growing) -> Growing:
        return Growing(*self.seconds[len(earlier.seconds) :])


def plan(*thresholds: str) -> EnginePlan:
    return Plan(url="http://127.0.0.1:8000/", rate=100, workers=1, thresholds=thresholds).compile()


def watch(thresholds: list[str], seconds: list[list[int | None]]) -> tuple[Watch, list[tuple[int, State]]]:
    """After a look at each second; and those that were the first to fail, with the second."""
    watched = Watch(plan(*thresholds))
    failed = []
    for number in range(1, len(seconds) + 1):
        total, now_ns = cast("Snapshot", Growing(*seconds[:number])), number * SECOND
        if now_ns in watched.delays_ns:
            watched.mark(now_ns, total, now_ns)
        failed += [(number, state) for state in watched.look(total, now_ns)]
        if watched.aborts:
            break
    return watched, failed


def states(watched: Watch) -> list[tuple[float | None, float | None, str]]:
    return [(one.value, one.window_ends_at_s, one.outcome) for one in watched.states.values()]


FAST: list[int | None] = [1] * 20
SLOW: list[int | None] = [50] * 20


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("p50 < 100ms over 2s", (50, 4, "pass")),
        ("p50 < 10ms over 2s", (50, 4, "fail")),
        ("p50 < 10ms over 1s", (50, 3, "fail")),
        ("p50 < 10ms", (1, None, "pass")),
        ("mean > 10ms over 1s", (1, 1, "fail")),
        ("mean > 30ms over 1s after 2s", (1, 5, "fail")),
        ("requests >= 20 over 1s", (20, 1, "pass")),
        ("requests >= 100", (100, None, "pass")),
        ("requests > 100", (100, None, "no data")),
        ("rate > 25/s over 2s", (20, 2, "fail")),
        ("p95 < 10ms over 3s", (None, None, "no data")),
        ("p50 < 10ms over 6s", (None, None, "no data")),
        ("p50 < 10ms after 9s", (None, None, "no data")),
    ],
)
def test_the_worst_window_counts(text: str, state: tuple[float | None, float | None, str]) -> None:
    watched, _ = watch([text], [FAST, FAST, SLOW, SLOW, FAST])
    assert states(watched) == [state]


def test_the_first_failure_is_told_once_and_the_worst_is_kept() -> None:
    watched, failed = watch(["errors < 10% over 1s", "errors < 50%"], [FAST, [1, 1, None], FAST, [None] * 3])
    assert [(second, str(state)) for second, state in failed] == [
        (2, '"errors < 10% over 1s" fails: 33 % in the 1s up to 2.0 s')
    ]
    assert states(watched)[0] == (1.0, 4, "fail")


def test_a_burn_rate_is_seen_where_the_whole_run_is_well() -> None:
    seconds: list[list[int | None]] = [FAST] * 10 + [[1] * 18 + [None] * 2] + [FAST] * 9
    watched, failed = watch(["burn(90%) < 1 over 2s"], seconds)
    assert not failed
    watched, failed = watch(["burn(99%) < 4 over 2s", "burn(99%) < 1", "budget(99%) < 100%"], seconds)
    assert [(second, state.value) for second, state in failed] == [(11, 5)]
    assert [round(state.value or 0, 9) for state in watched.states.values()] == [5, 0.5, 0.5]


def test_the_first_window_that_fails_ends_the_run() -> None:
    watched, failed = watch(["max < 10ms over 2s abort", "max < 10ms over 1s"], [FAST, SLOW, FAST])
    (abort,) = watched.aborts
    assert (abort.at_s, abort.value) == (2, 50)
    assert [second for second, _ in failed] == [2], "what ends the run is told as such"


def test_after_the_load_no_window_ends() -> None:
    watched, _ = watch(["max < 10ms over 1s", "requests > 40"], [FAST, FAST])
    late = cast("Snapshot", Growing(FAST, FAST, SLOW))
    watched.look_after(late, late, 2 * SECOND)
    assert states(watched) == [(1, 1, "pass"), (60, None, "pass")]


def test_expressions_cannot_steer_the_terminal_or_fill_it() -> None:
    (threshold,) = Watch(
        Plan(
            script="scenario.py", thresholds=["\x1b[2J" + "x" * 10_000_000 + ": p50 < 1ms over 1s"]
        ).compile()
    ).states
    words = str(State(threshold, 5.0, 1.0))
    assert "\x1b" not in words and len(words) < 250
