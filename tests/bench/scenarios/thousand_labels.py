"""A thousand names for one page, each asked for every other second: what a large site looks like."""

from __future__ import annotations

from loadgen import User, scenario

LABELS = 1000
AT_ONCE = 50


@scenario
async def browse(user: User) -> None:
    first = (user.iteration + 7 * user.id) * AT_ONCE
    for number in range(first, first + AT_ONCE):
        await user.get("/", name=f"GET /shop/{number * 7919 % LABELS:04d}/items")
