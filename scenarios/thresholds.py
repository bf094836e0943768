"""What must hold: a threshold that fails makes the run fail (exit code 1), and `abort` ends it at once."""

from loadgen import Plan, User, scenario


@scenario
async def visit(user: User) -> None:
    page = await user.get("/delay/2")
    user.expect(page.status == 200, "page ok")


plan = Plan(
    rate="100/s",
    duration="5s",
    thresholds=[
        "p95 < 250ms",
        "errors < 1%",
        "GET /delay/2: p50 < 100ms",
        "errors < 50% over 2s abort",
    ],
)
