"""Comparisons of drawn runs: how often equal ones seem to differ, and how often a change is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from loadgen.comparison import Comparison, Figure, compare
from loadgen.hlog import highest_ns
from loadgen.stored_run import StoredRun, Summary
from loadgen.stored_windows import Windows
from tests.unit.results import make_result

Real = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Real]
SUMMARY = msgspec.json.decode(make_result(labels=[]).to_json(), type=Summary)


class Drawn(StoredRun):
    """A run whose windows are drawn, not read; `samples` is windows x requests, in ns."""

    def __init__(self, samples: Real, ends: Real | None = None, **change: Any) -> None:
        super().__init__(Path("drawn"), msgspec.structs.replace(SUMMARY, **change))
        magnitudes = np.maximum(np.frexp(samples)[1] - 11, 0)
        buckets = magnitudes * 1024 + (samples.astype(np.int64) >> magnitudes)
        filled, places = np.unique(buckets, return_inverse=True)
        rows = np.arange(len(samples))[:, None] * filled.size + places.reshape(samples.shape)
        table = np.bincount(rows.ravel(), minlength=len(samples) * filled.size)
        lost = np.zeros(len(samples))
        self.__dict__["drawn"] = Windows(
            table.reshape(len(samples), -1).astype(float), highest_ns(filled), lost
        )
        well = np.full(len(samples), float(samples.shape[1]))
        fine = np.array([well, np.zeros_like(well), np.ones_like(well)]).T
        self.__dict__["drawn_ends"] = fine if ends is None else ends

    def windows(self, label: str | None) -> Windows:
        assert label is None
        windows: Windows = self.__dict__["drawn"]
        return windows

    def ends(self) -> Real:
        ends: Real = self.__dict__["drawn_ends"]
        return ends


def exponential(seconds: int, rate: int, mean_ms: float = 5.0) -> Draw:
    return lambda random: random.exponential(mean_ms * 1e6, (seconds, rate)) + 1e5


def lognormal(seconds: int, rate: int, scale: float = 1.0) -> Draw:
    return lambda random: random.lognormal(0, 1, (seconds, rate)) * 2e6 * scale


def stalls(seconds: int, rate: int) -> Draw:
    """One second in five has a stall, in which what comes waits for its end."""

    def draw(random: np.random.Generator) -> Real:
        calm = random.exponential(1e6, (seconds, rate)) + 1e5
        stalled = random.random((seconds, 1)) < 0.2
        waits = np.linspace(2e8, 0, rate)
        return calm + stalled * waits

    return draw


def changes(comparison: Comparison) -> list[str]:
    return [figure.name for figure in comparison.figures if figure.judgement in ("worse", "better")]


def figure(comparison: Comparison, name: str) -> Figure:
    (found,) = [figure for figure in comparison.labels[0].figures if figure.name == name]
    return found


@pytest.mark.parametrize(
    "draw",
    [exponential(8, 500), lognormal(15, 250), stalls(30, 50)],
    ids=["exponential", "lognormal", "stalls"],
)
def test_equal_runs_seldom_seem_to_differ(draw: Draw) -> None:
    """200 A/A comparisons without a tolerance; any figure counts. At 5 % at most 21 (99.9 % band)."""
    random = np.random.default_rng(2026)
    found = [changes(compare([Drawn(draw(random))], [Drawn(draw(random))], tolerance=0)) for _ in range(200)]
    assert sum(map(bool, found)) <= 21


def test_equal_runs_seldom_seem_to_differ_where_runs_do() -> None:
    """As above with five runs a side, each of which is slower or faster as a whole."""
    random = np.random.default_rng(2026)
    found = 0
    for _ in range(200):
        sides = [[varied(random, 1.0, rate=400) for _ in range(5)] for _ in range(2)]
        found += bool(changes(compare(sides[0], sides[1], tolerance=0)))
    assert found <= 21


def test_within_run_intervals_cover_what_is_true() -> None:
    """Each interval by itself, on equal runs: 0 is in it in 95 of 100, within the 99.9 % band."""
    random = np.random.default_rng(99)
    missed = dict.fromkeys(("p50", "p90", "p99"), 0)
    for _ in range(300):
        runs = [Drawn(exponential(12, 300)(random)) for _ in range(2)]
        comparison = compare([runs[0]], [runs[1]], percentiles=list(missed))
        for name in missed:
            one = figure(comparison, name)
            assert one.low is not None and one.high is not None
            missed[name] += not one.low <= 0 <= one.high
    assert all(2 <= count <= 29 for count in missed.values()), missed


def varied(random: np.random.Generator, scale: float, rate: int = 2000) -> Drawn:
    """A run of ten seconds that is by 1.3 % (standard deviation) faster or slower than others like it.

    Their tail is steep, as that of a server below its limit, so that the p99 of one run is known to 1 %.
    """
    slower = scale * np.exp(random.normal(0, 0.013))
    return Drawn(random.lognormal(0, 0.4, (10, rate)) * 2e6 * slower)


def test_a_p99_five_percent_up_is_found_with_five_runs_a_side() -> None:
    """The advertised power: four of five comparisons at the least."""
    random = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        before = [varied(random, 1.0) for _ in range(5)]
        after = [varied(random, 1.05) for _ in range(5)]
        comparison = compare(before, after)
        found += figure(comparison, "p99").judgement == "worse" and comparison.exit_code == 1
    assert found >= 32


def test_a_p99_five_percent_up_is_found_within_two_runs() -> None:
    random = np.random.default_rng(6)
    found = 0
    for _ in range(30):
        before, after = (random.lognormal(0, 0.4, (30, 2000)) * scale * 2e6 for scale in (1, 1.05))
        found += figure(compare([Drawn(before)], [Drawn(after)]), "p99").judgement == "worse"
    assert found >= 24


@pytest.mark.parametrize(
    ("scale", "tolerance", "judgement", "exit_code"),
    [(1.3, 0.03, "worse", 1), (1.3, 0.5, "same", 0), (0.7, 0.03, "better", 0), (1.0, 0.03, "same", 0)],
)
def test_the_tolerance_decides_what_counts(
    scale: float, tolerance: float, judgement: str, exit_code: int
) -> None:
    random = np.random.default_rng(1)
    runs = [Drawn(exponential(20, 1000, mean_ms)(random)) for mean_ms in (5, 5 * scale)]
    comparison = compare([runs[0]], [runs[1]], tolerance=tolerance)
    assert comparison.method == "within-run"
    assert figure(comparison, "p99").judgement == judgement
    assert comparison.exit_code == exit_code
    one = figure(comparison, "p50")
    assert one.low is not None and one.high is not None and one.change is not None
    assert one.low < scale - 1 < one.high and one.low < one.change < one.high


def test_too_few_samples_or_seconds_give_a_reason_and_no_number() -> None:
    """A p99.9 of 3,687 samples has none; one more, and it has."""
    random = np.random.default_rng(1)
    few = [Drawn(random.exponential(1e6, (9, 3687 // 9 // 1))) for _ in range(2)]
    one = figure(compare([few[0]], [few[1]]), "p99.9")
    assert (one.change, one.judgement, one.run) == (None, None, None)
    assert one.why == "3,681 samples, needs 3,688"
    short = [Drawn(exponential(7, 1000)(random)) for _ in range(2)]
    comparison = compare([short[0]], [short[1]])
    assert figure(comparison, "p50").why == "7 windows of time, needs 8"
    assert comparison.exit_code == 3, "of nothing it can be told"


@pytest.mark.parametrize(("first", "second"), [(1, 5), (4, 4), (5, 1)])
def test_too_few_runs_give_a_reason_and_no_number(first: int, second: int) -> None:
    random = np.random.default_rng(1)
    sides = [[varied(random, scale) for _ in range(runs)] for runs, scale in ((first, 1.0), (second, 2.0))]
    comparison = compare(sides[0], sides[1])
    one = figure(comparison, "p99")
    assert one.change is None and one.why is not None and one.why.endswith("on a side, needs 5")
    assert one.baseline is not None and one.run is not None
    assert comparison.exit_code == 3


def ends(ok: Sequence[float], failed: Sequence[float]) -> Real:
    return np.array([ok, failed, [1.0] * len(ok)]).T


def failing(random: np.random.Generator, failed: Sequence[float], **change: Any) -> Drawn:
    seconds = len(failed)
    total = 1000 * seconds
    bad = round(sum(failed))
    requests = msgspec.structs.replace(SUMMARY.requests, total=total, ok=total - bad, failed=bad)
    of_each = ends([1000 - one for one in failed], failed)
    return Drawn(exponential(seconds, 100)(random), of_each, requests=requests, **change)


def test_more_failures_all_along_are_a_regression() -> None:
    random = np.random.default_rng(1)
    comparison = compare([failing(random, [0] * 10)], [failing(random, [5, 6, 4, 5, 7, 5, 4, 5, 6, 5])])
    one = figure(comparison, "failed")
    assert (one.judgement, comparison.exit_code) == ("worse", 1)
    assert one.change == pytest.approx(0.0052)


def test_failures_of_one_second_are_one_event() -> None:
    """Catches requests counted as if they were independent: 300 that fail at once are no 300 witnesses."""
    random = np.random.default_rng(1)
    comparison = compare([failing(random, [0] * 10)], [failing(random, [0, 0, 300, *[0] * 7])])
    assert figure(comparison, "failed").judgement == "same"


def test_the_rate_is_compared_where_users_make_it() -> None:
    random = np.random.default_rng(1)
    closed = {"target_rate_per_s": None}
    slow = ends([500 + step for step in range(10)], [0] * 10)
    fast = ends([1000 + step for step in range(10)], [0] * 10)
    runs = [Drawn(exponential(10, 400)(random), of_each, **closed) for of_each in (fast, slow)]
    one = figure(compare([runs[0]], [runs[1]]), "ok")
    assert one.judgement == "worse" and one.change == pytest.approx(-0.498, abs=0.001)
    assert figure(compare([runs[1]], [runs[0]]), "ok").judgement == "better"
    open_run = Drawn(exponential(10, 400)(random))
    assert "ok" not in [one.name for one in compare([open_run], [open_run]).figures]


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "invalid"},
        {"generator": msgspec.structs.replace(SUMMARY.generator, verdict="client-limited")},
    ],
)
def test_of_an_invalid_run_nothing_is_told(change: dict[str, Any]) -> None:
    """Not even where it is much slower: the generator may have been."""
    random = np.random.default_rng(1)
    good, bad = Drawn(exponential(10, 500)(random)), Drawn(exponential(10, 500, 50)(random), **change)
    comparison = compare([good], [bad])
    assert (comparison.exit_code, comparison.invalid) == (3, ["drawn"])


def test_a_comparison_says_the_same_each_time() -> None:
    random = np.random.default_rng(1)
    runs = [Drawn(exponential(10, 500)(random)) for _ in range(2)]
    first, second = (compare([runs[0]], [runs[1]]) for _ in range(2))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
