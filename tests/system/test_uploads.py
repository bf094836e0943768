"""Large bodies through the front door: read while they are sent, byte for byte, in memory that stays flat."""

from __future__ import annotations

import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.http2_connection import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    RST_STREAM,
    Http2Connection,
    Http2Request,
    frame,
    on_each_request,
)
from tests.support.sink import CONTINUE, OK, Sink, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts

ONE = ("--users", "1", "--iterations", "1", "--workers", "1", "--drain", "20s")
PATTERN = bytes(range(251))
REFUSED = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
# Far above what a worker takes without a body, far below what is sent.
MOST_RSS_MB = 120


def large(path: Path, size: int = 5_000_003) -> tuple[Path, str]:
    """A file above the limit of what is held, with its digest."""
    content = (PATTERN * (size // len(PATTERN) + 1))[:size]
    path.write_bytes(content)
    return path, sha256(content).hexdigest()


def blast(loadgen: Loadgen, url: str, *arguments: str, arrivals: int = 4) -> CommandResult:
    # A test that takes a body byte for byte takes its time.
    return loadgen(
        *("blast", url, "--tps", str(arrivals), "--duration", "1s", "--workers", "1", "--drain", "20s"),
        *("--timeout", "20s", *arguments),
    )


def errors(result: CommandResult) -> dict[str, int]:
    found: dict[str, int] = result.summary["requests"]["errors"]
    return found


def test_every_byte_of_a_file_arrives(loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path) -> None:
    sink = Sink(raw_server)
    body, digest = large(tmp_path / "body")
    result = blast(loadgen, sink.url, "--body-file", str(body))
    requests = result.summary["requests"]
    assert requests["status"] == {"200": 4}, result
    assert [(one.body_bytes, one.digest) for one in sink.taken] == [(5_000_003, digest)] * 4
    assert 0 < requests["bytes_sent"] - 4 * 5_000_003 < 4 * 500
    assert result.summary["phases"]["send"]["count"] == 4
    assert "send" in result.stdout, result


@pytest.mark.parametrize("streamed", ["no buffering", "buffered"])
@pytest.mark.parametrize("http", ["--http1", "--http2"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_every_byte_of_a_file_arrives_through_nginx(
    loadgen: Loadgen,
    nginx: NginxFactory,
    raw_server: RawServerFactory,
    certificates: Certificates,
    tmp_path: Path,
    *,
    tls: bool,
    http: str,
    streamed: str,
) -> None:
    sink = Sink(raw_server)
    body, digest = large(tmp_path / "body")
    buffering = "on" if streamed == "buffered" else "off"
    proxied = f"proxy_pass {sink.url}; proxy_http_version 1.1; proxy_request_buffering {buffering};"
    server = nginx(
        tls=certificates.good if tls else None,
        http2=http == "--http2",
        locations=f"client_max_body_size 0; location / {{ {proxied} }}",
    )
    result = blast(loadgen, server.url, http, "--insecure", "--body-file", str(body))
    requests = result.summary["requests"]
    assert requests["status"] == {"200": 4}, result
    assert [(one.body_bytes, one.digest) for one in sink.taken] == [(5_000_003, digest)] * 4
    assert requests["bytes_sent"] >= 4 * 5_000_003
    assert result.summary["phases"]["send"]["count"] == 4
    server.stop()
    assert {line.protocol for line in server.access_log()} == {
        "HTTP/2.0" if http == "--http2" else "HTTP/1.1"
    }


def test_a_small_request_is_written_at_once_and_has_no_sample(
    loadgen: Loadgen, raw_server: RawServerFactory
) -> None:
    result = blast(loadgen, Sink(raw_server).url, "--body", "x" * 1000)
    assert result.summary["requests"]["status"] == {"200": 4}, result
    assert result.summary["phases"]["send"]["count"] == 0


@pytest.mark.parametrize(
    ("http", "count", "size"),
    [("--http1", 1, 1_000_000_000), ("--http1", 10, 100_000_000), ("--http2", 10, 100_000_000)],
    ids=["1 of 1 GB", "10 of 100 MB", "10 of 100 MB over HTTP/2"],
)
def test_memory_stays_flat(
    loadgen: Loadgen,
    nginx: NginxFactory,
    counting_server: CountingServer,
    tmp_path: Path,
    http: str,
    count: int,
    size: int,
) -> None:
    body = tmp_path / "sparse"
    with body.open("wb") as file:
        file.truncate(size)
    url = f"http://127.0.0.1:{counting_server.server_port}"
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off;"
        url = nginx(http2=True, locations=f"client_max_body_size 0; location / {{ {proxied} }}").url
    result = blast(loadgen, url, http, "--body-file", str(body), arrivals=count)
    assert result.summary["requests"]["status"] == {"200": count}, result
    assert counting_server.taken == [size] * count
    assert max(worker["max_rss_mb"] for worker in result.summary["workers"]) < MOST_RSS_MB


class CountingServer(ThreadingHTTPServer):
    """Python's own server: it counts the bytes of bodies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counting)
        self.taken: list[int] = []


class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingServer

    def do_POST(self) -> None:
        taken, left = 0, int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read1(min(left, 1 << 18))):
            taken += len(piece)
            left -= len(piece)
        self.server.taken.append(taken)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as it is called there
        """What came is counted, not printed."""


@pytest.fixture
def counting_server() -> Iterator[CountingServer]:
    with CountingServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_an_answer_before_the_end_is_an_answer(
    loadgen: Loadgen, nginx: NginxFactory, tmp_path: Path, http: str
) -> None:
    """nginx says 413 at once, and reads on for a while or not at all."""
    server = nginx(
        http2=http == "--http2", locations='client_max_body_size 1m; location / { return 200 "x"; }'
    )
    body, _ = large(tmp_path / "body", 30_000_000)
    result = blast(loadgen, server.url, http, "--body-file", str(body))
    assert (result.summary["requests"]["status"], errors(result)) == ({"413": 4}, {}), result


def test_an_early_answer_counts_though_the_connection_breaks(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    """Whoever answers and closes resets the connection: what was said before counts."""

    def refuse(connection: RawConnection) -> None:
        read_head(connection)
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")

    body, _ = large(tmp_path / "body", 30_000_000)
    server = raw_server(refuse)
    result = blast(loadgen, server.url, "--body-file", str(body))
    assert (result.summary["requests"]["status"], errors(result)) == ({"413": 4}, {}), result
    assert server.connections >= 4


def test_a_connection_that_breaks_within_the_body_is_an_error(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    def reset(connection: RawConnection) -> None:
        read_head(connection)
        connection.read(1_000_000)
        connection.reset()

    body, _ = large(tmp_path / "body")
    result = blast(loadgen, raw_server(reset).url, "--body-file", str(body))
    assert errors(result) == {"reset": 4}, result


def test_a_file_that_shrinks_is_an_error(
    loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    body, _ = large(tmp_path / "body", 40_000_000)

    def shrink(connection: RawConnection) -> None:
        headers = read_head(connection)
        if not headers:
            return
        connection.read(1_000_000)
        with body.open("r+b") as file:
            file.truncate(1_500_000)
        while connection.read(1):
            pass

    result = blast(loadgen, raw_server(shrink).url, "--body-file", str(body), arrivals=1)
    assert errors(result) == {"body_unreadable": 1}, result
    assert "the file of the body has become shorter" in " ".join(result.stdout.split())


@pytest.mark.parametrize("kind", ["said", "withheld"])
def test_a_body_waits_until_it_is_wanted(loadgen: Loadgen, raw_server: RawServerFactory, kind: str) -> None:
    at_hand: list[bytes] = []

    def ask(connection: RawConnection) -> None:
        while headers := read_head(connection):
            assert headers["expect"] == "100-continue"
            if kind == "said":
                connection.socket.settimeout(0.2)
                try:
                    at_hand.append(connection.read(1))
                except TimeoutError:
                    connection.socket.settimeout(None)
                connection.send(CONTINUE)
            body = connection.read(2000)
            assert body == b"x" * 2000, body
            connection.send(OK)

    result = blast(loadgen, raw_server(ask).url, "--body", "x" * 2000, "--expect-continue")
    assert (result.summary["requests"]["status"], errors(result)) == ({"200": 4}, {}), result
    assert at_hand == []
    if kind == "withheld":
        assert result.summary["latency"]["service"]["min_ms"] >= 1000, result


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_nginx_wants_the_body(
    loadgen: Loadgen, nginx: NginxFactory, raw_server: RawServerFactory, http: str
) -> None:
    sink = Sink(raw_server)
    server = nginx(
        http2=http == "--http2",
        locations=f"location / {{ proxy_pass {sink.url}; proxy_http_version 1.1; }}",
    )
    result = blast(loadgen, server.url, http, "--body", "x" * 2000, "--expect-continue")
    assert (result.summary["requests"]["status"], errors(result)) == ({"200": 4}, {}), result
    assert [one.body_bytes for one in sink.taken] == [2000] * 4


@pytest.mark.parametrize("status", ["100", "417", "none"])
def test_http2_asks_too(loadgen: Loadgen, raw_server: RawServerFactory, status: str) -> None:
    followed: list[int] = []

    def ask(connection: Http2Connection, request: Http2Request) -> None:
        assert request.headers["expect"] == "100-continue"
        assert not request.whole
        flags = END_HEADERS if status == "100" else END_HEADERS | END_STREAM
        if status != "none":
            connection.send(frame(HEADERS, flags, request.stream, connection.head((":status", status))))
        body = b""
        while received := connection.read_frame():
            kind, flags, stream, payload = received
            if stream != request.stream:
                continue
            followed.append(kind)
            body += payload if kind == DATA else b""
            if kind == RST_STREAM:
                return
            if kind == DATA and flags & END_STREAM:
                assert body == b"x" * 2000
                connection.respond(request.stream)
                return

    server = raw_server(on_each_request(ask, {MAX_CONCURRENT_STREAMS: 1}))
    result = blast(loadgen, server.url, "--http2", "--body", "x" * 2000, "--expect-continue")
    expected = "417" if status == "417" else "200"
    assert (result.summary["requests"]["status"], errors(result)) == ({expected: 4}, {}), result
    # The end of the run may come before the last reset.
    assert set(followed) == {RST_STREAM if status == "417" else DATA}
    if status == "none":
        assert result.summary["latency"]["service"]["min_ms"] >= 1000, result


def test_a_body_that_is_refused_is_not_sent(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    """And the connection carries nothing else: who knows whether the server waits for the body."""
    behind: list[bytes] = []

    def refuse(connection: RawConnection) -> None:
        if read_head(connection):
            connection.send(REFUSED)
            behind.append(connection.read(1))

    server = raw_server(refuse)
    result = blast(loadgen, server.url, "--body", "x" * 2000, "--expect-continue")
    assert (result.summary["requests"]["status"], errors(result)) == ({"417": 4}, {}), result
    server.stop()
    assert behind == [b""] * 4


SCRIPT = """\
import io, tempfile
from pathlib import Path
from loadgen import User, scenario

@scenario
async def upload(user: User) -> None:
    path = Path({path!r})
    assert (await user.put("/", content=path)).status == 200
    with path.open("rb") as file:
        for _ in range(2):  # the file stays where it stands
            assert (await user.put("/", content=file)).status == 200
        file.seek(1_000_000)
        assert (await user.put("/", content=file, expect_continue=True)).status == 200
    assert (await user.put("/", content=[b"a", path, "b"])).status == 200
    assert (await user.put("/", content=io.BytesIO(b"held"))).status == 200
    with path.open("rb") as file:
        assert (await user.post("/", files={{"f": file, "g": b"1"}})).status == 200
    for wrong in (7, Path("/nonexistent"), [b"a", 7]):
        try:
            await user.put("/", content=wrong)
        except (TypeError, ValueError) as error:
            assert "content: expected" in str(error) or "/nonexistent" in str(error), error
        else:
            raise AssertionError(wrong)
"""


@pytest.mark.parametrize("http", ["--http1", "--http2"])
def test_scripts_send_files(
    scripts: Scripts, nginx: NginxFactory, raw_server: RawServerFactory, tmp_path: Path, http: str
) -> None:
    sink = Sink(raw_server)
    path, digest = large(tmp_path / "body")
    content = path.read_bytes()
    url = sink.url
    if http == "--http2":
        proxied = f"proxy_pass {url}; proxy_http_version 1.1; proxy_request_buffering off;"
        url = nginx(http2=True, locations=f"client_max_body_size 0; location / {{ {proxied} }}").url
    told = scripts(SCRIPT.format(path=str(path)), "--url", url, http, *ONE)
    assert told.summary["arrivals"]["completed"] == 1, told.result
    summed = [one.digest for one in sink.taken[:6]]
    others = (content[1_000_000:], b"a" + content + b"b", b"held")
    assert summed == [digest] * 3 + [sha256(one).hexdigest() for one in others]
    assert sink.taken[6].body_bytes > len(content)


def test_many_users_upload_in_flat_memory(
    scripts: Scripts, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    sink = Sink(raw_server)
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(30_000_000)
    source = f"""\
        from pathlib import Path
        from loadgen import User, scenario

        @scenario
        async def upload(user: User) -> None:
            with Path({str(path)!r}).open("rb") as file:
                assert (await user.post("/", files={{"f": file}})).status == 200
        """
    arguments: tuple[Any, ...] = ("--users", "5", "--iterations", "10", "--workers", "1", "--drain", "20s")
    told = scripts(source, "--url", sink.url, *arguments)
    assert told.summary["arrivals"]["completed"] == 10, told.result
    assert all(one.body_bytes > 30_000_000 for one in sink.taken)
    assert len(sink.taken) == 10
    assert told.summary["workers"][0]["max_rss_mb"] < MOST_RSS_MB
