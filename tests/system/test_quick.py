"""`loadgen quick`, and the report in Artillery's format, as programs that read it do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.site import Asked, Site, answer
from tests.support.socket_server import SocketServer

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.conftest import RawServerFactory, Target
    from tests.support.artillery import Artillery
    from tests.support.command import Loadgen

SUMMARY = {"min", "max", "count", "mean", "p50", "median", "p75", "p90", "p95", "p99", "p999"}
TIMES = {f"{which}{what}At" for which in ("first", "last") for what in ("Counter", "Histogram", "Metric")}


def assert_is_a_part(part: dict[str, Any]) -> None:
    """What Artillery's reports have in `aggregate` and in each of `intermediate`."""
    assert set(part) == {"counters", "rates", "summaries", "histograms", "period", *TIMES}
    assert part["histograms"] == part["summaries"]
    for summary in part["summaries"].values():
        assert set(summary) == SUMMARY
        assert summary["min"] <= summary["p50"] == summary["median"] <= summary["p999"] <= summary["max"]
    assert part["firstMetricAt"] <= part["lastMetricAt"]
    assert int(part["period"]) % 10_000 == 0


def test_so_many_users_send_so_many_requests_each(loadgen: Loadgen, target: Target, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    before = target.requests()["total"]
    told = loadgen("quick", "--count", "4", "-n", "3", "-o", str(report), f"{target.url}/bytes/100")
    assert told.exit_code == 0, told
    assert told.summary["requests"]["ok"] == 12
    assert told.summary["arrivals"]["completed"] == 4
    assert target.requests()["total"] - before >= 12
    written = json.loads(report.read_text())
    assert set(written) == {"aggregate", "intermediate"}
    for part in (written["aggregate"], *written["intermediate"]):
        assert_is_a_part(part)
    whole = written["aggregate"]
    assert whole["counters"] == {
        "vusers.created": 4,
        "vusers.created_by_name.quick": 4,
        "vusers.completed": 4,
        "vusers.failed": 0,
        "http.requests": 12,
        "http.responses": 12,
        "http.codes.200": 12,
        "http.downloaded_bytes": told.summary["requests"]["bytes_received"],
        "plugins.metrics-by-endpoint./bytes/100.codes.200": 12,
    }
    assert set(whole["rates"]) == {"http.request_rate"}
    assert {name: found["count"] for name, found in whole["summaries"].items()} == {
        "http.response_time": 12,
        "http.response_time.2xx": 12,
        "plugins.metrics-by-endpoint.response_time./bytes/100": 12,
        "vusers.session_length": 4,
    }
    for name in ("http.requests", "vusers.completed"):
        assert (
            sum(part["counters"].get(name, 0) for part in written["intermediate"]) == whole["counters"][name]
        )


def test_sockets_are_sent_greetings(loadgen: Loadgen, tmp_path: Path) -> None:
    heard: list[str | bytes] = []

    def listen(connection: ServerConnection) -> None:
        heard.extend(connection)

    with SocketServer(listen) as server:
        told = loadgen(
            "quick", "-c", "2", "-n", "3", f"{server.url}/feed", "-o", str(tmp_path / "report.json")
        )
    assert told.exit_code == 0, told
    assert len(heard) == 6
    whole = json.loads((tmp_path / "report.json").read_text())["aggregate"]
    assert_is_a_part(whole)
    assert whole["counters"] == {
        "vusers.created": 2,
        "vusers.created_by_name.quick": 2,
        "vusers.completed": 2,
        "vusers.failed": 0,
        "websocket.messages_sent": 6,
    }
    assert set(whole["rates"]) == {"websocket.send_rate"}
    assert set(whole["summaries"]) == {"vusers.session_length"}


@pytest.mark.parametrize("url", ["ftp://host/", "host", "http://"])
def test_a_url_must_be_one(loadgen: Loadgen, url: str) -> None:
    told = loadgen("quick", url)
    assert told.exit_code == 2
    assert "expected a URL such as http://host/path" in told.stderr


def test_what_a_script_counts_is_in_its_report(
    artillery: Artillery, raw_server: RawServerFactory, tmp_path: Path
) -> None:
    def say(asked: Asked) -> bytes:
        return answer(404 if asked.target == "/gone" else 200)

    site = Site(raw_server, say)
    artillery.file(
        "hooks.js",
        "exports.count = (context, ee, next) => { ee.emit('counter', 'mine', 2); ee.emit('rate', 'often');"
        " ee.emit('histogram', 'sizes', 2.5); next(context.vars.$uuid ? undefined : 'no uuid'); };\n",
    )
    report = tmp_path / "report.json"
    artillery(
        f"""\
        config:
          target: {site.url}
          phases: [{{duration: 1, arrivalCount: 4}}]
          processor: ./hooks.js
          plugins: {{expect: {{}}}}
        scenarios:
          - name: one
            flow:
              - get: {{url: /here, expect: [{{statusCode: 200}}]}}
              - function: count
              - get: {{url: /gone, match: {{regexp: never, value: there}}}}
        """,
        *("-o", str(report)),
    )
    whole = json.loads(report.read_text())["aggregate"]
    assert_is_a_part(whole)
    expected = {
        "vusers.failed": 4,
        "http.codes.200": 4,
        "http.codes.404": 4,
        "plugins.expect.ok": 4,
        "plugins.expect.ok.statusCode": 4,
        "errors.Failed capture or match": 4,
        "mine": 8,
    }
    assert {name: whole["counters"][name] for name in expected} == expected
    assert "vusers.completed" not in whole["counters"]
    assert set(whole["rates"]) == {"http.request_rate", "often"}
    assert whole["summaries"]["sizes"]["mean"] == 2.5
    counts = {name: found["count"] for name, found in whole["summaries"].items()}
    assert (counts["http.response_time"], counts["http.response_time.2xx"]) == (8, 4)
