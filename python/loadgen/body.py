"""Bodies that a script makes while they are sent: each piece is made when the one before is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from loadgen._engine import Body, Response, is_made

if TYPE_CHECKING:
    from loadgen.user import User

# Phases of the engine in which users are cancelled.
ENDED = ("over", "stopped")
_ONCE = "a generator is read once: give bytes, a file, or what can be iterated over again"

# It is another part of the user: what it asks of it is private to the two of them.
# ruff: noqa: SLF001


class Send(Protocol):
    """One attempt."""

    def __call__(self, method: str, url: str, **options: Any) -> Awaitable[Response]: ...


class Maker:
    """Sends the attempts of one call, whatever of them has a body that is to be made."""

    def __init__(self, user: User, send: Send, *, lingers: bool = False) -> None:
        self._user = user
        self._send = send
        # Whether a body may go on when its attempt is answered: what answers is only a head.
        self._lingers = lingers
        self._making: Making | None = None
        self._spent: object = None

    async def send(self, method: str, url: str, **options: Any) -> Response:
        """One attempt. Its generator is closed when it ends, however it does."""
        await self.end()
        content = options.get("content")
        if content is None or not is_made(content):
            return await self._send(method, url, **options)
        if content is self._spent:
            raise ValueError(f"{method} {url}: the body is wanted again, and {_ONCE}")
        if is_read_once(content):
            self._spent = content
        self._making = Making(self._user, content)
        try:
            return await self._send(method, url, **{**options, "content": self._making.body})
        except asyncio.CancelledError:
            self._making.give_up()
            raise
        finally:
            if not self._lingers:
                await self.end()

    async def end(self) -> None:
        """Nothing more is made. Raises what the script raised while it made a body."""
        making, self._making = self._making, None
        if making is not None:
            await making.end()


class Making:
    """A body under way. What makes it runs in a task of its own: the answer may come first."""

    def __init__(self, user: User, content: Any) -> None:
        self._engine = user._engine
        self.body = Body(self._engine)
        self._task = asyncio.get_running_loop().create_task(self._make(content))

    def give_up(self) -> None:
        """Nobody waits for the request any more. Without the rest of its body it would go on for nothing."""
        # What the run's end breaks off is unfinished: the engine counts it so where it still goes on.
        if self._engine.phase not in ENDED:
            self.body.break_off()

    async def end(self) -> None:
        """The request has ended. Raises what the script raised while it made the body."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error

    async def _make(self, content: Any) -> None:
        pieces: Any = None
        try:
            while True:
                if (wanted := self.body.wanted()) is not None:
                    await wanted
                if pieces is None:
                    pieces = aiter(content) if hasattr(content, "__aiter__") else iter(content)
                piece = await _next_of(pieces)
                if piece is None:
                    return self.body.end()
                self.body.add(piece)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self.body.break_off()
            raise
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
            elif hasattr(pieces, "close"):
                pieces.close()


def check_retry(options: dict[str, Any], *, has_policy: bool) -> None:
    """A body that can be read only once is not tried again, whatever the plan's policy is."""
    content = options.get("content")
    if content is None or not is_made(content) or not is_read_once(content):
        return
    if options.get("retry") is not None:
        raise ValueError(f"retry: {_ONCE}")
    if has_policy:
        options["retry"] = None


def is_read_once(content: object) -> bool:
    """Whether what is to be iterated over is gone afterwards."""
    return isinstance(content, (Iterator, AsyncIterator))


async def _next_of(pieces: Any) -> Any:
    """The next piece; None behind the last."""
    if hasattr(pieces, "__anext__"):
        return await anext(pieces, None)
    return next(pieces, None)
