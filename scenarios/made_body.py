"""A body that is made while it is sent: no more of it than the server takes."""

from collections.abc import AsyncIterator

from loadgen import Plan, User, scenario


async def readings(user: User) -> AsyncIterator[bytes]:
    for number in range(20):
        yield f"{number},{user.rng.random():.3f}\n".encode()
        await user.pause(0.001)


@scenario
async def report(user: User) -> None:
    answer = await user.post("/echo", content=readings(user))
    user.expect(answer.text.count("\n") == 20, "every reading has arrived")


plan = Plan(rate="50/s", duration="5s")
