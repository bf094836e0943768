"""The search, on queues that are computed: what it answers, how surely, and how else it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadgen.errors import (
    ExitCode,
    Interrupted,
    LoadgenError,
    RunFolderError,
    TargetError,
    UsageError,
    WorkerError,
)
from loadgen.find_max import Bounds, Found, Probe, Search, budget_s, knee
from loadgen.slo import parse_slo
from tests.unit.queues import LAWS, make_probe, queue

SLO = parse_slo("p99 < 50ms")


def search(probe: Callable[[float, float], Probe], **change: float) -> Found:
    bounds = {"lowest": 100.0, "highest": 1e7, "probe_s": 30.0, "precision": 0.02}
    bounds["budget_s"] = 1200.0
    return Search(probe, SLO, Bounds(**bounds | change)).run()


def step(limit: float) -> Callable[[float, float], Probe]:
    """All below a rate is well, and nothing above."""
    return lambda rate, _seconds: make_probe(rate, [0.0 if rate < limit else 1.0])


@pytest.mark.parametrize("law", ["M/M/1", "M/D/1"])
def test_the_law_is_in_the_interval_as_often_as_it_says(law: str) -> None:
    """Of 25 with 95 %, fewer than 21 have about one chance in a hundred."""
    truth = LAWS[law]
    found = [search(queue(seed, law)) for seed in range(25)]
    assert {one.outcome for one in found} == {"found"}
    held = [one for one in found if (one.low_per_s or 0) <= truth <= (one.high_per_s or 0)]
    close = [one for one in found if abs((one.rate_per_s or 0) / truth - 1) <= 0.02]
    assert len(held) >= 21, f"{len(held)} of 25 intervals hold {truth}"
    assert len(close) >= 21, f"{len(close)} of 25 answers are within 2 %"


def test_a_short_search_says_less_and_not_something_wrong() -> None:
    found = [search(queue(seed, "M/M/1"), budget_s=120, probe_s=10) for seed in range(50)]
    held = [one for one in found if (one.low_per_s or 0) <= LAWS["M/M/1"] <= (one.high_per_s or 0)]
    assert len(held) >= 43, f"{len(held)} of 50 intervals hold it"
    wide = [one for one in found if (one.width or 1) > 0.02]
    assert all(one.why and "before it was 2 %" in one.why for one in wide) and len(wide) >= 25


def test_it_ends_when_it_knows_as_much_as_was_asked() -> None:
    took_s = []
    for precision in (0.05, 0.02):
        found = [search(queue(seed, "M/M/1"), precision=precision, budget_s=9000) for seed in range(5)]
        assert all(one.width and one.width <= precision and one.why is None for one in found)
        took_s.append(sum(one.took_s for one in found))
    assert took_s[0] < 0.7 * took_s[1]


def test_half_of_the_interval_takes_four_times_as_long() -> None:
    assert [budget_s(precision) for precision in (0.01, 0.02, 0.04, 0.2)] == [4800, 1200, 300, 300]


@pytest.mark.parametrize("limit", [101.0, 333.0, 5000.5, 70_000.0])
def test_a_step_is_found_in_little_time(limit: float) -> None:
    found = search(step(limit), budget_s=1000)
    assert found.outcome == "found"
    assert found.low_per_s and found.rate_per_s and found.high_per_s
    assert found.low_per_s <= limit <= found.high_per_s
    assert found.rate_per_s == pytest.approx(limit, rel=0.01)
    assert sum(probe.took_s for probe in found.probes) < 600


def test_the_condition_that_fails_first_decides() -> None:
    def probe(rate: float, _seconds: float) -> Probe:
        errors = 0.001 * (rate / 400) ** 8
        return make_probe(rate, [0.0 if rate < 3000 else 1.0, min(errors, 1)], passed=errors < 0.01)

    slo = parse_slo("p99 < 50ms, errors < 1%")
    bounds = Bounds(lowest=100, highest=1e7, probe_s=15, precision=0.02, budget_s=300)
    found = Search(probe, slo, bounds).run()
    assert found.rate_per_s == pytest.approx(400 * 10 ** (1 / 8), rel=0.02)


def test_even_the_lowest_rate_fails() -> None:
    found = search(step(50))
    assert (found.outcome, found.exit_code) == ("fails", ExitCode.THRESHOLD_FAILED)
    assert (found.low_per_s, found.high_per_s, len(found.probes)) == (None, 100, 2)


def test_one_stall_in_the_first_short_probe_is_no_answer() -> None:
    made: list[float] = []

    def probe(rate: float, seconds: float) -> Probe:
        made.append(seconds)
        return make_probe(rate, [1.0 if rate > 5000 or len(made) == 1 else 0.0])

    found = search(probe)
    assert made[0] < made[1] == 30
    assert found.outcome == "found" and found.rate_per_s == pytest.approx(5000, rel=0.01)


def test_the_highest_rate_asked_for_is_kept() -> None:
    found = search(step(5000), highest=700)
    assert (found.outcome, found.exit_code, found.rate_per_s) == ("at-least", ExitCode.PASSED, 700)
    assert found.probes[-1].rate_per_s == 700


@pytest.mark.parametrize(("budget_s", "outcome"), [(30, "at-least"), (40, "at-least"), (95, "found")])
def test_the_budget_is_spent_before_the_search_came_near(budget_s: float, outcome: str) -> None:
    found = search(step(5000), budget_s=budget_s)
    assert found.outcome == outcome and found.why and "--budget" in found.why
    assert found.low_per_s and found.low_per_s <= 5000 <= (found.high_per_s or 1e9)


@pytest.mark.parametrize("above", [90, 1500, 4990])
def test_a_generator_at_its_limit_gives_no_answer(above: float) -> None:
    def probe(rate: float, _seconds: float) -> Probe:
        limited = make_probe(rate, [0.0], exit_code=3, generator="client-limited", reasons=["too busy"])
        return limited if rate > above else make_probe(rate, [0.0 if rate < 5000 else 1.0])

    found = search(probe)
    assert (found.outcome, found.exit_code, found.why) == ("client-limited", ExitCode.INVALID, "too busy")
    assert [one.exit_code for one in found.probes[-2:]] == [3, 3], "once more, in case it was a moment's"


def test_one_disturbed_probe_is_made_again_and_left_out() -> None:
    made: list[Probe] = []

    def probe(rate: float, seconds: float) -> Probe:
        one = step(5000)(rate, seconds)
        if len(made) % 3 == 2:
            one = make_probe(rate, [1.0], exit_code=3, generator="client-limited")
        made.append(one)
        return one

    found = search(probe, budget_s=1000)
    assert found.outcome == "found" and found.rate_per_s == pytest.approx(5000, rel=0.01)


@pytest.mark.parametrize(("above", "probes"), [(0, 1), (1000, 6)])
def test_a_target_that_is_not_there(above: float, probes: int) -> None:
    def probe(rate: float, _seconds: float) -> Probe:
        return make_probe(rate, [1.0], exit_code=4) if rate > above else make_probe(rate, [0.0])

    found = search(probe)
    assert (found.outcome, found.exit_code, len(found.probes)) == ("unreachable", 4, probes)


@pytest.mark.parametrize("by", [Interrupted("x"), KeyboardInterrupt(), None])
@pytest.mark.parametrize("after", [0, 3, 11])
def test_an_interrupt_leaves_what_is_known(by: BaseException | None, after: int) -> None:
    made: list[Probe] = []

    def probe(rate: float, seconds: float) -> Probe:
        if len(made) == after:
            if by is not None:
                raise by
            return make_probe(rate, [0.0], exit_code=130)
        made.append(step(5000)(rate, seconds))
        return made[-1]

    found = search(probe)
    assert (found.outcome, found.exit_code) == ("interrupted", ExitCode.INTERRUPTED)
    assert found.low_per_s == {0: None, 3: 400}.get(after, found.low_per_s)
    assert after < 11 or found.rate_per_s == pytest.approx(5000, rel=0.05)


@pytest.mark.parametrize("error", [WorkerError, TargetError, RunFolderError, UsageError])
@pytest.mark.parametrize("after", [1, 3, 11])
def test_what_breaks_it_leaves_what_is_known(error: type[LoadgenError], after: int) -> None:
    made: list[Probe] = []

    def probe(rate: float, seconds: float) -> Probe:
        if len(made) == after:
            raise error("gone")
        made.append(step(5000)(rate, seconds))
        return made[-1]

    found = search(probe)
    assert found.outcome == ("unreachable" if error is TargetError else "broken")
    assert (found.exit_code, found.why) == (error.exit_code, "gone")
    assert found.probes == made and found.is_interval == (after == 11)
    assert found.low_per_s and found.rate_per_s


def test_what_breaks_the_first_probe_is_a_mistake_like_any_other() -> None:
    def probe(_rate: float, _seconds: float) -> Probe:
        raise UsageError("cannot be done")

    with pytest.raises(UsageError, match="cannot be done"):
        search(probe)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"exit_code": 3, "reasons": ["worker 0 (pid 7) was lost"]}, "worker 0 (pid 7) was lost"),
        ({"exit_code": 5}, "the script's own errors stopped a probe"),
        ({"exit_code": 5, "reasons": ["100 iterations failed"]}, "100 iterations failed"),
    ],
)
def test_a_probe_that_was_not_whole_twice_ends_it(change: dict[str, Any], why: str) -> None:
    def probe(rate: float, _seconds: float) -> Probe:
        return make_probe(rate, [0.0], **change if rate > 1000 else {})

    found = search(probe)
    assert (found.outcome, found.exit_code, found.why) == ("broken", change["exit_code"], why)
    assert found.rate_per_s == 800 and len(found.probes) == 6


def test_no_probe_has_too_few_samples() -> None:
    asked: list[float] = []

    def probe(rate: float, seconds: float) -> Probe:
        asked.append(rate * seconds)
        return step(40)(rate, seconds)

    search(probe, lowest=1, probe_s=2)
    assert min(asked) >= 367.99


def test_the_knee_is_where_the_curve_bends() -> None:
    curve = {100: 1.0, 200: 1.1, 400: 1.2, 800: 2.0, 900: 20.0, 950: 60.0}
    probes = [make_probe(rate, [0.0], p99_ms=p99_ms) for rate, p99_ms in curve.items()]
    assert knee(probes) == 800
    assert knee(probes[:2]) is None and knee([]) is None
