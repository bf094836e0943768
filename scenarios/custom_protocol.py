"""Any protocol: what is done inside `measure` is an operation with its own latency, by whatever library."""

import asyncio
from collections.abc import AsyncIterator

from loadgen import Plan, User, once, scenario, session

servers: list[asyncio.Server] = []


@once
async def start_server() -> None:
    """A server of lines that turns each around, one in each worker. Yours runs elsewhere already."""
    servers.append(await asyncio.start_server(turn_lines, "127.0.0.1", 0))


async def turn_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line.strip()[::-1] + b"\n")
    writer.close()


@session
async def connected(user: User) -> AsyncIterator[None]:
    with user.measure("connect"):
        reader, writer = await asyncio.open_connection(*servers[0].sockets[0].getsockname())
    user.data["streams"] = reader, writer
    yield
    writer.close()


@scenario
async def turn(user: User) -> None:
    reader, writer = user.data["streams"]
    with user.measure("turn a line"):
        writer.write(b"loadgen\n")
        answer = await reader.readline()
    user.expect(answer == b"negdaol\n", "turned around")
    user.trend("answer length", len(answer))


plan = Plan(rate="200/s", duration="5s")
