"""`loadgen ws` against a server by another hand: handshake, TLS, close codes, what each message was."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced_sockets
from tests.support.socket_server import SocketServer

if TYPE_CHECKING:
    from websockets.datastructures import Headers
    from websockets.sync.server import ServerConnection

    from tests.support.certificates import Certificates
    from tests.support.command import Loadgen

QUICK = ("-n", "6", "--connect-rate", "500/s", "-d", "300ms")


class Echo:
    """Sends everything back, and remembers what came."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.handshakes: list[tuple[str, Headers, str | None]] = []
        self._lock = threading.Lock()

    def __call__(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        with self._lock:
            self.handshakes.append((request.path, request.headers, connection.subprotocol))
        for message in connection:
            with self._lock:
                self.messages.append(message)
            connection.send(message)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_every_message_arrives_as_it_was_meant(loadgen: Loadgen, compression: str | None) -> None:
    echo = Echo()
    with SocketServer(echo, compression=compression) as server:
        result = loadgen(
            *("ws", f"{server.url}/a?b=c", *QUICK, "--correlate", "id", "--send-rate", "100/s"),
            *("--send", '{"id": {{k}}, "text": "é{{open}}"}', "--deflate"),
        )
    summary = balanced_sockets(result)
    assert sorted(echo.messages) == sorted(f'{{"id": {k}, "text": "é{{{{"}}' for k in range(30)), result
    assert summary["sockets"]["messages"]["received"] == 30, result
    assert [path for path, _, _ in echo.handshakes] == ["/a?b=c"] * 6


def test_headers_and_the_subprotocol_go_into_the_handshake(loadgen: Loadgen) -> None:
    echo = Echo()
    with SocketServer(echo, subprotocols=["two", "one"]) as server:
        result = loadgen(
            *("ws", server.url.replace("ws://", "ws://me:secret@"), *QUICK, "-H", "X-Way: a b"),
            *("--subprotocol", "one", "--subprotocol", "three"),
        )
    balanced_sockets(result)
    path, headers, subprotocol = echo.handshakes[0]
    assert (path, headers["X-Way"], subprotocol) == ("/", "a b", "one"), result
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert headers["Host"] == f"127.0.0.1:{server.port}"


def test_sockets_over_tls(loadgen: Loadgen, certificates: Certificates) -> None:
    echo = Echo()
    # A server that would rather speak HTTP/2.
    with SocketServer(echo, ssl=certificates.good.server_context("h2", "http/1.1")) as server:
        send = ("--send", "hello", "--send-rate", "50/s", "--expect", "any")
        trusting = loadgen("ws", server.url, *QUICK, *send, "--cacert", str(certificates.authority))
        wary = loadgen("ws", server.url, *QUICK)
    summary = balanced_sockets(trusting)
    assert summary["sockets"]["messages"]["received"] == len(echo.messages) == 15, trusting
    assert summary["phases"]["tls"]["count"] == 6, trusting
    assert balanced_sockets(wary)["requests"]["errors"] == {"tls_untrusted": 6}, wary


def test_close_codes_of_the_peer_are_told(loadgen: Loadgen) -> None:
    def try_later(connection: ServerConnection) -> None:
        connection.recv()
        connection.close(1013, "later")

    with SocketServer(try_later) as server:
        result = loadgen("ws", server.url, *QUICK, "--subscribe", "now")
    connections = balanced_sockets(result)["sockets"]["connections"]
    assert (connections["lost"], connections["closes"]) == (6, {"1013": 6}), result
    assert "1013 try again later" in result.stdout
