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
    """`with SocketServer(handler) as server: server.url`; options are those of the library."""

    def __init__(self, handler: Callable[[ServerConnection], None], **options: Any) -> None:
        self._server = serve(handler, "127.0.0.1", 0, **options)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
