"""The page from outside: what `--page` serves and to whom, and what `loadgen report` makes of a folder."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import re
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from loadgen.report.page import BUNDLE

if TYPE_CHECKING:
    from tests.conftest import Target
    from tests.support.command import CommandResult, Loadgen, RunningCommand


@pytest.fixture(autouse=True)
def _page() -> None:
    """The page is built with Node."""
    if BUNDLE.exists():
        return
    message = "the page is not built: make build, with Node"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def url_of(running: RunningCommand) -> str:
    return running.wait_for_line(r"live page: (http://\S+)", stream="stderr")[1]


def get(url: str, **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


async def listen(url: str, origin: str | None = None) -> list[dict[str, Any]]:
    """All that the feed tells, to its end."""
    parts = urlsplit(url)
    own = Origin(origin or f"http://{parts.netloc}")
    query = f"?{parts.query}" if parts.query else ""
    told = []
    async with connect(f"ws://{parts.netloc}/feed{query}", origin=own, proxy=None, max_size=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            while True:
                told.append(json.loads(await socket.recv()))
    return told


def embedded(report: bytes) -> dict[str, Any]:
    found = re.search(rb'<script type="text/plain" id="feed">([^<]*)</script>', report)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(b64decode(found[1])))
    return data


def added_up(told: list[dict[str, Any]], column: str) -> int:
    return sum(count or 0 for feed in told for count in feed.get("moments", {}).get(column, []))


def test_the_feed_tells_the_whole_run_and_the_report_the_same(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start(
        "blast", target.url, "--tps", "200", "-d", "2s", "--page", "--threshold", "p50 < 9s"
    )
    told = asyncio.run(listen(url_of(running)))
    result = running.wait()
    assert result.exit_code in (0, 3), result
    summary = result.summary
    assert told[0]["opening"]["target"] == target.url + "/"
    assert added_up(told, "counts.sent") == summary["requests"]["total"] == 400
    assert told[-1]["result"]["verdict"] == summary["verdict"]
    assert told[-1]["labels"][0][1:4] == ["GET /", "request", 400]
    assert told[-1]["distribution"]["response"][-1] == [100.0, summary["latency"]["response"]["max_ms"]]
    data = embedded((result.run_folder / "report.html").read_bytes())
    assert data["result"] == told[-1]["result"]
    assert data["labels"] == told[-1]["labels"]
    assert data["distribution"] == told[-1]["distribution"]
    assert added_up([data], "counts.sent") == 400
    assert data["opening"]["plan"] == told[0]["opening"]["plan"]


def test_the_page_may_load_nothing_else(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start("blast", target.url, "--tps", "20", "-d", "1s", "--page")
    status, page, headers = get(url_of(running))
    assert status == 200
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert all(re.fullmatch(r"'sha256-[\w+/=]+'", rules[kind]) for kind in ("script-src", "style-src"))
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert get(url_of(running) + "nothing")[0] == 404
    running.wait()


def test_foreign_names_and_pages_are_refused(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start("blast", target.url, "--tps", "20", "-d", "2s", "--page")
    url = url_of(running)
    assert get(url, Host="evil.example")[0] == 403
    with pytest.raises(InvalidStatus) as caught:
        asyncio.run(listen(url, origin="http://evil.example"))
    assert caught.value.response.status_code == 403
    result = running.wait()
    assert "Traceback" not in result.stderr, result


def test_beyond_loopback_there_is_a_token(loadgen: Loadgen, target: Target) -> None:
    running = loadgen.start("blast", target.url, "--tps", "20", "-d", "2s", "--page", "0.0.0.0:0")
    url = url_of(running)
    token = re.fullmatch(r"http://0\.0\.0\.0:(\d+)/\?token=([\w-]{20,})", url)
    assert token is not None, url
    here = f"http://127.0.0.1:{token[1]}/"
    assert get(here)[0] == 403
    assert get(f"{here}?token=x")[0] == 403
    assert get(f"{here}?token={token[2]}")[0] == 200
    with pytest.raises(InvalidStatus):
        asyncio.run(listen(here))
    told = asyncio.run(listen(f"{here}?token={token[2]}"))
    assert told[-1]["result"]["requests"]["total"] == 40
    result = running.wait()
    for file in result.run_folder.iterdir():
        assert token[2].encode() not in file.read_bytes()


@pytest.mark.parametrize("stop_reading", [False, True])
def test_who_looks_and_goes_stops_nothing(loadgen: Loadgen, target: Target, stop_reading: bool) -> None:
    """One that leaves without a word, and one that stays and reads nothing."""
    running = loadgen.start("blast", target.url, "--tps", "50", "-d", "2s", "--page")
    parts = urlsplit(url_of(running))
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(
        "GET",
        "/feed",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Origin": f"http://{parts.netloc}",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert connection.getresponse().status == 101
    if not stop_reading:
        connection.close()
    result = running.wait()
    connection.close()
    assert result.summary["requests"]["total"] == 100
    assert "Traceback" not in result.stderr, result


def test_an_address_that_is_taken_is_refused_before_the_run(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, "--tps", "20", "-d", "1s", "--page", f"127.0.0.1:{target.port}")
    assert result.exit_code == 2, result
    assert f"--page: 127.0.0.1:{target.port} cannot be listened on: Address already in use" in result.stderr
    assert target.requests()["total"] == 0


def test_a_host_that_is_no_name_is_refused(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, "--tps", "20", "-d", "1s", "--page", "a..b:8080")
    assert result.exit_code == 2, result
    assert "--page: a..b:8080 cannot be listened on: this is no name of a host" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_url_behind_the_option_is_no_address(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", "--tps", "20", "--page", target.url)
    assert result.exit_code == 2, result
    assert "--page: expected HOST:PORT" in result.stderr
    assert "write --page=127.0.0.1:0" in result.stderr


def report(loadgen: Loadgen, of: CommandResult, *arguments: str) -> CommandResult:
    return loadgen("report", str(of.run_folder), *arguments)


def test_report_makes_the_page_again(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    run = loadgen("blast", target.url, "--tps", "50", "-d", "1s")
    path = run.run_folder / "report.html"
    before = path.read_bytes()
    path.unlink()
    again = report(loadgen, run)
    assert again.exit_code == 0, again
    assert again.stdout == f"{path}\n"
    assert embedded(path.read_bytes())["result"] == embedded(before)["result"]
    elsewhere = tmp_path / "elsewhere.html"
    assert report(loadgen, run, "-o", str(elsewhere)).exit_code == 0
    assert elsewhere.read_bytes() == path.read_bytes()
    assert report(loadgen, run, "-o", "-").stdout.encode() == path.read_bytes()


def test_report_refuses_what_is_no_run(loadgen: Loadgen, tmp_path: Path) -> None:
    result = loadgen("report", str(tmp_path))
    assert result.exit_code == 2, result
    assert "is no run folder" in result.stderr


def test_sockets_and_scripts_have_a_page_too(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    socket = loadgen(
        *("ws", target.url.replace("http", "ws") + "/ws/echo", "-n", "5", "--connect-rate", "50/s"),
        *("--send", "hello", "--send-rate", "20/s", "-d", "1s"),
    )
    data = embedded((socket.run_folder / "report.html").read_bytes())
    assert data["opening"]["sockets"] is True
    assert data["result"]["sockets"]["connections"]["opened"] == 5
    script = tmp_path / "script.py"
    script.write_text(
        "from loadgen import User, scenario\n\n\n@scenario\nasync def look(user: User) -> None:\n"
        "    found = await user.get('/')\n    user.expect(found.ok, 'there')\n"
    )
    run = loadgen("run", str(script), "--url", target.url, "--tps", "20", "-d", "1s")
    data = embedded((run.run_folder / "report.html").read_bytes())
    assert data["opening"]["iterations"] is True
    assert data["checks"] == [["there", 20, 0]]


def test_a_scripts_metrics_are_told_while_it_runs(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from loadgen import User, scenario\n\n\n@scenario\nasync def look(user: User) -> None:\n"
        "    await user.get('/')\n    user.gauge('basket', 3)\n    user.trend('wait', 12)\n"
    )
    running = loadgen.start("run", str(script), "--url", target.url, "--tps", "20", "-d", "3s", "--page")
    told = asyncio.run(listen(url_of(running)))
    running.wait()
    live = [feed["metrics"] for feed in told if feed.get("metrics") and "result" not in feed]
    assert [(name, kind) for name, kind, _ in live[-1]] == [("basket", "gauge"), ("wait", "trend")]
    assert live[-1][1][2]["p50_ms"] == pytest.approx(12, rel=0.01)
    assert [(name, kind) for name, kind, _ in told[-1]["metrics"]] == [("basket", "gauge"), ("wait", "trend")]
