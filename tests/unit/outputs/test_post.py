"""HTTP to a receiver: which answers mean "again", and what ends a wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from loadgen.outputs import post
from loadgen.outputs.output import Refused
from loadgen.outputs.post import Post
from tests.support.receivers import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RawServerFactory
    from tests.support.raw_server import RawConnection

EXAMPLE = "http://127.0.0.1:1/x"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as started:
        yield started


@pytest.mark.parametrize(
    ("status", "error"), [(301, Refused), (400, Refused), (404, Refused), (429, OSError), (503, OSError)]
)
def test_what_is_refused_and_what_may_pass(recorder: Recorder, status: int, error: type[Exception]) -> None:
    recorder.status = status
    receiver = Post(f"{recorder.url}/write?db=x", EXAMPLE)
    with pytest.raises(error, match=f"it answered {status}"):
        receiver.send(b"points", {})
    receiver.close()
    assert [posted.path for posted in recorder.posted] == ["/write?db=x"], "redirects are not followed"


def test_a_connection_that_was_closed_meanwhile_is_replaced_at_once(raw_server: RawServerFactory) -> None:
    def answer_once(connection: RawConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = raw_server(answer_once)
    receiver = Post(f"{server.url}/write", EXAMPLE)
    for _ in range(3):
        receiver.send(b"points", {})
    receiver.close()
    assert server.connections == 3


def test_what_is_no_http_may_pass(raw_server: RawServerFactory) -> None:
    server = raw_server(lambda connection: connection.send(b"SSH-2.0-x\r\n"))
    receiver = Post(f"{server.url}/write", EXAMPLE)
    with pytest.raises(OSError, match=r"no HTTP answer|reset"):
        receiver.send(b"points", {})
    receiver.close()


def test_abort_ends_the_wait_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would last a quarter of an hour."""
    monkeypatch.setattr(post, "TIMEOUT_S", 1000.0)
    with Recorder(silent=True) as silent:
        receiver = Post(f"{silent.url}/write", EXAMPLE)
        errors: list[Exception] = []

        def send() -> None:
            try:
                receiver.send(b"points", {})
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        silent.wait_for(1)
        receiver.abort()
        thread.join(30)
        assert not thread.is_alive() and len(errors) == 1
        receiver.close()
        assert len(silent.posted) == 1, "it is not tried again"
