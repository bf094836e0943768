"""A server that counts and sums up what it is sent, without keeping it: the place for large bodies."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RawServerFactory
    from tests.support.raw_server import RawConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Taken:
    """One request, taken to its end."""

    headers: dict[str, str]
    body_bytes: int
    digest: str


class Sink:
    """Takes bodies and answers 200. It says 100 first where it is asked to."""

    def __init__(self, raw_server: RawServerFactory) -> None:
        self.taken: list[Taken] = []
        self._server = raw_server(self._serve)
        self.url = self._server.url

    def _serve(self, connection: RawConnection) -> None:
        while headers := read_head(connection):
            if headers.get("expect") == "100-continue":
                connection.send(CONTINUE)
            self.take_body(connection, headers)
            connection.send(OK)

    def take_body(self, connection: RawConnection, headers: dict[str, str]) -> None:
        length, digest = 0, sha256()
        for size in _chunks(connection, headers):
            left = size
            while left:
                piece = connection.read(min(left, _CHUNK))
                if not piece:
                    return
                digest.update(piece)
                left -= len(piece)
            length += size
        self.taken.append(Taken(headers, length, digest.hexdigest()))


def _chunks(connection: RawConnection, headers: dict[str, str]) -> Iterator[int]:
    """How many bytes of a body follow, one time after the other."""
    if headers.get("transfer-encoding") != "chunked":
        yield int(headers.get("content-length", 0))
        return
    while size := int(read_line(connection), 16):
        yield size
        assert read_line(connection) == b""
    assert read_line(connection) == b""


def read_line(connection: RawConnection) -> bytes:
    """Up to a line's end, without it."""
    line = b""
    while not line.endswith(b"\r\n"):
        byte = connection.read(1)
        if not byte:
            raise ConnectionAbortedError(f"the client left behind {line!r}")
        line += byte
    return line[:-2]


def read_head(connection: RawConnection) -> dict[str, str]:
    """The headers of the next request; none when the client has gone."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.read(1)
        if not byte:
            return {}
        head += byte
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
