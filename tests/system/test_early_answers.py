"""Servers that answer before they have read the whole request: no other may end up inside its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.books import balanced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RawServerFactory
    from tests.support.command import Loadgen
    from tests.support.raw_server import RawConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
# Far more than the buffers of a connection hold.
BODY_BYTES = 20_000_000


def test_a_connection_answered_early_carries_no_other_request(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    intruders: list[bytes] = []

    def answer_early(connection: RawConnection) -> None:
        received = connection.socket.recv(65536)
        heads.append(received)
        connection.send(OK)
        whole = received.find(b"\r\n\r\n") + 4 + BODY_BYTES
        read = len(received)
        while received := connection.socket.recv(1 << 20):
            # Behind the whole body it may come: then the answer was not early after all.
            if b"POST " in received and read + received.index(b"POST ") < whole:
                intruders.append(received)
            read += len(received)

    server = raw_server(answer_early)
    body = tmp_path / "body"
    body.write_bytes(b"x" * BODY_BYTES)
    result = loadgen(
        *("blast", server.url, "--reactor", reactor, "--users", "1", "--duration", "300ms"),
        *("--body-file", str(body)),
    )
    summary = balanced(result)
    assert not intruders
    assert set(summary["requests"]["status"]) == {"200"}, result
    # Every request had a connection of its own, and the server read from each.
    assert len(heads) >= summary["requests"]["ok"] > 1
