"""The shape of a load over time: stages as people write them, presets, and what the engine plays. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from loadgen.engine_plan import ClosedStage, OpenStage
from loadgen.units import parse_count, parse_duration_ns, parse_rate, quoted

MAX_RATE = 10_000_000.0
MAX_USERS = 1_000_000
MAX_DURATION_NS = 30 * 24 * 3600 * 1_000_000_000


class Stage(Struct, frozen=True):
    """A ramp, from where the stage before ended (the first: from 0) to this rate or number of users.

    A stage that lasts "0s" jumps; one that ends where the last ended holds. `Stage("30s", rate="200/s")`.
    """

    duration: str | float
    rate: str | float | None = None
    users: int | None = None

    @staticmethod
    def parse(text: str) -> Stage:
        """`T:RATE` or `T:Nusers`, as on the command line."""
        duration, colon, value = text.partition(":")
        if not colon or not duration.strip() or not value.strip():
            raise ValueError(f'expected T:RATE such as "30s:500/s", or T:Nusers, got {quoted(text)}')
        for suffix in ("users", "user"):
            if value.endswith(suffix):
                count = parse_count(value.removesuffix(suffix), at_least=0)
                return Stage(duration.strip(), users=count)
        return Stage(duration.strip(), rate=value.strip())


class Preset(Struct, frozen=True):
    """A named shape: what it is for, how long it lasts by default, and its corners.

    A corner is (share of the whole time, multiple of the base); the load is linear between corners, and two
    corners at one time are a jump.
    """

    purpose: str
    duration: str
    corners: tuple[tuple[float, float], ...]


PRESETS = {
    "smoke": Preset("does it work at all: a tenth of the base", "30s", ((0, 0.1), (1, 0.1))),
    "load": Preset("an ordinary day: up to the base, hold, down", "5m", ((0, 0), (0.2, 1), (0.8, 1), (1, 0))),
    "stress": Preset(
        "beyond it: 1, 2, 3 and 4 times the base in steps, then the base",
        "5m",
        (
            (0, 0), (0.05, 1), (0.2, 1), (0.25, 2), (0.4, 2), (0.45, 3), (0.6, 3), (0.65, 4), (0.8, 4),
            (0.85, 1), (1, 1),
        ),
    ),
    "spike": Preset(
        "a rush: the base, suddenly 10 times as much, the base",
        "3m",
        ((0, 1), (0.4, 1), (0.4, 10), (0.5, 10), (0.5, 1), (1, 1)),
    ),
    "soak": Preset("leaks: the base for long", "1h", ((0, 0), (0.02, 1), (0.98, 1), (1, 0))),
}  # fmt: skip


def is_closed(stages: Sequence[Stage]) -> bool:
    """Whether stages name users; all or none must."""
    return bool(stages) and all(stage.users is not None for stage in stages)


def check_stage(stage: Stage) -> tuple[int, float]:
    """A stage's length in ns and its target, a rate or a number of users."""
    if (stage.rate is None) == (stage.users is None):
        raise ValueError("expected either a rate or users")
    duration_ns = check_duration(stage.duration, at_least_ns=0)
    if stage.users is not None:
        return duration_ns, check_users(stage.users, at_least=0)
    assert stage.rate is not None
    return duration_ns, check_rate(stage.rate, may_be_zero=True)


def check_rate(value: str | float, *, may_be_zero: bool = False) -> float:
    """A rate within what the engine can do."""
    rate = parse_rate(value)
    # The engine counts in units of 1/3,600,000 per second: one arrival in a thousand hours.
    if rate * 3_600_000 < 0.5 and not (rate == 0 and may_be_zero):
        raise ValueError(f"expected a rate above 0, got {quoted(value)}")
    if rate > MAX_RATE:
        raise ValueError(f"expected a rate of at most 10,000,000/s, got {quoted(value)}")
    return rate


def check_users(value: str | int, *, at_least: int = 1) -> int:
    """A number of users within what the engine can do."""
    users = parse_count(value, at_least=at_least)
    if users > MAX_USERS:
        raise ValueError(f"expected at most 1,000,000 users, got {quoted(value)}")
    return users


def check_duration(value: str | float, *, at_least_ns: int = 1) -> int:
    """A length of time within what the engine can do."""
    duration_ns = parse_duration_ns(value)
    if duration_ns < at_least_ns:
        raise ValueError(f"expected a duration above 0, got {quoted(value)}")
    if duration_ns > MAX_DURATION_NS:
        raise ValueError(f'expected at most "30d", got {quoted(value)}')
    return duration_ns


def flat(duration_ns: int, level: float) -> list[tuple[int, float, float]]:
    """One stretch at one level."""
    return [(duration_ns, level, level)]


def ramps(stages: Sequence[tuple[int, float]]) -> list[tuple[int, float, float]]:
    """Stages to stretches (ns, from, to): each begins where the one before ended, the first at 0."""
    stretches, level = [], 0.0
    for duration_ns, target in stages:
        if duration_ns > 0:
            stretches.append((duration_ns, level, target))
        level = target
    return stretches


def preset(name: str, duration_ns: int, base: float) -> list[tuple[int, float, float]]:
    """A preset's stretches; their lengths add up to the duration exactly."""
    corners = [(round(share * duration_ns), multiple * base) for share, multiple in PRESETS[name].corners]
    return [
        (end - start, level, target) for (start, level), (end, target) in pairwise(corners) if end > start
    ]


def open_stages(stretches: Sequence[tuple[int, float, float]]) -> list[OpenStage]:
    """Stretches of a rate, for the engine."""
    return [OpenStage(duration_ns, start, end) for duration_ns, start, end in stretches]


def closed_stages(stretches: Sequence[tuple[int, float, float]]) -> list[ClosedStage]:
    """Stretches of a number of users, for the engine: whole people, and one at least where there are any."""
    return [ClosedStage(duration_ns, _people(start), _people(end)) for duration_ns, start, end in stretches]


def _people(level: float) -> int:
    return max(1, round(level)) if level > 0 else 0
