"""HTTP/2 as servers speak it and as they break it: logs and counts agree, and every failure has its kind."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.caddy import Caddy
from tests.support.hostile_http2 import HOSTILE, UNUSUAL, silent
from tests.support.hostile_tls import encrypted
from tests.support.http2_connection import (
    ACK,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    PING,
    Http2Connection,
    Http2Request,
    frame,
    goaway,
    on_each_request,
)
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import HELLO
from tests.support.node_server import NodeServer
from tests.support.raw_server import RawConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates, Leaf
    from tests.support.command import CommandResult, Loadgen

    Counterpart = Callable[[str], Path]
    Server = Caddy | Hypercorn | NodeServer
    Start = Callable[[Counterpart, Path, Leaf | None], Server]


# Below ten, so that no share of them is judged.
LOAD = ("--tps", "45", "--duration", "200ms", "--workers", "1")
COUNT = 9
SERVERS: dict[str, Start] = {
    "caddy": lambda counterpart, folder, tls: Caddy(counterpart("caddy"), folder, tls=tls),
    "hypercorn": lambda _, folder, tls: Hypercorn(folder, tls=tls),
    "node": lambda counterpart, folder, tls: NodeServer(counterpart("node"), folder, "http2", tls=tls),
}


@pytest.fixture
def reactor() -> str:
    """io_uring carries plain HTTP/1.1 only."""
    return "epoll"


def blast(loadgen: Loadgen, url: str, reactor: str, *options: str) -> CommandResult:
    """In clear text, by prior knowledge."""
    return loadgen("blast", url, "--http2", "--reactor", reactor, *LOAD, *options)


# Servers that keep to the rules.


@pytest.mark.parametrize("start", SERVERS.values(), ids=SERVERS)
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_each_has_counted_what_we_have_counted(
    loadgen: Loadgen,
    counterpart: Counterpart,
    certificates: Certificates,
    tmp_path: Path,
    tls: bool,
    start: Start,
) -> None:
    options = ("--cacert", str(certificates.authority)) if tls else ("--http2",)
    with start(counterpart, tmp_path / "server", certificates.good if tls else None) as server:
        result = loadgen("blast", server.url, *options, "--tps", "300", "--duration", "300ms")
        requests = balanced(result)["requests"]
        lines = server.access_log()
    assert requests["status"] == {"200": 90} == {"200": len(lines)}, result
    assert not requests["errors"], result
    assert {(line.method, line.protocol) for line in lines} == {("GET", "HTTP/2.0")}


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_nginx_has_counted_what_we_have_counted(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str, tls: bool
) -> None:
    server = nginx(tls=certificates.good if tls else None, http2=True)
    options = ("--cacert", str(certificates.authority)) if tls else ("--http2",)
    result = loadgen(
        *("blast", server.url, *options, "--reactor", reactor, "--workers", "2"),
        *("--users", "8", "--streams", "4", "--duration", "300ms"),
    )
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}, result
    assert len(lines) > 20, result
    assert {line.protocol for line in lines} == {"HTTP/2.0"}
    assert len({line.connection for line in lines}) == 2, "each worker's four users share a connection"


@pytest.mark.parametrize(
    ("options", "offered", "protocol"),
    [
        ((), True, "HTTP/2.0"),
        ((), False, "HTTP/1.1"),
        (("--http1",), True, "HTTP/1.1"),
        (("--http2",), True, "HTTP/2.0"),
    ],
    ids=["both can", "the server cannot", "HTTP/1.1 is asked for", "HTTP/2 is asked for"],
)
def test_the_handshake_decides_unless_told_otherwise(
    loadgen: Loadgen,
    nginx: NginxFactory,
    certificates: Certificates,
    options: tuple[str, ...],
    offered: bool,
    protocol: str,
) -> None:
    server = nginx(tls=certificates.good, http2=offered)
    result = loadgen("blast", server.url, "--cacert", str(certificates.authority), *LOAD, *options)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert {line.protocol for line in lines} == {protocol}


def test_a_server_that_cannot_is_a_failure_where_it_was_asked_to(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates
) -> None:
    server = nginx(tls=certificates.good)
    result = loadgen("blast", server.url, "--cacert", str(certificates.authority), "--http2", *LOAD)
    errors = balanced(result)["requests"]["errors"]
    assert set(errors) <= {"protocol_error", "tls_failed"}, result
    assert sum(errors.values()) == COUNT, result
    assert not [line for line in server.access_log() if line.status == 200]


def test_clear_text_is_http1_unless_told_otherwise(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx()
    assert balanced(loadgen("blast", server.url, *LOAD))["requests"]["status"] == {"200": COUNT}
    assert {line.protocol for line in server.access_log()} == {"HTTP/1.1"}


def test_a_server_of_http1_is_none_of_http2(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    result = blast(loadgen, nginx().url, reactor)
    requests = balanced(result)["requests"]
    assert requests["errors"] == {"protocol_error": COUNT}, result


def test_a_server_that_limits_requests_a_connection_costs_none(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    """It says which stream is the last that it will answer; at those after it it has never looked."""
    server = nginx(http2=True, locations=f"keepalive_requests 10; {HELLO}")
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--tps", "500", "--duration", "300ms")
    )
    requests = balanced(result)["requests"]
    lines = server.access_log()
    answered = [line for line in lines if line.status == 200]
    assert requests["status"] == {"200": len(answered)}, result
    # What was on its way when it said so was not answered, and is told as just that.
    assert set(requests["errors"]) <= {"goaway"}, result
    assert requests["ok"] + sum(requests["errors"].values()) == 150, result
    assert max(line.connection_requests for line in lines) == 10
    assert requests["ok"] > 100, result


def test_a_limit_of_streams_is_kept(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    """nginx refuses a stream beyond its limit, which would be a failure of our own making."""
    server = nginx(http2=True, locations=f"http2_max_concurrent_streams 2; {HELLO}")
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--workers", "1"),
        *("--users", "8", "--streams", "8", "--duration", "200ms"),
    )
    requests = balanced(result)["requests"]
    assert not requests["errors"], result
    assert requests["status"] == {"200": len(server.access_log())}, result


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_every_status_is_counted(loadgen: Loadgen, nginx: NginxFactory, reactor: str, status: int) -> None:
    server = nginx(http2=True, locations=f"location / {{ return {status}; }}")
    result = blast(loadgen, server.url, reactor)
    assert balanced(result)["requests"]["status"] == {str(status): COUNT}, result
    assert {line.status for line in server.access_log()} == {status}


def test_responses_to_head_have_no_body(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    server = nginx(http2=True)
    assert balanced(blast(loadgen, server.url, reactor, "-X", "HEAD"))["requests"]["status"] == {"200": COUNT}
    assert {line.method for line in server.access_log()} == {"HEAD"}


def test_a_request_beyond_the_window_arrives_whole(
    loadgen: Loadgen, counterpart: Counterpart, tmp_path: Path, reactor: str
) -> None:
    """Many times the 65,535 bytes that HTTP/2 begins with; the server answers when it has read the last."""
    body = tmp_path / "body"
    body.write_bytes(b"x" * 500_000)
    with NodeServer(counterpart("node"), tmp_path / "node", "http2") as server:
        result = blast(loadgen, server.url, reactor, "--body-file", str(body))
        requests = balanced(result)["requests"]
        lines = server.access_log()
    assert requests["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert {line.method for line in lines} == {"POST"}
    assert requests["bytes_sent"] > COUNT * 500_000, result


def test_a_response_beyond_the_window_arrives_whole(
    loadgen: Loadgen, nginx: NginxFactory, tmp_path: Path, reactor: str
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large").write_bytes(b"y" * 700_000)
    server = nginx(http2=True, locations=f"root {tmp_path}/files;")
    result = blast(loadgen, f"{server.url}/large", reactor)
    requests = balanced(result)["requests"]
    assert requests["status"] == {"200": COUNT}, result
    assert {(line.status, line.response_bytes > 700_000) for line in server.access_log()} == {(200, True)}
    assert requests["bytes_received"] > COUNT * 700_000, result


def test_as_many_streams_as_asked_for_share_a_connection(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """Nothing is answered before four wait, so fewer would hang; a fifth would come before the echo."""
    waiting: dict[Http2Connection, list[int]] = {}
    beyond: list[int] = []

    def answer_in_fours(connection: Http2Connection, request: Http2Request) -> None:
        streams = waiting.setdefault(connection, [])
        streams.append(request.stream)
        if len(streams) < 4:
            return
        connection.send(frame(PING, 0, 0, b"anybody?"))
        while received := connection.read_frame():
            kind, flags, stream, _ = received
            if kind == HEADERS:
                beyond.append(stream)
            if kind == PING and flags & ACK:
                break
        for stream in streams:
            connection.respond(stream)
        streams.clear()

    server = raw_server(on_each_request(answer_in_fours))
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--workers", "1"),
        *("--users", "8", "--streams", "4", "--duration", "200ms", "--drain", "0s"),
    )
    requests = balanced(result)["requests"]
    assert requests["ok"] > 8, result
    assert not requests["errors"], result
    assert not beyond
    # Eight users need two; a look at the target before the load may be a third.
    assert server.connections <= 3, result


# Servers that keep to the rules in their own way, and servers that do not.


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_but_right_responses_are_responses(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, case: str
) -> None:
    server = raw_server(on_each_request(UNUSUAL[case]))
    result = blast(loadgen, server.url, reactor)
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({"200": COUNT}, {}), result


@pytest.mark.parametrize("case", HOSTILE)
def test_each_failure_is_counted_under_its_kind(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, case: str
) -> None:
    behaviour, kinds = HOSTILE[case]
    server = raw_server(on_each_request(behaviour))
    assert_failed(loadgen, server.url, reactor, kinds)


@pytest.mark.parametrize("case", ["goes away from every request", "pushes", "floods with pings"])
def test_encryption_makes_no_difference(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, reactor: str, case: str
) -> None:
    behaviour, kinds = HOSTILE[case]
    server = raw_server(encrypted(certificates.good.server_context("h2"), on_each_request(behaviour)))
    url = server.url.replace("http://", "https://")
    assert_failed(loadgen, url, reactor, kinds, "--cacert", str(certificates.authority))


def test_a_server_that_says_nothing_at_all_is_waited_for_no_longer_than_asked(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    def silence(connection: RawConnection) -> None:
        connection.wait_until_client_closes()

    assert_failed(loadgen, raw_server(silence).url, reactor, frozenset({"timeout", "connect_timeout"}))


def test_who_waits_for_a_mute_server_is_told_in_time(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """One connection was to carry them all: each fails with it, rather than one with each attempt."""
    server = raw_server(RawConnection.wait_until_client_closes)
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--workers", "1", "--timeout", "200ms"),
        *("--tps", "1000", "--duration", "1s", "--drain", "5s"),
    )
    summary = balanced(result)
    assert summary["requests"]["errors"] == {"connect_timeout": 1000}, result
    assert server.connections < 100, result


def test_a_server_that_goes_before_it_has_begun_is_a_failure_to_connect(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    def leave(raw: RawConnection) -> None:
        connection = Http2Connection(raw, {})
        if connection.spoken:
            connection.send(goaway(0, NO_ERROR))
            raw.wait_until_client_closes()

    assert_failed(loadgen, raw_server(leave).url, reactor, frozenset({"goaway"}))


def test_requests_that_go_again_fail_with_the_connection_that_cannot_be_made(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """The first connections leave requests unseen; whoever comes then is shown the door at once."""
    waiting = threading.Event()

    def leave(raw: RawConnection) -> None:
        if waiting.is_set():
            raw.reset()
            return
        connection = Http2Connection(raw, {})
        if connection.spoken and connection.read_request():
            waiting.set()
            connection.send(goaway(0, NO_ERROR))
            raw.wait_until_client_closes()

    server = raw_server(leave)
    result = blast(loadgen, server.url, reactor, "--workers", "1", "--connections", "1")
    requests = balanced(result)["requests"]
    assert sum(requests["errors"].values()) == COUNT, result
    assert set(requests["errors"]) <= {"reset", "connect_failed", "closed", "goaway"}, result
    assert server.connections < 4 * COUNT, "no storm of connections"


@pytest.mark.parametrize("wear", ["--max-lifetime=20ms", "--max-idle=20ms", "--no-keepalive"])
def test_a_connection_that_is_worn_out_finishes_what_it_carries(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str, wear: str
) -> None:
    """Answers are longer on their way than connections are used."""
    lock = threading.Lock()

    def answer_later(connection: Http2Connection, request: Http2Request) -> None:
        def answer() -> None:
            with lock, contextlib.suppress(OSError):
                connection.respond(request.stream)

        timer = threading.Timer(0.06, answer)
        timers.append(timer)
        timer.start()

    timers: list[threading.Timer] = []
    server = raw_server(on_each_request(answer_later))
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--workers", "1", wear),
        *("--tps", "200", "--duration", "500ms"),
    )
    for timer in timers:
        timer.join()
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({"200": 100}, {}), result
    # One for each request and the look before the load; one for all; a few, one after the other.
    least, most = {"--no-keepalive": (101, 101), "--max-idle=20ms": (2, 2)}.get(wear, (6, 60))
    assert least <= server.connections <= most, result


def test_a_window_that_never_opens_is_waited_for_no_longer_than_asked(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    server = raw_server(on_each_request(silent, {INITIAL_WINDOW_SIZE: 0}))
    assert_failed(loadgen, server.url, reactor, frozenset({"timeout"}), "--body", "x" * 100)


def test_a_server_that_allows_no_stream_is_waited_for_no_longer_than_asked(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    server = raw_server(on_each_request(silent, {MAX_CONCURRENT_STREAMS: 0}))
    assert_failed(loadgen, server.url, reactor, frozenset({"timeout", "connect_timeout"}))


def assert_failed(
    loadgen: Loadgen, url: str, reactor: str, kinds: frozenset[str], *options: str
) -> CommandResult:
    result = blast(loadgen, url, reactor, "--timeout", "300ms" if "timeout" in kinds else "20s", *options)
    requests = balanced(result)["requests"]
    assert set(requests["errors"]) <= kinds, result
    assert (sum(requests["errors"].values()), requests["status"]) == (COUNT, {}), result
    assert "Traceback" not in result.stderr, result
    return result


def test_a_failed_stream_leaves_its_neighbours_alone(
    loadgen: Loadgen, raw_server: RawServerFactory, reactor: str
) -> None:
    """On one connection every third stream is reset, every third malformed, every third answered."""
    counted: Counter[str] = Counter()
    lock = threading.Lock()
    fates = (("refuses every stream", "stream_reset"), ("sends no status", "protocol_error"), ("", "200"))

    def deal(connection: Http2Connection, request: Http2Request) -> None:
        with lock:
            name, outcome = fates[counted.total() % 3]
            counted[outcome] += 1
        if name:
            HOSTILE[name][0](connection, request)
        else:
            connection.respond(request.stream)

    server = raw_server(on_each_request(deal))
    result = loadgen(
        *("blast", server.url, "--http2", "--reactor", reactor, "--workers", "1"),
        *("--tps", "200", "--duration", "300ms", "--connections", "1"),
    )
    requests = balanced(result)["requests"]
    assert requests["status"] | requests["errors"] == dict(counted), result
    assert counted.total() == 60
