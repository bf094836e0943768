"""How fast streamed responses flow: as fast as the script reads them, and no longer than they speak."""

from __future__ import annotations

import contextlib
import gzip
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.caddy import Caddy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts, Told

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "20s")
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
MEGABYTES = 100
PIECE = bytes(range(256)) * 4096
# Far above what a worker takes without a body, far below what is sent.
MOST_RSS_MB = 140
# What the kernel and a proxy between hold for a reader that is slow.
MOST_WAITING_MB = 40
WIRES = {
    "HTTP/1.1": ("--http1",),
    "HTTP/1.1 over TLS": ("--http1", "--insecure"),
    "HTTP/2": ("--http2",),
    "HTTP/2 over TLS": ("--http2", "--insecure"),
    "HTTP/3": ("--http3", "--insecure"),
}


@pytest.fixture
def http3_proxy(
    counterpart: Callable[[str], Path], certificates: Certificates, tmp_path: Path
) -> Iterator[Callable[[str], str]]:
    """Puts HTTP/3 before a server."""
    with contextlib.ExitStack() as stack:

        def put(url: str) -> str:
            handler = f"reverse_proxy {url} {{\n\t\tflush_interval -1\n\t}}"
            caddy = Caddy(
                counterpart("caddy"), tmp_path / "caddy", tls=certificates.good, http3=True, handler=handler
            )
            return stack.enter_context(caddy).url

        yield put


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def assert_seen(told: Told) -> dict[str, Any]:
    told.assert_iterations_balance()
    checks = told.summary["checks"]
    assert checks and all(check["failed"] == 0 for check in checks), told.result
    requests: dict[str, Any] = told.summary["requests"]
    return requests


class Fast:
    """A server that sends as fast as it is read, and says how far it is."""

    def __init__(self, raw_server: RawServerFactory) -> None:
        self._sent = 0
        self.url = raw_server(self._serve).url

    def _serve(self, connection: RawConnection) -> None:
        while request := connection.read_request():
            if b" /sent " in request:
                body = str(self._sent).encode()
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                continue
            connection.send(CHUNKED + b"\r\n")
            self._sent = 0
            for _ in range(MEGABYTES):
                connection.send(chunk(PIECE))
                self._sent += 1
            connection.send(b"0\r\n\r\n")


@pytest.mark.parametrize("wire", WIRES)
def test_a_slow_script_slows_the_server_and_loses_nothing(
    scripts: Scripts,
    nginx: NginxFactory,
    raw_server: RawServerFactory,
    certificates: Certificates,
    http3_proxy: Callable[[str], str],
    wire: str,
) -> None:
    url = Fast(raw_server).url
    if wire == "HTTP/3":
        url = http3_proxy(url)
    elif wire != "HTTP/1.1":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_buffering off;"
        url = nginx(
            tls=certificates.good if "TLS" in wire else None,
            http2="HTTP/2" in wire,
            locations=f"location / {{ {proxied} }}",
        ).url
    digest = sha256(PIECE * MEGABYTES).hexdigest()
    told = scripts(
        f"""\
        import asyncio, hashlib
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            digest, taken = hashlib.sha256(), 0
            async with user.stream("GET", "/", timeout="1s", idle_timeout="1s") as response:
                before, sent = -1, 0
                while sent > before:  # until it stands still
                    await asyncio.sleep(0.7)
                    before, sent = sent, int((await user.get("/sent")).text)
                user.expect(0 < sent < {MOST_WAITING_MB}, f"it waits after {{sent}}")
                async for piece in response.aiter_bytes():
                    digest.update(piece)
                    taken += len(piece)
            user.expect(response.ok and taken == {MEGABYTES << 20}, f"{{response.error}} {{taken}}")
            user.expect(digest.hexdigest() == "{digest}", "every byte in order")
        """,
        *("--url", url, *WIRES[wire], *ONE),
    )
    assert assert_seen(told)["errors"] == {}, told.result
    assert told.summary["workers"][0]["max_rss_mb"] < MOST_RSS_MB


def test_a_stream_may_be_left_while_the_server_waits(scripts: Scripts, raw_server: RawServerFactory) -> None:
    told = scripts(
        """\
        import asyncio
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            for _ in range(2):
                async with user.stream("GET", "/") as response:
                    await asyncio.sleep(0.2)
            user.expect(response.ok, "left on purpose")
        """,
        *("--url", Fast(raw_server).url, *ONE),
    )
    requests = assert_seen(told)
    assert (requests["total"], requests["ok"]) == (2, 2), told.result


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_a_stream_lives_as_long_as_it_speaks(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    def speak(connection: RawConnection) -> None:
        while request := connection.read_request():
            connection.send(CHUNKED + b"\r\n")
            for number in range(12):
                connection.send(chunk(b"data: %d\n\n" % number))
                time.sleep(0.1)
            if b"/falls-silent" in request:
                connection.wait_until_client_closes()
            connection.send(b"0\r\n\r\n")

    url = raw_server(speak).url
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_buffering off;"
        url = nginx(http2=True, locations=f"location / {{ {proxied} }}").url
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            for url, options, error in (
                ("/", {"timeout": "600ms"}, None),
                ("/falls-silent", {"timeout": "600ms"}, "timeout"),
                ("/falls-silent", {"idle_timeout": "500ms"}, "timeout"),
            ):
                async with user.stream("GET", url, **options) as response:
                    numbers = [int(event.data) async for event in response.events()]
                user.expect(numbers == list(range(12)), f"{numbers}")
                user.expect(response.error == error, f"{response.error}")
            try:
                await user.get("/", idle_timeout="1s")
            except TypeError as refusal:
                user.expect("idle_timeout is for user.stream" in str(refusal), str(refusal))
        """,
        *("--url", url, http, *ONE),
    )
    requests = assert_seen(told)
    assert (requests["ok"], requests["errors"]) == (1, {"timeout": 2}), told.result


def encoded(coding: str, parts: list[bytes]) -> list[bytes]:
    """Each part flushed, as a server does that wants it to be seen at once."""
    encoder = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    return [encoder.compress(part) + encoder.flush(zlib.Z_SYNC_FLUSH) for part in parts] + [encoder.flush()]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_encoded_events_are_seen_as_they_come(
    scripts: Scripts, raw_server: RawServerFactory, coding: str
) -> None:
    asked = []

    def behave(connection: RawConnection) -> None:
        while request := connection.read_request():
            asked.append(request)
            connection.send(CHUNKED + f"Content-Encoding: {coding}\r\n\r\n".encode())
            for piece in encoded(coding, [b"data: %d\n\n" % number for number in range(5)]):
                connection.send(chunk(piece))
                time.sleep(0.05)
            connection.send(b"0\r\n\r\n")

    told = scripts(
        f"""\
        import time
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            seen = []
            async with user.stream("GET", "/", headers={{"Accept-Encoding": "{coding}"}}) as response:
                async for event in response.events():
                    seen.append((int(event.data), time.monotonic()))
            user.expect([number for number, _ in seen] == list(range(5)), f"{{seen}}")
            user.expect(len({{at for _, at in seen}}) == 5 and seen[-1][1] - seen[0][1] > 0.1, "as they come")
        """,
        *("--url", raw_server(behave).url, *ONE),
    )
    assert assert_seen(told)["ok"] == 1
    assert f"Accept-Encoding: {coding}\r\n".encode() in b"".join(asked)
    # Each came in a read of its own.
    assert told.summary["metrics"]["gap between events"]["mean_ms"] > 25, told.result


def test_what_cannot_be_decoded_says_so(scripts: Scripts, raw_server: RawServerFactory) -> None:
    # A thousand times as large: taken step by step, and given up where one step is too much.
    zeros = gzip.compress(bytes(100 << 20))
    bodies = {
        b"/broken": (b"gzip", b"this is no gzip"),
        b"/cut": (b"gzip", gzip.compress(b"hello")[:-4]),
        b"/large": (b"gzip", zeros),
        b"/unknown": (b"magic", b"abracadabra"),
        b"/zstd": (b"zstd", bytes.fromhex("28b52ffd240568656c6c6f") + b"\0" * 4),
    }

    def behave(connection: RawConnection) -> None:
        while request := connection.read_request():
            coding, body = bodies[request.split(b" ")[1]]
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
            connection.send(head % (coding, len(body)) + body)

    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def read(user: User) -> None:
            for url in ("/broken", "/cut", "/zstd"):
                try:
                    async with user.stream("GET", url) as response:
                        await response.aread()
                except ValueError as error:
                    wanted = "the body is not " + ("zstd" if url == "/zstd" else "gzip")
                    user.expect(wanted in str(error), str(error))
                else:
                    user.expect(False, url)
            async with user.stream("GET", "/unknown") as response:
                user.expect(await response.aread() == b"abracadabra", "left as it is")
            taken = 0
            async with user.stream("GET", "/large") as response:
                async for piece in response.aiter_bytes():
                    user.expect(not piece.strip(b"\\0") and len(piece) < 9_000_000, f"{len(piece)}")
                    taken += len(piece)
            user.expect(taken == 100 << 20, f"{taken}")
        """,
        *("--url", raw_server(behave).url, *ONE),
    )
    assert_seen(told)
    assert told.summary["workers"][0]["max_rss_mb"] < MOST_RSS_MB
