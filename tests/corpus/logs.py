"""Servers that keep what each client asked of them, in its order: HTTP, WebSocket, Socket.IO.

`with http_log() as (url, log)`: the log is by user, each of which says who it is: in the header `x-user`, in
Socket.IO's `auth: {user}`; a WebSocket is a user of its own, named by the path. The first word is its kind.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import socketio
from aiohttp import web
from websockets.exceptions import ConnectionClosed

from tests.support.socket_server import SocketServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from websockets.sync.server import ServerConnection

# What is another in every request, or is the client's own name.
_OWN = frozenset({"user-agent", "x-user", "host", "sec-websocket-key"})
SUBPROTOCOL = "json"
NAMESPACES = ("/", "/news")


@dataclass(frozen=True)
class Asked:
    """One thing that the server was asked or told: a request, a message, an event, an end."""

    what: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


Log: TypeAlias = "dict[str, list[Asked]]"


def _headers(items: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Of extensions the names alone: how much memory compression may take is each client's own choice."""
    return tuple(
        sorted(
            (low, value.partition(";")[0] if low == "sec-websocket-extensions" else value)
            for low, value in ((name.lower(), value) for name, value in items)
            if low not in _OWN
        )
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        asked = Asked(f"{self.command} {self.path}", _headers(self.headers.items()), body.decode("latin-1"))
        log: Log = self.server.log  # type: ignore[attr-defined]
        log[self.headers.get("X-User", "")].append(asked)
        status = (
            int(path.rpartition("/")[2])
            if path.startswith("/status/")
            else 302
            if path == "/redirect"
            else 200
        )
        data = json.dumps({"path": path}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 302:
            self.send_header("Location", "/items")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """The log is kept, not printed."""


@contextmanager
def http_log() -> Iterator[tuple[str, Log]]:
    """`/status/N` answers so, `/redirect` leads to `/items`, all else is 200."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    log: Log = defaultdict(list)
    server.log = log  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def ws_log() -> Iterator[tuple[str, Log]]:
    """`reply X` is answered as JSON, `empty` with nothing, `drop` with an end; other texts are not."""
    log: Log = defaultdict(list)
    number = count()

    def talk(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        kind = urlsplit(request.path).path.rpartition("/")[2]
        said = log[f"{kind or 'root'} {next(number)}"]
        said.append(
            Asked(f"connect {request.path} {connection.subprotocol}", _headers(request.headers.raw_items()))
        )
        with suppress(ConnectionClosed):
            for message in connection:
                said.append(Asked(f"{type(message).__name__} {message!r}"))
                text = str(message)
                if text.startswith("reply "):
                    connection.send(json.dumps({"said": text[6:], "list": [{"id": 7}]}))
                elif text == "empty":
                    connection.send("")
                elif text == "drop":
                    connection.close(1011, "enough")
        # Where loadgen says that all is well (1000), Artillery says nothing (1005).
        said.append(Asked(f"close {1000 if connection.close_code == 1005 else connection.close_code}"))

    with SocketServer(talk, subprotocols=[SUBPROTOCOL]) as server:
        yield server.url, log


def _socketio(log: Log) -> web.Application:
    server = socketio.AsyncServer(async_mode="aiohttp", namespaces=[*NAMESPACES, "/closed"])
    users: dict[str, str] = {}  # by the number that a namespace gives to its client

    def behave(namespace: str) -> None:
        async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
            users[sid] = (auth or {}).get("user", "")
            request = environ["aiohttp.request"]
            what = f"connect {namespace} {request.path_qs}"
            log[users[sid]].append(Asked(what, _headers(request.headers.items())))

        async def disconnect(sid: str, reason: str) -> None:
            await asyncio.sleep(0.05)  # an event that came before it may have a task that has not begun
            log[users[sid]].append(Asked(f"disconnect {namespace}", body=reason))

        async def event(name: str, sid: str, *arguments: Any) -> Any:
            log[users[sid]].append(Asked(f"event {namespace} {name}", body=json.dumps(arguments)))
            for _ in range({"echo": 1, "twice": 2}.get(name, 0)):
                await server.emit("echoed", arguments, to=sid, namespace=namespace)
            if name == "silent":
                # No answer, and no acknowledgement either, for as long as anybody may wait.
                await asyncio.sleep(3600)
            return (sum(map(int, arguments)), {"of": len(arguments)}) if name == "add" else None

        for name, handler in (("connect", connect), ("disconnect", disconnect), ("*", event)):
            server.on(name, handler, namespace=namespace)

    async def refuse(*_arguments: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("members only")

    async def page(request: web.Request) -> web.Response:
        what = f"{request.method} {request.path_qs}"
        asked = Asked(what, _headers(request.headers.items()), (await request.read()).decode("latin-1"))
        log[request.headers.get("X-User", "")].append(asked)
        return web.json_response({"path": request.path})

    for namespace in NAMESPACES:
        behave(namespace)
    server.on("connect", refuse, namespace="/closed")
    application = web.Application()
    for path in ("socket.io", "chat"):
        server.attach(application, path)
    application.router.add_route("*", "/pages/{rest:.*}", page)
    return application


@contextmanager
def socketio_log() -> Iterator[tuple[str, Log]]:
    """`echo` comes back as `echoed`, `twice` as two; `add` is acknowledged, `silent` never."""
    log: Log = defaultdict(list)
    ready = threading.Event()
    serving: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        runner = web.AppRunner(_socketio(log), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stop = asyncio.Event()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        serving.append((url, asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        await asyncio.sleep(0.2)  # for the ends that are not written down yet
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    url, loop, stop = serving[0]
    try:
        yield url, log
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        # Artillery may have a connection for each namespace: they end in no order.
        for asked in log.values():
            asked.sort(key=lambda one: one.what if one.what.startswith("disconnect") else "")
