"""What a plan says of a script beside its load: how long, how many, until what goes wrong."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen import shapes
from loadgen.checking import Checker, at_most
from loadgen.engine_plan import AuthPlan, Cap, MaxErrors
from loadgen.units import quoted

if TYPE_CHECKING:
    from loadgen.plan import Plan

DEFAULT_POOL = 10_000
MAX_ITERATIONS = 10**12


def script_fields(plan: Plan, auth: AuthPlan | None, hops: int | None, check: Checker) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "iterations": check.optional("iterations", at_most(MAX_ITERATIONS), plan.iterations),
        "iterations_per_user": check.optional(
            "iterations_per_user", at_most(MAX_ITERATIONS), plan.iterations_per_user
        ),
        "max_users": check.optional("max_users", shapes.check_users, plan.max_users) or DEFAULT_POOL,
        "max_errors": check.optional("max_errors", _parse_max_errors, plan.max_errors),
        "dead_after_ns": check.optional("dead_after", shapes.check_duration, plan.dead_after),
        "own_connections": plan.own_connections,
        "caps": check("caps", _parse_caps, plan.caps) or (),
        "cookies": plan.cookies,
        "auth": auth,
        "follow_redirects": plan.follow_redirects,
        "max_redirects": hops,
    }
    for field in ("retry", "breaker"):
        policy = getattr(plan, field)
        fields[field] = None if policy is None else msgspec.to_builtins(policy.compile())
    return fields


def _parse_caps(caps: object) -> tuple[Cap, ...]:
    found = []
    for cap in caps if isinstance(caps, (list, tuple)) else [caps]:
        if not isinstance(cap, (list, tuple)) or len(cap) != 2:
            raise ValueError(f'expected pairs such as ("30s", 100), from when on how many, got {quoted(cap)}')
        begins, users = cap
        most = None if users is None else shapes.check_users(users)
        found.append(Cap(from_ns=shapes.check_duration(begins, at_least_ns=0), users=most))
    if any(later.from_ns < one.from_ns for one, later in pairwise(found)):
        raise ValueError("expected them in the order of time")
    return tuple(found)


def _parse_max_errors(value: str | int) -> MaxErrors:
    text = str(value).strip()
    share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text, re.ASCII)
    if share and 0 < float(share[1]) <= 100:
        return MaxErrors(count=None, share=float(share[1]) / 100)
    if isinstance(value, bool) or not re.fullmatch(r"\d+", text, re.ASCII) or int(text) == 0:
        raise ValueError(
            f'expected a number of iterations such as 100, or a share such as "5%", got {quoted(value)}'
        )
    return MaxErrors(count=int(text), share=None)
