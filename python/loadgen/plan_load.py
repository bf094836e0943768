"""The load of a plan: its own, and those of its scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadgen import shapes
from loadgen.checking import Checker, at_most
from loadgen.engine_plan import ClosedLoad, OpenLoad, ScenarioPlan
from loadgen.loads import (
    DEFAULT_DURATION_NS,
    LONGEST_BY_ITERATIONS_NS,
    MAX_SEED,
    LoadWish,
    ScenarioWish,
    play_all,
    read_load,
)

if TYPE_CHECKING:
    from loadgen.plan import Plan


def load_of(
    plan: Plan, check: Checker, *, whole: bool
) -> tuple[OpenLoad | ClosedLoad, list[ScenarioPlan]] | None:
    before = len(check.mistakes)
    wish = LoadWish(
        rate=plan.rate,
        users=plan.users,
        duration=plan.duration,
        stages=plan.stages,
        preset=plan.preset,
        arrivals=plan.arrivals,
    )
    own = [scenario.load for scenario in plan.scenarios if scenario.load is not None]
    is_open = wish.may_be_open or any(load.may_be_open for load in own)
    if not is_open and (whole or plan.users is not None or plan.stages):
        _check_no_arrivals(plan, check)
    if plan.iterations_per_user is not None and whole and _all_open(wish, plan.scenarios):
        check.wrong("iterations_per_user", "needs users: at a rate, an arrival takes any user that is free")
    reading = read_load(wish, check)
    seed = check("seed", at_most(MAX_SEED, at_least=0), plan.seed)
    drop_after_ns = check.optional("drop_late", shapes.check_duration, plan.drop_late)
    if len(check.mistakes) > before or reading is None or seed is None:
        return None
    by_iterations = plan.iterations is not None or plan.iterations_per_user is not None
    played = play_all(
        reading,
        plan.scenarios,
        check,
        default_ns=LONGEST_BY_ITERATIONS_NS if by_iterations else DEFAULT_DURATION_NS,
        seed=seed,
        drop_after_ns=drop_after_ns,
    )
    return None if len(check.mistakes) > before else played


def _check_no_arrivals(plan: Plan, check: Checker) -> None:
    for field in ("arrivals", "drop_late"):
        # What the environment says for all runs is no mistake in this one.
        if plan.origin(field) != "default" and not plan.origin(field).startswith("LOADGEN_"):
            what = "sends when the last has ended" if plan.script is None else "goes on when it has ended"
            check.wrong(field, f"needs a rate (--tps): in the closed model each user {what}")


def _all_open(common: LoadWish, scenarios: Sequence[ScenarioWish]) -> bool:
    wishes = [common if scenario.load is None else scenario.load for scenario in scenarios]
    return bool(wishes) and all(wish.may_be_open for wish in wishes)


def most_users(load: OpenLoad | ClosedLoad, scenarios: Sequence[ScenarioPlan]) -> int | None:
    """Of a run of users only; None where arrivals come at a rate."""
    own = [scenario.load for scenario in scenarios if scenario.load is not None]
    loads = [load, *own] if len(own) < len(scenarios) or not own else own
    users = 0
    for one in loads:
        if isinstance(one, OpenLoad):
            return None
        users += one.most_users
    return users
