"""A Socket.IO server by another hand: python-socketio under aiohttp, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

import socketio
from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

NEWS = "/news"


class SocketIoServer:
    """`with SocketIoServer() as server: server.url`. It keeps what it is asked.

    Events: `echo` comes back as `echoed`, `twice` as two of them, `bytes` with bytes; `add` is acknowledged
    with the sum, others are not answered. `/closed` lets nobody in. Pings come every 200 ms.
    """

    def __init__(self) -> None:
        self.connects: list[dict[str, Any]] = []
        self.events: list[tuple[str, str, tuple[Any, ...]]] = []  # namespace, name, arguments
        self.disconnects = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = socketio.AsyncServer(
            async_mode="aiohttp", ping_interval=0.2, ping_timeout=5, namespaces=["/", NEWS, "/closed"]
        )
        for namespace in ("/", NEWS):
            self._behave(server, namespace)

        async def refuse(*_arguments: Any) -> None:
            raise socketio.exceptions.ConnectionRefusedError("members only")

        server.on("connect", refuse, namespace="/closed")

        async def hello(request: web.Request) -> web.Response:
            return web.json_response({"path": request.path})

        application = web.Application()
        application.router.add_get("/page", hello)
        server.attach(application)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await server.shutdown()
        await runner.cleanup()

    def _behave(self, server: Any, namespace: str) -> None:
        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
            del sid
            request = environ["aiohttp.request"]
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.connects.append(
                {"namespace": namespace, "query": dict(request.query), "headers": headers, "auth": auth}
            )

        async def disconnect(sid: str, *reason: Any) -> None:
            del sid, reason
            self.disconnects += 1

        async def event(name: str, sid: str, *arguments: Any) -> Any:
            self.events.append((namespace, name, arguments))
            if name in ("echo", "twice"):
                for _ in range(1 if name == "echo" else 2):
                    await server.emit("echoed", arguments, to=sid, namespace=namespace)
            if name == "bytes":
                await server.emit("echoed", ({"raw": b"\x01\x02"},), to=sid, namespace=namespace)
            return (sum(map(int, arguments)), {"of": len(arguments)}) if name == "add" else None

        for name, handler in (("connect", connect), ("disconnect", disconnect), ("*", event)):
            server.on(name, handler, namespace=namespace)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=20)
