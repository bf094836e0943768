"""Ways to fail at TLS, whatever the certificate, each with the kinds of error that it may be counted as."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_server import RawConnection

    Behaviour = Callable[[RawConnection], None]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CLIENT_HELLO_HEAD = 5
FAILED = frozenset({"tls_failed"})
# A connection that ended is one, whatever it was about to carry.
ENDED = frozenset({"tls_failed", "closed", "reset"})
NEVER = frozenset({"connect_timeout", "timeout"})


def encrypted(context: ssl.SSLContext, behaviour: Behaviour) -> Behaviour:
    """The behaviour behind a handshake that goes well, if the client likes the certificate."""

    def behave(connection: RawConnection) -> None:
        connection.start_tls(context)
        behaviour(connection)

    return behave


def greeting(data: bytes, *, then_close: bool = False) -> Behaviour:
    """Sends this instead of a ServerHello."""

    def behave(connection: RawConnection) -> None:
        connection.read(CLIENT_HELLO_HEAD)
        connection.send(data)
        if then_close:
            connection.finish()
        connection.wait_until_client_closes()

    return behave


def resetting(connection: RawConnection) -> None:
    connection.read(CLIENT_HELLO_HEAD)
    connection.reset()


def junk_within(connection: RawConnection) -> None:
    """In clear text what only comes encrypted."""
    if connection.read_request():
        socket.socket.sendall(connection.socket, ANSWER)
        connection.wait_until_client_closes()


def close_within_the_body(connection: RawConnection) -> None:
    if connection.read_request():
        connection.send(ANSWER[:-1])


def close_after_the_handshake(_: RawConnection) -> None:
    """TLS 1.3 lets the client send before it knows."""


def silent(connection: RawConnection) -> None:
    connection.wait_until_client_closes()


# Before there is any encryption.
HANDSHAKES: dict[str, tuple[Behaviour, frozenset[str]]] = {
    "closes": (greeting(b"", then_close=True), ENDED),
    "closes within a record": (greeting(b"\x16\x03\x03\x00\x7a\x02\x00", then_close=True), ENDED),
    "resets": (resetting, ENDED),
    "speaks HTTP": (greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"), FAILED),
    "sends zeros": (greeting(bytes(100)), FAILED),
    "refuses": (greeting(b"\x15\x03\x03\x00\x02\x02\x28"), FAILED),
    "sends a record beyond the limit": (greeting(b"\x16\x03\x03\xff\xff" + bytes(65535)), FAILED),
    "sends a hello of zeros": (greeting(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"), FAILED),
    "never answers": (greeting(b""), NEVER),
    "never ends its hello": (greeting(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"), NEVER),
}
# After the handshake.
ENCRYPTED: dict[str, tuple[Behaviour, frozenset[str]]] = {
    "closes after the handshake": (close_after_the_handshake, ENDED),
    "closes within the body": (close_within_the_body, ENDED),
    "sends clear text": (junk_within, FAILED),
    "never answers": (silent, frozenset({"timeout"})),
}


def greeting_within_the_handshake(context: ssl.SSLContext) -> Behaviour:
    """Speaks before it is asked, in the packet that ends the handshake; and then no more."""

    def behave(connection: RawConnection) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while received := connection.socket.recv(65536):
            incoming.write(received)
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                tls.write(b"220 ready\r\n")
                connection.send(outgoing.read())
                break
            connection.send(outgoing.read())
        connection.wait_until_client_closes()

    return behave


def answer_by_bytes(context: ssl.SSLContext) -> Behaviour:
    """Handshake and answers, each byte of the cipher text in a packet of its own."""

    def behave(connection: RawConnection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        request = b""
        shaken = False
        while received := connection.socket.recv(65536):
            incoming.write(received)
            try:
                if not shaken:
                    tls.do_handshake()
                    shaken = True
                while piece := tls.read(65536):
                    request += piece
                    while b"\r\n\r\n" in request:
                        request = request.partition(b"\r\n\r\n")[2]
                        tls.write(ANSWER)
            except ssl.SSLWantReadError:
                pass
            for byte in outgoing.read():
                connection.send(bytes([byte]))

    return behave
