"""From a name to an address that answers, or to words on why not."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from loadgen import resolve
from loadgen.errors import ExitCode, TargetError
from loadgen.url import parse_url


def reach(url: str) -> str:
    (address, *_), _ = asyncio.run(resolve.reach(parse_url(url)))
    return address


@pytest.mark.parametrize(
    ("family", "host", "text"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")],
)
def test_an_address_that_answers(family: int, host: str, text: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((host, 0))
        server.listen()
        port = server.getsockname()[1]
        assert reach(f"http://{text}:{port}/") == f"{text}:{port}"


def test_the_first_address_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed, socket.socket() as server:
        closed.bind(("127.0.0.1", 0))
        server.bind(("127.0.0.1", 0))
        server.listen()
        found = [(socket.AF_INET, 0, 0, "", one.getsockname()) for one in (closed, server)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert reach("http://many.example/") == f"127.0.0.1:{server.getsockname()[1]}"


def test_a_closed_port_is_refused_in_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(
            TargetError, match=rf"127\.0\.0\.1:{port} cannot be reached: .*connection refused"
        ) as caught:
            reach(f"http://127.0.0.1:{port}/")
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert caught.value.hint


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(
        TargetError, match=r'the name "nowhere\.example" does not resolve: Name or service not known'
    ):
        reach("http://nowhere.example/")


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, flags: int = 0, **__: Any) -> None:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        time.sleep(1.0)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(resolve, "PATIENCE_S", 0.01)
    with pytest.raises(TargetError, match="was not resolved within 10ms"):
        reach("http://slow.example/")
