"""What must hold, for the run, a label, a check; `abort` stops the run at once. Else: exit code 1."""

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
        "errors < 1% abort",
        "GET /delay/2: p50 < 100ms",
        "check(page ok) > 99%",
    ],
)
