"""One GET, and a look at its status: the scenario that is compared with wrk, Locust and k6."""

from loadgen import User, scenario


@scenario
async def visit(user: User) -> None:
    response = await user.get("/")
    user.expect(response.status == 200, "status is 200")
