"""TLS as servers speak it and as they break it: logs and counts agree, and every failure has its kind."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.hostile_tls import (
    ANSWER,
    ENCRYPTED,
    ENDED,
    HANDSHAKES,
    answer_by_bytes,
    encrypted,
    greeting_within_the_handshake,
)
from tests.support.nginx import HELLO
from tests.support.node_server import NodeServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.raw_server import RawConnection
    from tests.support.scripts import Scripts


# Below ten, so that no share of them is judged.
LOAD = ("--tps", "45", "--duration", "200ms", "--workers", "1", "--http1")
COUNT = 9
VERSIONS = {"1.2": "TLSv1.2", "1.3": "TLSv1.3"}
REFUSED = {
    "expired": "tls_expired",
    "not_yet_valid": "tls_expired",
    "other_name": "tls_wrong_name",
    "stranger": "tls_untrusted",
    "self_signed": "tls_untrusted",
}


@pytest.fixture
def reactor() -> str:
    """io_uring carries plain HTTP/1.1 only."""
    return "epoll"


def secure(url: str) -> str:
    return url.replace("http://", "https://")


def blast(
    loadgen: Loadgen, url: str, certificates: Certificates, reactor: str, *options: str
) -> CommandResult:
    trust = ("--cacert", str(certificates.authority))
    return loadgen("blast", secure(url), *trust, "--reactor", reactor, *LOAD, *options)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_nginx_has_counted_what_we_have_counted(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str, version: str
) -> None:
    server = nginx(tls=certificates.good, locations=f"ssl_protocols {version}; {HELLO}")
    result = blast(loadgen, server.url, certificates, reactor, "--tps", "400")
    summary = balanced(result)
    lines = server.access_log()
    assert summary["requests"]["status"] == {"200": len(lines)} == {"200": 80}, result
    assert not summary["requests"]["errors"], result
    assert {(line.protocol, line.tls_version) for line in lines} == {("HTTP/1.1", version)}
    # Each connection shook hands once; one that was opened and never used may be among them.
    used = len({line.connection for line in lines})
    assert summary["phases"]["tls"]["count"] >= used, result
    assert summary["phases"]["tls"]["count"] == summary["phases"]["connect"]["count"], result


def test_what_is_sent_and_received_is_whole(
    loadgen: Loadgen, counterpart: Callable[[str], Path], certificates: Certificates, tmp_path: Path
) -> None:
    """More than one record each way, by users who wait for each other's cores."""
    body = tmp_path / "body"
    body.write_bytes(b"x" * 200_000)
    with NodeServer(counterpart("node"), tmp_path / "node", "http", tls=certificates.good) as server:
        result = loadgen(
            *("blast", server.url, "--cacert", str(certificates.authority), "--http1"),
            *("--users", "4", "--duration", "300ms", "--body-file", str(body)),
        )
        requests = balanced(result)["requests"]
        lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}, result
    assert len(lines) > 4, result
    assert {line.method for line in lines} == {"POST"}
    assert requests["bytes_sent"] > len(lines) * 200_000, result


def test_an_old_version_can_be_refused(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str
) -> None:
    server = nginx(tls=certificates.good, locations=f"ssl_protocols TLSv1.2; {HELLO}")
    result = blast(loadgen, server.url, certificates, reactor, "--tls-min", "1.3")
    assert balanced(result)["requests"]["errors"] == {"tls_failed": COUNT}, result
    assert not server.access_log()


@pytest.mark.parametrize(("leaf", "kind"), REFUSED.items())
def test_a_certificate_that_proves_nothing_is_refused(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str, leaf: str, kind: str
) -> None:
    server = nginx(tls=getattr(certificates, leaf))
    result = blast(loadgen, server.url, certificates, reactor)
    assert balanced(result)["requests"]["errors"] == {kind: COUNT}, result
    assert "Traceback" not in result.stderr, result
    assert not server.access_log(), "not a byte of a request goes to a stranger"


@pytest.mark.parametrize("leaf", REFUSED)
def test_who_does_not_ask_is_answered_by_anybody(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, leaf: str
) -> None:
    server = nginx(tls=getattr(certificates, leaf))
    result = loadgen("blast", server.url, "--insecure", *LOAD)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert len(server.access_log()) == COUNT


def test_without_the_authority_nobody_is_trusted(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates
) -> None:
    server = nginx(tls=certificates.good)
    result = loadgen("blast", server.url, *LOAD)
    assert balanced(result)["requests"]["errors"] == {"tls_untrusted": COUNT}, result


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
def test_a_client_certificate(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str, shown: bool
) -> None:
    server = nginx(
        tls=certificates.good,
        locations=f"ssl_client_certificate {certificates.authority}; ssl_verify_client on; {HELLO}",
    )
    client = certificates.client
    mine = ("--cert", str(client.certificate), "--key", str(client.key)) if shown else ()
    result = blast(loadgen, server.url, certificates, reactor, *mine)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200" if shown else "400": COUNT}, result
    assert {line.client_certificate for line in lines} == {"SUCCESS" if shown else "NONE"}
    assert len(lines) == COUNT


def test_a_server_that_ends_the_handshake_for_want_of_a_certificate(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, reactor: str
) -> None:
    """In TLS 1.3 the client learns of it after it has sent."""
    context = certificates.good.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.authority)
    result = blast(loadgen, raw_server(encrypted(context, serve)).url, certificates, reactor)
    errors = balanced(result)["requests"]["errors"]
    assert set(errors) <= ENDED, result
    assert sum(errors.values()) == COUNT, result


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
@pytest.mark.parametrize("resumes", [True, False], ids=["resumed", "anew"])
def test_sessions_are_resumed_unless_told_otherwise(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, version: str, resumes: bool
) -> None:
    server = nginx(tls=certificates.good, locations=f"ssl_protocols {version}; {HELLO}")
    options = () if resumes else ("--no-tls-resumption",)
    result = blast(loadgen, server.url, certificates, "auto", "--no-keepalive", *options)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert len({line.connection for line in lines}) == COUNT
    resumed = sum(line.tls_resumed for line in lines)
    # The first has nothing to resume, nor has one that began before the first had ended.
    assert (COUNT // 2 < resumed < COUNT) if resumes else resumed == 0, lines


@pytest.mark.parametrize("case", HANDSHAKES)
def test_each_broken_handshake_is_counted_under_its_kind(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, reactor: str, case: str
) -> None:
    behaviour, kinds = HANDSHAKES[case]
    timeout = "300ms" if "timeout" in kinds else "20s"
    result = blast(loadgen, raw_server(behaviour).url, certificates, reactor, "--timeout", timeout)
    assert_failed(result, kinds)


@pytest.mark.parametrize("case", ENCRYPTED)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_what_breaks_after_the_handshake_is_counted_under_its_kind(
    loadgen: Loadgen,
    raw_server: RawServerFactory,
    certificates: Certificates,
    version: ssl.TLSVersion,
    case: str,
) -> None:
    behaviour, kinds = ENCRYPTED[case]
    context = certificates.good.server_context()
    context.minimum_version = context.maximum_version = version
    server = raw_server(encrypted(context, behaviour))
    timeout = "300ms" if "timeout" in kinds else "20s"
    assert_failed(blast(loadgen, server.url, certificates, "auto", "--timeout", timeout), kinds)


def assert_failed(result: CommandResult, kinds: frozenset[str]) -> None:
    requests = balanced(result)["requests"]
    assert set(requests["errors"]) <= kinds, result
    assert (sum(requests["errors"].values()), requests["status"]) == (COUNT, {}), result
    assert "Traceback" not in result.stderr, result


@pytest.mark.parametrize(("http", "kind"), [("--http1", "bad_response"), ("--http2", "protocol_error")])
def test_a_server_that_speaks_first_is_none_of_http(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, http: str, kind: str
) -> None:
    context = certificates.good.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = raw_server(greeting_within_the_handshake(context))
    trust = ("--cacert", str(certificates.authority))
    result = loadgen("blast", secure(server.url), *trust, *LOAD[:-1], http, "--connections", "2")
    assert_failed(result, frozenset({kind}))


def test_one_byte_at_a_time_is_a_response(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, reactor: str
) -> None:
    server = raw_server(answer_by_bytes(certificates.good.server_context()))
    result = blast(loadgen, server.url, certificates, reactor)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result


def test_a_body_without_a_length_ends_with_the_farewell(
    loadgen: Loadgen, raw_server: RawServerFactory, certificates: Certificates, reactor: str
) -> None:
    """Without it anybody on the way could have cut the body short."""

    def answer(connection: RawConnection) -> None:
        if connection.read_request():
            connection.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")
            assert isinstance(connection.socket, ssl.SSLSocket)
            connection.socket.unwrap()

    server = raw_server(encrypted(certificates.good.server_context(), answer))
    result = blast(loadgen, server.url, certificates, reactor)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result


def test_a_server_of_clear_text_is_none_of_tls(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str
) -> None:
    server = nginx()
    result = blast(loadgen, server.url, certificates, reactor)
    assert balanced(result)["requests"]["errors"] == {"tls_failed": COUNT}, result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cacert", "nowhere.pem"), ("--cacert", "nowhere.pem")),
        (("--cert", "nowhere.pem", "--key", "nowhere.pem"), ("nowhere.pem",)),
        (("--tls-min", "1.1"), ("--tls-min", "1.2", "1.3")),
    ],
    ids=["no authority", "no certificate", "no such version"],
)
def test_what_cannot_be_used_is_said_before_the_run(
    loadgen: Loadgen, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = loadgen("blast", "https://127.0.0.1:9/", *LOAD, *options)
    assert result.exit_code == 2, result
    assert all(word in result.stderr for word in words), result
    assert not list(result.folder.rglob("summary.json"))


def test_a_reactor_that_cannot_is_said_before_the_run(loadgen: Loadgen) -> None:
    result = loadgen("blast", "https://127.0.0.1:9/", "--reactor", "uring", "--tps", "10")
    assert result.exit_code == 2, result
    assert "--reactor" in result.stderr and "Traceback" not in result.stderr, result


def test_scripts_know_the_same_words(
    scripts: Scripts, nginx: NginxFactory, certificates: Certificates
) -> None:
    server = nginx(tls=certificates.good)
    source = f"""\
        from loadgen import Plan, User, scenario

        plan = Plan(base_url="{server.url}", cacert="{certificates.authority}", http="1",
                    users=2, iterations=20, workers=1)

        @scenario
        async def ask(user: User) -> None:
            await user.get("/")
        """
    told = scripts(source)
    told.assert_iterations_balance()
    lines = server.access_log()
    assert told.summary["requests"]["status"] == {"200": 20} == {"200": len(lines)}, told.result
    assert {line.protocol for line in lines} == {"HTTP/1.1"}


def serve(connection: RawConnection) -> None:
    while connection.read_request():
        connection.send(ANSWER)
