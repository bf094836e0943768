"""Which way requests take: unix sockets, addresses for names, sources; and how long connections are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced
from tests.support.nginx import HELLO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NginxFactory, Target
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.scripts import Scripts


# Below ten, so that no share of them is judged.
LOAD = ("--tps", "45", "--duration", "200ms", "--workers", "1")
COUNT = 9


def blast(loadgen: Loadgen, url: str, reactor: str, *options: str) -> CommandResult:
    return loadgen("blast", url, "--reactor", reactor, *LOAD, *options)


# Where to.


def only(host: str) -> str:
    """For nginx: nobody but this host is served."""
    return f'if ($host != "{host}") {{ return 421; }} {HELLO}'


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_a_unix_socket_is_a_way_like_any_other(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, reactor: str, tls: bool
) -> None:
    server = nginx(unix_socket=True, tls=certificates.good if tls else None, locations=only("localhost"))
    url = "https://localhost/" if tls else "http://localhost/"
    trust = ("--cacert", str(certificates.authority)) if tls else ()
    if tls and reactor == "uring":
        pytest.skip("io_uring carries plain HTTP/1.1 only")
    result = blast(loadgen, url, reactor, "--unix-socket", str(server.socket), *trust)
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert {line.client_address for line in lines} == {"unix:"}
    if not tls:
        assert requests["bytes_received"] == sum(line.response_bytes for line in lines), result


def test_a_unix_socket_that_is_not_there_is_said_before_the_run(loadgen: Loadgen, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.sock"
    result = blast(loadgen, "http://localhost/", "auto", "--unix-socket", str(path))
    assert result.exit_code in (2, 4), result
    assert "nowhere.sock" in " ".join(result.stderr.split()), result
    assert "Traceback" not in result.stderr, result


def test_a_name_is_where_the_command_line_says(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    """The name stays in the request."""
    server = nginx(locations=only("shop.example"))
    result = blast(
        loadgen,
        f"http://shop.example:{server.port}/",
        reactor,
        *("--resolve", f"shop.example:{server.port}:127.0.0.1"),
        *("--resolve", f"other.example:{server.port}:127.0.0.9"),
    )
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result


def test_a_name_in_another_script_is_where_the_command_line_says(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    server = nginx(locations=only("xn--bcher-kva.example"))
    place = f"bücher.example:{server.port}"
    result = blast(loadgen, f"http://{place}/", reactor, "--resolve", f"{place}:127.0.0.1")
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result


def test_a_name_that_is_elsewhere_is_the_name_of_its_certificate(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates
) -> None:
    server = nginx(tls=certificates.other_name)
    place = f"elsewhere.example:{server.port}"
    trust = ("--cacert", str(certificates.authority))
    result = blast(loadgen, f"https://{place}/", "auto", "--resolve", f"{place}:127.0.0.1", *trust)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert len(server.access_log()) == COUNT


@pytest.mark.parametrize("value", ["localhost:80", "localhost:80:nowhere", ":80:127.0.0.1"])
def test_what_is_no_place_is_said_before_the_run(loadgen: Loadgen, value: str) -> None:
    result = blast(loadgen, "http://localhost:80/", "auto", "--resolve", value)
    assert result.exit_code == 2, result
    assert "--resolve" in result.stderr and "Traceback" not in result.stderr, result


# A lookup counts once, whoever needed it.


@pytest.mark.parametrize(("host", "lookups"), [("localhost", 1), ("127.0.0.1", 0)])
def test_a_lookup_before_the_run_counts_once(
    loadgen: Loadgen, scripts: Scripts, target: Target, host: str, lookups: int
) -> None:
    url = f"http://{host}:{target.port}/"
    two_workers = ("--users", "4", "--duration", "200ms", "--workers", "2")
    ended = loadgen("blast", url, *two_workers)
    assert balanced(ended)["phases"]["dns"]["count"] == lookups, ended
    told = scripts(
        """\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            await user.get("/")
        """,
        *("--url", url, *two_workers),
    )
    assert told.summary["phases"]["dns"]["count"] == lookups, told.result


def test_each_host_of_a_file_is_looked_up(
    loadgen: Loadgen, target: Target, nginx: NginxFactory, tmp_path: Path
) -> None:
    """In capital letters it is the same; an address is known."""
    file = tmp_path / "targets"
    places = [f"{host}:{target.port}" for host in ("localhost", "LOCALHOST", "127.0.0.1")]
    places.append(f"localhost:{nginx().port}")
    file.write_text("".join(f"http://{place}/\n" for place in places))
    result = loadgen("blast", "--targets", str(file), "--users", "4", "--duration", "200ms")
    summary = balanced(result)
    assert summary["phases"]["dns"]["count"] == 2, result
    assert summary["requests"]["status"] == {"200": summary["requests"]["total"]}, result


def test_a_connection_counts_for_the_host_that_it_leads_to(
    loadgen: Loadgen, scripts: Scripts, target: Target, nginx: NginxFactory, tmp_path: Path
) -> None:
    """One of ten goes to the second."""
    places = [f"127.0.0.1:{target.port}", f"127.0.0.1:{nginx().port}"]
    file = tmp_path / "targets"
    file.write_text(f"9 http://{places[0]}/health\n1 http://{places[1]}/\n")
    load = ("--users", "2", "--no-keepalive", "--duration", "300ms", "--workers", "1")

    def assert_told_apart(summary: dict[str, Any], labels: list[str]) -> None:
        # What there is no sample of is None.
        told = {one["expression"]: one["value"] for one in summary["thresholds"]}
        assert all(told[f"{label}: connect.max < 1m"] for label in labels), told

    def thresholds(labels: list[str]) -> list[str]:
        return [part for label in labels for part in ("--threshold", f"{label}: connect.max < 1m")]

    labels = ["GET /health", "GET /"]
    result = loadgen("blast", "--targets", str(file), *load, *thresholds(labels))
    assert_told_apart(balanced(result), labels)
    labels = [f"GET {places[0]}/health", f"GET {places[1]}/"]
    told = scripts(
        f"""\
        from loadgen import User, scenario

        @scenario
        async def visit(user: User) -> None:
            for _ in range(9):
                await user.get("http://{places[0]}/health")
            await user.get("http://{places[1]}/")
        """,
        *("--url", target.url, *load, *thresholds(labels)),
    )
    assert_told_apart(told.summary, labels)


# Where from.


def test_sources_take_turns(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    sources = ["127.0.0.2", "127.7.7.7", "127.255.0.1"]
    server = nginx()
    result = blast(loadgen, server.url, reactor, "--bind", ",".join(sources), "--no-keepalive")
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    addresses = [line.client_address for line in lines]
    assert {source: addresses.count(source) for source in sources} == dict.fromkeys(sources, COUNT // 3)


def test_a_source_that_is_not_ours_is_said(loadgen: Loadgen, nginx: NginxFactory) -> None:
    """The address is one for examples, which no machine has."""
    server = nginx()
    result = blast(loadgen, server.url, "auto", "--bind", "192.0.2.1")
    assert result.exit_code in (2, 4), result
    assert "192.0.2.1" in result.stderr and "Traceback" not in result.stderr, result
    assert not server.access_log()


# For how long.


def test_without_keep_alive_each_request_has_its_connection(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    server = nginx()
    result = loadgen(
        *("blast", server.url, "--reactor", reactor, "--no-keepalive", "--workers", "2"),
        *("--tps", "400", "--duration", "300ms"),
    )
    summary = balanced(result)
    lines = server.access_log()
    assert summary["requests"]["status"] == {"200": 120} == {"200": len(lines)}, result
    assert len({line.connection for line in lines}) == 120
    assert summary["phases"]["connect"]["count"] >= 120, result
    assert not summary["requests"]["errors"], result


def test_without_keep_alive_users_go_on(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    server = nginx()
    result = loadgen(
        *("blast", server.url, "--reactor", reactor, "--no-keepalive"),
        *("--users", "3", "--duration", "200ms"),
    )
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": len(lines)}, result
    assert len({line.connection for line in lines}) == len(lines) > 3


@pytest.mark.parametrize(
    ("options", "renewed"),
    [
        (("--max-idle", "20ms"), True),
        (("--max-idle", "1h"), False),
        (("--max-lifetime", "20ms"), True),
        (("--max-lifetime", "1h"), False),
    ],
    ids=["idle for long", "not idle for long", "old", "not old"],
)
def test_a_connection_is_renewed_when_its_time_is_over(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str, options: tuple[str, ...], renewed: bool
) -> None:
    """The requests are due 100 ms apart: each finds the connection of the last idle, and old."""
    server = nginx()
    load = ("--tps", "10", "--duration", "600ms", "--connections", "1", "--workers", "1")
    result = loadgen("blast", server.url, "--reactor", reactor, *load, *options)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": 6} == {"200": len(lines)}, result
    # A machine that stands still lets two come at once.
    connections = len({line.connection for line in lines})
    assert (4 <= connections <= 6) if renewed else connections == 1, lines
    assert not balanced(result)["requests"]["errors"], result


def test_a_busy_connection_is_renewed_without_a_loss(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    server = nginx()
    result = loadgen(
        *("blast", server.url, "--reactor", reactor, "--max-lifetime", "30ms", "--workers", "1"),
        *("--users", "2", "--duration", "400ms"),
    )
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}, result
    assert not requests["errors"], result
    assert len({line.connection for line in lines}) > 2, "more than one for each user"


# Over HTTP/2, where a connection that is to be used no more may still carry requests.


def test_a_shared_connection_is_renewed_without_a_loss(loadgen: Loadgen, nginx: NginxFactory) -> None:
    server = nginx(http2=True)
    result = loadgen(
        *("blast", server.url, "--http2", "--max-lifetime", "30ms", "--workers", "1"),
        *("--users", "20", "--duration", "400ms"),
    )
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}, result
    assert not requests["errors"], result
    assert len({line.connection for line in lines}) > 2, "one is enough for all users at a time"


@pytest.mark.parametrize("limit", ["20ms", "1h"])
def test_a_shared_connection_that_was_idle_for_long_is_not_used(
    loadgen: Loadgen, nginx: NginxFactory, limit: str
) -> None:
    """The requests are due 100 ms apart."""
    server = nginx(http2=True)
    load = ("--tps", "10", "--duration", "600ms", "--connections", "1", "--workers", "1")
    result = loadgen("blast", server.url, "--http2", "--max-idle", limit, *load)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": 6} == {"200": len(lines)}, result
    # A machine that stands still lets two come at once.
    connections = len({line.connection for line in lines})
    assert (4 <= connections <= 6) if limit == "20ms" else connections == 1, lines


@pytest.mark.parametrize("load", [("--tps", "400"), ("--users", "3")], ids=["rate", "users"])
def test_without_keep_alive_nothing_is_shared(
    loadgen: Loadgen, nginx: NginxFactory, load: tuple[str, str]
) -> None:
    server = nginx(http2=True)
    result = loadgen("blast", server.url, "--http2", "--no-keepalive", *load, "--duration", "200ms")
    requests = balanced(result)["requests"]
    lines = server.access_log()
    assert requests["status"] == {"200": len(lines)}, result
    assert not requests["errors"], result
    assert len({line.connection for line in lines}) == len(lines) > 3
