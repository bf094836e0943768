"""Ways to break HTTP/2, each with the kinds of error that it may be counted as, and unusual ways to keep it.

Floods go on until the client has had enough; of some it may also be the request's timeout that ends them.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from tests.support.http2_connection import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Connection,
    Http2Request,
    frame,
    goaway,
    reset,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Behaviour = Callable[[Http2Connection, Http2Request], None]

FLOOD_BYTES = 65536
PROTOCOL = frozenset({"protocol_error"})
FLOOD = PROTOCOL | {"timeout"}


def sending(data: Callable[[Http2Connection, int], bytes]) -> Behaviour:
    """Sends this for a request, on a connection that it keeps."""

    def behave(connection: Http2Connection, request: Http2Request) -> None:
        connection.send(data(connection, request.stream))

    return behave


def breaking(data: Callable[[Http2Connection, int], bytes]) -> Behaviour:
    """Sends what breaks a rule, then a right answer, which must not be taken any more."""

    def behave(connection: Http2Connection, request: Http2Request) -> None:
        connection.send(data(connection, request.stream))
        connection.respond(request.stream)

    return behave


def flooding(
    head: Callable[[Http2Connection, int], bytes], piece: Callable[[int], bytes], *, pieces: int = 0
) -> Behaviour:
    """Goes on for ever."""

    def behave(connection: Http2Connection, request: Http2Request) -> None:
        connection.send(head(connection, request.stream))
        one = piece(request.stream)
        flood = one * (pieces or FLOOD_BYTES // len(one))
        while True:
            connection.send(flood)

    return behave


def closing(data: Callable[[Http2Connection, int], bytes]) -> Behaviour:
    """Sends this and says that no more will come."""

    def behave(connection: Http2Connection, request: Http2Request) -> None:
        connection.send(data(connection, request.stream))
        connection.raw.finish()

    return behave


def begun(connection: Http2Connection, stream: int, *more: tuple[str, str]) -> bytes:
    """The head of a 200 whose body is to follow."""
    return frame(HEADERS, END_HEADERS, stream, connection.head((":status", "200"), *more))


def nothing(_: Http2Connection, __: int) -> bytes:
    return b""


def silent(_: Http2Connection, __: Http2Request) -> None:
    """Never answers; the connection stays and reads on."""


def resetting(connection: Http2Connection, _: Http2Request) -> None:
    connection.raw.reset()


def bodiless_length(connection: Http2Connection, stream: int) -> bytes:
    return begun(connection, stream, ("content-length", "5")) + frame(DATA, END_STREAM, stream, b"hi")


HOSTILE: dict[str, tuple[Behaviour, frozenset[str]]] = {
    # Giving up.
    "goes away from every request": (closing(lambda _, __: goaway(0, NO_ERROR)), frozenset({"goaway"})),
    "goes away and asks for calm": (
        closing(lambda _, stream: goaway(stream, ENHANCE_YOUR_CALM)),
        frozenset({"goaway"}),
    ),
    "goes away within the body": (
        closing(
            lambda connection, stream: (
                begun(connection, stream) + frame(DATA, 0, stream, b"h") + goaway(stream, PROTOCOL_ERROR)
            )
        ),
        frozenset({"goaway"}),
    ),
    "refuses every stream": (
        sending(lambda _, stream: reset(stream, REFUSED_STREAM)),
        frozenset({"stream_reset"}),
    ),
    "resets within the body": (
        sending(
            lambda connection, stream: (
                begun(connection, stream) + frame(DATA, 0, stream, b"h") + reset(stream, CANCEL)
            )
        ),
        frozenset({"stream_reset"}),
    ),
    "closes without an answer": (closing(nothing), frozenset({"closed"})),
    "closes within the head": (
        closing(lambda _, stream: frame(HEADERS, END_HEADERS, stream, b"\x88", length=100)),
        frozenset({"closed"}),
    ),
    "closes within the body": (closing(begun), frozenset({"closed"})),
    "resets the connection": (resetting, frozenset({"reset"})),
    "never answers": (silent, frozenset({"timeout"})),
    "never ends the body": (sending(begun), frozenset({"timeout"})),
    # Frames that are wrong in themselves.
    "speaks HTTP/1.1": (closing(lambda _, __: b"HTTP/1.1 400 Bad Request\r\n\r\n"), PROTOCOL),
    "sends zeros": (closing(lambda _, __: bytes(100)), PROTOCOL),
    "sends a frame beyond the limit": (
        breaking(lambda _, stream: frame(DATA, 0, stream, bytes(20_000), length=(1 << 24) - 1)),
        PROTOCOL,
    ),
    "sends settings of five bytes": (breaking(lambda _, __: frame(SETTINGS, 0, 0, bytes(5))), PROTOCOL),
    "acknowledges settings with more": (
        breaking(lambda _, __: frame(SETTINGS, ACK, 0, bytes(6))),
        PROTOCOL,
    ),
    "sends a frame size that cannot be": (breaking(lambda _, __: settings({MAX_FRAME_SIZE: 1})), PROTOCOL),
    "sends a window that cannot be": (
        breaking(lambda _, __: settings({INITIAL_WINDOW_SIZE: (1 << 32) - 1})),
        PROTOCOL,
    ),
    "sends a ping of seven bytes": (breaking(lambda _, __: frame(PING, 0, 0, bytes(7))), PROTOCOL),
    "sends a reset of three bytes": (
        breaking(lambda _, stream: frame(RST_STREAM, 0, stream, bytes(3))),
        PROTOCOL,
    ),
    "goes away with seven bytes": (breaking(lambda _, __: frame(GOAWAY, 0, 0, bytes(7))), PROTOCOL),
    "opens the window by nothing": (
        breaking(lambda _, __: frame(WINDOW_UPDATE, 0, 0, bytes(4))),
        PROTOCOL,
    ),
    "opens the window beyond its limit": (
        breaking(lambda _, __: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 1))),
        PROTOCOL,
    ),
    "pads more than there is": (
        breaking(
            lambda connection, stream: (
                begun(connection, stream) + frame(DATA, PADDED, stream, bytes([200]) + b"hi")
            )
        ),
        PROTOCOL,
    ),
    # Frames in the wrong place.
    "sends data on no stream": (breaking(lambda _, __: frame(DATA, 0, 0, b"hi")), PROTOCOL),
    "sends a head on no stream": (
        breaking(lambda _, __: frame(HEADERS, END_HEADERS, 0, b"\x88")),
        PROTOCOL,
    ),
    "answers what nobody asked": (
        breaking(lambda _, stream: frame(HEADERS, END_HEADERS, stream + 1000, b"\x88")),
        PROTOCOL,
    ),
    "sends data before the head": (breaking(lambda _, stream: frame(DATA, 0, stream, b"hi")), PROTOCOL),
    "pushes": (
        breaking(
            lambda connection, stream: frame(
                PUSH_PROMISE,
                END_HEADERS,
                stream,
                struct.pack(">I", 2)
                + connection.head(
                    (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")
                ),
            )
        ),
        PROTOCOL,
    ),
    "continues what has not begun": (
        breaking(lambda _, stream: frame(CONTINUATION, END_HEADERS, stream, b"\x88")),
        PROTOCOL,
    ),
    "interrupts a head": (
        breaking(lambda _, stream: frame(HEADERS, 0, stream, b"\x88") + frame(PING, 0, 0, bytes(8))),
        PROTOCOL,
    ),
    # Heads that are wrong.
    "sends headers from nowhere": (
        breaking(lambda _, stream: frame(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff\x0f")),
        PROTOCOL,
    ),
    "sends a number without an end": (
        breaking(lambda _, stream: frame(HEADERS, END_HEADERS, stream, b"\xff" * 50)),
        PROTOCOL,
    ),
    "sends a table beyond its limit": (
        breaking(lambda _, stream: frame(HEADERS, END_HEADERS, stream, b"\x3f\xff\xff\xff\x0f\x88")),
        PROTOCOL,
    ),
    "sends no status": (
        sending(
            lambda connection, stream: frame(
                HEADERS, END_HEADERS | END_STREAM, stream, connection.head(("server", "x"))
            )
        ),
        PROTOCOL,
    ),
    "sends a status of two digits": (
        sending(
            lambda connection, stream: frame(
                HEADERS, END_HEADERS | END_STREAM, stream, connection.head((":status", "20"))
            )
        ),
        PROTOCOL,
    ),
    "sends a name in capitals": (
        sending(
            lambda connection, stream: frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                connection.head((":status", "200"), ("Server", "x")),
            )
        ),
        PROTOCOL,
    ),
    "sends less than it said": (sending(bodiless_length), PROTOCOL),
    # Floods.
    # It reads no answers: what is kept for it must not grow until the timeout.
    "floods with pings": (flooding(nothing, lambda _: frame(PING, 0, 0, bytes(8))), PROTOCOL),
    "floods with settings": (flooding(nothing, lambda _: settings({HEADER_TABLE_SIZE: 4096})), PROTOCOL),
    "floods with resets": (flooding(nothing, lambda stream: reset(stream, CANCEL)), FLOOD | {"stream_reset"}),
    "floods with a head": (
        flooding(
            lambda _, stream: frame(HEADERS, 0, stream, b"\x88"),
            # A literal of 1,000 bytes that no table keeps.
            lambda stream: frame(CONTINUATION, 0, stream, b"\x00\x01x\x7f\xe9\x06" + b"y" * 1000),
        ),
        FLOOD | {"header_too_large"},
    ),
    "floods with continuations of nothing": (
        flooding(
            lambda _, stream: frame(HEADERS, 0, stream, b"\x88"),
            lambda stream: frame(CONTINUATION, 0, stream),
        ),
        FLOOD | {"header_too_large"},
    ),
    "floods with data of nothing": (flooding(begun, lambda stream: frame(DATA, 0, stream)), FLOOD),
    "floods with interim responses": (
        flooding(
            nothing,
            # :status from the static table's name, a literal of three digits.
            lambda stream: frame(HEADERS, END_HEADERS, stream, b"\x08\x03103"),
        ),
        FLOOD | {"header_too_large"},
    ),
    "sends data beyond the window": (
        flooding(begun, lambda stream: frame(DATA, 0, stream, bytes(16_384)), pieces=64),
        FLOOD | {"body_too_large"},
    ),
}


def answer_in_pieces(connection: Http2Connection, request: Http2Request) -> None:
    """Head and body over many frames, padded, with frames between them that say nothing."""
    stream = request.stream
    block = connection.head((":status", "200"), ("x-long", "y" * 100))
    connection.send(frame(HEADERS, 0, stream, block[:1]) + frame(CONTINUATION, 0, stream, block[1:9]))
    connection.send(frame(CONTINUATION, 0, stream) + frame(CONTINUATION, END_HEADERS, stream, block[9:]))
    for byte in b"hello":
        connection.send(frame(DATA, PADDED, stream, bytes([3, byte, 0, 0, 0])))
        connection.send(frame(PING, 0, 0, bytes(8)) + frame(PRIORITY, 0, stream, bytes(5)))
    connection.send(frame(0xBE, 0xEF, stream, b"nobody knows this type"))
    connection.send(frame(DATA, END_STREAM, stream))


def answer_by_bytes(connection: Http2Connection, request: Http2Request) -> None:
    connection.raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = connection.head((":status", "200"))
    answer = frame(HEADERS, END_HEADERS, request.stream, head)
    for byte in answer + frame(DATA, END_STREAM, request.stream, b"hi"):
        connection.send(bytes([byte]))


def answer_with_much_around(connection: Http2Connection, request: Http2Request) -> None:
    """Interim responses before, trailers after."""
    stream = request.stream
    for status in ("100", "103"):
        connection.send(frame(HEADERS, END_HEADERS, stream, connection.head((":status", status))))
    connection.send(begun(connection, stream) + frame(DATA, 0, stream, b"hi"))
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.head(("x-end", "yes"))))


def answer_and_reset(connection: Http2Connection, request: Http2Request) -> None:
    """A whole answer before the request is wanted to its end: NO_ERROR says that nothing was wrong."""
    connection.respond(request.stream)
    connection.send(reset(request.stream, NO_ERROR))


def answer_and_go(connection: Http2Connection, request: Http2Request) -> None:
    """One request a connection, with a farewell."""
    connection.respond(request.stream)
    connection.send(goaway(request.stream, NO_ERROR))


def change_settings(connection: Http2Connection, request: Http2Request) -> None:
    connection.send(settings({HEADER_TABLE_SIZE: 0, MAX_FRAME_SIZE: 32_768, INITIAL_WINDOW_SIZE: 1000}))
    connection.respond(request.stream)


# Right, if not what one sees every day: each is a 200.
UNUSUAL: dict[str, Behaviour] = {
    "in pieces": answer_in_pieces,
    "a byte at a time": answer_by_bytes,
    "with interim responses and trailers": answer_with_much_around,
    "with a reset that means no harm": answer_and_reset,
    "with a farewell": answer_and_go,
    "with new settings": change_settings,
}
