"""One GET and a hundred turns of the loop: what an await of asyncio's own costs within a run."""

import asyncio

from loadgen import User, scenario

TURNS = 100


@scenario
async def turns(user: User) -> None:
    await user.get("/")
    for _ in range(TURNS):
        await asyncio.sleep(0)
