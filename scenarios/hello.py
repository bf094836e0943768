"""The smallest scenario: one request, one check."""

from loadgen import Plan, User, scenario


@scenario
async def hello(user: User) -> None:
    response = await user.get("/")
    user.expect(response.status == 200, "says hello")


plan = Plan(rate="200/s", duration="5s")
