"""The endpoint: when it may go, and what it serves before there is anything."""

from __future__ import annotations

import socket
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from loadgen.outputs import prometheus
from loadgen.outputs.prometheus import Prometheus
from loadgen.outputs.reading import Reader
from tests.support.receivers import fetch
from tests.unit.outputs.test_reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served() -> Iterator[tuple[Prometheus, str]]:
    output = Prometheus("0")
    yield output, output.open().rpartition(" ")[2]
    output.close()


def test_it_may_go_when_the_last_moment_was_scraped(served: tuple[Prometheus, str]) -> None:
    output, url = served
    assert fetch(url) == b""
    reader = Reader(0)
    for label in ("first", "second"):
        output.send([read(reader, "GET /"), read(reader, label)])
        assert not output.may_go()
        assert f'label="{label}"' in fetch(url).decode()
        while not output.may_go():  # the page may be here before its server has looked up
            time.sleep(0.01)


def test_a_client_that_never_asks_does_not_hold_up_the_end(
    served: tuple[Prometheus, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus._Handler, "timeout", 600.0)
    output, url = served
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as client:
        client.sendall(b"GET /met")
        assert fetch(url) == b"", "whoever came before this one has been let in"
        output.close()
        while client.recv(4096):
            pass


def test_openmetrics_is_spoken_to_who_asks_for_it(served: tuple[Prometheus, str]) -> None:
    output, url = served
    output.send([read(Reader(0), "GET /")])
    asked = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.read().endswith(b"# EOF\n")
