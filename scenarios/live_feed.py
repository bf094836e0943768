"""A subscription over a WebSocket: how soon it is confirmed, how old each event is when it comes."""

import json
from collections.abc import AsyncIterator

from loadgen import Plan, User, scenario, session

SUBSCRIBE = {"op": "subscribe", "id": 1, "channel": "transactions"}


@session
async def subscribed(user: User) -> AsyncIterator[None]:
    # Yours is user.ws("wss://…"). The embedded target's feed has 50 transactions a second.
    async with user.ws("/ws/feed", ping="1s") as ws:
        await ws.request(SUBSCRIBE, correlate="id", name="subscribe")
        user.data["feed"] = ws
        yield


@scenario
async def ten_events(user: User) -> None:
    feed = user.data["feed"]
    numbers = []
    for _ in range(10):
        event = json.loads(await feed.recv(timeout="5s"))
        user.trend("delivery", (feed.received_ns - event["ts_ns"]) / 1e6)
        numbers.append(event["seq"])
    user.expect(numbers == list(range(numbers[0], numbers[0] + 10)), "no event is missing")


plan = Plan(users=50, duration="5s", thresholds=["delivery: p95 < 50"])
