"""HTTP/3 as servers speak it, and what becomes of a run where it fails: logs and counts agree."""

from __future__ import annotations

import os
import signal
import socket
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.caddy import Caddy
from tests.support.http3_server import Http3Server
from tests.support.hypercorn import Hypercorn
from tests.support.lossy import LossyWay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import NginxFactory
    from tests.support.certificates import Certificates, Leaf
    from tests.support.command import CommandResult, Loadgen
    from tests.support.scripts import Scripts

    Counterpart = Callable[[str], Path]
    Server = Caddy | Hypercorn
    Start = Callable[[Counterpart, Path, Leaf], Server]


# Below ten, so that no share of them is judged.
LOAD = ("--tps", "45", "--duration", "200ms")
COUNT = 9
SERVERS: dict[str, Start] = {
    "caddy": lambda counterpart, folder, tls: Caddy(counterpart("caddy"), folder, tls=tls, http3=True),
    "hypercorn": lambda _, folder, tls: Hypercorn(folder, tls=tls, http3=True),
}
REFUSED = {
    "expired": "tls_expired",
    "not_yet_valid": "tls_expired",
    "other_name": "tls_wrong_name",
    "stranger": "tls_untrusted",
    "self_signed": "tls_untrusted",
}


# What the server does, and how the request ends.
FAILURES = {
    "short": "protocol_error",
    "unframed": "protocol_error",
    "garbled": "protocol_error",
    "nothing": "protocol_error",
    "endless": "header_too_large",
    "large": "header_too_large",
    "reset": "stream_reset",
    "rejected": "stream_reset",
    "closed": "closed",
    "failed": "closed",
}


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, counterpart: Counterpart, certificates: Certificates, tmp_path: Path
) -> Iterator[Server]:
    with SERVERS[request.param](counterpart, tmp_path / "server", certificates.good) as started:
        yield started


@pytest.fixture
def caddy(counterpart: Counterpart, certificates: Certificates, tmp_path: Path) -> Iterator[Caddy]:
    with Caddy(counterpart("caddy"), tmp_path / "server", tls=certificates.good, http3=True) as started:
        yield started


@pytest.fixture
def hostile(certificates: Certificates, tmp_path: Path) -> Iterator[Http3Server]:
    with Http3Server(tmp_path / "server", certificates.good) as started:
        yield started


def blast(
    loadgen: Loadgen, url: str, certificates: Certificates, *options: str, load: tuple[str, ...] = LOAD
) -> CommandResult:
    trust = ("--cacert", str(certificates.authority))
    return loadgen("blast", url, "--http3", "--workers", "1", *trust, *load, *options)


# Servers that keep to the rules.


def test_each_has_counted_what_we_have_counted(
    loadgen: Loadgen, certificates: Certificates, server: Server
) -> None:
    result = blast(loadgen, server.url, certificates, "--tps", "300", "--duration", "300ms")
    summary = balanced(result)
    lines = server.access_log()
    assert summary["requests"]["status"] == {"200": 90} == {"200": len(lines)}, result
    assert not summary["requests"]["errors"], result
    assert {(line.method, line.protocol) for line in lines} == {("GET", "HTTP/3.0")}
    assert summary["phases"]["connect"]["count"] == len({line.connection for line in lines})
    assert summary["phases"]["tls"]["count"] == 0, "its handshake is the one of the connection"


def test_ten_thousand_requests_on_ten_streams_of_one_connection(
    loadgen: Loadgen, certificates: Certificates, caddy: Caddy
) -> None:
    load = ("--tps", "10000", "--duration", "1s", "--drain", "60s", "--timeout", "60s")
    result = blast(loadgen, caddy.url, certificates, *load, "--connections", "1", "--streams", "10")
    requests = balanced(result)["requests"]
    lines = caddy.access_log()
    assert (requests["status"], requests["errors"]) == ({"200": 10_000}, {}), result
    assert len(lines) == 10_000
    assert len({line.connection for line in lines}) == 1


def test_as_many_streams_as_asked_for_share_a_connection(
    loadgen: Loadgen, certificates: Certificates, server: Server
) -> None:
    load = ("--users", "8", "--streams", "4", "--duration", "300ms")
    requests = balanced(blast(loadgen, server.url, certificates, load=load))["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}
    # Eight users need two; a look at the target before the load may be a third.
    assert 2 <= len({line.connection for line in lines}) <= 3


def test_a_limit_of_streams_is_kept(loadgen: Loadgen, certificates: Certificates, server: Server) -> None:
    """Both servers allow fewer streams than that, and one beyond would end the connection."""
    load = ("--tps", "3000", "--duration", "300ms", "--streams", "1000", "--connections", "1")
    result = blast(loadgen, server.url, certificates, "--drain", "60s", load=load)
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert (requests["status"], requests["errors"]) == ({"200": 900}, {}), result
    assert (len(lines), len({line.connection for line in lines})) == (900, 1)


def test_a_connection_for_each_request_resumes_the_session_of_an_earlier_one(
    loadgen: Loadgen, certificates: Certificates, tmp_path: Path
) -> None:
    counts: list[int] = []
    for options in ((), ("--no-tls-resumption",)):
        with Http3Server(tmp_path / f"server-{len(counts)}", certificates.good) as server:
            trust = ("--cacert", str(certificates.authority), "--workers", "1")
            result = loadgen("blast", server.url, "--http3", "--no-keepalive", *trust, *LOAD, *options)
            assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
            assert balanced(result)["phases"]["connect"]["count"] == COUNT
            counts.append([asked.resumed for asked in server.asked()].count(True))
    assert counts[0] > 0 == counts[1], counts


def test_responses_to_head_have_no_body(loadgen: Loadgen, certificates: Certificates, server: Server) -> None:
    result = blast(loadgen, server.url, certificates, "-X", "HEAD")
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert {line.method for line in server.access_log()} == {"HEAD"}


def test_large_bodies_arrive_whole(
    loadgen: Loadgen, certificates: Certificates, server: Server, tmp_path: Path
) -> None:
    """Caddy answers without having read them, which must not hurt either."""
    body = tmp_path / "body"
    body.write_bytes(b"x" * 2_000_000)
    result = blast(loadgen, server.url, certificates, "--body-file", str(body), "--timeout", "30s")
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({"200": COUNT}, {}), result
    assert {line.method for line in server.access_log()} == {"POST"}
    if isinstance(server, Hypercorn):
        assert requests["bytes_sent"] > COUNT * 2_000_000, result


def test_scripts_send_files_and_read_what_comes_while_it_comes(
    scripts: Scripts, certificates: Certificates, tmp_path: Path
) -> None:
    content = bytes(range(251)) * 20_000
    (tmp_path / "content").write_bytes(content)
    scenario = f"""
        from pathlib import Path
        from loadgen import Plan, User, scenario

        FILE = Path({str(tmp_path / "content")!r})

        def made():
            with FILE.open("rb") as file:
                while piece := file.read(300_000):
                    yield piece

        @scenario
        async def visit(user: User) -> None:
            for content in (FILE, made()):
                answer = await user.post("/digest", content=content)
                user.expect(answer.text == {sha256(content).hexdigest()!r}, "every byte")
            async with user.stream("GET", "/events/20") as stream:
                heard = [event.data async for event in stream.events()]
            user.expect(heard == [str(number) for number in range(1, 21)], "every event")

        plan = Plan(http="3", cacert={str(certificates.authority)!r})
    """
    with Hypercorn(tmp_path / "server", tls=certificates.good, http3=True) as server:
        told = scripts(scenario, "--url", server.url, "--users", "2", "--iterations", "4", "--workers", "1")
        lines = server.access_log()
    checks = {check["name"]: (check["passed"], check["failed"]) for check in told.summary["checks"]}
    assert checks == {"every byte": (8, 0), "every event": (4, 0)}, told.result
    assert {line.protocol for line in lines} == {"HTTP/3.0"}


def test_what_is_lost_on_the_way_is_sent_again(
    loadgen: Loadgen, certificates: Certificates, caddy: Caddy
) -> None:
    """QUIC has nobody below it who would do that; its timers are the client's."""
    with LossyWay(int(caddy.url.rpartition(":")[2]), loses_each=7) as way:
        url = f"https://127.0.0.1:{way.port}"
        result = blast(loadgen, url, certificates, "--tps", "200", "--connections", "1", "--drain", "20s")
        assert way.lost > 5
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({"200": 40}, {}), result
    assert len(caddy.access_log()) == 40


# Servers that keep to the rules in their own way, and servers that do not.


@pytest.mark.parametrize("path", ["hints", "slowly"])
def test_unusual_but_right_responses_are_responses(
    loadgen: Loadgen, certificates: Certificates, hostile: Http3Server, path: str
) -> None:
    result = blast(loadgen, f"{hostile.url}/{path}", certificates)
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({"200": COUNT}, {}), result
    assert len(hostile.asked()) == COUNT


@pytest.mark.parametrize(("path", "kind"), FAILURES.items(), ids=FAILURES)
def test_each_failure_is_counted_under_its_kind(
    loadgen: Loadgen, certificates: Certificates, hostile: Http3Server, path: str, kind: str
) -> None:
    result = blast(loadgen, f"{hostile.url}/{path}", certificates)
    requests = balanced(result)["requests"]
    assert (requests["status"], requests["errors"]) == ({}, {kind: COUNT}), result


def test_a_server_of_another_protocol_is_a_failure_of_tls(
    loadgen: Loadgen, certificates: Certificates, tmp_path: Path
) -> None:
    with Http3Server(tmp_path / "server", certificates.good, alpn="hq-interop") as server:
        result = blast(loadgen, server.url, certificates)
    assert balanced(result)["requests"]["errors"] == {"tls_failed": COUNT}, result


# Servers that are not there, or not who they should be.


@pytest.mark.parametrize("leaf", REFUSED)
def test_certificates_that_cannot_be_trusted_are_told_apart(
    loadgen: Loadgen, certificates: Certificates, counterpart: Counterpart, tmp_path: Path, leaf: str
) -> None:
    tls = getattr(certificates, leaf)
    with Caddy(counterpart("caddy"), tmp_path / "server", tls=tls, http3=True) as server:
        result = blast(loadgen, server.url, certificates)
        assert balanced(result)["requests"]["errors"] == {REFUSED[leaf]: COUNT}, result
        trusting = loadgen("blast", server.url, "--http3", "--insecure", "--workers", "1", *LOAD)
        assert balanced(trusting)["requests"]["status"] == {"200": COUNT}, trusting


def test_a_server_of_tcp_alone_is_not_there(
    loadgen: Loadgen, certificates: Certificates, nginx: NginxFactory
) -> None:
    server = nginx(tls=certificates.good)
    result = blast(loadgen, server.url, certificates)
    assert result.exit_code == 4, result
    assert result.summary["requests"]["errors"] == {"connect_refused": COUNT}, result


def test_who_waits_for_a_server_that_says_nothing_is_told_in_time(
    loadgen: Loadgen, certificates: Certificates
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        result = blast(loadgen, url, certificates, "--timeout", "300ms")
    assert result.summary["requests"]["errors"] == {"connect_timeout": COUNT}, result


def test_datagrams_that_are_no_answer_are_none(loadgen: Loadgen, certificates: Certificates) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talker:
        talker.bind(("127.0.0.1", 0))
        talker.settimeout(20)
        url = f"https://127.0.0.1:{talker.getsockname()[1]}"
        trust = ("--cacert", str(certificates.authority))
        run = loadgen.start("blast", url, "--http3", *trust, *LOAD, "--workers", "1", "--timeout", "300ms")
        _, peer = talker.recvfrom(65536)
        for nonsense in (b"", b"\x00", b"hello", b"\xff" * 1200, os.urandom(1200)):
            talker.sendto(nonsense, peer)
        result = run.wait()
    assert result.summary["requests"]["errors"] == {"connect_timeout": COUNT}, result


def test_a_server_that_is_killed_takes_what_it_had_with_it(
    loadgen: Loadgen, certificates: Certificates, caddy: Caddy
) -> None:
    trust = ("--cacert", str(certificates.authority))
    run = loadgen.start(
        *("blast", caddy.url, "--http3", *trust, "--tps", "200", "--duration", "2s", "--workers", "1"),
        *("--timeout", "500ms"),
    )
    caddy.await_log(20)
    os.kill(caddy.pid, signal.SIGKILL)
    result = run.wait()
    requests = balanced(result)["requests"]
    assert set(requests["errors"]) <= {"connect_refused", "reset", "closed", "timeout", "connect_timeout"}, (
        result
    )
    assert requests["errors"], result
    assert sum(requests["errors"].values()) + requests["ok"] == 400, result
