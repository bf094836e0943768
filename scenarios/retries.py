"""Retries and a breaker: what a careful client does when the target fails, and what that adds to the load."""

from loadgen import Breaker, Plan, Retry, User, scenario


@scenario
async def read(user: User) -> None:
    page = await user.get("/")
    user.expect(page.ok, "page ok")


@scenario(weight=0.2)
async def read_broken(user: User) -> None:
    # Three attempts, each of them a request; the script sees the last one.
    page = await user.get("/status/503")
    user.expect(page.status == 503, "still broken")


@scenario(weight=0.2)
async def pay(user: User) -> None:
    # A POST is not tried again unless the script says that it may be.
    await user.post("/echo", json={"pay": 1}, retry=Retry(attempts=2, methods=["POST"]))


plan = Plan(
    rate="100/s",
    duration="5s",
    retry=Retry(attempts=3, backoff="20ms"),
    breaker=Breaker(failures=0.9, over=50, open_for="1s"),  # when nearly all fail, wait a second
)
