"""From the load as people write it, for a run or for a scenario, to the load that the engine plays. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from loadgen import shapes
from loadgen.checking import Checker
from loadgen.engine_plan import ClosedLoad, OnOff, OpenLoad, ScenarioPlan
from loadgen.shapes import Stage
from loadgen.units import parse_duration_ns, quoted

DEFAULT_USERS = 10
DEFAULT_DURATION_NS = 10 * 1_000_000_000
# A run whose end is a number of iterations must end some time.
LONGEST_BY_ITERATIONS_NS = 3600 * 1_000_000_000
MAX_SEED = 2**64 - 1


class LoadWish(Struct, frozen=True, kw_only=True):
    """How much and how long, as written. The fields are Plan's, and have its meaning."""

    rate: str | float | None = None
    users: str | int | None = None
    duration: str | float | None = None
    stages: Sequence[Stage] = ()
    preset: str | None = None
    arrivals: str | None = None

    @property
    def may_be_open(self) -> bool:
        """Whether arrivals come at a rate, as far as can be said before anything is checked."""
        return self.rate is not None or (bool(self.stages) and not shapes.is_closed(self.stages))


class ScenarioWish(Struct, frozen=True, kw_only=True):
    """A scenario's part in the load, as its decorator has it."""

    name: str
    weight: float | None = None  # None: 1, where it has no load of its own
    load: LoadWish | None = None  # its own


class LoadReading(Struct, frozen=True, kw_only=True):
    """A wish whose every value could be read."""

    closed: bool
    stages: list[tuple[int, float]]
    preset: str | None
    level: float
    duration_ns: int | None
    arrivals: Any

    def length_ns(self, default_ns: int) -> int:
        """From its start to its end."""
        if self.stages:
            return sum(duration_ns for duration_ns, _ in self.stages)
        if self.duration_ns is None and self.preset is not None:
            return parse_duration_ns(shapes.PRESETS[self.preset].duration)
        return self.duration_ns or default_ns

    def play(self, *, default_ns: int, seed: int, drop_after_ns: int | None) -> OpenLoad | ClosedLoad:
        """What the engine plays; `default_ns` is for a load that does not say how long."""
        if self.stages:
            stretches = shapes.ramps(self.stages)
        elif self.preset is not None:
            stretches = shapes.preset(self.preset, self.length_ns(default_ns), self.level)
        else:
            stretches = shapes.flat(self.length_ns(default_ns), self.level)
        if self.closed:
            return ClosedLoad(stages=shapes.closed_stages(stretches))
        return OpenLoad(
            stages=shapes.open_stages(stretches),
            arrivals=self.arrivals or "constant",
            seed=seed,
            drop_after_ns=drop_after_ns,
        )


def read_load(wish: LoadWish, check: Checker, at: str = "") -> LoadReading | None:
    """Read every value; None where there are mistakes. `at` goes before each place."""
    before = len(check.mistakes)
    _check_combination(wish, check, at)
    rate = check.optional(f"{at}rate", shapes.check_rate, wish.rate)
    users = check.optional(f"{at}users", shapes.check_users, wish.users)
    duration_ns = check.optional(f"{at}duration", shapes.check_duration, wish.duration)
    stages = [
        checked
        for index, stage in enumerate(wish.stages)
        if (checked := check(f"{at}stages[{index}]", shapes.check_stage, stage)) is not None
    ]
    arrivals = check.optional(f"{at}arrivals", parse_arrivals, wish.arrivals)
    if len(check.mistakes) > before:
        return None
    if stages and not any(start or end for _, start, end in shapes.ramps(stages)):
        check.wrong(f"{at}stages", "these stages hold no load: give one a length and a rate above 0")
        return None
    return LoadReading(
        closed=not wish.may_be_open,
        stages=stages,
        preset=wish.preset,
        level=rate if rate is not None else users or DEFAULT_USERS,
        duration_ns=duration_ns,
        arrivals=arrivals,
    )


def _check_combination(wish: LoadWish, check: Checker, at: str) -> None:
    if wish.rate is not None and wish.users is not None:
        other = check.named(f"{at}rate").removeprefix(at)
        check.wrong(
            f"{at}users", f"cannot be used with {other}: a rate is the open model, users are the closed one"
        )
    if wish.preset is not None and wish.preset not in shapes.PRESETS:
        check.wrong(f"{at}preset", f"expected one of {', '.join(shapes.PRESETS)}, got {quoted(wish.preset)}")
    if not wish.stages:
        return
    for field in ("rate", "users", "duration", "preset"):
        if getattr(wish, field) is not None:
            other = check.named(f"{at}stages").removeprefix(at)
            check.wrong(f"{at}{field}", f"cannot be used with {other}: stages say how much and how long")
    if not shapes.is_closed(wish.stages) and any(stage.users is not None for stage in wish.stages):
        check.wrong(f"{at}stages", "expected all stages in rates or all in users")


def check_scenario(wish: ScenarioWish, check: Checker) -> None:
    """The mistakes that a scenario's decorator can know of."""
    name: object = wish.name
    if not isinstance(name, str) or not name.strip():
        check.wrong("name", f"expected text, got {quoted(name)}")
    weight: object = wish.weight
    if weight is not None:
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not is_number or not math.isfinite(wish.weight or 0) or (wish.weight or 0) < 0:
            check.wrong("weight", f"expected a number, 0 or more, got {quoted(weight)}")
        elif wish.load is not None:
            check.wrong("weight", "a scenario with a load of its own takes no share of the common one")
    if wish.load is None:
        return
    stages: object = wish.load.stages
    if not isinstance(stages, (list, tuple)) or not all(isinstance(stage, Stage) for stage in stages):
        check.wrong("stages", f'expected a list of stages such as Stage("30s", rate=5), got {quoted(stages)}')
        return
    if wish.load.rate is None and wish.load.users is None and not wish.load.stages:
        for field in ("duration", "arrivals"):
            if getattr(wish.load, field) is not None:
                check.wrong(field, "needs rate, users or stages beside it; the plan has it for all")
    elif wish.load.arrivals is not None and not wish.load.may_be_open:
        check.wrong("arrivals", "needs a rate: in the closed model each user starts when its last run ended")
    read_load(wish.load, check)


def play_all(
    common: LoadReading,
    scenarios: Sequence[ScenarioWish],
    check: Checker,
    *,
    default_ns: int,
    seed: int,
    drop_after_ns: int | None,
) -> tuple[OpenLoad | ClosedLoad, list[ScenarioPlan]]:
    """The common load, and every scenario that runs with its weight or its own load."""
    plans: list[ScenarioPlan] = []
    # The common load says how long the others last too, where they do not.
    default_ns = common.length_ns(default_ns)
    for scenario in scenarios:
        if scenario.load is None:
            weight = 1.0 if scenario.weight is None else float(scenario.weight)
            if weight > 0:
                plans.append(ScenarioPlan(scenario.name, weight, None))
            continue
        own = read_load(scenario.load, check, f"scenario {scenario.name}: ")
        if own is None:
            continue
        if own.arrivals is None:
            own = msgspec.structs.replace(own, arrivals=common.arrivals)
        # A stream of its own: with one seed, two scenarios at one rate would arrive in step.
        own_seed = (seed + len(plans) + 1) & MAX_SEED
        load = own.play(default_ns=default_ns, seed=own_seed, drop_after_ns=drop_after_ns)
        plans.append(ScenarioPlan(scenario.name, 0.0, load))
    shared = [plan for plan in plans if plan.load is None]
    first = next((plan.load for plan in plans if plan.load is not None), None)
    if shared or first is None:
        return common.play(default_ns=default_ns, seed=seed, drop_after_ns=drop_after_ns), plans
    return first, plans


def parse_arrivals(text: str) -> Any:
    """`constant`, `poisson`, `onoff:ON/OFF`."""
    if text in ("constant", "poisson"):
        return text
    kind, _, cycle = str(text).partition(":")
    on, slash, off = cycle.partition("/")
    if kind != "onoff" or not slash:
        raise ValueError(
            f'expected constant, poisson or onoff:ON/OFF such as "onoff:200ms/800ms", got {quoted(text)}'
        )
    return OnOff(shapes.check_duration(on), shapes.check_duration(off))
