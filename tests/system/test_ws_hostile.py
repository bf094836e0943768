"""Servers that break the rules of WebSocket: each way is counted under its own name, and nothing hangs."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced_sockets, label

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen
    from tests.support.raw_server import RawConnection

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FIN, RSV1, TEXT, BINARY, CLOSE, PING = 0x80, 0x40, 1, 2, 8, 9
ONE = ("-n", "1", "--connect-rate", "500/s", "-d", "30s", "--timeout", "1s", "--drain", "2s")


def frame(first: int, payload: bytes, length: bytes | None = None) -> bytes:
    """A frame of a server; `length` in place of the true one."""
    size = len(payload)
    true = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2)
        if size < 1 << 16
        else b"\x7f" + size.to_bytes(8)
    )
    return bytes([first]) + (true if length is None else length) + payload


def accept(connection: RawConnection, *headers: bytes) -> None:
    """Answers the handshake as it should be answered."""
    request = connection.read_request()
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", request, re.IGNORECASE)
    if key is None:  # whoever looked only whether somebody listens has gone again
        raise ConnectionError
    accepted = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())  # noqa: S324 - the protocol's choice
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines += [b"Sec-WebSocket-Accept: " + accepted, *headers]
    connection.send(b"\r\n".join(lines) + b"\r\n\r\n")


def bomb() -> bytes:
    """A hundred megabytes of nothing, in a hundred kilobytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(100_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\x00\x00\xff\xff")


SENT = {
    "a masked frame": (bytes([FIN | TEXT, 0x81, 1, 2, 3, 4, 0]), "ws_protocol", 1002),
    "a reserved bit": (frame(FIN | 0x20 | TEXT, b"a"), "ws_protocol", 1002),
    "compression that nobody asked for": (frame(FIN | RSV1 | TEXT, b"a"), "ws_protocol", 1002),
    "an opcode that there is not": (frame(FIN | 0x3, b"a"), "ws_protocol", 1002),
    "a ping in fragments": (frame(PING, b"a"), "ws_protocol", 1002),
    "a ping that is too long": (frame(FIN | PING, bytes(126)), "ws_protocol", 1002),
    "a fragment of nothing": (frame(FIN, b"a"), "ws_protocol", 1002),
    "a length that is not the shortest": (frame(FIN | TEXT, b"abc", b"\x7e\x00\x03"), "ws_protocol", 1002),
    "a text that is none": (frame(FIN | TEXT, b"\xc3("), "ws_bad_utf8", 1007),
    "a text that is cut between fragments": (
        frame(TEXT, b"\xc3") + frame(FIN, b"("),
        "ws_bad_utf8",
        1007,
    ),
    "a message beyond the limit": (bytes([FIN | BINARY, 0x7F]) + (1 << 40).to_bytes(8), "ws_too_large", 1009),
    "a close with a code that is none": (frame(FIN | CLOSE, (1005).to_bytes(2)), "ws_protocol", 1002),
    "a close with half a code": (frame(FIN | CLOSE, b"\x03"), "ws_protocol", 1002),
}


def close_code_of(connection: RawConnection) -> int | None:
    """The code of the close that the client sends, if it sends one."""
    head = connection.read(6)
    if len(head) < 6 or head[0] != FIN | CLOSE:
        return None
    payload = connection.read(head[1] & 0x7F)
    return int.from_bytes(bytes(byte ^ head[2 + at % 4] for at, byte in enumerate(payload))[:2])


@pytest.mark.parametrize("name", SENT)
def test_what_breaks_the_rules_loses_the_socket_under_its_name(
    loadgen: Loadgen, raw_server: RawServerFactory, name: str
) -> None:
    sent, error, code = SENT[name]
    told: list[int | None] = []

    def behave(connection: RawConnection) -> None:
        accept(connection)
        connection.send(sent)
        told.append(close_code_of(connection))

    result = loadgen("ws", raw_server(behave).url, *ONE, "-d", "1s")
    summary = balanced_sockets(result)
    assert summary["sockets"]["connections"]["lost"] == 1, result
    assert label(summary, "session")["requests"]["errors"] == {error: 1}, result
    assert told == [code]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (lambda connection: connection.read_request(), "closed"),
        (lambda connection: connection.wait_until_client_closes(), "timeout"),
        (lambda connection: (connection.read_request(), connection.reset()), "reset"),
        (lambda connection: (connection.read_request(), connection.send(b"hello\r\n\r\n")), "bad_response"),
        (
            lambda connection: (
                connection.read_request(),
                connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
                or connection.send(b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"),
            ),
            "ws_bad_handshake",
        ),
        (
            lambda connection: (
                connection.read_request(),
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ),
            "ws_refused",
        ),
        (lambda connection: accept(connection, b"Sec-WebSocket-Protocol: x"), "ws_bad_handshake"),
        (lambda connection: accept(connection, b"Sec-WebSocket-Extensions: x"), "ws_bad_handshake"),
        (
            lambda connection: (
                connection.read_request(),
                [connection.send(b"HTTP/1.1 101 Switching Protocols\r\n")]
                + [connection.send(b"X: " + b"x" * 8000 + b"\r\n") for _ in range(100)],
            ),
            "header_too_large",
        ),
    ],
    ids=["closes", "never-answers", "resets", "no-http", "bad-key", "200", "protocol", "extension", "flood"],
)
def test_handshakes_that_fail_are_told_apart(
    loadgen: Loadgen, raw_server: RawServerFactory, behaviour: Callable[[RawConnection], None], error: str
) -> None:
    result = loadgen("ws", raw_server(behaviour).url, *ONE, "-d", "300ms")
    summary = balanced_sockets(result)
    assert label(summary, "connect")["requests"]["errors"] == {error: 1}, result
    assert summary["sockets"]["connections"]["opened"] == 0


def test_a_bomb_is_not_unpacked(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    packed = frame(FIN | RSV1 | BINARY, bomb())

    def behave(connection: RawConnection) -> None:
        accept(
            connection,
            b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            b"client_no_context_takeover",
        )
        connection.send(packed)
        connection.wait_until_client_closes()

    result = loadgen("ws", raw_server(behave).url, *ONE, "-d", "1s", "--deflate")
    summary = balanced_sockets(result)
    assert label(summary, "session")["requests"]["errors"] == {"ws_too_large": 1}, result
    # 64 MiB is the limit of a message, and its buffer grows by doubling.
    assert summary["workers"][0]["max_rss_mb"] < 200, result


def test_fragments_without_an_end_come_to_one(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    def behave(connection: RawConnection) -> None:
        accept(connection)
        connection.send(frame(BINARY, b""))
        while True:
            connection.send(frame(0, b"") * 10_000)

    result = loadgen(
        "ws", raw_server(behave).url, *ONE, "-d", "15s", "--threshold", "sockets lost: sum < 1 abort"
    )
    summary = balanced_sockets(result)
    assert label(summary, "session")["requests"]["errors"] == {"ws_too_large": 1}, result


def test_a_server_that_does_not_answer_a_close_is_left_behind(
    loadgen: Loadgen, raw_server: RawServerFactory
) -> None:
    def behave(connection: RawConnection) -> None:
        accept(connection)
        connection.wait_until_client_closes()

    summary = balanced_sockets(loadgen("ws", raw_server(behave).url, *ONE, "-d", "300ms"))
    connections = summary["sockets"]["connections"]
    assert (connections["opened"], connections["lost"], connections["closes"]) == (1, 0, {})


def test_a_half_open_connection_is_found_by_pings(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    def behave(connection: RawConnection) -> None:
        accept(connection)
        connection.wait_until_client_closes()

    result = loadgen("ws", raw_server(behave).url, *ONE, "-d", "3s", "--ping", "200ms")
    summary = balanced_sockets(result)
    assert label(summary, "session")["requests"]["errors"] == {"ws_no_pong": 1}, result
