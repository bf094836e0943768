"""What a plan wishes of its connections, read and refused; and what of that is shown."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from loadgen.errors import PlanError
from loadgen.plan import Plan
from loadgen.wire import Proxy, Tls, Wire, describe_wire, secretless

if TYPE_CHECKING:
    from pathlib import Path


def wire(url: str = "https://api.test/", **wishes: Any) -> Wire:
    return Plan(url=url, **wishes).compile().wire


def mistakes(**wishes: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Plan(url="https://api.test/", **wishes)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_who_wishes_nothing_gets_what_is_usual() -> None:
    assert wire() == Wire()
    assert describe_wire(Wire()) == []


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"url": "http://api.test/"}, "http: HTTP/3 needs a URL with https"),
        ({"proxy": "http://127.0.0.1:3128"}, "http: HTTP/3 goes straight to the server"),
        ({"reactor": "uring"}, "reactor: uring carries plain HTTP/1.1 only"),
    ],
)
def test_http3_is_for_https_and_goes_straight_there(wishes: dict[str, Any], words: str) -> None:
    assert wire(http="3").http == "3"
    with pytest.raises(PlanError) as caught:
        Plan(**{"url": "https://api.test/", "http": "3", **wishes})
    (mistake,) = map(str, caught.value.mistakes)
    assert mistake.startswith(words)


def test_a_build_without_http3_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen._engine.HAS_HTTP3", False)
    (mistake,) = mistakes(http="3")
    assert mistake.startswith("http: this build has no HTTP/3")


def test_wishes_arrive() -> None:
    found = wire(http="2", streams="7", keepalive=False, max_idle="2s", bind="127.0.0.2, ::1", tls_min="1.3")
    assert found == Wire(
        http="2",
        streams=7,
        no_keepalive=True,
        max_idle_ns=2 * 10**9,
        bind=["127.0.0.2", "::1"],
        tls=Tls(only_tls13=True),
    )


@pytest.mark.parametrize(
    ("text", "kind", "address", "userinfo"),
    [
        ("http://127.0.0.1:3128", "http", "127.0.0.1:3128", None),
        ("proxy.test", "http", "proxy.test:8080", None),
        ("socks5://[::1]/", "socks5", "[::1]:1080", None),
        ("socks5h://me:p%40ss@gate:9", "socks5h", "gate:9", "me:p@ss"),
    ],
)
def test_proxies_are_read(text: str, kind: str, address: str, userinfo: str | None) -> None:
    proxy = wire(proxy=text, noproxy=" a.test, .b.test\tc.test,,").proxy
    assert proxy is not None
    assert (proxy.kind, proxy.address, proxy.userinfo) == (kind, address, userinfo)
    assert proxy.exceptions == ["a.test", ".b.test", "c.test"]


@pytest.mark.parametrize("text", ["ftp://a:1", "http://a:99999", "socks5://", "http://a/path"])
def test_what_is_no_proxy_is_refused(text: str) -> None:
    (mistake,) = mistakes(proxy=text)
    assert "expected a proxy such as" in mistake


def test_the_environment_names_proxies_but_not_for_our_own_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://gate:3128")
    monkeypatch.setenv("no_proxy", "other.test")
    proxy = wire().proxy
    assert proxy == Proxy(kind="http", address="gate:3128", userinfo=None, exceptions=["other.test"])
    assert wire("http://api.test/").proxy is None
    monkeypatch.setenv("http_proxy", "http://gate:3128")
    proxy = Plan(url="/items").at("http://127.0.0.1:1").compile().wire.proxy
    assert proxy is not None
    assert proxy.leaves_out("127.0.0.1")


@pytest.mark.parametrize(
    ("host", "is_left_out"),
    [
        ("example.com", True),
        ("www.Example.com.", True),
        ("myexample.com", False),
        ("10.2.3.4", True),
        ("11.2.3.4", False),
    ],
)
def test_hosts_are_left_out_as_curl_does_it(host: str, *, is_left_out: bool) -> None:
    proxy = Proxy(kind="http", address="a:1", userinfo=None, exceptions=["example.com", "10.0.0.0/8"])
    assert proxy.leaves_out(host) is is_left_out
    assert Proxy(kind="http", address="a:1", userinfo=None, exceptions=["*"]).leaves_out(host)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"cacert": "missing.pem"}, "missing.pem cannot be read: No such file"),
        ({"key": "also-missing.pem"}, "cannot be read"),
        ({"http": "4"}, "expected one of auto, 1, 2, 3"),
        ({"tls_min": "1.1"}, "expected one of 1.2, 1.3"),
        ({"streams": 0}, "expected"),
        ({"bind": "nowhere"}, "expected addresses of this machine"),
        ({"unix_socket": "missing.sock"}, "cannot be found"),
        ({"resolve": ["api.test:443"]}, "expected HOST:PORT:ADDRESS"),
        ({"resolve": ["api.test:443:other.test"]}, "expected HOST:PORT:ADDRESS"),
        ({"insecure": "yes"}, "expected True or False"),
        ({"max_idle": "never"}, "duration"),
    ],
)
def test_what_cannot_be_is_refused(wishes: dict[str, Any], words: str) -> None:
    (mistake,) = mistakes(**wishes)
    assert words in mistake


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no certificate at all")
    assert "holds no certificate" in mistakes(cacert=str(other))[0]
    assert "expected a certificate and its key" in mistakes(cert=str(other))[0]
    assert "is not a socket" in mistakes(unix_socket=str(other))[0]


def test_a_socket_and_a_proxy_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert wire(unix_socket=str(path)).unix_socket == str(path)
        (mistake,) = mistakes(unix_socket=str(path), proxy="gate:1")
    assert "cannot be used with proxy" in mistake


def test_resolutions_may_be_given_either_way() -> None:
    for given in (["Api.Test:443:127.0.0.1"], {"api.test:443": "127.0.0.1"}):
        assert Plan(url="https://api.test/", resolve=given).compile().resolve == {"api.test:443": "127.0.0.1"}
    assert Plan(url="https://a/", resolve=["a:443:[::1]"]).compile().resolve == {"a:443": "::1"}


def test_passwords_are_not_shown() -> None:
    proxy = Proxy(kind="http", address="a:1", userinfo="me:secret", exceptions=[])
    shown = secretless(Wire(proxy=proxy))
    assert "secret" not in repr(shown)
    assert "secret" not in " ".join(describe_wire(Wire(proxy=proxy)))


def test_what_is_unusual_is_told() -> None:
    proxy = Proxy(kind="socks5", address="a:1", userinfo=None, exceptions=[])
    unusual = Wire(tls=Tls(insecure=True), no_keepalive=True, bind=["127.0.0.2", "127.0.0.3"], proxy=proxy)
    assert describe_wire(unusual) == [
        "certificates not verified",
        "through socks5 proxy a:1",
        "a connection for each request",
        "from 2 sources",
    ]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.2-127.0.0.4", ["127.0.0.2", "127.0.0.3", "127.0.0.4"]),
        ("127.0.0.255 - 127.0.1.0, ::1", ["127.0.0.255", "127.0.1.0", "::1"]),
        ("::1-::2", ["::1", "::2"]),
        (["127.0.0.2-127.0.0.2"], ["127.0.0.2"]),
    ],
)
def test_sources_may_be_ranges(text: str | list[str], addresses: list[str]) -> None:
    assert wire(bind=text).bind == addresses


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.2-",
        "127.0.0.2-x",
        "127.0.0.2-127.0.0.1",
        "127.0.0.2-::1",
        "::1-127.0.0.2",
        "10.0.0.0-11.0.0.0",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    (mistake,) = mistakes(bind=text)
    assert mistake.startswith("bind: expected addresses of this machine such as")
