"""Libraries as people use them in scenarios: anyio, aiohttp, httpx, websockets live on the loop unchanged."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest
import websockets
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.asyncio.server import ServerConnection

    from tests.engine.conftest import NewLoop, Run

    RunAnyio = Callable[[Callable[[], Awaitable[None]]], None]


# anyio


@pytest.fixture
def run_anyio(new_loop: NewLoop) -> RunAnyio:
    """Runs a coroutine function as anyio's users do, told only which loop to take."""

    def run_to_its_end(main: Callable[[], Awaitable[None]]) -> None:
        anyio.run(main, backend="asyncio", backend_options={"loop_factory": new_loop})

    return run_to_its_end


def test_anyio_cancel_scopes(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError), anyio.fail_after(0.001):
            await anyio.sleep(3600)
        with anyio.CancelScope() as outer:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
            await anyio.sleep_forever()
        assert outer.cancelled_caught

    run_anyio(main)


def test_anyio_task_groups_and_streams_of_objects(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](1)
        got: list[int] = []

        async def produce(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            task_status.started("ready")
            async with send:
                for number in range(10):
                    await send.send(number)

        async def consume() -> None:
            async with receive:
                got.extend([number async for number in receive])

        async with anyio.create_task_group() as group:
            assert await group.start(produce) == "ready"
            group.start_soon(consume)
        assert got == list(range(10))

        with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is what raises
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                raise LookupError

    run_anyio(main)


def test_anyio_threads_both_ways(run_anyio: RunAnyio) -> None:
    async def main() -> None:
        here = threading.get_ident()

        async def on_the_loop() -> int:
            await anyio.lowlevel.checkpoint()
            return threading.get_ident()

        def in_a_thread() -> None:
            assert threading.get_ident() != here
            assert anyio.from_thread.run(on_the_loop) == here

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(anyio.to_thread.run_sync, in_a_thread)

    run_anyio(main)


def test_anyio_sockets_and_processes(run_anyio: RunAnyio) -> None:
    async def answer(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.send((await client.receive()).upper())

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"hello")
                assert await client.receive() == b"HELLO"
            group.cancel_scope.cancel()
        result = await anyio.run_process(["cat"], input=b"fed")
        assert result.stdout == b"fed"

    run_anyio(main)


# aiohttp and httpx


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.query.get('name', 'world')}")


async def double(request: web.Request) -> web.Response:
    return web.json_response({"twice": 2 * (await request.json())["number"]})


async def pieces(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(20):
        await response.write(f"piece {number}\n".encode() * 1000)
        await asyncio.sleep(0)
    await response.write_eof()
    return response


async def never(_: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    raise AssertionError("an hour has passed")


async def echo_socket(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_str(message.data.upper())
    return ws


@asynccontextmanager
async def aiohttp_server() -> AsyncIterator[str]:
    """aiohttp's own server on this loop; yields its URL."""
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_post("/double", double)
    app.router.add_get("/pieces", pieces)
    app.router.add_get("/never", never)
    app.router.add_get("/socket", echo_socket)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def test_aiohttp_client_and_server(run: Run) -> None:
    async def main() -> None:
        async with aiohttp_server() as url, aiohttp.ClientSession(url) as session:
            async with session.get("/", params={"name": "aiohttp"}) as response:
                assert (response.status, await response.text()) == (200, "hello aiohttp")
            async with session.post("/double", json={"number": 21}) as response:
                assert await response.json() == {"twice": 42}
            async with session.get("/pieces") as response:
                lines = [line async for line in response.content]
                assert len(lines) == 20_000
                assert lines[-1] == b"piece 19\n"
            with pytest.raises(TimeoutError):
                await session.get("/never", timeout=aiohttp.ClientTimeout(total=0.01))
            async with session.ws_connect("/socket") as ws:
                await ws.send_str("text")
                assert await ws.receive_str() == "TEXT"

    run(main())


def test_aiohttp_many_at_once(run: Run) -> None:
    async def main() -> None:
        async with aiohttp_server() as url, aiohttp.ClientSession(url) as session:

            async def greet(number: int) -> str:
                async with session.get("/", params={"name": str(number)}) as response:
                    return await response.text()

            texts = await asyncio.gather(*map(greet, range(300)))
            assert texts == [f"hello {number}" for number in range(300)]

    run(main())


def test_httpx_client(run: Run) -> None:
    async def main() -> None:
        async with aiohttp_server() as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/", params={"name": "httpx"})).text == "hello httpx"
            assert (await client.post("/double", json={"number": 4})).json() == {"twice": 8}
            async with client.stream("GET", "/pieces") as response:
                size = sum([len(piece) async for piece in response.aiter_bytes()])
            assert size == sum(len(f"piece {number}\n") for number in range(20)) * 1000
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/never", timeout=0.01)
            answers = await asyncio.gather(*(client.get("/") for _ in range(100)))
            assert {answer.status_code for answer in answers} == {200}

    run(main())


# websockets


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def test_websockets_client_and_server(run: Run) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
                for number in range(100):
                    await client.send(str(number))
                    assert await client.recv() == str(number)
                await client.send(bytes(500_000))
                assert await client.recv() == bytes(500_000)
                await (await client.ping())
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await client.recv()
            with pytest.raises(websockets.ConnectionClosedOK):
                await client.send("too late")

    run(main())


def test_websockets_many_at_once(run: Run) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            async def talk(number: int) -> None:
                async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
                    for turn in range(5):
                        await client.send(f"{number} {turn}")
                        assert await client.recv() == f"{number} {turn}"

            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(talk(number))

    run(main())
