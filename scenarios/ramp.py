"""A ramp: the rate grows in stages, stays, and falls. A stage goes from where the last one ended."""

from loadgen import Plan, Stage, User, scenario


@scenario
async def visit(user: User) -> None:
    await user.get("/")


plan = Plan(
    stages=[
        Stage("2s", rate="200/s"),  # from 0
        Stage("2s", rate="200/s"),  # holds
        Stage("0s", rate="400/s"),  # jumps
        Stage("1s", rate="400/s"),
        Stage("1s", rate="0/s"),
    ]
)
