"""Clients of the target's WebSocket: the `websockets` library, and frames that are written by hand."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_anywhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

KEY = bytes([7, 77, 177, 211])
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATIENCE_S = 20.0


def connect(url: str, path: str, **options: Any) -> ClientConnection:
    """To the target at this http URL, without a proxy, and uncompressed unless asked for."""
    options = {"compression": None, "proxy": None, "max_size": None, **options}
    client = connect_anywhere(url.replace("http:", "ws:", 1) + path, **options)
    assert isinstance(client, ClientConnection)
    return client


def statistics(url: str) -> dict[str, Any]:
    """What /ws/stats tells."""
    with urllib.request.urlopen(f"{url}/ws/stats", timeout=PATIENCE_S) as answer:  # noqa: S310
        counts: dict[str, Any] = json.load(answer)
        return counts


def wait_for(url: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The statistics, once this holds for them."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds(found := statistics(url)):
        assert time.monotonic() < give_up_at, f"never came to be: {found}"
        time.sleep(0.01)
    return found


def publish(url: str, channel: str, body: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{url}/ws/publish?channel={channel}", body.encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)
        return told


def masked(first: int, payload: bytes) -> bytes:
    """A frame of a client; `first` is FIN, RSV and opcode."""
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 1 << 16:
        head = bytes([first, 0xFE]) + length.to_bytes(2)
    else:
        head = bytes([first, 0xFF]) + length.to_bytes(8)
    return head + KEY + bytes(byte ^ KEY[place % 4] for place, byte in enumerate(payload))


class RawWebSocket:
    """Says what it is told to, and reads frames as they come. Use it as a context manager."""

    def __init__(self, url: str, path: str, *, headers: str = "", receive_buffer: int | None = None) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, int(port)))
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{headers}\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            assert line, f"the end amid the head: {self.head!r}"
            self.head += line

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def receive(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        first, length = self._read(2)
        if length >= 126:
            length = int.from_bytes(self._read(2 if length == 126 else 8))
        return first, self._read(length)

    def close_code(self) -> int:
        """The code of the Close that comes next; after it nothing comes."""
        first, payload = self.receive()
        assert first == 0x80 | CLOSE
        assert self.file.read() == b""
        return int.from_bytes(payload[:2])

    def _read(self, count: int) -> bytes:
        found = self.file.read(count)
        assert len(found) == count, f"the end amid a frame: {found!r}"
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self.socket.close()
