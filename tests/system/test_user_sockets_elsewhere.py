"""Handshakes of `user.ws`: through proxies, over TLS, with what a user is known by, when places are few."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.socket_scripts import ONE, TEN, assert_checked, balanced, counter, requests_of, scenario
from tests.support.socket_server import SocketServer
from tests.support.web_sockets import statistics, wait_for

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

    from tests.conftest import Target
    from tests.support.certificates import Certificates
    from tests.support.proxies import Microsocks, Tinyproxy
    from tests.support.scripts import Scripts

ECHO = (
    'async with user.ws("/") as ws:',
    "    user.expect(await ws.request('x' * 100_000) == 'x' * 100_000, 'whole')",
)

PLAN = "from loadgen import Plan\nplan = Plan"


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def test_over_tls_and_with_what_else_a_request_has(scripts: Scripts, certificates: Certificates) -> None:
    seen = []

    def behave(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        seen.append((request.path, request.headers["X-Mine"], request.headers["Authorization"]))
        for message in connection:
            connection.send(message)

    context = certificates.good.server_context("http/1.1")
    with SocketServer(behave, ssl=context) as server:
        told = scripts(
            scenario(
                'options = {"params": {"a": "b c"}, "headers": {"X-Mine": "1"}, "auth": ("me", "pw")}',
                'async with user.ws("/{room}/in", path={"room": "r1"}, **options) as ws:',
                "    await ws.send('x' * 100_000)",
                "    user.expect(await ws.recv() == 'x' * 100_000, 'whole')",
            ),
            *("--url", server.base, "--cacert", str(certificates.authority), *TEN),
        )
    assert_checked(told)
    assert requests_of(told, "WS /{room}/in")["ok"] == 10
    assert set(seen) == {("/r1/in?a=b+c", "1", "Basic bWU6cHc=")}


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_through_a_proxy(
    scripts: Scripts,
    certificates: Certificates,
    socks: Microsocks,
    http_proxy: Tinyproxy,
    kind: str,
    secure: bool,
) -> None:
    options = {"ssl": certificates.good.server_context("http/1.1")} if secure else {}
    proxy = http_proxy if kind == "http" else socks
    with SocketServer(echo, **options) as server:
        told = scripts(
            scenario(*ECHO),
            *(
                "--url",
                server.base.replace("127.0.0.1", "localhost"),
                "--proxy",
                f"{kind}://127.0.0.1:{proxy.port}",
            ),
            *("--cacert", str(certificates.authority), *TEN),
        )
    assert_checked(told)
    assert requests_of(told, "WS /")["status"] == {"101": 10}
    assert requests_of(told, "WS / request")["ok"] == 10
    assert server.closes == [(1000, "")] * 10
    if kind == "http":
        # A look at the target before the load may be one more.
        asked = http_proxy.requests()
        assert set(asked) == {("CONNECT", f"localhost:{server.port}")} and 10 <= len(asked) <= 11, asked
    else:
        host = "localhost" if kind == "socks5h" else "127.0.0.1"
        made = socks.connected_to()
        assert set(made) == {f"{host}:{server.port}"} and 10 <= len(made) <= 11, made


def test_a_proxy_that_refuses_is_told_as_one(scripts: Scripts, http_proxy: Tinyproxy, free_port: int) -> None:
    told = scripts(
        scenario(
            "try:",
            "    await user.ws('/').open()",
            "except SocketClosed as error:",
            "    user.expect(error.kind == 'proxy_failed', error.kind)",
        ),
        *("--url", f"http://127.0.0.1:{free_port}", "--proxy", f"http://127.0.0.1:{http_proxy.port}", *TEN),
    )
    assert_checked(told)
    assert requests_of(told, "WS /")["errors"] == {"proxy_failed": 10}


class Login:
    """A server that knows its clients by a cookie, which it sets with the first handshake."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, str | None]] = []
        self._lock = threading.Lock()
        self._given = 0

    def answer(self, _: ServerConnection, request: Request, response: Response) -> None:
        with self._lock:
            cookie = request.headers.get("Cookie")
            self.seen.append((request.path, cookie, request.headers.get("Authorization")))
            if cookie is None:
                self._given += 1
                response.headers["Set-Cookie"] = f"who={self._given}; Path=/; HttpOnly"
                response.headers["Set-Cookie"] = "room=lobby; Path=/rooms"


def test_cookies_of_a_handshake_are_the_users(scripts: Scripts) -> None:
    login = Login()
    with SocketServer(echo, process_response=login.answer) as server:
        told = scripts(
            scenario(
                'async with user.ws("/login"):',
                "    pass",
                "user.expect(user.cookies['who'] in '12' and user.cookies['room'] == 'lobby', 'kept')",
                'async with user.ws("/rooms/1", cookies={"mine": "x"}):',
                "    pass",
                "user.cookies['own'] = 'set'",
                'async with user.ws("/elsewhere"):',
                "    pass",
            ),
            *("--url", server.base, "--users", "2", "--iterations", "2", "--iterations-per-user", "1"),
            *("--workers", "1", "--drain", "5s"),
        )
    assert_checked(told)
    assert sorted((path, sorted((cookie or "").split("; "))) for path, cookie, _ in login.seen) == [
        ("/elsewhere", ["own=set", "who=1"]),
        ("/elsewhere", ["own=set", "who=2"]),
        *[("/login", [""])] * 2,
        ("/rooms/1", ["mine=x", "room=lobby", "who=1"]),
        ("/rooms/1", ["mine=x", "room=lobby", "who=2"]),
    ]


def test_who_keeps_no_cookies_keeps_none_of_handshakes(scripts: Scripts) -> None:
    login = Login()
    with SocketServer(echo, process_response=login.answer) as server:
        source = scenario('async with user.ws("/login"):', "    user.expect(len(user.cookies) == 0, 'none')")
        told = scripts(f"{source}\n\n{PLAN}(cookies=False)\n", "--url", server.base, *TEN)
    assert_checked(told)
    assert login.seen == [("/login", None, None)] * 10


def test_authorization_of_the_plan_goes_to_the_base_alone(scripts: Scripts) -> None:
    login, stranger = Login(), Login()
    with (
        SocketServer(echo, process_response=login.answer) as server,
        SocketServer(echo, process_response=stranger.answer) as other,
    ):
        source = scenario(
            "async with user.ws('/plan'), user.ws('/none', auth=None), user.ws('/own', auth=('a', 'b')):",
            "    pass",
            f"async with user.ws('{server.url}/absolute'), user.ws('{other.url}/stranger'):",
            "    user.expect(True, 'opened')",
        )
        told = scripts(f"{source}\n\n{PLAN}(auth=('me', 'pw'))\n", "--url", server.base, *ONE)
    assert_checked(told)
    basic = "Basic bWU6cHc="
    assert {path: authorization for path, _, authorization in login.seen} == {
        "/plan": basic,
        "/none": None,
        "/own": "Basic YTpi",
        "/absolute": basic,
    }
    assert [authorization for _, _, authorization in stranger.seen] == [None]


def test_a_socket_waits_for_a_place_as_a_request_does(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "async with user.ws('/ws/echo', timeout='30s') as ws:",
            "    user.expect(await ws.request('x') == 'x', 'an answer')",
            "    await user.pause(0.02)",
            "page = await user.get('/', timeout='30s')",
            "user.expect(page.ok, 'requests have their places too')",
        ),
        *("--url", target.url, "--users", "20", "--iterations", "60", "--connections", "3"),
        *("--workers", "1", "--drain", "20s"),
    )
    assert_checked(told)
    assert balanced(told)["completed"] == 60
    assert requests_of(told, "WS /ws/echo")["ok"] == requests_of(told, "GET /")["ok"] == 60
    assert told.summary["labels"][0]["latency"]["response"]["count"] >= 60
    stats = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert stats["connections"]["opened"] == 60


def test_who_waits_too_long_for_a_place_fails(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "async with user.ws('/ws/echo'):",
            "    try:",
            "        await user.ws('/ws/echo', name='second', timeout='100ms').open()",
            "    except SocketClosed as error:",
            "        user.expect(error.kind == 'connect_timeout', f'{error}')",
            "    try:",
            "        await asyncio.wait_for(user.ws('/ws/echo', name='left', timeout='20s').open(), 0.05)",
            "    except TimeoutError:",
            "        user.expect(True, 'cancelled')",
            "async with user.ws('/ws/echo', name='third') as ws:",
            "    user.expect(await ws.request('x') == 'x', 'there is one again')",
        ),
        *("--url", target.url, "--connections", "1", *ONE),
    )
    assert_checked(told)
    assert requests_of(told, "second")["errors"] == {"connect_timeout": 1}
    left = requests_of(told, "left")
    assert (left["total"], left["ok"], left["failed"]) == (1, 0, 0), "given up, and unfinished"
    assert requests_of(told, "third")["ok"] == 1
    assert counter(told, "sockets opened") == statistics(target.url)["connections"]["opened"] == 2


def test_what_waits_for_a_place_when_the_run_ends_is_unfinished(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "user.expect(True, 'begun')",
            "async with user.ws('/ws/echo', timeout='1h') as ws:",
            "    await ws.recv()",
        ),
        *("--url", target.url, "--users", "5", "--duration", "300ms", "--connections", "2"),
        *("--workers", "1", "--drain", "0s"),
    )
    assert_checked(told)
    asked = requests_of(told, "WS /ws/echo")
    assert (asked["total"], asked["ok"], asked["failed"]) == (5, 2, 0), told.result
    assert wait_for(target.url, lambda found: found["connections"]["open"] == 0)["connections"]["opened"] == 2
