"""Sockets to Node's `ws`, alone and behind nginx: what it has counted is what we have counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.books import balanced_sockets
from tests.support.node_sockets import LIBRARY, NodeSockets
from tests.support.socket_scripts import assert_checked, counter, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import NginxFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.scripts import Scripts

    Start = Callable[..., NodeSockets]

COUNT = 20
QUICK = ("-n", str(COUNT), "--connect-rate", "500/s", "-d", "500ms", "--workers", "2")
ASK = ("--send", '{"id": {{k}}, "text": "é {{uuid}}"}', "--send-rate", "200/s", "--correlate", "id")
GATEWAY = (
    "location / {{ proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; "
    'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }}'
)


@pytest.fixture
def node_sockets(counterpart: Callable[[str], Path], tmp_path: Path) -> Iterator[Start]:
    """Makes servers; options as in the class."""
    counterpart(str(LIBRARY))
    started: list[NodeSockets] = []

    def start(**options: Any) -> NodeSockets:
        started.append(NodeSockets(counterpart("node"), tmp_path / f"node-{len(started)}", **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def assert_same(result: CommandResult, counts: dict[str, Any]) -> dict[str, Any]:
    """All sockets were held and closed, and all that was said was heard, by either side."""
    summary = balanced_sockets(result)
    connections, messages = summary["sockets"]["connections"], summary["sockets"]["messages"]
    assert connections["opened"] == counts["connections"] == counts["most_open"] == COUNT, result
    assert (connections["closes"], counts["close 1000"]) == ({"1000": COUNT}, COUNT), result
    assert (messages["sent"], messages["bytes_sent"]) == (counts["received"], counts["bytes_received"]), (
        result
    )
    assert (messages["received"], messages["bytes_received"]) == (counts["sent"], counts["bytes_sent"]), (
        result
    )
    return summary


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("way", ["plain", "tls", "gateway", "processes"])
def test_every_message_comes_back(
    loadgen: Loadgen,
    node_sockets: Start,
    nginx: NginxFactory,
    certificates: Certificates,
    way: str,
    deflate: bool,
) -> None:
    tls = certificates.good if way == "tls" else None
    server = node_sockets(deflate=deflate, tls=tls, processes=2 if way == "processes" else 1)
    gateway = nginx(locations=GATEWAY.format(port=server.port)) if way == "gateway" else None
    result = loadgen(
        *("ws", f"{gateway.url if gateway else server.url}/echo", *QUICK, *ASK, "--ping", "100ms"),
        *("--deflate" for _ in range(deflate)),
        *("--cacert", str(certificates.authority)),
    )
    counts = server.counts()
    summary = assert_same(result, counts)
    assert counts["received"] == counts["sent"] == 100, result
    assert summary["sockets"]["messages"]["unmatched"] == 0
    assert counts["compressed"] == COUNT * deflate
    assert counts["pings"] >= summary["sockets"]["ping"]["count"] >= COUNT, result
    if gateway:
        assert [line.status for line in gateway.access_log()] == [101] * COUNT


def test_what_one_says_all_subscribers_hear(loadgen: Loadgen, node_sockets: Start) -> None:
    server = node_sockets(deflate=True)
    result = loadgen(
        *("ws", f"{server.url}/bus", *QUICK, "--deflate", "--correlate", "id"),
        *("--subscribe", '{"op": "subscribe", "id": "s{{connection}}", "channel": "news"}'),
        *(
            "--send",
            '{"op": "publish", "id": {{k}}, "channel": "news", "data": {"at": {{due_ns}}, "n": {{k}}}}',
        ),
        *("--send-rate", "100/s", "--stamp", "data.at", "--sequence", "data.n"),
    )
    counts = server.counts()
    delivery = assert_same(result, counts)["sockets"]["delivery"]
    assert (counts["subscriptions"], counts["received"]) == (COUNT, COUNT + 50), result
    # Who subscribes after the first messages has missed them; each order has its reply besides.
    assert delivery["latency"]["count"] == counts["sent"] - counts["received"] > 50, result
    assert (delivery["groups"], delivery["missing"], delivery["repeated"]) == (50, 0, 0), result


def test_a_server_that_is_stopped_says_so(loadgen: Loadgen, node_sockets: Start) -> None:
    server = node_sockets()
    started = loadgen.start("ws", f"{server.url}/echo", *QUICK, "-d", "1m")
    started.wait_for_line(f"{COUNT} of {COUNT} open", stream="stderr")
    counts = server.counts()
    started.interrupt()
    result = started.wait()
    connections = balanced_sockets(result)["sockets"]["connections"]
    assert (connections["lost"], connections["closes"]) == (COUNT, {"1001": COUNT}), result
    assert counts["connections"] == counts["close 1001"] == COUNT, counts


def test_a_script_and_the_server_have_counted_the_same(
    scripts: Scripts, node_sockets: Start, nginx: NginxFactory
) -> None:
    server = node_sockets(deflate=True)
    gateway = nginx(locations=GATEWAY.format(port=server.port))
    told = scripts(
        scenario(
            'async with user.ws("/bus", deflate=True) as ears, user.ws("/bus", subprotocols=["x"]) as mouth:',
            "    channel = f'own {user.id}'",
            "    order = {'op': 'subscribe', 'id': 1, 'channel': channel}",
            "    await ears.request(order, correlate='id', name='subscribe')",
            "    for n in range(20):",
            "        order = {'op': 'publish', 'id': n, 'channel': channel, 'data': 'ä' * n}",
            "        await mouth.request(order, correlate='id', name='publish')",
            "    found = [json.loads(event)['data'] for event in await ears.take(20)]",
            "    user.expect(found == ['ä' * n for n in range(20)], 'all of them, in order')",
            "    user.expect(await ears.ping() > 0, 'a pong')",
        ),
        *("--url", gateway.url, "--users", "5", "--iterations", "10", "--workers", "2"),
    )
    counts = server.counts()
    assert_checked(told)
    assert [counter(told, name) for name in ("sockets opened", "close 1000")] == [20, 20], told.result
    assert (counts["connections"], counts["close 1000"], counts["compressed"]) == (20, 20, 10)
    assert (counts["subscriptions"], counts["pings"]) == (10, 10)
    assert counter(told, "messages sent") == counts["received"] == 10 * 21, told.result
    assert counter(told, "messages received") == counts["sent"] == 10 * 41, told.result
    ours = [counter(told, name) for name in ("bytes sent", "bytes received")]
    assert ours == [counts["bytes_received"], counts["bytes_sent"]], told.result
    assert [line.status for line in gateway.access_log()] == [101] * 20
