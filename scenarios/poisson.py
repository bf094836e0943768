"""Poisson arrivals: users who know nothing of each other come at random, so some come together."""

from loadgen import Plan, User, scenario


@scenario
async def visit(user: User) -> None:
    await user.get("/queue/2")  # answers one request at a time, 2 ms each: who comes together waits


# The same seed gives the same arrivals, to the nanosecond.
plan = Plan(rate="200/s", duration="5s", arrivals="poisson", seed=7)
