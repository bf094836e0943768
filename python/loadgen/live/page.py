"""The live page: serves it, feeds whoever looks, and passes on what they ask of the run.

It has a thread and a loop of its own, so that no viewer is in the way of the run, however slow. One who
cannot keep up gets more at a time, and less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from loadgen.errors import ControlRefused, UsageError
from loadgen.live.access import Access, Address
from loadgen.live.board import Board, Looker, Seen
from loadgen.live.orders import obey, read_order
from loadgen.report.feed import Told
from loadgen.report.feed_parts import ending_parts, introduction
from loadgen.report.page import read_bundle
from loadgen.report.percentiles import KINDS, points_of
from loadgen.report.shown import shown
from loadgen.timeline import moment_of

if TYPE_CHECKING:
    from loadgen._engine import Snapshot
    from loadgen.control import Control
    from loadgen.progress import Event, Opening, Progress
    from loadgen.result import Result

# How long those who look are waited for at the end, so that they see the result.
PARTING_S = 2.0
# Orders are short, and nobody gives twenty a second by hand.
MOST_HEARD = 1024
BETWEEN_ORDERS_S = 0.05
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest stands in the page
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "X-Content-Type-Options": "nosniff",
}


class PageServer:
    """An observer whom others can look over the shoulder. `url` is where."""

    def __init__(self, address: Address) -> None:
        """Begin to listen. Raises UsageError where that cannot be, or where there is no page."""
        self._page = read_bundle()
        self._address = address
        self._access = Access.of(address)
        self._board = Board()
        self._looker = Looker()
        self._total: Snapshot | None = None
        self._control: Control | None = None
        self._bells: set[asyncio.Event] = set()
        self._viewers: set[asyncio.Task[Any]] = set()
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._work, args=(ready,), name="loadgen-page", daemon=True)
        self._thread.start()
        try:
            self.url = ready.result()
        except (OSError, UnicodeError) as error:
            where = f"{address.host}:{address.port}"
            raise UsageError(f"--page: {where} cannot be listened on: {_reason(error)}") from None

    # What the run tells, on its own loop.

    def begin(self, opening: Opening) -> None:
        """The plan."""
        from loadgen.machine import examine  # which needs the engine

        began = datetime.fromtimestamp(opening.started_at, UTC).isoformat(timespec="milliseconds")
        told = introduction(opening.plan, began, examine(), opening.note)
        self._post(lambda: setattr(self._board, "opening", told))
        self._control = opening.control
        self._show_control()

    def progress(self, progress: Progress) -> None:
        """A moment; of labels some, if anybody looks."""
        self._total = progress.total
        if progress.interval_s <= 0:
            return
        moment = moment_of(progress)
        look = None
        if self._viewers:
            look = self._looker.look(progress.total, progress.thresholds, progress.exceptions)
        self._post(lambda: self._board.add_moment(moment, look))
        self._show_control()

    def event(self, event: Event) -> None:
        """At once."""
        told = Told(round(event.at_s, 3), event.event, shown(event.text))
        self._post(lambda: self._board.add_event(told))
        self._show_control()

    def end(self, result: Result) -> None:
        """What it all came to."""
        parts = ending_parts(result)
        if self._total is not None:
            parts["distribution"] = {kind: points_of(self._total.histogram(kind)) for kind in KINDS}
        self._post(lambda: setattr(self._board, "ending", parts))

    def close(self) -> None:
        """After those who look have seen the end. May be called again."""
        if self._thread.is_alive():
            self._post(self._closing.set)
            self._thread.join()

    def _show_control(self) -> None:
        if self._control is not None:
            state = self._control.state
            self._post(lambda: setattr(self._board, "control", state))

    def _post(self, act: Callable[[], None]) -> None:
        def now() -> None:
            act()
            for bell in self._bells:
                bell.set()

        with contextlib.suppress(RuntimeError):  # closed already
            assert self._loop is not None
            self._loop.call_soon_threadsafe(now)

    # What is done for those who look, in our own thread.

    def _work(self, ready: Future[str]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: Future[str]) -> None:
        self._loop = asyncio.get_running_loop()
        silent = logging.getLogger("loadgen.page")
        silent.disabled = True  # who knocks wrongly is told so, not we
        async with serve(
            self._view,
            self._address.host,
            self._address.port,
            process_request=self._answer,
            compression=None,
            max_size=MOST_HEARD,
            open_timeout=PARTING_S,  # who has asked for nothing is waited for, too
            close_timeout=1,
            server_header=None,
            logger=silent,
        ) as server:
            ready.set_result(self._url_of(server))
            await self._closing.wait()
            self._over = True
            for bell in self._bells:
                bell.set()
            if self._viewers:
                await asyncio.wait(self._viewers, timeout=PARTING_S)

    def _url_of(self, server: Server) -> str:
        port = next(iter(server.sockets)).getsockname()[1]
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        token = f"?token={self._access.token}" if self._access.token else ""
        return f"http://{host}:{port}/{token}"

    async def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        """The page, or a refusal; None for the feed, which is a WebSocket."""
        path = urlsplit(request.path).path
        headers = request.headers
        why = self._access.refusal(
            request.path, headers.get_all("Host"), headers.get_all("Origin"), feed=path == "/feed"
        )
        if why is not None:
            return _response(HTTPStatus.FORBIDDEN, why.encode() + b"\n", "text/plain; charset=utf-8")
        if path == "/feed":
            return None
        if path == "/":
            return _response(HTTPStatus.OK, self._page, "text/html; charset=utf-8")
        return _response(HTTPStatus.NOT_FOUND, b"nothing is here\n", "text/plain; charset=utf-8")

    async def _view(self, connection: ServerConnection) -> None:
        """One who looks, to the end."""
        bell, seen = asyncio.Event(), Seen()
        task = asyncio.current_task()
        assert task is not None
        self._bells.add(bell)
        self._viewers.add(task)
        hearing = asyncio.create_task(self._hear(connection, seen, bell))
        try:
            while True:
                bell.clear()
                feed = self._board.news(seen)
                if feed is not None:
                    await connection.send(feed.encode(), text=True)
                elif self._over:
                    return
                if not self._over:
                    await bell.wait()
        except ConnectionClosed:
            pass
        finally:
            hearing.cancel()
            self._bells.discard(bell)
            self._viewers.discard(task)

    async def _hear(self, connection: ServerConnection, seen: Seen, bell: asyncio.Event) -> None:
        """What one who looks asks for, one order after the other."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                seen.answer = self._answer_to(await connection.recv(decode=False))
                self._show_control()
                bell.set()
                await asyncio.sleep(BETWEEN_ORDERS_S)

    def _answer_to(self, message: bytes) -> str | None:
        """Why it is not done; None: it is done."""
        try:
            order = read_order(message)
            if self._control is None:
                return "the run has not begun"
            obey(order, self._control)
        except ControlRefused as refused:
            return shown(refused.message)
        return None


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "this is no name of a host"
    # asyncio says the address once more.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _response(status: HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers(_HEADERS)
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
