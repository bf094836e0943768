"""Sockets to nats-server, which speaks its own protocol over them: its monitoring and our counts agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced_sockets
from tests.support.nats import Nats
from tests.support.processes import wait_until
from tests.support.socket_scripts import assert_checked, counter, requests_of, scenario
from tests.support.web_sockets import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.command import Loadgen
    from tests.support.scripts import Scripts

QUICK = ("-n", "20", "--connect-rate", "500/s", "-d", "500ms", "--workers", "2", "--ping", "100ms")
HELLO = 'CONNECT {"verbose": false}\r\n'
EVENT = "MSG news 1 5\r\nhello\r\n"


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def nats(
    request: pytest.FixtureRequest, counterpart: Callable[[str], Path], tmp_path: Path
) -> Iterator[Nats]:
    with Nats(counterpart("nats-server"), tmp_path / "nats", compression=request.param) as server:
        yield server


def length_of_greeting(nats: Nats) -> int:
    """Of what it says first to each, without the number of the connection."""
    with connect(nats.url, "/") as client:
        greeting = client.recv()
    assert isinstance(greeting, bytes) and greeting.startswith(b"INFO ")
    return len(greeting) - len(str(json.loads(greeting[5:])["client_id"]))


def test_a_publisher_and_its_subscribers(loadgen: Loadgen, nats: Nats) -> None:
    greeting = length_of_greeting(nats)
    result = loadgen(
        *("ws", nats.url, *QUICK, "--deflate", "--send", "PUB news 5\r\nhello\r\n", "--send-rate", "100/s"),
        *("--subscribe", f"{HELLO}SUB news 1\r\n"),
    )
    sockets = balanced_sockets(result)["sockets"]
    wait_until(lambda: len(nats.closed()) == 21)
    totals, closed = nats.totals(), nats.closed()
    assert sockets["connections"]["opened"] == totals["total_connections"] - 1 == 20, result
    assert sockets["connections"]["closes"] == {"1000": 20}, result
    assert {connection["reason"] for connection in closed} == {"Client Closed"}
    assert sockets["messages"]["sent"] - 20 == totals["in_msgs"] == 50, result
    assert totals["in_bytes"] == 50 * 5
    # Several events may come in one message of a socket: they are counted by their bytes.
    greetings = sum(
        greeting + len(str(connection["cid"])) for connection in closed if connection["subscriptions"]
    )
    rest = sockets["messages"]["bytes_received"] - greetings - totals["out_msgs"] * len(EVENT)
    assert rest % len("PING\r\n") == 0 and 0 <= rest <= 20 * len("PING\r\n"), result
    assert totals["out_msgs"] > 50
    assert sockets["ping"]["count"] >= 20, result


def test_each_event_reaches_each_subscriber_of_a_script(scripts: Scripts, nats: Nats) -> None:
    told = scripts(
        scenario(
            "async with contextlib.AsyncExitStack() as stack:",
            "    sockets = [await stack.enter_async_context(user.ws('/', deflate=True)) for _ in range(6)]",
            "    mouth, *ears = sockets",
            "    for number, ws in enumerate(sockets):",
            "        user.expect((await ws.recv()).startswith(b'INFO '), 'it introduces itself')",
            "        subscribe = f'SUB own.{user.id} {number}\\r\\n' * (ws in ears)",
            f"        order = {HELLO!r} + subscribe + 'PING\\r\\n'",
            "        await ws.request(order, reply=has_pong, name='subscribe')",
            "    for n in range(20):",
            "        await mouth.send(f'PUB own.{user.id} 3\\r\\n{n:03}\\r\\n')",
            "    await mouth.request('PING\\r\\n', reply=has_pong, name='publish')",
            "    for number, ws in enumerate(ears, 1):",
            "        events = ''.join(f'MSG own.{user.id} {number} 3\\r\\n{n:03}\\r\\n' for n in range(20))",
            "        found = ''",
            "        while len(found) < len(events):",
            "            found += (await ws.recv(timeout='10s')).decode().replace('PING\\r\\n', '')",
            "        user.expect(found == events, 'all of them, in order')",
            head="import contextlib\n\ndef has_pong(frame: bytes) -> bool:\n    return b'PONG' in frame\n",
        ),
        *("--url", nats.url.replace("ws", "http", 1), "--users", "3", "--iterations", "6", "--workers", "2"),
    )
    assert_checked(told)
    wait_until(lambda: len(nats.closed()) == 36)
    totals = nats.totals()
    assert counter(told, "sockets opened") == totals["total_connections"] == 36, told.result
    assert (totals["in_msgs"], totals["out_msgs"]) == (6 * 20, 6 * 20 * 5), told.result
    assert (requests_of(told, "subscribe")["ok"], requests_of(told, "publish")["ok"]) == (36, 6)
    assert counter(told, "messages sent") == 36 + 6 * 20 + 6
    assert counter(told, "close 1000") == 36
