"""Stages and presets: stretches that are continuous, that add up, and that people can read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen import shapes
from loadgen.shapes import PRESETS, Stage

SECOND = 1_000_000_000


def test_a_stage_ramps_from_where_the_last_one_ended() -> None:
    assert shapes.ramps([(30, 200.0), (60, 200.0), (10, 50.0)]) == [
        (30, 0.0, 200.0),
        (60, 200.0, 200.0),
        (10, 200.0, 50.0),
    ]


def test_a_stage_without_length_jumps() -> None:
    assert shapes.ramps([(0, 100.0), (60, 100.0), (0, 10.0), (5, 0.0)]) == [
        (60, 100.0, 100.0),
        (5, 10.0, 0.0),
    ]


@given(st.lists(st.tuples(st.integers(0, 10**12), st.floats(0, 1e6)), max_size=20))
def test_stretches_are_as_long_as_the_stages(stages: list[tuple[int, float]]) -> None:
    stretches = shapes.ramps(stages)
    assert sum(length for length, _, _ in stretches) == sum(length for length, _ in stages)
    assert all(length > 0 for length, _, _ in stretches)


@pytest.mark.parametrize("name", PRESETS)
@given(duration_ns=st.integers(1000, 10**15), base=st.floats(0.001, 1e6))
def test_a_preset_lasts_exactly_as_long_as_it_says(name: str, duration_ns: int, base: float) -> None:
    stretches = shapes.preset(name, duration_ns, base)
    assert sum(length for length, _, _ in stretches) == duration_ns


@pytest.mark.parametrize(
    ("name", "highest", "last"),
    [("smoke", 0.1, 0.1), ("load", 1, 0), ("stress", 4, 1), ("spike", 10, 1), ("soak", 1, 0)],
)
def test_presets_reach_what_they_promise(name: str, highest: float, last: float) -> None:
    stretches = shapes.preset(name, 100 * SECOND, 50.0)
    assert max(max(start, end) for _, start, end in stretches) == pytest.approx(50 * highest)
    assert stretches[-1][2] == pytest.approx(50 * last)


def test_only_the_spike_jumps() -> None:
    for name in PRESETS:
        stretches = shapes.preset(name, 100 * SECOND, 1.0)
        jumps = [end for (_, _, end), (_, start, _) in pairwise(stretches) if end != start]
        assert len(jumps) == (2 if name == "spike" else 0), name


def test_users_are_whole_and_at_least_one_where_there_are_any() -> None:
    (stage,) = shapes.closed_stages([(10, 0.0, 0.3)])
    assert (stage.from_users, stage.to_users) == (0, 1)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("30s:500", Stage("30s", rate="500")),
        ("0s:500/s", Stage("0s", rate="500/s")),
        ("1m:20users", Stage("1m", users=20)),
        ("1m:1user", Stage("1m", users=1)),
    ],
)
def test_stages_are_read_from_the_command_line(text: str, stage: Stage) -> None:
    assert Stage.parse(text) == stage


@pytest.mark.parametrize("text", ["30s", "30s:", ":500", ""])
def test_half_a_stage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='expected T:RATE such as "30s:500/s", or T:Nusers'):
        Stage.parse(text)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (shapes.check_rate, "0", "expected a rate above 0"),
        (shapes.check_rate, "0.0001/h", "expected a rate above 0"),
        (shapes.check_rate, "11M", "at most 10,000,000/s"),
        (shapes.check_users, "0", "1 or more"),
        (shapes.check_users, "1000001", "at most 1,000,000 users"),
        (shapes.check_duration, "0s", "expected a duration above 0"),
        (shapes.check_duration, "31d", 'at most "30d"'),
    ],
)
def test_limits_are_named(check: object, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(value)  # type: ignore[operator]
