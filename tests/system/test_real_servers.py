"""Servers as they are used, each with its own mind about connections: its log and our counts agree."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.books import balanced
from tests.support.caddy import Caddy
from tests.support.hypercorn import Hypercorn
from tests.support.node_server import NodeServer
from tests.support.processes import wait_until
from tests.support.python_server import PythonServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NginxFactory
    from tests.support.command import Loadgen

    Counterpart = Callable[[str], Path]
    Server = Caddy | Hypercorn | NodeServer | PythonServer
    Start = Callable[[Counterpart, Path], Server]

LOAD = ("--tps", "200", "--duration", "300ms")
COUNT = 60
SERVERS: dict[str, Start] = {
    "caddy": lambda counterpart, folder: Caddy(counterpart("caddy"), folder),
    "hypercorn": lambda _, folder: Hypercorn(folder),
    "node": lambda counterpart, folder: NodeServer(counterpart("node"), folder, "http"),
    "python": lambda _, folder: PythonServer(folder),
}


@pytest.mark.parametrize("start", SERVERS.values(), ids=SERVERS)
def test_each_has_counted_what_we_have_counted(
    loadgen: Loadgen, counterpart: Counterpart, tmp_path: Path, reactor: str, start: Start
) -> None:
    with start(counterpart, tmp_path / "server") as server:
        # Four connections: the queue of Python's own server holds five.
        result = loadgen("blast", server.url, "--reactor", reactor, *LOAD, "--connections", "4")
        requests = balanced(result)["requests"]
        lines = server.access_log()
    assert requests["status"] == {"200": COUNT} == {"200": len(lines)}, result
    assert not requests["errors"], result
    assert {(line.method, line.status, line.protocol) for line in lines} == {("GET", 200, "HTTP/1.1")}
    assert len({line.connection for line in lines}) <= 4


@pytest.mark.parametrize("start", SERVERS.values(), ids=SERVERS)
def test_users_leave_no_request_out(
    loadgen: Loadgen, counterpart: Counterpart, tmp_path: Path, start: Start
) -> None:
    with start(counterpart, tmp_path / "server") as server:
        result = loadgen("blast", server.url, "--users", "3", "--duration", "200ms", "--workers", "2")
        requests = balanced(result)["requests"]
        lines = server.access_log()
    assert requests["total"] == len(lines) > 10, result
    assert requests["status"] == {"200": len(lines)}, result


@pytest.mark.parametrize("start", SERVERS.values(), ids=SERVERS)
def test_a_server_that_is_stopped_under_load_leaves_the_books_balanced(
    loadgen: Loadgen, counterpart: Counterpart, tmp_path: Path, start: Start
) -> None:
    """What it has answered is in its log; what it had read and did not answer may be there too."""
    with start(counterpart, tmp_path / "server") as server:
        started = loadgen.start("blast", server.url, "--users", "2", "--duration", "600ms", "--timeout", "2s")
        logs = (tmp_path / "server").glob
        wait_until(lambda: any("GET" in log.read_text() for log in logs("*.log")))
        server.stop()
        result = started.wait()
        requests = balanced(result)["requests"]
        lines = server.access_log()
    # Between its last answers and the end of its process each user's request may have been written down.
    assert requests["ok"] <= len(lines) <= requests["ok"] + 2, result
    assert set(requests["errors"]) <= {"connect_refused", "closed", "reset"}, result


def test_a_server_that_limits_the_rate_is_heard(loadgen: Loadgen, nginx: NginxFactory, reactor: str) -> None:
    server = nginx(
        http="limit_req_zone $binary_remote_addr zone=all:64k rate=50r/s; limit_req_status 429;",
        locations="location / { limit_req zone=all; try_files /none @hello; } "
        'location @hello { return 200 "hello\\n"; }',
    )
    result = loadgen("blast", server.url, "--reactor", reactor, "--tps", "400", "--duration", "300ms")
    summary = balanced(result)
    lines = server.access_log()
    assert summary["requests"]["status"] == dict(Counter(str(line.status) for line in lines)), result
    assert set(summary["requests"]["status"]) == {"200", "429"}, result
    assert summary["arrivals"]["failed"] == summary["requests"]["status"]["429"] > 0, result
    assert not summary["requests"]["errors"], result


def test_a_gateway_and_what_is_behind_it_have_counted_the_same(
    loadgen: Loadgen, nginx: NginxFactory, reactor: str
) -> None:
    behind = nginx(locations='location / { return 203 "from behind\\n"; }')
    gateway = nginx(
        http=f"upstream behind {{ server 127.0.0.1:{behind.port}; keepalive 8; }}",
        locations="location / { proxy_pass http://behind; proxy_http_version 1.1; "
        'proxy_set_header Connection ""; }',
    )
    result = loadgen("blast", gateway.url, "--reactor", reactor, *LOAD)
    requests = balanced(result)["requests"]
    assert requests["status"] == {"203": COUNT}, result
    assert len(gateway.access_log()) == len(behind.access_log()) == COUNT


def test_a_gateway_without_anything_behind_it_answers_for_itself(
    loadgen: Loadgen, nginx: NginxFactory, free_port: int
) -> None:
    gateway = nginx(locations=f"location / {{ proxy_pass http://127.0.0.1:{free_port}; }}")
    result = loadgen("blast", gateway.url, *LOAD)
    requests = balanced(result)["requests"]
    assert requests["status"] == {"502": COUNT} == {"502": len(gateway.access_log())}, result
    assert not requests["errors"], result
