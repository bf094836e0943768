"""Phases: how many virtual users arrive in each second, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from loadgen.importers.artillery.phases import Arrivals, read_phases
from loadgen.plan import Plan
from loadgen.schedule import make_schedule
from tests.unit.importers.artillery.people import compiler


def read(*phases: Any, **config: Any) -> tuple[Arrivals, list[str], list[tuple[str, str]]]:
    one = compiler(config)
    arrivals = read_phases(list(phases), one)
    return arrivals, list(one.notes), one.mistakes


def per_second(*phases: Any) -> list[int]:
    """Arrivals in each second, as the engine's schedule has them."""
    arrivals, _, mistakes = read(*phases)
    assert not mistakes
    plan = Plan(url="http://127.0.0.1:9/", stages=arrivals.stages).compile()
    schedule = make_schedule(plan)
    assert schedule is not None
    ends = range(math.ceil(arrivals.length_s) + 1)
    counts = [schedule.count_before(second * 1_000_000_000) for second in ends]
    return [after - before for before, after in pairwise(counts)]


@pytest.mark.parametrize(
    ("phases", "found"),
    [
        ([{"duration": 3, "arrivalRate": 5}], [5, 5, 5]),
        ([{"duration": "2s", "arrivalRate": "4"}], [4, 4]),
        ([{"duration": 3, "arrivalCount": 10}], [4, 3, 3]),
        ([{"duration": 1, "arrivalCount": 1}], [1]),
        ([{"duration": 7, "arrivalCount": 3}], [1, 0, 1, 0, 1, 0, 0]),
        # second i of n brings a + i (b - a)/(n - 1): the last one is at its end already
        ([{"duration": 5, "arrivalRate": 10, "rampTo": 50}], [10, 20, 30, 40, 50]),
        ([{"duration": 5, "arrivalRate": 50, "rampTo": 10}], [50, 40, 30, 20, 10]),
        ([{"duration": 4, "rampTo": 30}], [0, 10, 20, 30]),
        ([{"duration": 4, "arrivalRate": 30, "rampTo": 0}], [30, 20, 10, 0]),
        ([{"duration": 1, "arrivalRate": 10, "rampTo": 20}], [15]),
        ([{"duration": 1, "arrivalRate": 2}, {"pause": 2}, {"duration": 1, "arrivalRate": 3}], [2, 0, 0, 3]),
        ([{"duration": 1, "arrivalRate": 2}, {"duration": 5, "arrivalRate": 0}], [2]),
    ],
)
def test_arrivals(phases: list[Any], found: list[int]) -> None:
    assert per_second(*phases) == found


def test_a_long_ramp_has_the_same_sums() -> None:
    counts = per_second({"duration": 60, "arrivalRate": 1, "rampTo": 60})
    assert counts == list(range(1, 61))


def test_caps_begin_with_their_phases() -> None:
    arrivals, _, _ = read(
        {"duration": 2, "arrivalRate": 1, "maxVusers": "5"}, {"pause": 1}, {"duration": 1, "arrivalRate": 1}
    )
    assert arrivals.caps == [(0, 5), (2, None), (3, None)]
    assert read({"duration": 2, "arrivalRate": 1})[0].caps == []


def test_arrivals_may_be_at_random() -> None:
    assert read({"duration": 2, "arrivalRate": 1}, mode="poisson")[0].is_poisson
    assert read({"duration": 2, "arrivalRate": 1, "mode": "poisson"}, {"pause": 1})[0].is_poisson
    mixed, notes, _ = read(
        {"duration": 2, "arrivalRate": 1, "mode": "poisson"}, {"duration": 2, "arrivalRate": 1}
    )
    assert not mixed.is_poisson and "evenly" in notes[0]


@pytest.mark.parametrize(
    ("phase", "place", "text"),
    [
        ({"duration": 1.5, "arrivalRate": 1}, "config.phases[0].duration", "expected whole seconds"),
        ({"duration": 0, "arrivalRate": 1}, "config.phases[0].duration", "expected whole seconds"),
        ({"duration": "soon", "arrivalRate": 1}, "config.phases[0].duration", "got 'soon'"),
        ({"arrivalRate": 1}, "config.phases[0].duration", "expected whole seconds"),
        ({"duration": 1}, "config.phases[0]", "expected arrivalRate"),
        ({"duration": 1, "arrivalRate": "fast"}, "config.phases[0].arrivalRate", "expected a number"),
        ("x", "config.phases[0]", "expected a phase"),
    ],
)
def test_mistakes_have_their_places(phase: Any, place: str, text: str) -> None:
    _, _, mistakes = read(phase)
    assert mistakes[0][0] == place and text in mistakes[0][1]


def test_traps_are_told() -> None:
    _, notes, _ = read(
        {"duration": "1.5", "arrivalRate": 1}, {"duration": 1, "arrivalRate": 0}, {"pause": 1, "x": 1}
    )
    assert "1.5 milliseconds" in notes[0] and "left out" in notes[1] and "config.phases[2].x" in notes[2]


def test_somebody_must_arrive() -> None:
    assert read_phases([], one := compiler()).stages == [] and one.mistakes[0][0] == "config.phases"
