"""What a run leaves behind: files that other programs read, by the contract and without secrets."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadgen.report.page import BUNDLE
from tests.support.books import balanced
from tests.support.command import Loadgen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import RawServerFactory, Target
    from tests.support.command import CommandResult
    from tests.support.raw_server import RawConnection

PERCENTILES = {
    "p50_ms": 50.0,
    "p75_ms": 75.0,
    "p90_ms": 90.0,
    "p95_ms": 95.0,
    "p99_ms": 99.0,
    "p999_ms": 99.9,
    "p9999_ms": 99.99,
}
LATENCY = {"count", "mean_ms", "stddev_ms", "min_ms", "max_ms", *PERCENTILES}
REQUESTS = {"total", "ok", "failed", "bytes_sent", "bytes_received", "status", "errors"}
LATENCIES = {"response", "service", "lateness"}
# The contract of summary.json, field for field; a set stands for the fields of an object.
SUMMARY: dict[str, Any] = {
    "schema": None,
    "loadgen_version": None,
    "name": None,
    "command": None,
    "started_at": None,
    "duration_s": None,
    "verdict": None,
    "exit_code": None,
    "plan": None,
    "target_rate_per_s": None,
    "achieved_rate_per_s": None,
    "arrivals": {"scheduled", "sent", "completed", "failed", "dropped", "cancelled", "unfinished"},
    "requests": REQUESTS,
    "latency": LATENCIES,
    "phases": {"dns", "connect", "tls", "send", "first_byte", "receive"},
    "labels": None,
    "checks": None,
    "metrics": None,
    "thresholds": None,
    "workers": None,
    "generator": {"verdict", "reasons", "cpu_s", "busy", "lateness_p99_ms", "pacing"},
    "script": None,
    "sockets": None,
    "outputs": None,
    "changes": None,
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandResult]:
    """A run of a second and a half, so that it has several intervals and, by its 750 samples, a p99."""
    command = Loadgen(tmp_path_factory.mktemp("run"))
    yield command(
        *("blast", "/delay/3?x=1", "--tps", "500", "--duration", "1500ms", "--workers", "2"),
        *("--threshold", "errors < 1%", "--out", "run"),
    )
    command.stop()


def test_the_summary_has_the_fields_of_the_contract(result: CommandResult) -> None:
    summary = balanced(result)
    assert list(summary) == list(SUMMARY), "in this order"
    for name, fields in SUMMARY.items():
        if fields is not None:
            assert set(summary[name]) == fields, name
    for group in ("latency", "phases", "metrics"):
        for name, latency in summary[group].items():
            if not (group == "metrics" and isinstance(latency, float)):
                assert set(latency) == LATENCY, f"{group}.{name}"
    (label,) = summary["labels"]
    assert set(label) == {"label", "kind", "requests", "latency"}
    assert label["kind"] == "request"
    assert set(label["requests"]) == REQUESTS
    assert set(label["latency"]) == LATENCIES
    assert [set(threshold) for threshold in summary["thresholds"]] == [
        {"expression", "value", "passed", "aborted_at_s", "window_ends_at_s"}
    ]
    assert [set(worker) for worker in summary["workers"]] == [{"pid", "exit", "cpu_s", "max_rss_mb"}] * 2
    assert (summary["schema"], summary["command"]) == ("loadgen/summary/1", "blast")
    assert summary["checks"] == []
    assert summary["script"] is None
    assert datetime.fromisoformat(summary["started_at"]).tzinfo is not None


def test_the_figures_are_in_the_units_of_their_names(result: CommandResult) -> None:
    summary = balanced(result)
    assert 1.4 < summary["duration_s"] <= 1.5
    assert summary["target_rate_per_s"] == pytest.approx(500, rel=0.01)
    # The target holds each answer for 3 ms exactly, so no service is shorter.
    assert 3 <= summary["latency"]["service"]["min_ms"] <= summary["latency"]["service"]["p50_ms"] < 1000
    assert summary["latency"]["response"]["min_ms"] >= 3
    assert summary["phases"]["first_byte"]["min_ms"] >= 3
    assert all(0 < worker["cpu_s"] < 10 for worker in summary["workers"])
    assert all(5 < worker["max_rss_mb"] < 500 for worker in summary["workers"])
    assert 0 < summary["generator"]["busy"] <= 1


def test_the_plan_says_what_was_asked_and_where_it_came_from(result: CommandResult) -> None:
    plan = json.loads((result.run_folder / "plan.json").read_text())
    assert plan == result.summary["plan"]
    assert plan["schema"] == "loadgen/plan/1"
    assert plan["load"]["stages"] == [{"duration_ns": 1_500_000_000, "from_rate": 500.0, "to_rate": 500.0}]
    assert plan["label"] == "GET /delay/3"
    assert plan["origins"]["rate"] == "--tps"
    assert plan["origins"]["workers"] == "--workers"
    assert "timeout" not in plan["origins"], "what was not asked is not there"


def test_the_events_are_told_in_order_with_their_times(result: CommandResult) -> None:
    told = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in told] == ["start", "stage", "gate_shut", "end"]
    assert set(told[0]) == {"at_s", "time", "event", "text", "monotonic_ns"}, "which clock the rest is of"
    assert all(set(event) == {"at_s", "time", "event", "text"} for event in told[1:])
    times = [event["at_s"] for event in told]
    assert times == sorted(times) and times[0] == 0
    assert all(datetime.fromisoformat(event["time"]).tzinfo is not None for event in told)


def intervals(file: Path, tag: str) -> list[HdrHistogram]:
    """What the public reader makes of the log."""
    reader = HistogramLogReader(str(file), HdrHistogram(1, 3_600_000_000_000, 3))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        if histogram.get_tag() == tag:
            found.append(histogram)
    reader.input_file.close()
    return found


@pytest.mark.parametrize("kind", sorted(LATENCIES))
def test_public_tools_read_the_log_and_find_the_summarys_percentiles(
    result: CommandResult, kind: str
) -> None:
    summary = balanced(result)["latency"][kind]
    logged = intervals(result.run_folder / "latency.hlog", kind)
    assert len(logged) >= 2
    starts = [histogram.get_start_time_stamp() for histogram in logged]
    ends = [histogram.get_end_time_stamp() for histogram in logged]
    assert ends[:-1] == pytest.approx(starts[1:], abs=2), "the intervals leave no gap (ms)"
    started_ms = datetime.fromisoformat(result.summary["started_at"]).timestamp() * 1000
    assert starts[0] == pytest.approx(started_ms, abs=2)
    whole = HdrHistogram(1, 3_600_000_000_000, 3)
    for histogram in logged:
        if histogram.get_total_count():  # the reader takes the minimum of an empty one for 0
            whole.add(histogram)
    assert whole.get_total_count() == summary["count"] == 750
    for name, percent in PERCENTILES.items():
        if summary[name] is not None:
            found = whole.get_value_at_percentile(percent) / 1e6
            assert math.isclose(found, summary[name], rel_tol=0.0011, abs_tol=2e-6), name
    assert whole.get_max_value() / 1e6 == pytest.approx(summary["max_ms"], rel=0.0011, abs=2e-6)
    assert whole.get_min_value() / 1e6 == pytest.approx(summary["min_ms"], rel=0.0011, abs=2e-6)
    assert summary["p99_ms"] is not None and summary["p9999_ms"] is None


def test_the_log_has_the_labels_under_names_that_its_format_allows(result: CommandResult) -> None:
    (label,) = balanced(result)["labels"]
    logged = intervals(result.run_folder / "latency.hlog", f"response:{quote(label['label'], safe='')}")
    assert sum(histogram.get_total_count() for histogram in logged) == 750


def test_the_timeline_adds_up_to_the_summary(result: CommandResult) -> None:
    summary = balanced(result)
    moments = [json.loads(line) for line in (result.run_folder / "timeline.jsonl").read_text().splitlines()]
    assert len(moments) >= 2
    ends = [moment["at_s"] for moment in moments]
    begins = [moment["at_s"] - moment["length_s"] for moment in moments]
    assert begins == pytest.approx([0, *ends[:-1]], abs=0.002), "no gap"
    for name, total in (
        ("sent", 750),
        ("ok", 750),
        ("bytes_received", summary["requests"]["bytes_received"]),
    ):
        assert sum(moment.get("counts", {}).get(name, 0) for moment in moments) == total, name
    assert sum(moment.get("status", {}).get("200", 0) for moment in moments) == 750
    for kind in LATENCIES:
        assert sum(moment.get(kind, {}).get("count", 0) for moment in moments) == 750, kind
    heat = [pair for moment in moments for pair in moment.get("heat", [])]
    assert sum(count for _, count in heat) == 750
    # No answer takes less than 3 ms: the step in which those lie begins at 2.4 ms.
    assert 2 ** (min(step for step, _ in heat) / 4) > 2.4e6
    assert all(
        moment["target_rate_per_s"] == pytest.approx(500) for moment in moments if "draining" not in moment
    )


def test_a_folder_of_its_own_is_made_where_none_is_named(loadgen: Loadgen, target: Target) -> None:
    result = loadgen(
        "blast", target.url, "--tps", "45", "--duration", "200ms", "--name", "Größe: 1/2\x1b[31m"
    )
    assert result.exit_code == 0, result
    assert result.run_folder.parent == result.folder / "runs"
    assert result.run_folder.name.isascii() and result.run_folder.name.isprintable()
    assert result.run_folder.name in result.stdout, "the last line says where"
    assert sorted(file.name for file in result.run_folder.iterdir()) == [
        "distribution.json",
        "events.jsonl",
        "latency.hlog",
        "machine.json",
        "plan.json",
        *(["report.html"] if BUNDLE.exists() else []),  # built with Node
        "summary.json",
        "timeline.jsonl",
    ]


def test_runs_of_one_second_have_folders_of_their_own(
    loadgen: Loadgen, target: Target, tmp_path: Path
) -> None:
    load = ("blast", target.url, "--tps", "45", "--duration", "200ms")
    together = [loadgen.start(*load, folder=tmp_path) for _ in range(3)]
    ended = [running.wait() for running in together]
    assert [result.exit_code for result in ended] == [0, 0, 0], ended
    named = {line for result in ended for line in result.stdout.splitlines() if "run folder:" in line}
    assert len(named) == len(list((tmp_path / "runs").glob("*/summary.json"))) == 3, ended


def test_the_summary_alone_is_on_stdout_where_asked_for(loadgen: Loadgen, target: Target) -> None:
    result = loadgen("blast", target.url, "--tps", "45", "--duration", "200ms", "--summary-json", "-")
    assert result.exit_code == 0, result
    assert json.loads(result.stdout) == result.summary
    assert "latency" in result.stderr and "run folder" in result.stderr, "the table gives way"
    quiet = loadgen("blast", target.url, "--tps", "45", "--duration", "200ms", "--summary-json", "-", "-q")
    assert json.loads(quiet.stdout)["arrivals"]["sent"] == 9
    assert quiet.stderr == ""


def test_secrets_reach_the_target_and_nothing_else(loadgen: Loadgen, raw_server: RawServerFactory) -> None:
    received: list[bytes] = []

    def answer(connection: RawConnection) -> None:
        while request := connection.read_request():
            received.append(request)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = raw_server(answer)
    secrets = {
        "Authorization": "Bearer hunter2token",
        "Proxy-Authorization": "Basic hunter2proxy",
        "Cookie": "session=hunter2cookie",
        "X-API-Key": "hunter2key",
    }
    headers = [part for name, value in secrets.items() for part in ("-H", f"{name}: {value}")]
    result = loadgen(
        "blast", f"http://someone:hunter2pass@127.0.0.1:{server.port}/", *headers,
        *("--tps", "45", "--duration", "200ms", "--summary-json", "copy.json"),
    )  # fmt: skip
    assert balanced(result)["requests"]["status"] == {"200": 9}, result
    for name, value in secrets.items():
        assert f"{name}: {value}\r\n".encode() in received[0]
    # A header that was given by hand goes before the user and password of the URL.
    assert received[0].lower().count(b"\r\nauthorization:") == 1
    assert_no_secret(result, "hunter2", "someone")


def test_user_and_password_in_a_url_are_sent_as_a_header_and_kept_nowhere(
    loadgen: Loadgen, raw_server: RawServerFactory, free_port: int
) -> None:
    received: list[bytes] = []

    def answer(connection: RawConnection) -> None:
        while request := connection.read_request():
            received.append(request)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = raw_server(answer)
    load = ("--tps", "45", "--duration", "200ms")
    result = loadgen("blast", f"http://someone:hunter2@127.0.0.1:{server.port}/", *load)
    assert result.exit_code == 0, result
    assert b"\r\nAuthorization: Basic c29tZW9uZTpodW50ZXIy\r\n" in received[0]
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in received[0]
    assert_no_secret(result, "hunter2", "someone", "c29tZW9uZTpodW50ZXIy")
    for url in (
        f"http://someone:hunter2@127.0.0.1:{free_port}/",
        "http://someone:hunter2@127.0.0.1:port/",
        "https://someone:hunter2@127.0.0.1/",
        "someone:hunter2@/",
    ):
        refused = loadgen("blast", url, *load)
        assert refused.exit_code in (2, 4), refused
        assert_no_secret(refused, "hunter2")


def assert_no_secret(result: CommandResult, *secrets: str) -> None:
    texts = {str(file): file.read_text() for file in result.folder.rglob("*") if file.is_file()}
    texts |= {"stdout": result.stdout, "stderr": result.stderr}
    for secret in secrets:
        assert not [place for place, text in texts.items() if secret in text], f"{secret} is told"


def test_a_copy_of_the_summary_may_lie_in_the_folder_of_its_run(loadgen: Loadgen, target: Target) -> None:
    load = ("blast", target.url, "--tps", "20", "--duration", "200ms")
    result = loadgen(*load, "--out", "deep/one", "--summary-json", "deep/one/copy.json")
    assert result.exit_code == 0, result
    folder = result.folder / "deep/one"
    assert (folder / "copy.json").read_bytes() == (folder / "summary.json").read_bytes()
    assert loadgen(*load, "--summary-json", "runs/last.json").exit_code == 0


def test_runs_that_lead_nowhere_are_refused(loadgen: Loadgen, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path / "none/at/all")
    result = loadgen("blast", "--tps", "20", "--duration", "200ms", folder=tmp_path)
    assert result.exit_code == 2, result
    assert "cannot be written" in result.stderr, result
