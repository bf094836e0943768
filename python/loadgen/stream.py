"""Responses that a script reads while they come: events, lines, bytes. The engine stamps what arrives."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import io
from typing import TYPE_CHECKING, Any

from loadgen._engine import Event, Response
from loadgen._engine import Stream as EngineStream
from loadgen.body import ENDED, Maker
from loadgen.errors import StatusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from loadgen.headers import Headers
    from loadgen.user import User

# What is read of the body of a redirect, say, before its connection is given up.
DRAINED_BYTES = 1_000_000
MS = 1e-6
SECOND_NS = 1e9

# It is another part of the user: the methods that it calls are private to the two of them.
# ruff: noqa: SLF001


class Stream:
    """A request to come, and what is read of it; see User.stream."""

    def __init__(self, user: User, method: str, url: str, measure: str, options: dict[str, Any]) -> None:
        self._user = user
        self._request = method, url, options
        self._measure = measure
        self._call: Call | None = None
        self._response: StreamedResponse | None = None

    async def __aenter__(self) -> StreamedResponse:
        if self._call is not None:
            raise RuntimeError("a stream is read once: call user.stream again")
        user, (method, url, options) = self._user, self._request
        self._call = call = Call(user)
        try:
            head = await user._engine.policy(user, method, url, options, call.send)
            self._response = StreamedResponse(user, await call.stream_of(head), head, self._measure)
        except BaseException as error:
            await call.close(broken_off=isinstance(error, asyncio.CancelledError))
            raise
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._call is not None and self._response is not None
        broken_off = kind is not None and issubclass(kind, asyncio.CancelledError)
        self._response._pace.end()
        await self._call.close(broken_off=broken_off)

    async def __aiter__(self) -> AsyncIterator[Event]:
        async with self as response:
            async for event in response.events():
                yield event


class Call:
    """The requests of one call, each answered when its head has come. Of the last one the body is read."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._maker = Maker(user, self._attempt, lingers=True)
        self._stream: EngineStream | None = None
        self._head: Response | None = None

    async def send(self, method: str, url: str, **options: Any) -> Response:
        """One attempt. What came of the one before was not the answer: the rest of it is let go."""
        await self._drain()
        return await self._maker.send(method, url, **options)

    async def stream_of(self, head: Response) -> EngineStream | None:
        """The stream behind the head of a call's answer; None where nothing was sent for it."""
        if head is not self._head:
            await self._drain()
        return self._stream

    async def close(self, *, broken_off: bool) -> None:
        """No more is read. Raises what the script raised while it made a body."""
        # What the run's end breaks off is unfinished: the engine counts it so where it still goes on.
        if self._stream is not None and not (broken_off and self._user._engine.phase in ENDED):
            self._stream.leave()
        await self._maker.end()

    async def _attempt(self, method: str, url: str, **options: Any) -> Response:
        self._stream, self._head = await self._user._open(method, url, **options)
        return self._head

    async def _drain(self) -> None:
        stream = self._stream
        if stream is None:
            return
        drained = 0
        with contextlib.suppress(ValueError):  # it cannot be decoded, and need not be
            while drained < DRAINED_BYTES and not stream.is_drained:
                if (waiting := stream.wait()) is not None:
                    await waiting
                drained += sum(len(piece) for _, piece in stream.take())
        stream.leave()
        self._stream = None


class StreamedResponse:
    """A response whose head has come. Its body is read once: by events, aiter_bytes, aiter_lines or aread.

    They end with the body. Where it was broken off they end too, and `error` says why.
    """

    def __init__(self, user: User, stream: EngineStream | None, head: Response, measure: str) -> None:
        self._stream = stream
        self._head = head
        self._pace = Pace(user, measure)

    @property
    def status(self) -> int:
        return self._head.status

    @property
    def error(self) -> str | None:
        """What broke it off, such as "closed" or "timeout"."""
        return self._head.error or (self._stream.error if self._stream else None)

    @property
    def ok(self) -> bool:
        """A status below 400, and not broken off so far."""
        return self._head.ok and self.error is None

    @property
    def method(self) -> str:
        return self._head.method

    @property
    def url(self) -> str:
        return self._head.url

    @property
    def headers(self) -> Headers:
        return self._head.headers

    @property
    def cookies(self) -> dict[str, str]:
        return self._head.cookies

    @property
    def history(self) -> list[Response]:
        """The responses that led here, as far as their heads go."""
        return self._head.history

    def raise_for_status(self) -> None:
        """Raises loadgen.StatusError unless `ok`."""
        if not self.ok:
            raise StatusError(f"{self.method} {self.url}: {self.error or self.status}", self._head)

    async def events(self) -> AsyncIterator[Event]:
        """Server-sent events as they come, each measured by when its last byte arrived."""
        while (stream := await self._next()) is not None:
            for at_ns, event in stream.take_events():
                self._pace.event(at_ns, stream.sent_ns)
                yield event

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it came, decoded, without the frames of its chunks."""
        while (stream := await self._next()) is not None:
            for _, piece in stream.take():
                yield piece

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Lines of UTF-8 text, without their ends: LF, CRLF or CR."""
        text = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        rest = ""
        async for piece in self.aiter_bytes():
            *lines, rest = (rest + text.decode(piece)).split("\n")
            for line in lines:
                yield line
        *lines, rest = (rest + text.decode(b"", final=True)).split("\n")
        for line in (*lines, *([rest] if rest else [])):
            yield line

    async def aread(self) -> bytes:
        """All of the body that is still to be read."""
        return b"".join([piece async for piece in self.aiter_bytes()])

    async def _next(self) -> EngineStream | None:
        """The stream, once it has something to take; None where nothing more will come."""
        stream = self._stream
        if stream is None:
            return None
        waiting = stream.wait()
        if waiting is not None:
            await waiting
        return None if stream.is_drained else stream


class Pace:
    """How fast the events of one response come, as trends of the run."""

    def __init__(self, user: User, measure: str) -> None:
        self._user = user
        self._first = f"time to first {measure}"
        self._gap = f"gap between {measure}s"
        self._rate = f"{measure}s per second"
        self._events = 0
        self._first_ns = self._last_ns = 0

    def event(self, at_ns: int, sent_ns: int) -> None:
        """An event has come; its request was sent before."""
        if self._events == 0:
            self._first_ns = at_ns
            self._user.trend(self._first, (at_ns - sent_ns) * MS)
        else:
            self._user.trend(self._gap, (at_ns - self._last_ns) * MS)
        self._events += 1
        self._last_ns = at_ns

    def end(self) -> None:
        """No more are read. The rate is that of the gaps: it wants two events, at different instants."""
        lasted_ns = self._last_ns - self._first_ns
        if lasted_ns > 0:
            self._user.trend(self._rate, (self._events - 1) * SECOND_NS / lasted_ns)
