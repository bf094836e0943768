"""WebSockets of a script: messages, requests with replies, pings, the close. The engine stamps what comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec

from loadgen._engine import json_at, monotonic_ns
from loadgen.body import ENDED
from loadgen.errors import NoReply, SocketClosed, failure_kind
from loadgen.units import format_ns, parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from loadgen._engine import Engine
    from loadgen._engine import Socket as EngineSocket
    from loadgen.user import User

NORMAL = 1000
# Codes that say how a connection ended, and never go over it.
NEVER_SENT = frozenset({1004, 1005, 1006, 1015})
SECOND_NS = 1e9
# What is closed with the end of the run has so long to end, looked at so often.
LINGER_S, LOOK_S = 1.0, 0.01

Message = str | bytes

# It is another part of the user: the methods that it calls are private to the two of them.
# ruff: noqa: SLF001


class Opening:
    """A socket to come; see User.ws. Use it as `async with`, or open it and close what that gives."""

    def __init__(self, user: User, url: str, options: dict[str, Any]) -> None:
        self._user = user
        self._request = url, options
        self._socket: Socket | None = None

    async def open(self) -> Socket:
        """Opens it, for as long as its user lives. Raises SocketClosed where that fails."""
        if self._socket is not None:
            raise RuntimeError("a socket is opened once: call user.ws again")
        url, options = self._request
        engine_socket = await self._user._open_socket(url, **options)
        self._socket = socket = Socket(self._user, engine_socket)
        await socket._until_open()
        return socket

    async def __aenter__(self) -> Socket:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._socket is not None
        if isinstance(error, asyncio.CancelledError) and self._user._engine.phase in ENDED:
            self._socket._leave(NORMAL, "")  # there is no time to wait for the answer
        else:
            await self._socket.close()


class Socket:
    """A WebSocket that was opened. What it raises when it is lost is loadgen.SocketClosed.

    `received_ns` says when the message taken last had come, in ns of CLOCK_MONOTONIC.
    """

    received_ns = 0

    def __init__(self, user: User, socket: EngineSocket) -> None:
        self._user = user
        self._socket = socket
        self._taken: deque[tuple[int, Message]] = deque()
        self._expected: list[_Expected] = []
        user._sockets.add(self)

    @property
    def open(self) -> bool:
        """Whether messages may be sent."""
        return self._socket.is_open

    @property
    def subprotocol(self) -> str | None:
        """The one that the server chose."""
        return self._socket.subprotocol

    @property
    def close_code(self) -> int | None:
        """The server's; 1005 where it gave none, 1006 where the connection ended without a close."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str | None:
        """The server's."""
        return self._socket.close_reason

    async def send(self, message: object) -> None:
        """Sends text or bytes as they are, anything else as JSON. Waits while the server does not take it."""
        await self._send(_encoded(message))

    async def recv(self, timeout: float | str | None = None) -> Message:  # noqa: ASYNC109 - as requests have it
        """The next message: str for text, bytes for binary. A TimeoutError where none comes in time."""
        if not self._taken:
            self._pull()
        if not self._taken:
            async with asyncio.timeout(_seconds(timeout)):
                while not self._taken:
                    await self._more()
        self.received_ns, message = self._taken.popleft()
        return message

    async def take(self, count: int, timeout: float | str | None = None) -> list[Message]:  # noqa: ASYNC109
        """The next so many messages."""
        async with asyncio.timeout(_seconds(timeout)):
            return [await self.recv() for _ in range(count)]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.recv()
        except SocketClosed:
            raise StopAsyncIteration from None

    async def request(
        self,
        message: object,
        *,
        reply: Callable[[Message], object] | None = None,
        correlate: str | None = None,
        name: str | None = None,
        timeout: float | str | None = None,  # noqa: ASYNC109
    ) -> Message:
        """Sends a message and waits for its reply: an operation, from asking to when the reply came.

        The reply is the next message of which `reply` says so, or that has at the JSON path `correlate` what
        this one has there; else the next one. Other messages wait for `recv`. A loadgen.NoReply in time.
        """
        if reply is not None and correlate is not None:
            raise TypeError("request: give reply= or correlate=, not both")
        text = _encoded(message)
        expected = _Expected(reply if correlate is None else _correlated(correlate, text))
        patience_ns = self._socket.timeout_ns if timeout is None else parse_duration_ns(timeout)
        name = name or f"{self._socket.name} request"
        self._pull()
        begun_ns = monotonic_ns()
        ok: bool | None = False
        kind = None
        self._expected.append(expected)
        try:
            async with asyncio.timeout(patience_ns / SECOND_NS):
                await self._send(text)
                while not expected.is_met():
                    await self._more()
            ok = True
        except TimeoutError:
            kind = NoReply.kind
            raise NoReply(f"{name}: no reply within {format_ns(patience_ns)}") from None
        except BaseException as error:
            kind = failure_kind(error)
            if isinstance(error, asyncio.CancelledError) and self._user._engine.phase in ENDED:
                ok = None  # broken off with the run: unfinished, and no failure
            raise
        finally:
            if expected in self._expected:
                self._expected.remove(expected)
            ended_ns = expected.at_ns if ok else None
            self._user._engine.operation(self._user._place, name, begun_ns, False, ok, ended_ns, kind)
        self.received_ns = expected.at_ns
        return expected.message

    async def ping(self) -> float:
        """Asks whether the server is still there; how long its answer took, in seconds.

        A server that does not answer within the timeout has lost the socket.
        """
        self._require_open()
        sent_ns = self._socket.ping()
        while (pong_ns := self._socket.pong_ns)[0] < sent_ns:
            await self._more()
        return (pong_ns[1] - sent_ns) / SECOND_NS

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Closes it, and waits for the server's answer, five seconds at most. One that is closed stays so."""
        if not (NORMAL <= code < 5000) or code in NEVER_SENT:
            raise ValueError(f"close: expected a code such as 1000 or 4001, got {code}")
        self._leave(code, reason)
        patience_s = LINGER_S if self._user._engine.phase in ENDED else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not self._socket.is_over:
                    await self._socket.wait()
        self._user._sockets.discard(self)

    # What the other parts of the user need.

    async def _until_open(self) -> None:
        socket = self._socket
        try:
            while not (socket.opened_ns or socket.is_over):
                await socket.wait()
        except BaseException:
            self._leave(NORMAL, "")
            self._user._sockets.discard(self)
            raise
        if not socket.opened_ns:
            raise self._closed()

    def _leave(self, code: int, reason: str) -> None:
        self._socket.leave(code, reason)

    async def _send(self, message: Message) -> None:
        self._require_open()
        lags = self._socket.send(message)
        while lags:
            await self._socket.wait()
            if self._socket.is_over:
                raise self._closed()
            lags = self._socket.lags

    def _pull(self) -> None:
        """Takes what has come: replies for those who wait for them, the rest for recv."""
        for at_ns, message in self._socket.take():
            for expected in self._expected:
                if expected.takes(at_ns, message):
                    self._expected.remove(expected)
                    break
            else:
                self._taken.append((at_ns, message))

    async def _more(self) -> None:
        """Until something has happened. Raises SocketClosed where nothing will."""
        if self._socket.is_over:
            raise self._closed()
        await self._socket.wait()
        self._pull()

    def _require_open(self) -> None:
        if not self._socket.is_open:
            raise self._closed()

    def _closed(self) -> SocketClosed:
        self._user._sockets.discard(self)
        socket = self._socket
        code, reason = socket.close_code, socket.close_reason or ""
        kind = socket.error or "ws_closed"
        what = kind
        if not socket.opened_ns and socket.status:
            what = f"refused with status {socket.status}"
        elif kind == "ws_closed":
            what = f"closed {code or NORMAL} {reason}".rstrip()
        return SocketClosed(
            f"{socket.url}: {what}", kind=kind, code=code, reason=reason, status=socket.status
        )


class _Expected:
    """A reply that somebody waits for."""

    message: Message

    def __init__(self, is_reply: Callable[[Message], object] | None) -> None:
        self._is_reply = is_reply
        self._error: Exception | None = None
        self.at_ns = 0

    def takes(self, at_ns: int, message: Message) -> bool:
        """Whether a message is the reply. What the script's own code raises is for whoever waits."""
        try:
            found = self._is_reply is None or bool(self._is_reply(message))
        except Exception as error:  # noqa: BLE001
            self._error = error
            return False
        if found:
            self.at_ns, self.message = at_ns, message
        return found

    def is_met(self) -> bool:
        """Whether the reply has come."""
        if self._error is not None:
            raise self._error
        return self.at_ns > 0


async def until_all_are_closed(engine: Engine) -> None:
    """Waits a little: servers are to see a close, not the end of a process."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + LINGER_S
    while engine.sockets and engine.phase != "stopped" and loop.time() < give_up_at:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)


def _encoded(message: object) -> Message:
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    return msgspec.json.encode(message).decode()


def _correlated(path: str, request: Message) -> Callable[[Message], bool]:
    wanted = json_at(path, request)
    if wanted is None:
        raise ValueError(f"request: nothing at correlate={path!r} in {request!r:.80}")
    return lambda message: json_at(path, message) == wanted


def _seconds(timeout: float | str | None) -> float | None:
    return None if timeout is None else parse_duration_ns(timeout) / SECOND_NS
