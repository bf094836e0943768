"""A way to a server of HTTP/3 on which datagrams are lost: each so-and-so-many-th, in both directions."""

from __future__ import annotations

import selectors
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class LossyWay:
    """For one connection at a time. Use it as a context manager."""

    def __init__(self, port: int, *, loses_each: int) -> None:
        self._loses_each = loses_each
        self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.connect(("127.0.0.1", port))
        self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client.bind(("127.0.0.1", 0))
        self.port: int = self._client.getsockname()[1]
        self.lost = 0
        self._stopping, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._carry)

    def _carry(self) -> None:
        count = 0
        peer = None
        with selectors.DefaultSelector() as selector:
            for one in (self._server, self._client, self._stopping):
                selector.register(one, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._stopping in ready:
                    return
                count += 1
                is_lost = count % self._loses_each == 0
                self.lost += is_lost
                try:
                    if self._client in ready:
                        datagram, peer = self._client.recvfrom(65536)
                        if not is_lost:
                            self._server.send(datagram)
                    elif peer is not None:
                        datagram = self._server.recv(65536)
                        if not is_lost:
                            self._client.sendto(datagram, peer)
                except ConnectionRefusedError:
                    continue  # one side has gone; the other will find out

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.send(b".")
        self._thread.join()
        for one in (self._server, self._client, self._stopping, self._stop):
            one.close()
