"""Responses that a script reads while they come: events, lines, bytes. The engine stamps what arrives."""

from __future__ import annotations

import asyncio
import codecs
import io
from typing import TYPE_CHECKING, Any

from loadgen._engine import Event, Response
from loadgen._engine import Stream as EngineStream
from loadgen.auth import DigestAuth
from loadgen.body import ENDED
from loadgen.errors import StatusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from loadgen.headers import Headers
    from loadgen.user import User

# What would make several requests of one, or a body beforehand.
REFUSED = ("files", "follow_redirects", "retry")
MS = 1e-6
SECOND_NS = 1e9

# It is another part of the user: the methods that it calls are private to the two of them.
# ruff: noqa: SLF001


class Stream:
    """A request to come, and what is read of it; see User.stream."""

    def __init__(self, user: User, method: str, url: str, measure: str, options: dict[str, Any]) -> None:
        for name in REFUSED:
            if options.get(name) is not None:
                raise ValueError(f"stream: {name} is not supported, a stream is one request")
        if isinstance(options.get("auth"), DigestAuth):
            raise ValueError(  # noqa: TRY004 - the type is right elsewhere
                "stream: DigestAuth is not supported, its challenge takes a second request"
            )
        self._user = user
        self._request = method, url, options
        self._measure = measure
        self._response: StreamedResponse | None = None

    async def __aenter__(self) -> StreamedResponse:
        if self._response is not None:
            raise RuntimeError("a stream is read once: call user.stream again")
        user, (method, url, options) = self._user, self._request
        stream = user._stream(method, url, **options)
        if isinstance(stream, str):  # a site that is not known yet
            if not await user._find(stream):
                refused = user._refuse(method, url, options, "name_not_resolved")
                self._response = StreamedResponse(user, None, refused, self._measure)
                return self._response
            stream = user._stream(method, url, **options)
            assert isinstance(stream, EngineStream)
        try:
            head = await stream.head
        except asyncio.CancelledError:
            stream.leave()
            raise
        self._response = StreamedResponse(user, stream, head, self._measure)
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._response is not None
        broken_off = kind is not None and issubclass(kind, asyncio.CancelledError)
        # What the run's end breaks off is unfinished: the engine counts it so where it still goes on.
        if not (broken_off and self._user._engine.phase in ENDED):
            self._response._leave()
        self._response._pace.end()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async with self as response:
            async for event in response.events():
                yield event


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
        """The body in the pieces in which it came, without the frames of its chunks."""
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
        coding = self.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise ValueError(
                f"{self.method} {self.url}: {coding} is not decoded in a stream: do not ask for it"
            )
        waiting = stream.wait()
        if waiting is not None:
            await waiting
        return None if stream.is_drained else stream

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.leave()


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
