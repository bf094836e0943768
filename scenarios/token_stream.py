"""A streamed answer, as of an inference server: how soon the first token comes, how evenly the others."""

from loadgen import Plan, User, scenario


@scenario
async def chat(user: User) -> None:
    # Yours is a POST with json={"stream": True, …}. The embedded target counts, one event every 20 ms.
    async with user.stream("GET", "/events?count=10&every=20", name="chat", measure="token") as response:
        user.expect(response.status == 200, "it answers")
        numbers = [event.json()["number"] async for event in response.events()]
    user.expect(numbers == list(range(1, 11)), "every token came")


plan = Plan(rate="100/s", duration="5s", thresholds=["time to first token: p95 < 250"])
