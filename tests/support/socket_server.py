"""A WebSocket server by another hand: the `websockets` library, a thread for each connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from websockets.sync.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from websockets.sync.server import ServerConnection


class SocketServer:
    """`with SocketServer(handler) as server: server.url`; options are those of the library.

    `closes` has the codes and reasons with which connections ended, `base` is the URL for scenarios.
    """

    def __init__(self, handler: Callable[[ServerConnection], None], **options: Any) -> None:
        self.closes: list[tuple[int | None, str | None]] = []
        self._handler = handler
        self._server = serve(self._handle, "127.0.0.1", 0, **options)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{self.port}"
        self.base = self.url.replace("ws", "http", 1)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _handle(self, connection: ServerConnection) -> None:
        try:
            self._handler(connection)
        finally:
            connection.close()
            self.closes.append((connection.close_code, connection.close_reason))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
