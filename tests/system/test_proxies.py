"""Proxies on the way: the proxy, the server and we have counted the same; a proxy's failures are its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from loadgen import Plan
from loadgen.url import parse_url
from tests.support.books import balanced
from tests.support.nginx import HELLO
from tests.support.ports import find_free_port
from tests.support.proxies import Microsocks, Tinyproxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NginxFactory, RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.raw_server import RawConnection

    Behaviour = Callable[[RawConnection], None]


# Below ten, so that no share of them is judged.
LOAD = ("--tps", "45", "--duration", "200ms", "--workers", "1")
COUNT = 9


@pytest.fixture
def reactor() -> str:
    """io_uring carries plain HTTP/1.1 only."""
    return "epoll"


def blast(loadgen: Loadgen, url: str, reactor: str, *options: str, **environment: str) -> CommandResult:
    return loadgen("blast", url, "--reactor", reactor, *LOAD, *options, environment=environment)


def assert_connected(made: list[str], to: str, used: int) -> None:
    """As many as carried requests; a look at the target before the load may be one more."""
    assert set(made) == {to}
    assert used <= len(made) <= used + 1, made


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_redirects_lead_through_the_proxy(
    loadgen: Loadgen,
    nginx: NginxFactory,
    socks: Microsocks,
    http_proxy: Tinyproxy,
    reactor: str,
    scheme: str,
) -> None:
    """Also to a name, which two kinds of proxy find out about; and from a host that is left out of it."""
    other = nginx()
    server = nginx(locations=f"location / {{ return 302 http://localhost:{other.port}/there; }}")
    proxy = f"{scheme}://127.0.0.1:{http_proxy.port if scheme == 'http' else socks.port}"
    options = ("-L", "-x", proxy, "--noproxy", "127.0.0.1", "--drain", "20s")
    result = blast(loadgen, server.url, reactor, *options)
    assert balanced(result)["requests"]["status"] == {"200": COUNT, "302": COUNT}, result
    assert len(server.access_log()) == len(other.access_log()) == COUNT
    carried = http_proxy.requests() if scheme == "http" else socks.connected_to()
    assert carried, result


def test_a_proxy_may_be_named(
    loadgen: Loadgen, nginx: NginxFactory, http_proxy: Tinyproxy, reactor: str
) -> None:
    server = nginx()
    options = ("-x", f"http://localhost:{http_proxy.port}", "--connections", "1")
    result = blast(loadgen, server.url, reactor, *options)
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result
    assert len(http_proxy.requests()) == COUNT
    assert loadgen("blast", server.url, *LOAD, *options, "--dry-run").exit_code == 0


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_socks_carries_every_request(
    loadgen: Loadgen,
    nginx: NginxFactory,
    certificates: Certificates,
    socks: Microsocks,
    reactor: str,
    scheme: str,
    tls: bool,
) -> None:
    server = nginx(tls=certificates.good if tls else None)
    trust = ("--cacert", str(certificates.authority)) if tls else ()
    result = blast(loadgen, server.url, reactor, "-x", f"{scheme}://127.0.0.1:{socks.port}", *trust)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert_connected(
        socks.connected_to(), f"127.0.0.1:{server.port}", len({line.connection for line in lines})
    )


@pytest.mark.parametrize(("scheme", "host"), [("socks5", "127.0.0.1"), ("socks5h", "localhost")])
def test_who_resolves_the_name_is_in_the_scheme(
    loadgen: Loadgen, nginx: NginxFactory, socks: Microsocks, free_port: int, scheme: str, host: str
) -> None:
    """With `h` it is the proxy, whatever we know of the name."""
    # At every address of the name: the proxy tries the first alone.
    server = nginx(locations=f"listen localhost:{free_port}; {HELLO}")
    place = f"localhost:{free_port}"
    route = ("-x", f"{scheme}://127.0.0.1:{socks.port}", "--resolve", f"{place}:127.0.0.1")
    assert_ok(blast(loadgen, f"http://{place}/", "auto", *route))
    assert set(socks.connected_to()) == {f"{host}:{free_port}"}
    assert len(server.access_log()) == COUNT


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_password_of_socks(
    loadgen: Loadgen,
    nginx: NginxFactory,
    counterpart: Callable[[str], Path],
    tmp_path: Path,
    reactor: str,
    right: bool,
) -> None:
    server = nginx()
    with Microsocks(counterpart("microsocks"), tmp_path / "socks", login="me:mine") as socks:
        password = "mine" if right else "yours"
        result = blast(loadgen, server.url, reactor, "-x", f"socks5://me:{password}@127.0.0.1:{socks.port}")
    requests = balanced(result)["requests"]
    assert requests["status" if right else "errors"] == {"200" if right else "proxy_failed": COUNT}, result
    assert len(server.access_log()) == (COUNT if right else 0)
    plan = (result.run_folder / "plan.json").read_text() + result.stdout + result.stderr
    assert password not in plan, "a password is nothing for run folders and screens"


def test_clear_text_goes_through_an_http_proxy_as_whole_urls(
    loadgen: Loadgen, nginx: NginxFactory, http_proxy: Tinyproxy, reactor: str
) -> None:
    server = nginx()
    result = blast(loadgen, f"{server.url}/a?b=c", reactor, "-x", f"http://127.0.0.1:{http_proxy.port}")
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert {line.uri for line in lines} == {"/a?b=c"}
    assert http_proxy.requests() == [("GET", f"{server.url}/a?b=c")] * COUNT


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_what_is_encrypted_goes_through_an_http_proxy_in_a_tunnel(
    loadgen: Loadgen,
    nginx: NginxFactory,
    certificates: Certificates,
    http_proxy: Tinyproxy,
    reactor: str,
    http2: bool,
) -> None:
    server = nginx(tls=certificates.good, http2=http2)
    proxy = ("--proxy", f"http://127.0.0.1:{http_proxy.port}", "--cacert", str(certificates.authority))
    result = blast(loadgen, server.url, reactor, *proxy)
    lines = server.access_log()
    assert balanced(result)["requests"]["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert {line.protocol for line in lines} == {"HTTP/2.0" if http2 else "HTTP/1.1"}
    methods, targets = zip(*http_proxy.requests(), strict=True)
    assert set(methods) == {"CONNECT"}
    assert_connected(list(targets), f"127.0.0.1:{server.port}", len({line.connection for line in lines}))


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_password_of_an_http_proxy(
    loadgen: Loadgen,
    nginx: NginxFactory,
    certificates: Certificates,
    counterpart: Callable[[str], Path],
    tmp_path: Path,
    right: bool,
) -> None:
    server = nginx(tls=certificates.good)
    login = f"me:{'mine' if right else 'yours'}"
    with Tinyproxy(counterpart("tinyproxy"), tmp_path / "proxy", more="BasicAuth me mine") as proxy:
        route = ("-x", f"http://{login}@127.0.0.1:{proxy.port}", "--cacert", str(certificates.authority))
        result = blast(loadgen, server.url, "auto", *route)
    requests = balanced(result)["requests"]
    assert requests["status" if right else "errors"] == {"200" if right else "proxy_failed": COUNT}, result
    assert len(server.access_log()) == (COUNT if right else 0)


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_the_environment_names_a_proxy(
    loadgen: Loadgen, nginx: NginxFactory, http_proxy: Tinyproxy, name: str
) -> None:
    server = nginx()
    url = f"http://127.0.0.1:{http_proxy.port}"
    assert_ok(blast(loadgen, server.url, "auto", **{name: url}))
    assert len(http_proxy.requests()) == COUNT
    # Exceptions from the environment and from the command line; and the command line is stronger.
    assert_ok(blast(loadgen, server.url, "auto", **{name: url, "NO_PROXY": "example.com,127.0.0.1"}))
    assert_ok(blast(loadgen, server.url, "auto", "--noproxy", "127.0.0.1", **{name: url}))
    assert len(http_proxy.requests()) == COUNT
    # One that nothing goes through need not be there.
    assert_ok(blast(loadgen, server.url, "auto", "--noproxy", "127.0.0.1", **{name: "http://127.0.0.1:9"}))
    assert_ok(blast(loadgen, server.url, "auto", "--proxy", url, **{name: "http://127.0.0.1:9"}))
    assert len(http_proxy.requests()) == 2 * COUNT


def test_what_is_encrypted_has_a_proxy_of_its_own_in_the_environment(
    loadgen: Loadgen, nginx: NginxFactory, certificates: Certificates, http_proxy: Tinyproxy
) -> None:
    server = nginx(tls=certificates.good)
    proxies = {"https_proxy": f"http://127.0.0.1:{http_proxy.port}", "http_proxy": "http://127.0.0.1:9"}
    assert_ok(blast(loadgen, server.url, "auto", "--cacert", str(certificates.authority), **proxies))
    assert {method for method, _ in http_proxy.requests()} == {"CONNECT"}


def assert_ok(result: CommandResult) -> None:
    assert balanced(result)["requests"]["status"] == {"200": COUNT}, result


def refusing(answer: bytes) -> Behaviour:
    """Reads what it is asked, and says this."""

    def behave(connection: RawConnection) -> None:
        if connection.read(3):
            connection.send(answer)
            connection.finish()
            connection.wait_until_client_closes()

    return behave


def silent(connection: RawConnection) -> None:
    connection.wait_until_client_closes()


FAILED = frozenset({"proxy_failed"})
NEVER = frozenset({"proxy_failed", "connect_timeout", "timeout"})
HOSTILE: dict[str, tuple[str, Behaviour, frozenset[str]]] = {
    "HTTP that refuses": ("http", refusing(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), FAILED),
    "HTTP that asks who": ("http", refusing(b"HTTP/1.1 407 Who\r\nContent-Length: 3\r\n\r\nwho"), FAILED),
    "HTTP that cannot": ("http", refusing(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), FAILED),
    "HTTP that closes": ("http", refusing(b""), FAILED),
    "HTTP that says half": ("http", refusing(b"HTTP/1.1 200 Conn"), FAILED),
    "HTTP that is none": ("http", refusing(b"SSH-2.0-OpenSSH_9.7\r\n\r\n"), FAILED),
    "HTTP that never answers": ("http", silent, NEVER),
    "SOCKS that knows no method": ("socks5", refusing(b"\x05\xff"), FAILED),
    "SOCKS that refuses": ("socks5", refusing(b"\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), FAILED),
    "SOCKS of another version": ("socks5", refusing(b"\x04\x00"), FAILED),
    "SOCKS that closes": ("socks5", refusing(b""), FAILED),
    "SOCKS that says half": ("socks5", refusing(b"\x05\x00\x05\x00\x00"), FAILED),
    "SOCKS that never answers": ("socks5", silent, NEVER),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_proxy_that_fails_is_told_from_a_server_that_does(
    loadgen: Loadgen,
    nginx: NginxFactory,
    raw_server: RawServerFactory,
    certificates: Certificates,
    reactor: str,
    case: str,
) -> None:
    scheme, behaviour, kinds = HOSTILE[case]
    server = nginx(tls=certificates.good)
    proxy = raw_server(behaviour).url.replace("http", scheme)
    timeout = "300ms" if "timeout" in kinds else "20s"
    route = ("-x", proxy, "--timeout", timeout, "--cacert", str(certificates.authority))
    result = blast(loadgen, server.url, reactor, *route)
    errors = balanced(result)["requests"]["errors"]
    assert set(errors) <= kinds, result
    assert sum(errors.values()) == COUNT, result
    assert not server.access_log(), "nobody goes around the proxy"


def test_a_proxy_that_is_not_there_is_said_before_the_run(
    loadgen: Loadgen, nginx: NginxFactory, free_port: int
) -> None:
    server = nginx()
    result = blast(loadgen, server.url, "auto", "-x", f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 4, result
    assert f"127.0.0.1:{free_port}" in result.stderr, result
    assert not server.access_log()


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "http://"])
def test_what_is_no_proxy_is_said_before_the_run(loadgen: Loadgen, proxy: str) -> None:
    result = loadgen("blast", "http://127.0.0.1:9/", *LOAD, "--proxy", proxy)
    assert result.exit_code == 2, result
    assert "--proxy" in result.stderr and "Traceback" not in result.stderr, result


# What all of its versions read the same way.
EXCEPTIONS = [
    *(("a.test", host) for host in ("a.test", "A.Test", "a.test.", "www.a.test", "wwwa.test", "test")),
    *((text, "a.test") for text in ("A.TEST.", ".a.test", "*", "*.a.test", "b.test,a.test", " a.test ")),
    *((text, "a.test") for text in ("a.test:{port}", "a.test:1", "test", "b.test")),
    *(
        (text, "127.0.0.1")
        for text in ("127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8", "10.0.0.0/8", "127.1")
    ),
    *((text, "127.0.0.1") for text in ("0.0.1", ".0.0.1", "127.0.0.0/33")),
    *((text, "[::1]") for text in ("::1", "[::1]:{port}", "::2")),
]


def test_hosts_are_left_out_as_curl_does_it(
    counterpart: Callable[[str], Path], raw_server: RawServerFactory
) -> None:
    """The proxy refuses what it is asked, so that nothing goes further; directly nobody is there."""
    curl = counterpart("curl")

    def refuse(connection: RawConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    proxy = raw_server(refuse)
    port = find_free_port()
    different = []
    for template, host in EXCEPTIONS:
        text = template.format(port=port)
        to = () if host[0] in "[1" else ("--resolve", f"{host}:{port}:127.0.0.1")
        asked = proxy.connections
        subprocess.run(
            [curl, "-sq", "-m", "10", "-x", proxy.url, "--noproxy", text, *to, f"http://{host}:{port}/"],
            check=False,
        )
        theirs = proxy.connections == asked
        plan = Plan(url=f"http://{host}:{port}/", proxy=proxy.url, noproxy=text).compile()
        assert plan.wire.proxy is not None
        if plan.wire.proxy.leaves_out(parse_url(plan.target_url).host) != theirs:
            different.append((text, host, "left out by curl" if theirs else "not left out by curl"))
    assert not different
