"""A site of a few lines: a function answers each request, and all of them are kept. Over the raw server."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import RawServerFactory
    from tests.support.raw_server import RawConnection


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]  # by names in small letters
    body: bytes
    connection: int = 0  # which it came over, in the order in which they were made

    @property
    def cookies(self) -> str:
        return self.headers.get("cookie", "")


def answer(status: int = 200, *headers: str, body: bytes = b"ok") -> bytes:
    """A response with its length."""
    head = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def moved(location: str, status: int = 302, *headers: str) -> bytes:
    return answer(status, f"Location: {location}", *headers, body=b"")


class Site:
    """`pages(asked)` says what is answered; `asked` is the log."""

    def __init__(self, raw_server: RawServerFactory, pages: Callable[[Asked], bytes]) -> None:
        self.asked: list[Asked] = []
        self._connections = itertools.count()
        self._pages = pages
        self.url = raw_server(self._behave).url
        self.place = self.url.removeprefix("http://")

    def counts(self) -> dict[str, int]:
        return dict(Counter(f"{asked.method} {asked.target}" for asked in self.asked))

    def _behave(self, connection: RawConnection) -> None:
        number = next(self._connections)
        while request := connection.read_request():
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers: dict[str, str] = {}
            for name, _, value in (line.partition(":") for line in lines):
                assert name.lower() not in headers, f"{name} came twice"
                headers[name.lower()] = value.strip()
            asked = Asked(method, target, headers, body, number)
            self.asked.append(asked)
            connection.send(self._pages(asked))
