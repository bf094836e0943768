"""A streamed answer, as inference servers give it: how soon the first token comes, and how evenly the others."""

from loadgen import Plan, User, scenario


@scenario
async def chat(user: User) -> None:
    numbers = []
    # Yours is a POST with json={"stream": True, …}. The embedded target counts, one event every 20 ms.
    async with user.stream("GET", "/events?count=10&every=20", name="chat", measure="token") as response:
        user.expect(response.status == 200, "it answers")
        async for event in response.events():
            numbers.append(event.json()["number"])
    user.expect(numbers == list(range(1, 11)), "every token came")


plan = Plan(rate="20/s", duration="5s", thresholds=["time to first token: p95 < 250"])
