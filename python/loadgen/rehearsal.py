"""One iteration of one user without a load, in this process: for tests and for `--debug`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from loadgen._engine import Engine, Event, Response, monotonic_ns
from loadgen._engine import Socket as EngineSocket
from loadgen._engine import Stream as EngineStream
from loadgen.conversation import converse_by
from loadgen.engine_plan import EnginePlan
from loadgen.loop import LoadgenLoop
from loadgen.socket import until_all_are_closed
from loadgen.user import User

if TYPE_CHECKING:
    from loadgen.scenario import Scenario
    from loadgen.script import Script

# The place of a user that is in no stream, and the number of the one that `@once` is given.
NOWHERE, NOBODY = 2**32, -1
# What it may raise; a KeyboardInterrupt is the user's at the terminal.
SCRIPTS_OWN = (Exception, asyncio.CancelledError, SystemExit)


class Observer(Protocol):
    """Who is told of it."""

    def request(self, exchange: Seen) -> None: ...
    def piece(self, exchange: Seen, after_ns: int, piece: bytes) -> None: ...
    def left(self, exchange: Seen, error: str | None) -> None: ...
    def handshake(self, url: str, status: int, elapsed: float, error: str | None) -> None: ...
    def message(self, message: str | bytes, *, is_sent: bool) -> None: ...
    def closed(self, url: str, code: int | None, reason: str, error: str | None) -> None: ...
    def check(self, name: str, ok: bool) -> None: ...
    def error(self, error: BaseException) -> None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A request with what came of it."""

    method: str
    url: str
    request_headers: list[tuple[str, str]]
    request_body: bytes
    response_headers: list[tuple[str, str]]
    response: Response


class ObservedUser(User):
    """A user whose every step is told."""

    _observer: Observer

    async def _send(self, method: str, url: str, **options: Any) -> Response:
        rendered = self._render(method, url, **options)
        response = await super()._send(method, url, **options)
        self._observer.request(_seen(rendered, response))
        return response

    async def _open(self, method: str, url: str, **options: Any) -> tuple[EngineStream | None, Response]:
        rendered = self._render(method, url, **options)
        stream, head = await super()._open(method, url, **options)
        seen = _seen(rendered, head)
        self._observer.request(seen)
        if stream is None or head.error:
            return stream, head
        return cast("EngineStream", ObservedStream(stream, self._observer, seen)), head

    async def _open_socket(self, url: str, **options: Any) -> EngineSocket:
        socket = await super()._open_socket(url, **options)
        return cast("EngineSocket", ObservedSocket(socket, self._observer))

    def expect(self, ok: object, name: str) -> bool:
        """As a user's, and told."""
        passed = super().expect(ok, name)
        self._observer.check(name, passed)
        return passed


class ObservedStream:
    """A stream of which everything that the script reads is told."""

    def __init__(self, stream: EngineStream, observer: Observer, seen: Seen) -> None:
        self._stream = stream
        self._observer = observer
        self._seen = seen
        self._left = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def take(self) -> list[tuple[int, bytes]]:
        pieces = self._stream.take()
        for at_ns, piece in pieces:
            self._observer.piece(self._seen, at_ns - self._stream.sent_ns, piece)
        return pieces

    def take_events(self) -> list[tuple[int, Event]]:
        events = self._stream.take_events()
        for at_ns, event in events:
            text = f"{event.event}: {event.data}".encode()
            self._observer.piece(self._seen, at_ns - self._stream.sent_ns, text)
        return events

    def leave(self) -> None:
        self._stream.leave()
        if not self._left:
            self._left = True
            self._observer.left(self._seen, self._stream.error)


class ObservedSocket:
    """A socket of which everything that the script sends and reads is told."""

    def __init__(self, socket: EngineSocket, observer: Observer) -> None:
        self._socket = socket
        self._observer = observer
        self._opened = self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def wait(self) -> None:
        if not self._socket.is_over:
            await self._socket.wait()
        self._look()

    def take(self) -> list[tuple[int, str | bytes]]:
        self._look()
        taken = self._socket.take()
        for _, message in taken:
            self._observer.message(message, is_sent=False)
        return taken

    def send(self, message: str | bytes) -> bool:
        self._observer.message(message, is_sent=True)
        return self._socket.send(message)

    def _look(self) -> None:
        socket, observer = self._socket, self._observer
        if not self._opened and (socket.opened_ns or socket.is_over):
            self._opened = True
            took_ns = max(0, (socket.opened_ns or monotonic_ns()) - socket.asked_ns)
            observer.handshake(socket.url, socket.status, took_ns * 1e-9, self._refusal())
        if not self._closed and socket.opened_ns and socket.is_over:
            self._closed = True
            observer.closed(socket.url, socket.close_code, socket.close_reason or "", socket.error)

    def _refusal(self) -> str | None:
        return None if self._socket.opened_ns else self._socket.error


def _seen(rendered: bytes, response: Response) -> Seen:
    head, _, body = rendered.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Seen(response.method, response.url, headers, body, response.headers.pairs(), response)


def once_in_process(
    script: Script,
    scenario: Scenario,
    base_url: str,
    observer: Observer,
    *,
    arguments: Mapping[str, str],
    data: Mapping[str, Any],
) -> None:
    """What is done once, the user's sessions, one iteration. Every exception is told, none is raised."""
    plan = script.plan_with({"base_url": base_url}, only=[scenario.name]).compile()
    engine = Engine(plan.encode())
    loop = LoadgenLoop(engine)
    try:
        loop.run_until_complete(_rehearse(engine, script, scenario, plan, observer, arguments, data))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _rehearse(
    engine: Engine,
    script: Script,
    scenario: Scenario,
    plan: EnginePlan,
    observer: Observer,
    arguments: Mapping[str, str],
    data: Mapping[str, Any],
) -> None:
    share = plan.script
    assert share is not None
    # Always: it sends through the user, who is observed.
    converse_by(share, engine, always=True)

    def observed(number: int) -> ObservedUser:
        user = ObservedUser(engine, NOWHERE, number, share.seed, arguments)
        user._observer = observer
        return user

    user = observed(0)
    user.data.update(data)
    user.scenario, user.iteration = scenario.name, 1
    sessions = []
    try:
        for once in script.onces:
            nobody = observed(NOBODY)
            await once.run(nobody)
            nobody._leave_sockets()
        for session in script.sessions:
            generator = await session.set_up(user)
            sessions.append((session, generator))
        await scenario.function(user)
    except SCRIPTS_OWN as error:
        observer.error(error)
    for session, generator in reversed(sessions):
        try:
            await session.tear_down(generator)
        except SCRIPTS_OWN as error:
            observer.error(error)
    user._leave_sockets()
    # What a script leaves running ends with it.
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await until_all_are_closed(engine)
