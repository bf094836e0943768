"""Plans as the engine reads them, made without the command line: only what a schedule depends on varies."""

from __future__ import annotations

import msgspec

from loadgen._engine import Schedule

SECOND = 1_000_000_000
# The engine keeps rates in this fraction of one per second.
RATE_UNITS = 3_600_000

Stages = list[tuple[int, float, float]]  # duration in ns, rate at the start, rate at the end
Arrivals = str | dict[str, int]


def make_schedule(stages: Stages, arrivals: Arrivals = "constant", seed: int = 1) -> Schedule:
    """The engine's own schedule of these stages."""
    plan: dict[str, object] = {
        "schema": "loadgen/plan/1",
        "request": {"method": "GET", "url": "http://127.0.0.1/", "headers": [], "body": None},
        "label": "GET /",
        "addresses": ["127.0.0.1:80"],
        "load": {
            "model": "open",
            "stages": [
                {"duration_ns": duration_ns, "from_rate": from_rate, "to_rate": to_rate}
                for duration_ns, from_rate, to_rate in stages
            ],
            "arrivals": arrivals,
            "seed": seed,
            "drop_after_ns": None,
        },
        "connections": None,
        "workers": 1,
        "pacing": "hybrid",
        "timeout_ns": SECOND,
        "drain_ns": SECOND,
        "reactor": "auto",
    }
    return Schedule(msgspec.json.encode(plan))


def flat(rate: float, duration_ns: int, arrivals: Arrivals = "constant", seed: int = 1) -> Schedule:
    """One rate throughout."""
    return make_schedule([(duration_ns, rate, rate)], arrivals, seed)


def due_ns(schedule: Schedule, number: int) -> int:
    """When one arrival is due, asked of a worker whose share begins with it: no other is computed."""
    found, due = next(schedule.arrivals(number, number + 1))
    assert found == number
    return due
