"""HTTP/2 from the server's side, frame by frame and by hand: what is sent may be as wrong as a test wants."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_server import RawConnection

    Behaviour = Callable[["Http2Connection", "Http2Request"], None]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Types of frames.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
# Flags.
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
# Settings.
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 3, 4, 5
# Error codes.
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 7, 8, 11


@dataclass(frozen=True, slots=True)
class Http2Request:
    """The head of a request; its body, if any, may still be on its way."""

    stream: int
    headers: dict[str, str]
    whole: bool


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """One frame; `length` is what it claims to be long."""
    claimed = len(payload) if length is None else length
    return struct.pack(">I", claimed)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in values.items()))


def goaway(last_stream: int, code: int) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last_stream, code))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


class Http2Connection:
    """Greets, acknowledges and answers pings as the rules want it; all else is the behaviour's."""

    def __init__(self, raw: RawConnection, initial: dict[int, int]) -> None:
        self.raw = raw
        self._encoder = Encoder()
        self._decoder = Decoder()
        self.spoken = raw.read(len(PREFACE)) == PREFACE
        if self.spoken:
            self.send(settings(initial))

    def send(self, data: bytes) -> None:
        self.raw.send(data)

    def head(self, *headers: tuple[str, str]) -> bytes:
        """A block of headers, compressed for this connection."""
        block: bytes = self._encoder.encode(headers)
        return block

    def respond(self, stream: int, body: bytes = b"hi", *more: tuple[str, str]) -> None:
        """A complete 200."""
        head = self.head((":status", "200"), ("content-length", str(len(body))), *more)
        self.send(frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, body))

    def read_frame(self) -> tuple[int, int, int, bytes] | None:
        """Type, flags, stream and payload of the next frame; None when the client has gone."""
        head = self.raw.read(9)
        if not head:
            return None
        size = int.from_bytes(head[:3])
        payload = self.raw.read(size)
        if len(payload) < size:
            return None
        return head[3], head[4], int.from_bytes(head[5:]), payload

    def read_request(self) -> Http2Request | None:
        """The next head of a request; what comes before it is dealt with, bodies are dropped."""
        while (received := self.read_frame()) is not None:
            kind, flags, stream, payload = received
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
            elif kind == HEADERS:
                return self._read_head(flags, stream, payload)
        return None

    def _read_head(self, flags: int, stream: int, payload: bytes) -> Http2Request | None:
        block = payload
        if flags & PADDED:
            block = block[1 : len(block) - block[0]]
        if flags & PRIORITISED:
            block = block[5:]
        ended = flags & END_HEADERS
        while not ended:
            received = self.read_frame()
            if received is None:
                return None
            ended = received[1] & END_HEADERS
            block += received[3]
        headers = {str(name): str(value) for name, value in self._decoder.decode(block)}
        return Http2Request(stream, headers, bool(flags & END_STREAM))


def on_each_request(
    behaviour: Behaviour, initial: dict[int, int] | None = None
) -> Callable[[RawConnection], None]:
    """For a raw server: speaks HTTP/2 and runs the behaviour for every request of every connection."""

    def behave(raw: RawConnection) -> None:
        connection = Http2Connection(raw, initial or {})
        while connection.spoken and (request := connection.read_request()):
            behaviour(connection, request)

    return behave
